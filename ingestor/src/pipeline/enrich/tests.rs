//! Tests of forwards and Greeks from packets, with both clocks as arguments.

mod stored;

use std::time::Duration;

use contract::{Assignment, Chain, ClassSessions, Output, ParityPair, Row, SessionSpan, Shape};
use greeks::black76::Black76;
use greeks::{OptionRight, years};
use kite::{
    Depth, Detail, Full, IndexQuote, InstrumentType, Level, MarketSession, Mode, Quote, Token,
};
use serde_json::{Value, json};

use super::*;
use crate::pipeline::instruments::tests::sample;

/// Five days before the expiry.
const NOW: i64 = EXPIRY - 432_000;
const EXPIRY: i64 = 1_796_119_800;
const SETTLES: i64 = EXPIRY - 600;
const RATE: f64 = 0.065;
const STRIKES: [f64; 5] = [23_600.0, 23_650.0, 23_700.0, 23_750.0, 20_000.0];

const SPOT: Token = Token(256_265);
const FUTURE: Token = Token(100 << 8 | 2);

fn option_token(strike: usize, right: OptionRight) -> Token {
    Token((200 + 2 * strike as u32 + right as u32) << 8 | 2)
}

/// A chain with a future, pairs around the money and a spot price.
struct World {
    instruments: AssignedInstruments,
    start: Instant,
    millis: u64,
}

fn row(token: Token, kind: InstrumentType, strike: Option<f64>) -> Row {
    let mut row = sample().instruments.remove(2);
    (row.token, row.instrument_type, row.strike) = (token, kind, strike);
    (row.mode, row.tick_size, row.class) = (Mode::Full, Some(0.05), Some(0));
    row.outputs = vec![Output {
        channel: 0,
        shape: Shape::Contract,
        depth: false,
        greeks: true,
        keep: None,
    }];
    row
}

fn assignment() -> Assignment {
    let mut assignment = sample();
    let spans = [(0, NOW - 100_000), (NOW - 10_000, EXPIRY + 1_000)];
    assignment.sessions = vec![
        ClassSessions {
            class: "NFO".to_owned(),
            previous_day: None,
            spans: vec![SessionSpan(spans[1].0, spans[1].1, MarketSession::Open)],
        },
        ClassSessions {
            class: "NSE-INDEX".to_owned(),
            previous_day: None,
            spans: vec![
                SessionSpan(spans[1].0, NOW + 5_000, MarketSession::Open),
                SessionSpan(EXPIRY, EXPIRY + 1_000, MarketSession::Open),
            ],
        },
    ];
    let mut spot = row(SPOT, InstrumentType::Equity, None);
    spot.class = Some(1);
    assignment.instruments = vec![spot, row(FUTURE, InstrumentType::Future, None)];
    for (at, strike) in STRIKES.iter().enumerate() {
        for (right, kind) in [
            (OptionRight::Call, InstrumentType::Call),
            (OptionRight::Put, InstrumentType::Put),
        ] {
            let mut row = row(option_token(at, right), kind, Some(*strike));
            row.chain = Some(0);
            assignment.instruments.push(row);
        }
    }
    let pairs = (0..4).map(|at| {
        let [call, put] = [OptionRight::Call, OptionRight::Put].map(|it| option_token(at, it));
        ParityPair(STRIKES[at], call, put)
    });
    assignment.chains = vec![Chain {
        exchange: "NFO".to_owned(),
        underlying: "NIFTY".to_owned(),
        expiry: jiff::civil::date(2026, 12, 1),
        expiry_ts: EXPIRY,
        settles_ts: Some(SETTLES),
        r: Some(RATE),
        q: 0.0,
        future: Some(FUTURE),
        parity: pairs.collect(),
        carry: None,
        spot: Some(SPOT),
    }];
    assignment
}

impl World {
    fn of(assignment: &Assignment) -> Self {
        #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
        let start = Instant::now();
        Self {
            instruments: AssignedInstruments::build(assignment, "1", false),
            start,
            millis: 0,
        }
    }

    fn new() -> Self {
        Self::of(&assignment())
    }

    fn second(&self) -> i64 {
        NOW + (self.millis / 1_000).cast_signed()
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.millis)
    }

    fn wait(&mut self, seconds: u64) {
        self.millis += seconds * 1_000;
    }

    /// A packet through the stages; what readers get of it.
    fn take(&mut self, packet: &Packet) -> Value {
        let second = self.second();
        self.instruments.market.look(second);
        let received = ReceiveTime {
            at: self.now(),
            us: second * MICROS,
        };
        let row = self.instruments.find(packet.token).unwrap();
        let kind = self.instruments.accept(row, packet, received);
        self.instruments.enrich(row, packet, kind, received);
        let mut messages = Vec::new();
        self.instruments.render(row, packet, 0, |message| {
            messages.push(serde_json::from_slice(message.json).unwrap());
        });
        messages.pop().unwrap_or_default()
    }

    /// A book in full mode; the last trade is old.
    fn book(&mut self, token: Token, bid: f64, ask: f64) -> Value {
        let packet = self.full(token, 1.0, Some((bid, ask)), 600);
        self.take(&packet)
    }

    fn full(
        &self,
        token: Token,
        last: f64,
        book: Option<(f64, f64)>,
        traded_before: i64,
    ) -> Packet {
        let mut depth = Depth::default();
        if let Some((bid, ask)) = book {
            let level = |price: f64| Level {
                quantity: 75,
                price: (price * 100.0).round() as i32,
                orders: 1,
            };
            (depth.buy[0], depth.sell[0]) = (level(bid), level(ask));
        }
        let full = Full {
            exchange_time: self.second() as u32,
            last_trade_time: (self.second() - traded_before) as u32,
            depth,
            ..Full::default()
        };
        Packet {
            token,
            last_price: (last * 100.0).round() as i32,
            detail: Detail::Full(Quote::default(), full),
        }
    }

    fn spot(&mut self, price: f64) {
        let index = IndexQuote::default();
        let packet = Packet {
            token: SPOT,
            last_price: (price * 100.0).round() as i32,
            detail: Detail::IndexFull(index, self.second() as u32),
        };
        self.take(&packet);
    }

    /// Books of the pairs around the money that agree on a forward.
    fn pairs(&mut self, forward: f64) {
        let discount = (-RATE * years(EXPIRY, self.second())).exp();
        for (at, strike) in STRIKES[..4].iter().enumerate() {
            let difference = discount * (forward - strike);
            for (right, price) in [
                (OptionRight::Call, 200.0 + difference.max(0.0)),
                (OptionRight::Put, 200.0 - difference.min(0.0)),
            ] {
                self.book(option_token(at, right), price - 0.1, price + 0.1);
            }
        }
    }

    fn forward(&mut self) -> Option<(f64, &'static str)> {
        let (now, second) = (self.now(), self.second());
        self.instruments.look_at_chains(now, second);
        let forward = self.instruments.chains.chains()[0].forward();
        forward.map(|it| (it.price, it.source.as_str()))
    }
}

fn call(strike: usize) -> Token {
    option_token(strike, OptionRight::Call)
}

fn put(strike: usize) -> Token {
    option_token(strike, OptionRight::Put)
}

/// A reader computes our values again from what the tick says, to the last digit.
fn check_again(tick: &Value, right: OptionRight, strike: f64) {
    let number = |key: &str| {
        tick[key]
            .as_f64()
            .unwrap_or_else(|| panic!("{key} in {tick}"))
    };
    let left = tick["expiry_ts"].as_i64().unwrap() - tick["greeks_ts"].as_i64().unwrap();
    let inputs = Black76 {
        right,
        forward: number("fwd"),
        strike,
        years: left.max(60) as f64 / 31_536_000.0,
        rate: RATE,
        volatility: number("iv"),
    };
    let greeks = inputs.greeks().unwrap();
    for (key, value) in [
        ("delta", greeks.delta),
        ("gamma", greeks.gamma),
        ("theta", greeks.theta),
        ("vega", greeks.vega),
        ("rho", greeks.rho),
    ] {
        let read = greeks::rounded(value).unwrap();
        assert_eq!(number(key), read, "{key} in {tick}");
    }
    let price = inputs.price().unwrap();
    assert!(
        (price / number("iv_px") - 1.0).abs() < 1e-9,
        "{price} in {tick}"
    );
}

#[test]
fn an_option_has_the_greeks_of_its_middle_on_its_future() {
    let mut world = World::new();
    world.book(FUTURE, 23_658.0, 23_660.0);
    let tick = world.book(call(2), 190.0, 190.1);
    assert_eq!(
        (&tick["fwd"], &tick["fwd_src"]),
        (&json!(23_659.0), &json!("future"))
    );
    assert_eq!(
        (&tick["iv_px"], &tick["iv_src"]),
        (&json!(190.05), &json!("mid"))
    );
    assert_eq!(
        (&tick["greeks"], &tick["greeks_ts"]),
        (&json!("ok"), &json!(NOW))
    );
    // 190.038 is the price at 19 %, and 11.01 that of another per cent.
    let iv = tick["iv"].as_f64().unwrap();
    assert!((iv - 0.190_010_9).abs() < 1e-6, "{iv}");
    check_again(&tick, OptionRight::Call, STRIKES[2]);
    let tick = world.book(put(2), 231.0, 231.1);
    check_again(&tick, OptionRight::Put, STRIKES[2]);
}

#[test]
fn without_a_future_calls_and_puts_agree_and_without_them_spot_grows() {
    let mut world = World::new();
    assert_eq!(world.forward(), None);
    let tick = world.book(call(4), 3_700.0, 3_701.0);
    assert_eq!(
        (&tick["greeks"], &tick["fwd"]),
        (&json!("no_forward"), &Value::Null)
    );
    world.spot(23_640.0);
    let (forward, source) = world.forward().unwrap();
    assert_eq!(source, "spot");
    assert!((forward - 23_640.0 * (RATE / 73.0).exp()).abs() < 1e-6);
    world.pairs(23_660.0);
    let (forward, source) = world.forward().unwrap();
    assert_eq!(source, "parity");
    // Prices have steps.
    assert!((forward - 23_660.0).abs() < 0.02, "{forward}");
    world.book(FUTURE, 23_664.0, 23_666.0);
    assert_eq!(world.forward(), Some((23_665.0, "future")));
}

#[test]
fn a_source_that_is_away_is_left_and_comes_back() {
    let mut world = World::new();
    world.pairs(23_660.0);
    world.book(FUTURE, 23_664.0, 23_666.0);
    assert_eq!(world.forward(), Some((23_665.0, "future")));
    // Its spread is more than five basis points.
    world.book(FUTURE, 23_650.0, 23_666.0);
    world.wait(2);
    assert_eq!(world.forward(), Some((23_665.0, "future")));
    world.wait(2);
    assert_eq!(world.forward().unwrap().1, "parity");
    world.book(FUTURE, 23_664.0, 23_666.0);
    assert_eq!(world.forward().unwrap().1, "parity");
    for _ in 0..11 {
        world.wait(1);
        world.pairs(23_660.0);
        world.book(FUTURE, 23_664.0, 23_666.0);
        world.forward();
    }
    assert_eq!(world.forward().unwrap().1, "future");
    // Nothing comes any more.
    world.wait(14);
    assert_eq!(world.forward(), None);
}

#[test]
fn what_a_lost_socket_said_is_no_price() {
    let mut world = World::new();
    world.book(FUTURE, 23_664.0, 23_666.0);
    assert!(world.forward().is_some());
    world.instruments.on_socket_end(0);
    world.wait(4);
    assert_eq!(world.forward(), None);
}

#[test]
fn spot_is_a_price_while_its_own_market_is_open() {
    let mut world = World::new();
    world.wait(4_999);
    world.spot(23_640.0);
    assert_eq!(world.forward().unwrap().1, "spot");
    world.wait(1);
    world.spot(23_640.0);
    assert_eq!(world.forward(), None, "at once");
    let tick = world.book(call(2), 190.0, 190.1);
    assert_eq!(tick["greeks"], "no_forward", "its own market is open");
}

#[test]
fn the_carry_of_another_expiry_comes_before_the_rates() {
    let mut assignment = assignment();
    let mut week = assignment.chains[0].clone();
    week.expiry = jiff::civil::date(2026, 11, 30);
    (week.expiry_ts, week.settles_ts) = (EXPIRY - 86_400, None);
    (week.future, week.carry) = (None, Some(1));
    week.parity.clear();
    assignment.chains.insert(0, week);
    for row in &mut assignment.instruments {
        row.chain = row.chain.map(|_| 1);
    }
    let mut world = World::of(&assignment);
    world.spot(23_640.0);
    assert_eq!(world.forward().unwrap().1, "spot");
    world.book(FUTURE, 23_664.0, 23_666.0);
    let (forward, source) = world.forward().unwrap();
    assert_eq!(source, "carry");
    // 25 rupees in five days, as logarithms: 19.999 in four.
    let expected = 23_640.0 * (23_665.0_f64 / 23_640.0).powf(0.8);
    assert!((forward - expected).abs() < 1e-6, "{forward}");
}

#[test]
fn deep_in_the_money_the_other_right_says_the_volatility() {
    let mut world = World::new();
    world.book(FUTURE, 23_658.0, 23_660.0);
    // It pays 3,659 at the forward, and 3,655.7434 is that today: this is less than half a step more.
    let deep = |world: &mut World| world.book(call(4), 3_655.70, 3_655.80);
    assert_eq!(deep(&mut world)["greeks"], "no_time_value");
    let twin = world.book(put(4), 1.30, 1.40);
    assert_eq!(twin["greeks"], "ok");
    world.wait(1);
    let tick = deep(&mut world);
    assert_eq!(
        (&tick["greeks"], &tick["iv"], &tick["iv_src"]),
        (&json!("ok"), &twin["iv"], &json!("twin"))
    );
    assert_eq!(tick["iv_px"], json!(1.35));
    // One that has not ticked for a minute says nothing.
    world.wait(60);
    world.book(FUTURE, 23_658.0, 23_660.0);
    assert_eq!(deep(&mut world)["greeks"], "no_time_value");
}

#[test]
fn first_packets_and_old_trades_are_stale() {
    let mut world = World::new();
    world.book(FUTURE, 23_658.0, 23_660.0);
    let traded = |world: &World, before| world.full(call(2), 190.05, None, before);
    let packet = traded(&world, 60);
    let tick = world.take(&packet);
    assert_eq!(
        (&tick["greeks"], &tick["iv_src"]),
        (&json!("ok"), &json!("last"))
    );
    let packet = traded(&world, 61);
    let tick = world.take(&packet);
    assert_eq!(
        (&tick["greeks"], &tick["iv"]),
        (&json!("stale_input"), &Value::Null)
    );
    assert_eq!(
        (&tick["fwd"], &tick["iv_px"]),
        (&json!(23_659.0), &Value::Null)
    );
    // Another session's.
    let now = world.now();
    world.instruments.on_subscribe(call(2), now);
    let mut old = traded(&world, 0);
    if let Detail::Full(_, full) = &mut old.detail {
        full.exchange_time -= 86_400;
    }
    assert_eq!(world.take(&old)["greeks"], "stale_input");
    // Without a time, what Kite sends on its own is of now.
    let quote = Quote {
        open: 19_000,
        high: 20_000,
        low: 18_000,
        ..Quote::default()
    };
    let undated = Packet {
        token: call(3),
        last_price: 19_005,
        detail: Detail::Quote(quote),
    };
    world.instruments.on_subscribe(call(3), now);
    assert_eq!(world.take(&undated)["greeks"], "stale_input");
    let tick = world.take(&undated);
    assert_eq!(
        (&tick["greeks"], &tick["iv_src"]),
        (&json!("ok"), &json!("last_undated"))
    );
}

#[test]
fn the_last_day_ends_in_words() {
    let mut world = World::new();
    world.wait((SETTLES - 1 - NOW) as u64);
    let at = |world: &mut World| {
        world.book(FUTURE, 23_658.0, 23_660.0);
        let tick = world.book(call(2), 10.0, 10.1);
        let null = tick["iv"].is_null() && tick["rho"].is_null() && tick["iv_px"].is_null();
        assert_eq!(null, tick["greeks"] != "ok", "{tick}");
        tick["greeks"].clone()
    };
    assert_eq!(at(&mut world), "ok");
    world.wait(1);
    assert_eq!(at(&mut world), "settlement_window");
    world.wait(599);
    assert_eq!(at(&mut world), "settlement_window");
    world.wait(1);
    assert_eq!(at(&mut world), "expired");
}

#[test]
fn outside_of_its_market_there_are_none() {
    let mut assignment = assignment();
    assignment.sessions[0].spans = vec![SessionSpan(0, NOW, MarketSession::PreOpen)];
    let mut world = World::of(&assignment);
    world.millis = 0;
    world.instruments.market.look(NOW - 1);
    let packet = world.full(call(2), 190.0, Some((190.0, 190.1)), 0);
    let received = ReceiveTime {
        at: world.now(),
        us: (NOW - 1) * MICROS,
    };
    let row = world.instruments.find(call(2)).unwrap();
    let kind = world.instruments.accept(row, &packet, received);
    let word = world.instruments.enrich(row, &packet, kind, received);
    assert_eq!(word, Some(GreeksWord::Closed));
}

#[test]
fn a_chain_without_a_rate_has_no_forward() {
    let mut assignment = assignment();
    assignment.chains[0].r = None;
    let mut world = World::of(&assignment);
    world.book(FUTURE, 23_658.0, 23_660.0);
    assert_eq!(world.book(call(2), 190.0, 190.1)["greeks"], "no_forward");
}

#[test]
fn outputs_without_greeks_have_the_old_keys_alone() {
    let mut assignment = assignment();
    for row in &mut assignment.instruments {
        row.outputs[0].greeks = false;
    }
    let mut world = World::of(&assignment);
    world.book(FUTURE, 23_658.0, 23_660.0);
    let tick = world.book(call(2), 190.0, 190.1);
    let keys = tick.as_object().unwrap();
    for key in ["iv", "delta", "gamma", "theta", "vega"] {
        assert_eq!(keys.get(key), Some(&Value::Null), "{key}");
    }
    for key in ["rho", "greeks", "fwd", "iv_px", "greeks_ts", "expiry_ts"] {
        assert!(!keys.contains_key(key), "{key}");
    }
}

#[test]
fn another_assignment_forgets_neither_forward_nor_greeks() {
    let mut world = World::new();
    world.book(FUTURE, 23_658.0, 23_660.0);
    world.book(call(2), 190.0, 190.1);
    let mut next = assignment();
    next.instruments.swap(1, 5);
    next.instruments.remove(4);
    let mut instruments = AssignedInstruments::build(&next, "1", false);
    instruments.succeed(std::mem::take(&mut world.instruments), world.start);
    world.instruments = instruments;
    let row = world.instruments.find(call(2)).unwrap();
    let row = world.instruments.row(row);
    assert_eq!(world.instruments.greeks_word(row), Some(GreeksWord::Ok));
    assert_eq!(world.forward(), Some((23_659.0, "future")));
    let tick = world.book(put(2), 231.0, 231.1);
    check_again(&tick, OptionRight::Put, STRIKES[2]);
}
