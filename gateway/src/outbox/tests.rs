use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;

use super::*;

const GATHERED: Duration = Duration::from_millis(50);

fn tick(token: u32, seq: u64) -> Arc<Tick> {
    let text = format!(
        r#"{{"token":{token},"price":{seq}.05,"seq":{seq},"src":"a","epoch":"1","recv_us":{seq}000000}}"#
    );
    Arc::new(Tick::parse(text.as_bytes()).unwrap())
}

#[expect(clippy::disallowed_methods, reason = "any instant will do")]
fn start() -> Instant {
    Instant::now()
}

fn push(outbox: &Outbox, token: u32, seq: u64, now: Instant) {
    outbox.push(&tick(token, seq), Mode::Full, false, now);
}

fn take(outbox: &Outbox, now: Instant) -> Vec<Value> {
    let mut messages = Vec::new();
    let _due = outbox.take(now, &mut messages);
    let values = messages
        .iter()
        .map(|text| serde_json::from_str(text).unwrap());
    values.collect()
}

fn seqs(values: &[Value]) -> Vec<u64> {
    let ticks = values.iter().filter(|it| it["type"] == "tick");
    ticks
        .map(|it| it["data"]["seq"].as_u64().unwrap())
        .collect()
}

#[test]
fn every_tick_is_sent_in_order() {
    let (outbox, now) = (Outbox::default(), start());
    for seq in 1..=3 {
        push(&outbox, 1, seq, now);
        push(&outbox, 2, seq, now);
    }
    assert_eq!(seqs(&take(&outbox, now)), [1, 1, 2, 2, 3, 3]);
    assert!(take(&outbox, now).is_empty());
}

#[test]
fn a_slow_client_is_told_of_the_gap_and_gets_the_newest() {
    let (outbox, now) = (Outbox::default(), start());
    for seq in 1..=7 {
        push(&outbox, 1, seq, now);
    }
    push(&outbox, 2, 1, now);
    let taken = take(&outbox, now);
    assert_eq!(taken[0]["type"], "gap");
    assert_eq!(taken[0]["tokens"], serde_json::json!([1]));
    assert_eq!(taken[0]["from_ts"], 1.0);
    assert_eq!(taken[0]["to_ts"], 5.0);
    assert_eq!(taken[0]["reason"], "slow");
    assert_eq!(seqs(&taken), [5, 6, 7, 1]);
    assert_eq!(taken[1]["data"]["snapshot"], true);
    assert!(taken[2]["data"].get("snapshot").is_none());
    assert_eq!(outbox.counts().dropped, 4);
}

/// Two known servers drop it.
#[test]
fn the_last_tick_of_a_burst_arrives() {
    let (outbox, now) = (Outbox::default(), start());
    outbox.set_pace(Pace::new(Some(4.0), false));
    push(&outbox, 1, 1, now);
    assert_eq!(seqs(&take(&outbox, now)), [1], "the first comes at once");
    for seq in 2..=50 {
        push(&outbox, 1, seq, now + Duration::from_millis(seq));
    }
    let mut messages = Vec::new();
    let due = outbox.take(now + Duration::from_millis(50), &mut messages);
    assert!(messages.is_empty());
    assert_eq!(due, Some(now + Duration::from_millis(250)));
    assert_eq!(seqs(&take(&outbox, due.unwrap())), [50]);
    let counts = OutboxCounts {
        sent: 2,
        conflated: 48,
        dropped: 0,
    };
    assert_eq!(outbox.counts(), counts);
}

#[test]
fn packets_keep_to_the_rate_too() {
    let (outbox, now) = (Outbox::default(), start());
    outbox.set_pace(Pace::new(Some(4.0), false));
    push(&outbox, 1, 1, now);
    outbox.take_frames(now);
    push(&outbox, 1, 2, now);
    push(&outbox, 1, 3, now);
    let soon = outbox.take_frames(now + Duration::from_millis(249));
    assert!(soon.frames.is_empty());
    assert_eq!(soon.due, Some(now + Duration::from_millis(250)));
    let after = outbox.take_frames(soon.due.unwrap());
    assert_eq!((outbox.counts().sent, after.due), (2, None));
}

#[test]
fn what_replaces_a_snapshot_is_one() {
    let (outbox, now) = (Outbox::default(), start());
    outbox.set_pace(Pace::new(Some(4.0), false));
    outbox.push(&tick(1, 1), Mode::Full, true, now);
    push(&outbox, 1, 2, now);
    let taken = take(&outbox, now);
    assert_eq!(seqs(&taken), [2]);
    assert_eq!(taken[0]["data"]["snapshot"], true);
}

#[test]
fn batches_are_gathered_for_a_moment_or_until_they_are_full() {
    let (outbox, now) = (Outbox::default(), start());
    outbox.set_pace(Pace::new(None, true));
    push(&outbox, 1, 1, now);
    push(&outbox, 2, 1, now);
    assert!(take(&outbox, now).is_empty());
    let batch = take(&outbox, now + GATHERED);
    assert_eq!(batch[0]["type"], "ticks");
    assert_eq!(batch[0]["data"].as_array().unwrap().len(), 2);
    for token in 0..501 {
        push(&outbox, token, 2, now);
    }
    let batch = take(&outbox, now);
    assert_eq!(batch.len(), 1);
    assert_eq!(batch[0]["data"].as_array().unwrap().len(), BATCH);
}

#[test]
fn what_is_no_longer_wanted_is_forgotten() {
    let (outbox, now) = (Outbox::default(), start());
    for seq in 1..=6 {
        push(&outbox, 1, seq, now);
        push(&outbox, 2, seq, now);
    }
    outbox.forget(InstrumentId {
        token: 1,
        is_mock: false,
    });
    let taken = take(&outbox, now);
    assert_eq!(taken[0]["tokens"], serde_json::json!([2]));
    assert_eq!(seqs(&taken), [5, 6]);
}

/// Reads everything that is due, and checks that each instrument's ticks come in order.
fn read(outbox: &Outbox, now: Instant, got: &mut BTreeMap<u64, u64>) {
    for value in take(outbox, now) {
        let ticks = match value["type"].as_str() {
            Some("tick") => vec![value["data"].clone()],
            Some("ticks") => value["data"].as_array().unwrap().clone(),
            _ => Vec::new(),
        };
        for tick in ticks {
            let token = tick["token"].as_u64().unwrap();
            let seq = tick["seq"].as_u64().unwrap();
            let before = got.insert(token, seq);
            assert!(before.is_none_or(|before| before < seq), "in order");
        }
    }
}

proptest! {
    #[test]
    fn nothing_is_lost_without_a_word_and_memory_is_bounded(
        steps in proptest::collection::vec((1_u32..4, any::<bool>()), 1..200),
        hz in prop_oneof![Just(None), Just(Some(2.0))],
        batch in any::<bool>(),
    ) {
        let (outbox, mut now) = (Outbox::default(), start());
        outbox.set_pace(Pace::new(hz, batch));
        let (mut newest, mut got, mut pushed) = (BTreeMap::new(), BTreeMap::new(), 0_u64);
        for (token, reads) in steps {
            now += Duration::from_millis(20);
            pushed += 1;
            push(&outbox, token, pushed, now);
            newest.insert(u64::from(token), pushed);
            if reads {
                read(&outbox, now, &mut got);
            }
            let state = outbox.lock();
            prop_assert!(state.order.len() <= 3 * WAITING && state.count <= 3 * WAITING);
        }
        for _ in 0..20 {
            now += Duration::from_secs(1);
            read(&outbox, now, &mut got);
        }
        prop_assert_eq!(&got, &newest, "the newest of each arrived");
        let counts = outbox.counts();
        prop_assert_eq!(counts.sent + counts.conflated + counts.dropped, pushed);
    }
}
