//! Tests of the instruments: numbering, what stays over a change, and what every tick carries.

mod sample;

use std::time::{Duration, Instant};

use kite::Packet;
use serde_json::{Value, json};

use super::*;
use crate::pipeline::accept::TickKind;
use crate::pipeline::accept::rules::ReceiveTime;
pub(crate) use sample::{NOON, full, sample};

const NOON_US: i64 = 1_764_570_600_000_000; // 2025-12-01 12:00:00 IST

fn noon() -> ReceiveTime {
    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
    let at = Instant::now();
    ReceiveTime { at, us: NOON_US }
}

fn rendered(instruments: &mut AssignedInstruments, packet: &Packet) -> Vec<Value> {
    let row = instruments.find(packet.token).unwrap();
    let mut messages = Vec::new();
    instruments.render(row, packet, NOON_US + 5, |message| {
        messages.push(serde_json::from_slice(message.json).unwrap());
    });
    messages
}

/// Through the first two stages.
fn accept(
    instruments: &mut AssignedInstruments,
    packet: &Packet,
    received: ReceiveTime,
) -> TickKind {
    let row = instruments.find(packet.token).unwrap();
    let kind = instruments.accept(row, packet, received);
    if kind.is_tick() {
        instruments.sequence(row);
    }
    kind
}

fn tick(instruments: &mut AssignedInstruments, packet: &Packet) -> Vec<Value> {
    assert!(accept(instruments, packet, noon()).is_tick());
    rendered(instruments, packet)
}

#[test]
fn each_channel_has_its_own_numbers() {
    let mut instruments = AssignedInstruments::build(&sample(), "1", false);
    let share = tick(&mut instruments, &full(408_065, 1, NOON));
    assert_eq!((&share[0]["seq"], &share[1]["seq"]), (&json!(1), &json!(1)));
    let option = tick(&mut instruments, &full(12_192_002, 1, NOON));
    assert_eq!(option[0]["seq"], 2);
    let share = tick(&mut instruments, &full(408_065, 1, NOON));
    assert_eq!((&share[0]["seq"], &share[1]["seq"]), (&json!(3), &json!(2)));
}

#[test]
fn an_old_snapshot_is_seen_and_takes_no_number() {
    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
    let now = Instant::now();
    let mut instruments = AssignedInstruments::build(&sample(), "1", false);
    instruments.on_subscribe(Token(12_192_002), now);
    let yesterday = full(12_192_002, 900, NOON - 86_400);
    let row = instruments.find(yesterday.token).unwrap();
    assert_eq!(
        accept(&mut instruments, &yesterday, noon()),
        TickKind::OldSnapshot
    );
    assert!(instruments.row(row).state.seen);
    assert_eq!(
        instruments.row(row).state.received,
        None,
        "it makes nothing look fresh"
    );
    let first = tick(&mut instruments, &full(12_192_002, 5, NOON));
    assert_eq!(first[0]["seq"], 1);
    assert_eq!(
        first[0]["volume_delta"],
        Value::Null,
        "yesterday's volume is none"
    );
    assert_eq!(first[0].get("snapshot"), None, "the first packet is over");
}

#[test]
fn a_first_packet_says_so_and_volume_counts_from_it() {
    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
    let now = Instant::now();
    let mut instruments = AssignedInstruments::build(&sample(), "1", false);
    instruments.on_subscribe(Token(12_192_002), now);
    let first = tick(&mut instruments, &full(12_192_002, 100, NOON));
    assert_eq!(first[0]["snapshot"], true);
    assert_eq!(first[0]["volume_delta"], Value::Null);
    let second = tick(&mut instruments, &full(12_192_002, 130, NOON));
    assert_eq!(second[0].get("snapshot"), None);
    assert_eq!(second[0]["volume_delta"], 30);
    instruments.on_messages_lost();
    let third = tick(&mut instruments, &full(12_192_002, 140, NOON));
    assert_eq!(
        third[0]["volume_delta"],
        Value::Null,
        "a tick before it may be missing"
    );
    let reset = tick(&mut instruments, &full(12_192_002, 3, NOON));
    assert_eq!(reset[0]["volume_delta"], Value::Null, "a new day");
}

/// An instrument that nobody read so far has no volume before its first message.
#[test]
fn volume_counts_from_the_first_tick_that_is_published() {
    let published = sample();
    let mut unread = published.clone();
    for row in &mut unread.instruments {
        row.outputs.clear();
    }
    let mut instruments = AssignedInstruments::build(&unread, "1", false);
    assert!(tick(&mut instruments, &full(12_192_002, 100, NOON)).is_empty());
    for volume in [110, 120] {
        let mut next = AssignedInstruments::build(&published, "1", false);
        next.succeed(std::mem::take(&mut instruments), noon().at);
        let first = tick(&mut next, &full(12_192_002, volume, NOON));
        assert_eq!(first[0]["volume_delta"], Value::Null);
        let second = tick(&mut next, &full(12_192_002, volume + 3, NOON));
        assert_eq!(second[0]["volume_delta"], 3);
        instruments = AssignedInstruments::build(&unread, "1", false);
        instruments.succeed(next, noon().at);
        assert!(tick(&mut instruments, &full(12_192_002, volume + 5, NOON)).is_empty());
    }
}

#[test]
fn volume_counts_from_the_last_tick_that_was_rendered() {
    let mut instruments = AssignedInstruments::build(&sample(), "1", false);
    tick(&mut instruments, &full(12_192_002, 100, NOON));
    let held = full(12_192_002, 110, NOON);
    assert_eq!(accept(&mut instruments, &held, noon()), TickKind::Tick);
    let newer = tick(&mut instruments, &full(12_192_002, 150, NOON));
    assert_eq!(newer[0]["volume_delta"], 50, "nothing was sent in between");
    assert_eq!(newer[0]["seq"], 3, "and the jump says that one is missing");
}

#[test]
fn a_new_table_goes_on_where_the_old_one_was() {
    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
    let now = Instant::now();
    let mut instruments = AssignedInstruments::build(&sample(), "1", false);
    for token in [256_265, 408_065, 12_192_002] {
        instruments.on_subscribe(Token(token), now);
    }
    tick(&mut instruments, &full(12_192_002, 100, NOON));

    let mut less = sample();
    less.channels = vec!["b".to_owned()];
    less.instruments.remove(2);
    less.instruments.remove(1);
    less.instruments[0].outputs[0].channel = 0;
    let mut next = AssignedInstruments::build(&less, "1", false);
    next.succeed(instruments, noon().at);
    assert_eq!(next.row(0).state.subscribed, Some(now));

    let mut last = AssignedInstruments::build(&sample(), "1", false);
    last.succeed(next, noon().at);
    let option = tick(&mut last, &full(12_192_002, 200, NOON));
    assert_eq!(option[0]["seq"], 2, "a channel that comes back goes on");
    assert_eq!(
        option[0]["volume_delta"],
        Value::Null,
        "the instrument was away"
    );
}

#[test]
fn a_socket_takes_what_it_showed_with_it() {
    let mut instruments = AssignedInstruments::build(&sample(), "1", false);
    let allocation = BTreeMap::from([(Token(12_192_002), 1)]);
    instruments.set_allocation(&allocation);
    tick(&mut instruments, &full(12_192_002, 100, NOON));
    instruments.on_socket_end(0);
    assert!(instruments.row(2).state.seen);
    instruments.on_socket_end(1);
    assert!(!instruments.row(2).state.seen);
}

#[test]
fn a_held_tick_keeps_its_number_over_a_new_assignment() {
    let mut old = AssignedInstruments::build(&sample(), "1", false);
    let packet = full(12_192_002, 5, NOON);
    for _ in 0..3 {
        accept(&mut old, &packet, noon());
    }
    let mut changed = sample();
    changed.instruments[2].outputs.push(contract::Output {
        channel: 1,
        shape: Shape::Contract,
        depth: false,
        greeks: false,
        keep: None,
    });
    let mut instruments = AssignedInstruments::build(&changed, "1", false);
    instruments.succeed(old, noon().at);
    let row = instruments.find(packet.token).unwrap();
    instruments.sequence_held(row);
    let mut numbers = Vec::new();
    instruments.render(row, &packet, NOON_US, |message| {
        let tick: Value = serde_json::from_slice(message.json).unwrap();
        numbers.push(tick["seq"].clone());
    });
    assert_eq!(numbers, [json!(3), json!(1)]);
}

/// What is sent again for the asking, on a new socket, is no sign that the market moves.
#[test]
fn a_repeated_snapshot_makes_nothing_fresh() {
    let mut instruments = AssignedInstruments::build(&sample(), "1", false);
    let (token, noon) = (Token(12_192_002), noon());
    let row = instruments.find(token).unwrap();
    let later = |seconds: u64| ReceiveTime {
        at: noon.at + Duration::from_secs(seconds),
        us: noon.us + seconds as i64 * 1_000_000,
    };
    let fresh = |instruments: &AssignedInstruments| {
        instruments
            .row(row)
            .state
            .received
            .map(|received| received.us)
    };
    instruments.on_subscribe(token, noon.at);
    accept(&mut instruments, &full(token.0, 1, NOON), noon);
    assert_eq!(fresh(&instruments), Some(noon.us), "the first one ever");
    instruments.on_subscribe(token, noon.at);
    let repeated = full(token.0, 1, NOON);
    assert_eq!(
        accept(&mut instruments, &repeated, later(60)),
        TickKind::Snapshot
    );
    assert_eq!(fresh(&instruments), Some(noon.us));
    assert_eq!(
        rendered(&mut instruments, &repeated)[0]["recv_us"],
        later(60).us
    );
    instruments.on_subscribe(token, noon.at);
    accept(&mut instruments, &full(token.0, 2, NOON + 90), later(90));
    assert_eq!(
        fresh(&instruments),
        Some(later(90).us),
        "it moved meanwhile"
    );
}

/// The first packet of the morning is of the evening before.
#[test]
fn open_interest_of_the_day_before_is_known_from_packets_of_it() {
    let mut assignment = sample();
    let last = Some(contract::LastValuePersistence {
        interval_ms: 250,
        ttl_s: 60,
        until_session: false,
    });
    assignment.keeps = vec![contract::Persistence { last, stream: None }];
    let open = i64::from(NOON) - 3_600;
    assignment.sessions = vec![contract::ClassSessions {
        class: "NFO".to_owned(),
        previous_day: Some(jiff::civil::date(2025, 11, 30)),
        spans: vec![contract::SessionSpan(
            open,
            open + 7_200,
            kite::MarketSession::Open,
        )],
    }];
    let token = Token(12_192_002);
    for row in &mut assignment.instruments {
        row.class = Some(0);
        if row.token == token {
            row.outputs[0].keep = Some(0);
        }
    }
    let packet = |oi, time| {
        let mut packet = full(token.0, 5, time);
        if let kite::Detail::Full(_, full) = &mut packet.detail {
            full.oi = oi;
        }
        packet
    };
    let mut instruments = AssignedInstruments::build(&assignment, "1", false);
    let shown = |tick: &[Value]| (tick[0]["prev_oi"].clone(), tick[0]["oi_change"].clone());
    let first = tick(&mut instruments, &packet(70, NOON));
    assert_eq!(shown(&first), (Value::Null, Value::Null));

    let mut instruments = AssignedInstruments::build(&assignment, "1", false);
    instruments.on_subscribe(token, noon().at);
    let evening = packet(100, NOON - 86_400);
    let kind = accept(&mut instruments, &evening, noon());
    assert_eq!(kind, TickKind::OldSnapshot);
    let second = tick(&mut instruments, &packet(70, NOON));
    assert_eq!(shown(&second), (json!(100), json!(-30)));
    // Another assignment in the day forgets nothing.
    let mut next = AssignedInstruments::build(&assignment, "1", false);
    next.succeed(instruments, noon().at);
    let third = tick(&mut next, &packet(130, NOON));
    assert_eq!(shown(&third), (json!(100), json!(30)));
    // A share has none, and what is not stored neither.
    let share = tick(&mut next, &full(408_065, 1, NOON));
    assert!(share[0].get("prev_oi").is_none());
}
