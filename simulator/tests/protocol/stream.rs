//! What an open socket carries.

use std::collections::HashMap;
use std::time::Duration;

use futures::SinkExt;
use kite::{Command, Mode, Packet, Token};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Client, Simulator, within};

const QUERY: &str = "api_key=a&access_token=t";
const NIFTY: Token = Token(256_265);
const INFY: Token = Token(408_065);

fn lengths(packets: &[Packet]) -> Vec<usize> {
    packets.iter().map(Packet::encoded_len).collect()
}

#[tokio::test]
async fn snapshots_follow_subscriptions_and_modes() {
    let simulator = Simulator::start(&["--rate", "0"]).await;
    let mut client = simulator.connect(QUERY).await;
    let tokens = vec![INFY, Token(1), NIFTY];
    client.command(&Command::Subscribe(tokens.clone())).await;
    assert_eq!(lengths(&client.packets(2).await), [44, 28]);
    client
        .command(&Command::SetMode(Mode::Full, tokens.clone()))
        .await;
    assert_eq!(lengths(&client.packets(2).await), [184, 32]);
    client.command(&Command::SetMode(Mode::Ltp, tokens)).await;
    assert_eq!(lengths(&client.packets(2).await), [8, 8]);
}

#[tokio::test]
async fn packets_of_one_moment_share_a_frame() {
    let simulator = Simulator::start(&["--rate", "0"]).await;
    let mut client = simulator.connect(QUERY).await;
    client.command(&Command::Subscribe(vec![INFY, NIFTY])).await;
    let frame = client.binary().await;
    // Two packets, of 44 and 28 bytes, each behind its length.
    assert_eq!(
        (frame.len(), &frame[..4]),
        (2 + 46 + 30, &[0, 2, 0, 44][..])
    );
}

#[tokio::test]
async fn a_zero_byte_comes_each_second_even_while_ticking() {
    let simulator = Simulator::start(&["--rate", "50"]).await;
    let mut client = simulator.connect(QUERY).await;
    client.command(&Command::Subscribe(vec![INFY])).await;
    let clock = service::clock::Clock::system();
    let (start, mut beats, mut packets) = (clock.now(), 0, 0);
    while beats < 3 {
        let Message::Binary(frame) = client.next().await.unwrap() else {
            continue;
        };
        if frame.len() == 1 {
            assert_eq!(frame[0], 0);
            beats += 1;
        } else {
            packets += 1;
        }
    }
    assert!(packets > 50, "{packets}");
    // Three beats are two intervals apart at least; the upper bound only catches a stuck timer.
    assert!((Duration::from_secs(2)..Duration::from_secs(15)).contains(&(clock.now() - start)));
}

#[tokio::test]
async fn pings_are_answered() {
    let simulator = Simulator::start(&["--rate", "0"]).await;
    let mut client = simulator.connect(QUERY).await;
    client.0.send(Message::Ping("here?".into())).await.unwrap();
    loop {
        if let Message::Pong(payload) = client.next().await.unwrap() {
            assert_eq!(&payload[..], b"here?");
            return;
        }
    }
}

#[tokio::test]
async fn the_3001st_instrument_is_an_error_and_changes_nothing() {
    let simulator = Simulator::start(&["--rate", "0"]).await;
    let mut client = simulator.connect(QUERY).await;
    client
        .command(&Command::Subscribe(vec![NIFTY; 2_999]))
        .await;
    assert_eq!(client.packets(1).await.len(), 1, "duplicates come once");
    client.command(&Command::Subscribe(vec![INFY, INFY])).await;
    assert_eq!(
        client.text().await,
        json!({"type": "error", "data": "Can't subscribe to more than 3000 instruments."})
    );
    simulator
        .control("/sim/tick", json!({"tokens": [NIFTY, INFY]}))
        .await;
    let packets = client.packets(1).await;
    assert_eq!(
        packets
            .iter()
            .map(|packet| packet.token)
            .collect::<Vec<_>>(),
        [NIFTY]
    );
}

#[tokio::test]
async fn garbage_is_ignored() {
    let simulator = Simulator::start(&["--rate", "0"]).await;
    let mut client = simulator.connect(QUERY).await;
    for text in [
        "",
        "{",
        r#"{"a":"subscribe","v":["408065"]}"#,
        r#"{"a":"mode","v":["best",[1]]}"#,
    ] {
        client.0.send(Message::text(text)).await.unwrap();
    }
    client
        .0
        .send(Message::binary(vec![0_u8; 64]))
        .await
        .unwrap();
    client.command(&Command::Subscribe(vec![INFY])).await;
    assert_eq!(client.packets(1).await[0].token, INFY);
}

/// Every packet that the recorder says was written arrives, in order and bit by bit.
#[tokio::test]
async fn what_is_recorded_is_what_arrives_in_every_segment() {
    let simulator = Simulator::start(&["--rate", "20"]).await;
    let tokens = one_of_each_segment(&simulator).await;
    simulator.control("/sim/record", json!({})).await;
    let mut client = simulator.connect(QUERY).await;
    client.command(&Command::Subscribe(tokens.clone())).await;
    client
        .command(&Command::SetMode(Mode::Full, tokens.clone()))
        .await;
    let mut frames = Vec::new();
    while frames.len() < 100 {
        frames.push(client.binary().await);
    }
    simulator
        .control("/sim/pause", json!({"paused": true}))
        .await;
    frames.extend(client.drain(&simulator).await);
    let mut arrived = Vec::new();
    for frame in frames.iter().filter(|frame| frame.len() > 1) {
        arrived.extend(cut(frame));
    }
    let recorded = recording(&simulator, arrived.len()).await;
    assert_eq!(recorded, arrived);
    let mut ticks: HashMap<u8, usize> = HashMap::new();
    for packet in &arrived {
        *ticks
            .entry(u8::from_str_radix(&packet[6..8], 16).unwrap())
            .or_default() += 1;
    }
    assert!(
        ticks.len() == 8 && ticks.values().all(|count| *count > 3),
        "{ticks:?}"
    );
}

/// Packets recorded so far. The recorder notes a packet just after it was written, so the last ones
/// may be on their way.
async fn recording(simulator: &Simulator, wanted: usize) -> Vec<String> {
    let read = async || {
        let page: Value = simulator
            .get("/sim/record")
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        assert_eq!(page["dropped"], 0);
        let hex = |entry: &Value| entry["hex"].as_str().unwrap().to_owned();
        page["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(hex)
            .collect::<Vec<_>>()
    };
    within(async {
        loop {
            let recorded = read().await;
            if recorded.len() >= wanted {
                return recorded;
            }
        }
    })
    .await
}

/// Cuts a frame into packets by hand, as hexadecimal.
fn cut(frame: &[u8]) -> Vec<String> {
    let mut rest = &frame[2..];
    let mut packets = Vec::new();
    while let [high, low, tail @ ..] = rest {
        let (packet, tail) = tail.split_at(usize::from(*high) << 8 | usize::from(*low));
        packets.push(packet.iter().map(|byte| format!("{byte:02x}")).collect());
        rest = tail;
    }
    packets
}

async fn one_of_each_segment(simulator: &Simulator) -> Vec<Token> {
    let dump = simulator
        .get("/instruments")
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    let rows = kite::instruments::read(&dump[..]).unwrap().instruments;
    let by_segment: HashMap<u8, Token> = rows
        .iter()
        .map(|row| (row.token.segment().byte(), row.token))
        .collect();
    assert_eq!(by_segment.len(), 8);
    by_segment.into_values().collect()
}

#[tokio::test]
async fn totals_tell_what_was_sent() {
    let simulator = Simulator::start(&["--rate", "0"]).await;
    let mut client: Client = simulator.connect(QUERY).await;
    client.command(&Command::Subscribe(vec![INFY, NIFTY])).await;
    client.packets(2).await;
    for _ in 0..10 {
        simulator
            .control("/sim/tick", json!({"tokens": [INFY, NIFTY]}))
            .await;
    }
    assert_eq!(client.packets(20).await.len(), 20);
    let packets = async || {
        let totals: Value = simulator
            .get("/sim/stats")
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        totals["api_keys"]["a"]["packets"].as_u64().unwrap()
    };
    within(async { while packets().await < 22 {} }).await;
    drop(client);
    assert_eq!(packets().await, 22);
}
