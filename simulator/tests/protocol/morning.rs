//! A wall clock of its own, and what happens at times of the day.

use kite::{Command, Mode, Token};
use serde_json::json;

use crate::harness::{Simulator, within};

const NIFTY: Token = Token(256_265);

/// `date -d 2026-11-24T05:59:00+05:30 +%s`
const START: i64 = 1_795_480_140;

#[tokio::test]
async fn a_morning_passes_in_seconds_and_ends_the_tokens() {
    // A minute each second: the flush comes after one.
    let simulator = Simulator::start(&[
        "--rate",
        "20",
        "--wall-clock",
        "2026-11-24T05:59:00+05:30,60",
        "--token-flush",
        "06:00",
    ])
    .await;
    let mut client = simulator.connect("api_key=a&access_token=old").await;
    client.command(&Command::Subscribe(vec![NIFTY])).await;
    client
        .command(&Command::SetMode(Mode::Full, vec![NIFTY]))
        .await;
    let minutes_later = async |client: &mut crate::harness::Client, minutes: i64| loop {
        let times = client.packets(1).await;
        let times = times.iter().filter_map(kite::Packet::exchange_time);
        if times.max().is_some_and(|time| time >= START + 60 * minutes) {
            return;
        }
    };
    within(minutes_later(&mut client, 2)).await;
    assert_eq!(simulator.refusal("api_key=a&access_token=old").await, 403);
    let profile = simulator
        .get("/user/profile")
        .header("Authorization", "token a:old");
    assert_eq!(profile.send().await.unwrap().status(), 403);
    // Open connections live on, and what is used after it is good.
    within(minutes_later(&mut client, 3)).await;
    let _new = simulator.connect("api_key=a&access_token=new").await;

    let flushed = simulator.control("/sim/tokens/flush", json!({})).await;
    assert_eq!(flushed, json!({"flushed": 1}));
    assert_eq!(simulator.refusal("api_key=a&access_token=new").await, 403);
}
