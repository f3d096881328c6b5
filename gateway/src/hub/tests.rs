use super::*;

const CHANNEL: &str = "ticker:nifty:options";

const fn id(token: u32) -> InstrumentId {
    InstrumentId {
        token,
        is_mock: false,
    }
}

fn tick(token: u32, seq: u64) -> Tick {
    let text = format!(
        r#"{{"token":{token},"price":1.05,"seq":{seq},"src":"a","epoch":"1","recv_us":{seq}}}"#
    );
    Tick::parse(text.as_bytes()).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "any instant will do")]
fn now() -> Instant {
    Instant::now()
}

/// A hub with a client.
fn connected(client: ClientId) -> (Hub, Arc<Outbox>) {
    let (hub, outbox) = (Hub::default(), Arc::new(Outbox::default()));
    hub.connect(client, Arc::clone(&outbox));
    (hub, outbox)
}

fn seqs(outbox: &Outbox) -> Vec<(u64, bool)> {
    let mut messages = Vec::new();
    let _due = outbox.take(now(), &mut messages);
    let values = messages
        .iter()
        .map(|text| serde_json::from_str::<serde_json::Value>(text).unwrap());
    let seq = |it: serde_json::Value| {
        let data = &it["data"];
        (data["seq"].as_u64().unwrap(), data["snapshot"] == true)
    };
    values.map(seq).collect()
}

#[test]
fn a_channel_is_wanted_while_somebody_wants_it() {
    let (hub, _outbox) = connected(1);
    let channel: Arc<str> = CHANNEL.into();
    assert!(hub.subscribe(1, (id(1), &channel), Mode::Full, now()));
    assert!(hub.subscribe(1, (id(2), &channel), Mode::Full, now()));
    assert!(!hub.subscribe(1, (id(2), &channel), Mode::Ltp, now()));
    assert_eq!(
        hub.lock().channels.take_wishes(),
        [(Arc::clone(&channel), true)]
    );
    assert!(hub.unsubscribe(1, id(1)) && !hub.unsubscribe(1, id(1)));
    assert!(hub.lock().channels.take_wishes().is_empty());
    hub.disconnect(1);
    assert_eq!(hub.lock().channels.take_wishes(), [(channel, false)]);
    assert_eq!(hub.counts().instruments, 0);
}

/// Whether the task that joins and leaves channels is woken.
fn is_woken(hub: &Hub) -> bool {
    use futures::FutureExt as _;
    hub.wishes.notified().now_or_never().is_some()
}

#[test]
fn who_asks_for_nothing_new_wakes_nobody() {
    let (hub, _outbox) = connected(1);
    let channel: Arc<str> = CHANNEL.into();
    hub.unsubscribe(1, id(1));
    hub.disconnect(2);
    assert!(!is_woken(&hub));
    hub.subscribe(1, (id(1), &channel), Mode::Full, now());
    assert!(is_woken(&hub));
    hub.lock().channels.take_wishes();
    hub.subscribe(1, (id(1), &channel), Mode::Ltp, now());
    hub.subscribe(1, (id(2), &channel), Mode::Ltp, now());
    hub.unsubscribe(1, id(2));
    assert!(!is_woken(&hub));
}

/// Redis tells only once that a channel is subscribed to.
#[test]
fn a_channel_that_is_left_and_joined_in_one_turn_stays_subscribed() {
    let (hub, outbox) = connected(1);
    let channel: Arc<str> = CHANNEL.into();
    hub.subscribe(1, (id(1), &channel), Mode::Full, now());
    hub.unsubscribe(1, id(1));
    assert!(hub.lock().channels.take_wishes().is_empty());
    hub.subscribe(1, (id(1), &channel), Mode::Full, now());
    assert_eq!(hub.lock().channels.take_wishes().len(), 1);
    hub.lock().on_subscribed(CHANNEL, 1.0);
    hub.unsubscribe(1, id(1));
    assert_eq!(hub.counts().channels, 0);
    hub.subscribe(1, (id(2), &channel), Mode::Full, now());
    assert!(hub.lock().channels.take_wishes().is_empty());
    assert!(hub.lock().unread.contains(&id(2)), "it is asked for");
    hub.lock().channels.on_lost(CHANNEL, 2.0);
    hub.unsubscribe(1, id(2));
    hub.subscribe(1, (id(1), &channel), Mode::Full, now());
    hub.lock().on_subscribed(CHANNEL, 3.0);
    assert!(seqs(&outbox).is_empty(), "who comes later is told no gap");
    hub.disconnect(1);
    hub.lock().channels.take_wishes();
    assert!(!hub.lock().channels.is_subscribed(CHANNEL));
}

#[test]
fn the_newest_comes_first_and_then_only_newer_ones() {
    let (hub, first) = connected(1);
    let channel: Arc<str> = CHANNEL.into();
    hub.subscribe(1, (id(1), &channel), Mode::Full, now());
    hub.deliver(CHANNEL, tick(1, 5), now());
    hub.deliver(CHANNEL, tick(1, 4), now());
    hub.deliver("ticker:nifty:underlying", tick(1, 6), now());
    assert_eq!(seqs(&first), [(5, true)]);
    let second = Arc::new(Outbox::default());
    hub.connect(2, Arc::clone(&second));
    hub.subscribe(2, (id(1), &channel), Mode::Full, now());
    hub.deliver(CHANNEL, tick(1, 6), now());
    assert_eq!(seqs(&second), [(5, true), (6, false)]);
    assert_eq!(seqs(&first), [(6, false)]);
}

#[test]
fn another_mode_shows_the_newest_again() {
    let (hub, outbox) = connected(1);
    let channel: Arc<str> = CHANNEL.into();
    hub.subscribe(1, (id(1), &channel), Mode::Ltp, now());
    hub.deliver(CHANNEL, tick(1, 5), now());
    hub.subscribe(1, (id(1), &channel), Mode::Full, now());
    assert_eq!(seqs(&outbox), [(5, true), (5, true)]);
    assert_eq!(hub.subscriptions(1), [(id(1), Mode::Full)]);
}

/// Numbers of ticks are those of a channel.
#[test]
fn an_instrument_that_goes_to_another_channel_is_read_there_from_the_first_tick_on() {
    use crate::directory::{InstrumentDirectory, StreamedInstrument};
    let (hub, outbox) = connected(1);
    let (old, new): (Arc<str>, Arc<str>) = (CHANNEL.into(), "ticker:all:options".into());
    hub.subscribe(1, (id(1), &old), Mode::Full, now());
    hub.deliver(&old, tick(1, 5000), now());
    let row = format!(
        r#"{{"symbol":"N","tradingsymbol":"A","segment":"NFO-OPT","exchange":"NFO","strike":null,"expiry":null,
        "type":"PE","lot_size":null,"tick_size":null,"channel":"{new}","account":"a","namespace":null,"mode":"full"}}"#
    );
    let mut directory = InstrumentDirectory::default();
    directory.set(id(1), StreamedInstrument::parse(row.as_bytes()));
    hub.lock().channels.take_wishes();
    hub.lock().adopt(&directory);
    let wishes = hub.lock().channels.take_wishes();
    assert_eq!(wishes, [(Arc::clone(&new), true)], "the new one first");
    hub.deliver(&old, tick(1, 5001), now());
    hub.lock().on_subscribed(&new, 1.0);
    assert_eq!(hub.lock().channels.take_wishes(), [(old, false)]);
    assert!(hub.lock().unread.contains(&id(1)));
    hub.deliver(&new, tick(1, 1), now());
    assert_eq!(seqs(&outbox), [(5000, true), (5001, false), (1, true)]);
}

#[test]
fn order_updates_end_with_the_right_to_them() {
    let (hub, _outbox) = connected(1);
    hub.subscribe_orders(1, "acct-a");
    hub.subscribe_orders(1, "acct-b");
    hub.lock().channels.take_wishes();
    hub.keep_orders(1, &["acct-b".to_owned()]);
    let left = hub.lock().channels.take_wishes();
    let left: Vec<_> = left.iter().map(|(it, wanted)| (&**it, *wanted)).collect();
    assert_eq!(
        left,
        [("mock:orders:acct-a", false), ("orders:acct-a", false)]
    );
    assert!(hub.lock().channels.orders("orders:acct-b").is_some());
}

#[test]
fn after_a_gap_no_older_tick_follows_a_newer_one() {
    let (hub, outbox) = connected(1);
    let channel: Arc<str> = CHANNEL.into();
    hub.subscribe(1, (id(1), &channel), Mode::Full, now());
    hub.lock().on_subscribed(CHANNEL, 1.0);
    hub.deliver(CHANNEL, tick(1, 5), now());
    assert_eq!(seqs(&outbox), [(5, true)]);
    hub.lock().channels.on_lost(CHANNEL, 2.0);
    hub.lock().on_subscribed(CHANNEL, 3.0);
    hub.deliver(CHANNEL, tick(1, 4), now());
    hub.on_snapshot(id(1), Some(tick(1, 4)), now());
    hub.on_snapshot(id(1), Some(tick(1, 6)), now());
    hub.deliver(CHANNEL, tick(1, 6), now());
    let mut messages = Vec::new();
    let _due = outbox.take(now(), &mut messages);
    let values = messages.iter().map(|it| serde_json::from_str(it).unwrap());
    let values: Vec<serde_json::Value> = values.collect();
    assert_eq!(values[0]["type"], "gap");
    let got = values[1..].iter().map(|it| it["data"]["seq"].as_u64());
    assert_eq!(got.collect::<Vec<_>>(), [Some(5), Some(6)]);
}
