use std::time::Duration;

use calendar::Calendar;
use jiff::civil::{Date, date};
use kite::limits::TOO_MANY_TOKENS;
use kite::{Command, Packet, Packets, ServerText};

use super::*;

const NIFTY: Token = Token(256_265);
const INFY: Token = Token(408_065);
const NOBODY: Token = Token(7);

fn exchange(rate: f64) -> Exchange {
    exchange_of(date(2026, 12, 1), rate)
}

fn exchange_of(day: Date, rate: f64) -> Exchange {
    let universe = Universe::generate(1, day, Calendar::india()).unwrap();
    let market = Market::new(Arc::new(universe), 1);
    Exchange::new(market, Rates::uniform(rate), AccessTokens::default(), 1)
}

fn at(millis: u64) -> SimulationTime {
    let elapsed = Duration::from_millis(millis);
    SimulationTime {
        elapsed,
        unix: 1_796_101_200 + elapsed.as_secs() as i64,
    }
}

struct Client {
    id: u64,
    handle: Arc<ConnectionHandle>,
    queue: mpsc::Receiver<Outgoing>,
}

fn connect(exchange: &mut Exchange, key: &str) -> Client {
    let (handle, queue) = exchange.connect(key, "token", at(0)).unwrap();
    Client {
        id: handle.id,
        handle,
        queue,
    }
}

impl Client {
    fn frames(&mut self) -> Vec<Outgoing> {
        let frames: Vec<_> = std::iter::from_fn(|| self.queue.try_recv().ok()).collect();
        frames.iter().for_each(|frame| self.handle.written(frame));
        frames
    }

    fn packets(&mut self) -> Vec<Packet> {
        let mut packets = Vec::new();
        for frame in self.frames() {
            let Outgoing::Packets(bytes, count) = frame else {
                panic!("{frame:?}")
            };
            let decoded: Vec<Packet> = Packets::new(&bytes).map(Result::unwrap).collect();
            assert_eq!(decoded.len(), usize::from(count));
            packets.extend(decoded);
        }
        packets
    }

    fn lengths(&mut self) -> Vec<usize> {
        self.packets().iter().map(Packet::encoded_len).collect()
    }
}

#[test]
fn snapshots_have_the_sizes_of_their_mode_and_kind() {
    let mut exchange = exchange(0.0);
    let mut client = connect(&mut exchange, "a");
    let both = vec![NIFTY, INFY];
    exchange.command(client.id, &Command::Subscribe(both.clone()), at(0));
    assert_eq!(client.lengths(), [28, 44]);
    exchange.command(
        client.id,
        &Command::SetMode(Mode::Full, both.clone()),
        at(0),
    );
    assert_eq!(client.lengths(), [32, 184]);
    exchange.command(client.id, &Command::SetMode(Mode::Ltp, both.clone()), at(0));
    assert_eq!(client.lengths(), [8, 8]);
    exchange.command(client.id, &Command::SetMode(Mode::Ltp, both), at(0));
    assert_eq!(client.lengths(), [0; 0], "nothing changed");
}

#[test]
fn strangers_are_ignored_but_count() {
    let mut exchange = exchange(0.0);
    let mut client = connect(&mut exchange, "a");
    exchange.command(client.id, &Command::SetMode(Mode::Full, vec![INFY]), at(0));
    exchange.command(client.id, &Command::Subscribe(vec![NOBODY; 2_999]), at(0));
    exchange.command(client.id, &Command::Unsubscribe(vec![NIFTY]), at(0));
    assert_eq!(client.lengths(), [0; 0]);
    exchange.command(client.id, &Command::Subscribe(vec![INFY, NIFTY]), at(0));
    let frames = client.frames();
    let [Outgoing::Text(text)] = frames.as_slice() else {
        panic!("{frames:?}")
    };
    assert_eq!(
        ServerText::parse(text),
        ServerText::Error(TOO_MANY_TOKENS.to_owned())
    );
    // Nothing of the refused list was added, and one place is left.
    exchange.command(client.id, &Command::Subscribe(vec![INFY]), at(0));
    assert_eq!(client.lengths(), [44]);
    exchange.command(client.id, &Command::Unsubscribe(vec![NOBODY]), at(0));
    exchange.command(client.id, &Command::Subscribe(vec![INFY; 2_999]), at(0));
    assert_eq!(client.lengths(), [44], "data comes once");
}

#[test]
fn ticks_come_at_their_rate_and_only_with_a_change() {
    let mut exchange = exchange(5.0);
    let tokens: Vec<Token> = exchange
        .universe()
        .listings
        .iter()
        .take(200)
        .map(|row| row.instrument.token)
        .collect();
    let mut clients = Mode::ALL.map(|mode| {
        let client = connect(&mut exchange, mode.as_str());
        exchange.command(client.id, &Command::Subscribe(tokens.clone()), at(0));
        exchange.command(client.id, &Command::SetMode(mode, tokens.clone()), at(0));
        client
    });
    let mut last = clients.each_mut().map(|client| {
        client
            .packets()
            .into_iter()
            .map(|packet| (packet.token, packet))
            .collect::<BTreeMap<_, _>>()
    });
    let mut ticks = [0; 3];
    for step in 1..=2_000 {
        exchange.step(at(step * 10));
        for (at, client) in clients.iter_mut().enumerate() {
            for packet in client.packets() {
                ticks[at] += 1;
                assert_ne!(
                    last[at].insert(packet.token, packet),
                    Some(packet),
                    "no change"
                );
            }
        }
    }
    // 200 instruments, 5 a second, 20 seconds.
    assert!((19_600..=20_400).contains(&ticks[2]), "{ticks:?}");
    assert_eq!(ticks[1], ticks[2]);
    assert!(ticks[0] > 4_000 && ticks[0] < ticks[1], "{ticks:?}");
}

#[test]
fn ticks_spread_over_time() {
    let mut exchange = exchange(1.0);
    let tokens: Vec<Token> = exchange
        .universe()
        .listings
        .iter()
        .take(1_000)
        .map(|row| row.instrument.token)
        .collect();
    let mut client = connect(&mut exchange, "a");
    exchange.command(client.id, &Command::Subscribe(tokens), at(0));
    client.frames();
    for step in 1..=100 {
        exchange.step(at(step * 10));
        assert!(client.packets().len() < 40, "a burst");
    }
}

#[test]
fn a_key_has_three_connections_and_gets_them_back() {
    let mut exchange = exchange(1.0);
    let first = connect(&mut exchange, "a");
    let _others = [connect(&mut exchange, "a"), connect(&mut exchange, "a")];
    assert_eq!(
        exchange.connect("a", "token", at(0)).unwrap_err(),
        Refusal::TooManyConnections
    );
    connect(&mut exchange, "b");
    exchange.disconnect(first.id, at(0));
    connect(&mut exchange, "a");
}

/// Kite counts a dead socket for a while: whoever dials again at once gets 429.
#[test]
fn a_place_may_be_kept_for_a_while() {
    let mut exchange = exchange(1.0);
    let linger = serde_json::from_str(r#"{"linger": 10, "api_key": "a"}"#).unwrap();
    exchange.change_faults(linger).unwrap();
    for key in ["a", "b"] {
        let three = [(); 3].map(|()| connect(&mut exchange, key));
        exchange.disconnect(three[0].id, at(1_000));
    }
    connect(&mut exchange, "b");
    let mut again = |time| exchange.connect("a", "token", at(time)).err();
    assert_eq!(again(10_999), Some(Refusal::TooManyConnections));
    assert_eq!(again(11_000), None);
}

#[test]
fn a_connection_that_ended_is_sent_nothing_and_its_totals_stay() {
    let mut exchange = exchange(100.0);
    let mut gone = connect(&mut exchange, "a");
    exchange.command(gone.id, &Command::Subscribe(vec![INFY]), at(0));
    assert_eq!(gone.packets().len(), 1);
    exchange.disconnect(gone.id, at(0));
    exchange.step(at(1_000));
    assert!(gone.frames().is_empty());
    assert_eq!(exchange.statistics().api_keys["a"].packets, 1);
    assert_eq!(exchange.statistics().watched, 0);
}

#[test]
fn a_reader_that_falls_behind_is_cut_and_nobody_else() {
    let mut exchange = exchange(0.0);
    let slow = connect(&mut exchange, "slow");
    let mut fast = connect(&mut exchange, "fast");
    for client in [&slow, &fast] {
        exchange.command(client.id, &Command::Subscribe(vec![INFY]), at(0));
    }
    let mut received = 0;
    while !slow.handle.cut.is_cancelled() {
        exchange.tick(&[INFY], at(0));
        received += fast.packets().len();
        assert!(received < 100_000, "never cut");
    }
    assert!(!fast.handle.cut.is_cancelled());
    assert!(received > 100);
}

#[test]
fn a_paused_market_ticks_only_on_demand() {
    let mut exchange = exchange(100.0);
    let mut client = connect(&mut exchange, "a");
    exchange.command(client.id, &Command::Subscribe(vec![INFY, NIFTY]), at(0));
    exchange.command(client.id, &Command::SetMode(Mode::Ltp, vec![INFY]), at(0));
    client.frames();
    exchange.pause(true, at(0));
    exchange.step(at(5_000));
    assert!(client.frames().is_empty());
    assert_eq!(exchange.tick(&[INFY, NOBODY], at(5_000)), 1);
    assert_eq!(client.lengths(), [8]);
    exchange.pause(false, at(5_000));
    exchange.step(at(5_011));
    assert!(!client.packets().is_empty());
}

#[test]
fn mute_and_freeze_hold_for_open_and_new_connections() {
    let mut exchange = exchange(0.0);
    let mut open = connect(&mut exchange, "a");
    exchange.command(open.id, &Command::Subscribe(vec![INFY]), at(0));
    assert_eq!(open.packets().len(), 1);
    let mute =
        |on| serde_json::from_value(serde_json::json!({"mute": on, "api_key": "a"})).unwrap();
    exchange.change_faults(mute(true)).unwrap();
    let mut new = connect(&mut exchange, "a");
    exchange.command(new.id, &Command::Subscribe(vec![INFY]), at(0));
    exchange.tick(&[INFY], at(0));
    assert!(open.frames().is_empty() && new.frames().is_empty());
    exchange.change_faults(mute(false)).unwrap();
    exchange.tick(&[INFY], at(0));
    assert_eq!((open.packets().len(), new.packets().len()), (1, 1));
    assert!(!*open.handle.frozen.borrow());
    exchange
        .change_faults(serde_json::from_str(r#"{"freeze": true}"#).unwrap())
        .unwrap();
    assert!(*open.handle.frozen.borrow());
}

/// 05:00 UTC, where these tests begin, is 10:30 in India.
#[test]
fn a_flush_refuses_old_tokens_and_leaves_what_is_open() {
    let mut exchange = exchange(100.0);
    let time = jiff::civil::time(10, 31, 0, 0);
    let now = Timestamp::from_second(at(0).unix).unwrap();
    exchange.flush_tokens_daily(time, now);
    let mut open = connect(&mut exchange, "a");
    exchange.command(open.id, &Command::Subscribe(vec![INFY]), at(0));
    // A market that stands still has mornings, too.
    exchange.pause(true, at(0));
    exchange.step(at(59_999));
    connect(&mut exchange, "a");
    exchange.step(at(60_000));
    let refused = exchange.connect("a", "token", at(60_000)).unwrap_err();
    assert_eq!(refused, Refusal::Forbidden);
    assert_eq!(exchange.connect("a", "new", at(60_000)).err(), None);
    open.frames();
    exchange.tick(&[INFY], at(60_000));
    assert_eq!(open.lengths(), [44]);
}

/// So many hours after 10:30 of 29 December, on which contracts of a month end.
fn hours(hours: u64) -> SimulationTime {
    at((28 * 24 + hours) * 3_600_000)
}

#[test]
fn a_new_day_keeps_subscriptions_and_silences_what_has_expired() {
    let mut exchange = exchange_of(date(2026, 12, 29), 1.0);
    exchange.list_daily(hours(0));
    let of = |exchange: &Exchange, expired: bool| {
        let universe = exchange.universe();
        let today = universe.date;
        let mut rows = universe.listings.iter().map(|it| &it.instrument);
        let ends = |row: &&kite::Instrument| row.expiry.is_some_and(|it| (it == today) == expired);
        rows.find(|row| &*row.name == "NIFTY" && ends(row))
            .unwrap()
            .token
    };
    let (ending, living) = (of(&exchange, true), of(&exchange, false));
    let mut client = connect(&mut exchange, "key");
    exchange.command(
        client.id,
        &Command::Subscribe(vec![ending, living]),
        hours(0),
    );
    let mut ticked = |exchange: &mut Exchange, from: SimulationTime| -> Vec<Token> {
        client.packets();
        for later in 1..=4 {
            let elapsed = from.elapsed + Duration::from_secs(later);
            exchange.step(SimulationTime { elapsed, ..from });
        }
        let packets = client.packets().into_iter();
        let mut tokens: Vec<Token> = packets.map(|packet| packet.token).collect();
        tokens.sort_unstable();
        tokens.dedup();
        tokens
    };
    let mut both = [ending, living];
    both.sort_unstable();
    // 10:30, and 16:30 in India.
    assert_eq!(ticked(&mut exchange, hours(0)), both);
    assert_eq!(ticked(&mut exchange, hours(6)), [living]);
    // 07:30 and 08:30.
    assert!(exchange.take_day_change(hours(21)).is_none());
    let change = exchange.take_day_change(hours(22)).unwrap();
    assert!(exchange.take_day_change(hours(22)).is_none(), "once a day");
    exchange.open_day(Arc::new(change.universe().unwrap()), hours(22));
    assert_eq!(exchange.universe().date, date(2026, 12, 30));
    assert_eq!(ticked(&mut exchange, hours(23)), [living]);
}
