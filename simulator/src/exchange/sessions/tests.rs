use std::time::Duration;

use jiff::civil::{Date, date};
use kite::{Command, Mode, Packet, Packets, Token};
use tokio::sync::mpsc;

use super::*;
use crate::exchange::Outgoing;
use crate::exchange::credentials::AccessTokens;
use crate::exchange::rates::Rates;
use crate::market::Market;
use crate::universe::Universe;

/// A share without derivatives, on either exchange.
fn plain_share(universe: &Universe) -> String {
    let class = universe.calendar.class("NSE");
    let mut shares = universe.listings.iter().filter(|it| it.class == class);
    shares.next().unwrap().symbol()
}

fn unix(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_second()
}

/// Which of the instruments tick at a time in India.
fn ticking<'a>(universe: &Universe, symbols: &[&'a str], at: &str) -> Vec<&'a str> {
    let now = unix(&format!("{at}+05:30"));
    let sessions = Sessions::new(Arc::clone(&universe.calendar), now);
    let ticks = |symbol: &&&str| {
        let at = universe.find_symbol(symbol);
        let at = at.unwrap_or_else(|| panic!("{symbol} is not listed"));
        sessions.ticks(&universe.listings[at], now)
    };
    symbols.iter().filter(ticks).copied().collect()
}

fn universe(day: Date) -> Universe {
    Universe::generate(1, day, Calendar::india()).unwrap()
}

#[test]
fn each_class_ticks_in_its_own_sessions() {
    let universe = universe(date(2026, 12, 1));
    let plain = plain_share(&universe);
    let (index, share, plain) = ("NSE:NIFTY 50", "BSE:INFY", plain.as_str());
    let (future, option) = ("NFO:NIFTY26DECFUT", "BFO:SENSEX26DEC79300PE");
    let (currency, oil) = ("CDS:USDINR26DECFUT", "MCX:CRUDEOIL26DEC5400CE");
    let all = [index, share, plain, future, option, currency, oil];
    let expected: [(&str, &[&str]); 12] = [
        ("08:59:59", &[]),
        ("09:00:00", &[future, currency, oil]),
        ("09:14:59", &[future, currency, oil]),
        ("09:15:00", &all),
        ("15:14:59", &all),
        ("15:15:00", &[plain, future, option, currency, oil]),
        ("15:30:00", &[future, option, currency, oil]),
        ("15:40:00", &[currency, oil]),
        // After the close of shares, at the closing price.
        ("15:55:00", &[currency, oil]),
        ("17:00:00", &[oil]),
        ("23:54:59", &[oil]),
        ("23:55:00", &[]),
    ];
    for (time, expected) in expected {
        let ticking = ticking(&universe, &all, &format!("2026-12-01T{time}"));
        assert_eq!(ticking, expected, "{time}");
    }
}

#[test]
fn a_holiday_and_a_weekend_are_closed_and_commodities_have_their_evening() {
    let universe = universe(date(2026, 11, 23));
    let all = ["NSE:NIFTY 50", "NFO:NIFTY26DECFUT", "MCX:CRUDEOIL26DECFUT"];
    let oil = &all[2..];
    for (time, expected) in [
        ("2026-11-24T09:05:00", &[] as &[&str]),
        ("2026-11-24T12:00:00", &[]),
        ("2026-11-24T16:59:59", &[]),
        ("2026-11-24T17:00:00", oil),
        ("2026-11-24T23:54:59", oil),
        ("2026-11-24T23:55:00", &[]),
        // Saturday.
        ("2026-11-28T12:00:00", &[]),
        ("2026-11-28T18:00:00", &[]),
    ] {
        assert_eq!(ticking(&universe, &all, time), expected, "{time}");
    }
}

#[test]
fn contracts_stop_at_their_end_within_the_session() {
    let universe = universe(date(2026, 11, 26));
    let all = ["CDS:USDINR26NOVFUT", "CDS:USDINR26DECFUT"];
    for (time, expected) in [("12:29:59", &all[..]), ("12:30:00", &all[1..])] {
        let time = format!("2026-11-26T{time}");
        assert_eq!(ticking(&universe, &all, &time), expected, "{time}");
    }
    let now = unix("2026-11-26T14:00:00+05:30");
    let sessions = Sessions::new(Arc::clone(&universe.calendar), now);
    let at = universe.find_symbol(all[0]).unwrap();
    let since = sessions.still_since(&universe.listings[at], now);
    assert_eq!(since, Some(unix("2026-11-26T12:30:00+05:30")));
}

#[test]
fn a_file_opens_a_sunday() {
    let text = "version: 1\nspecial:\n  - { date: 2026-11-29, exchanges: [NSE, NFO], open: \"18:00-19:00\" }\n";
    let calendar = Calendar::india().with(text, "muhurat.yaml").unwrap();
    let universe = Universe::generate(1, date(2026, 11, 27), &calendar).unwrap();
    let all = ["NSE:NIFTY 50", "NFO:NIFTY26DECFUT", "BSE:SENSEX"];
    for (time, expected) in [
        ("17:59:59", &[] as &[&str]),
        ("18:00:00", &all[..2]),
        ("18:59:59", &all[..2]),
        ("19:00:00", &[]),
    ] {
        let time = format!("2026-11-29T{time}");
        assert_eq!(ticking(&universe, &all, &time), expected, "{time}");
    }
}

#[test]
fn what_is_in_no_class_always_ticks() {
    let mut listing = universe(date(2026, 12, 1)).listings.swap_remove(0);
    listing.class = None;
    let sunday = unix("2026-11-29T03:00:00+05:30");
    let sessions = Sessions::new(Arc::new(Calendar::india().clone()), sunday);
    assert!(sessions.ticks(&listing, sunday));
    assert_eq!(sessions.still_since(&listing, sunday), None);
}

#[test]
fn what_stands_still_does_so_since_the_end_of_its_last_session() {
    let universe = universe(date(2026, 12, 1));
    for (symbol, now, since) in [
        ("NSE:INFY", "2026-12-01T15:20:00", "2026-12-01T15:15:00"),
        ("NSE:NIFTY 50", "2026-12-01T15:55:00", "2026-12-01T15:15:00"),
        // Tuesday before the open: Monday. Before the open of the first trading day after a holiday: the one before it.
        ("NSE:INFY", "2026-12-01T09:05:00", "2026-11-30T15:15:00"),
        (
            "NFO:NIFTY26DEC24000CE",
            "2026-11-25T09:05:00",
            "2026-11-23T15:40:00",
        ),
        (
            "MCX:CRUDEOIL26DECFUT",
            "2026-11-29T12:00:00",
            "2026-11-27T23:55:00",
        ),
    ] {
        let now = unix(&format!("{now}+05:30"));
        let sessions = Sessions::new(Arc::clone(&universe.calendar), now);
        let at = universe.find_symbol(symbol).unwrap();
        let found = sessions.still_since(&universe.listings[at], now);
        assert_eq!(found, Some(unix(&format!("{since}+05:30"))), "{symbol}");
    }
}

#[test]
fn a_session_is_looked_up_when_another_begins() {
    let calendar = Arc::new(Calendar::india().clone());
    let mut sessions = Sessions::new(calendar, unix("2026-12-01T08:00:00+05:30"));
    for (time, changed) in [
        ("08:59:59", false),
        ("09:00:00", true),
        ("09:00:01", false),
        ("09:15:00", true),
        ("15:14:59", false),
        ("15:15:00", true),
    ] {
        let now = unix(&format!("2026-12-01T{time}+05:30"));
        assert_eq!(sessions.go_on(now), changed, "{time}");
    }
}

/// An exchange that keeps hours, and a client of it.
struct Stage {
    exchange: Exchange,
    client: u64,
    queue: mpsc::Receiver<Outgoing>,
    /// A second passes with each step.
    elapsed: Duration,
}

impl Stage {
    fn new(at: &str) -> Self {
        let universe = universe(date(2026, 12, 1));
        let market = Market::new(Arc::new(universe), 1);
        let rates = Rates::uniform(5.0);
        let mut exchange = Exchange::new(market, rates, AccessTokens::default(), 1);
        let elapsed = Duration::from_secs(1);
        let now = SimulationTime {
            elapsed,
            unix: unix(at),
        };
        exchange.keep_hours(now);
        let (handle, queue) = exchange.connect("a", "token", now).unwrap();
        Self {
            exchange,
            client: handle.id,
            queue,
            elapsed,
        }
    }

    fn now(&self, at: &str) -> SimulationTime {
        SimulationTime {
            elapsed: self.elapsed,
            unix: unix(at),
        }
    }

    fn token(&self, symbol: &str) -> Token {
        let universe = self.exchange.universe();
        let at = universe.find_symbol(symbol).unwrap();
        universe.listings[at].instrument.token
    }

    fn packets(&mut self) -> Vec<Packet> {
        let frames = std::iter::from_fn(|| self.queue.try_recv().ok());
        let packets = frames.flat_map(|frame| match frame {
            Outgoing::Packets(bytes, _) => Packets::new(&bytes)
                .map(Result::unwrap)
                .collect::<Vec<Packet>>(),
            other => panic!("{other:?}"),
        });
        packets.collect()
    }

    /// The snapshot of a subscription in full mode.
    fn snapshot(&mut self, symbol: &str, at: &str) -> Packet {
        let (tokens, now) = (vec![self.token(symbol)], self.now(at));
        self.exchange
            .command(self.client, &Command::Subscribe(tokens.clone()), now);
        let full = Command::SetMode(Mode::Full, tokens);
        self.exchange.command(self.client, &full, now);
        *self.packets().last().unwrap()
    }

    /// A few seconds at this time of the day.
    fn steps(&mut self, at: &str) -> Vec<Packet> {
        for _ in 0..5 {
            self.elapsed += Duration::from_secs(1);
            self.exchange.step(self.now(at));
        }
        self.packets()
    }
}

#[test]
fn snapshots_of_a_closed_market_are_as_old_as_its_close() {
    let monday = unix("2026-11-30T15:40:00+05:30");
    let symbol = "NFO:NIFTY26DEC24000CE";
    let mut stage = Stage::new("2026-12-01T07:00:00+05:30");
    let before = stage.snapshot(symbol, "2026-12-01T08:30:00+05:30");
    let times = (before.exchange_time(), before.last_trade_time());
    assert_eq!(times, (Some(monday), Some(monday)));
    // Futures tick before the open, and options of them do not.
    assert_eq!(stage.steps("2026-12-01T09:05:00+05:30"), []);
    let future = stage.snapshot("NFO:NIFTY26DECFUT", "2026-12-01T09:06:00+05:30");
    let now = unix("2026-12-01T09:06:00+05:30");
    assert_eq!(future.exchange_time(), Some(now));
    let ticks = stage.steps("2026-12-01T09:07:00+05:30");
    assert!(!ticks.is_empty() && ticks.iter().all(|it| it.token == future.token));
    // Then all tick, and what is subscribed to again after the close is as it was at the close.
    let ticks = stage.steps("2026-12-01T10:00:00+05:30");
    let last = ticks.iter().rfind(|it| it.token == before.token).unwrap();
    let again = Command::Unsubscribe(vec![before.token]);
    let now = stage.now("2026-12-01T10:00:00+05:30");
    stage.exchange.command(stage.client, &again, now);
    assert_eq!(stage.steps("2026-12-01T15:40:00+05:30"), []);
    let after = stage.snapshot(symbol, "2026-12-01T23:00:00+05:30");
    assert_eq!(after.last_price, last.last_price);
    let close = unix("2026-12-01T15:40:00+05:30");
    assert_eq!(after.exchange_time(), Some(close));
    assert!(after.last_trade_time() < Some(close));
}

#[test]
fn a_forced_tick_is_of_now_whatever_the_session() {
    let mut stage = Stage::new("2026-11-29T03:00:00+05:30");
    let snapshot = stage.snapshot("NSE:INFY", "2026-11-29T03:00:00+05:30");
    assert_eq!(stage.steps("2026-11-29T03:00:00+05:30"), []);
    let now = stage.now("2026-11-29T03:00:00+05:30");
    assert_eq!(stage.exchange.tick(&[snapshot.token], now), 1);
    let ticks = stage.packets();
    assert_eq!(ticks.len(), 1);
    assert_ne!(ticks[0].last_price, snapshot.last_price);
    assert_eq!(ticks[0].exchange_time(), Some(now.unix));
}

/// Half an hour of the market's movement passes unseen, and what depends on a closed underlying keeps its price.
#[test]
fn prices_rest_while_the_market_is_closed() {
    let mut stage = Stage::new("2026-12-01T12:00:00+05:30");
    let index = stage.snapshot("NSE:NIFTY 50", "2026-12-01T12:00:00+05:30");
    stage.steps("2026-12-01T12:00:00+05:30");
    stage.steps("2026-12-01T15:40:00+05:30");
    let night = stage.now("2026-12-01T22:00:00+05:30");
    let closes = stage.exchange.market.closes(night);
    stage.elapsed += Duration::from_secs(1_800);
    let later = stage.now("2026-12-01T22:30:00+05:30");
    let later = stage.exchange.market.closes(later);
    let of = |symbol: &str| {
        let universe = stage.exchange.universe();
        let at = universe.find_symbol(symbol).unwrap();
        universe.listings[at].underlying
    };
    assert_eq!(closes[of("NSE:NIFTY 50")], later[of("NSE:NIFTY 50")]);
    assert_ne!(
        closes[of("MCX:CRUDEOIL26DECFUT")],
        later[of("MCX:CRUDEOIL26DECFUT")]
    );
    // The next day goes on from another price.
    let next = stage.steps("2026-12-02T10:00:00+05:30");
    assert!(next.iter().any(|it| it.token == index.token));
}
