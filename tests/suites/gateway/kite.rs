//! Clients that speak Kite's own protocol.

use std::collections::BTreeSet;

use anyhow::Result;
use kite::frame::raw_packets;
use kite::{Detail, Packet, Packets};
use serde_json::json;
use tests::simulator::from_hex;
use tests::{Gateway, Local, RedisServer, Simulator, TickSocket};
use tokio_tungstenite::tungstenite::Message;

use crate::publisher::Publisher;

const NIFTY: u32 = 256_265;
const INFY: u32 = 408_065;

/// The next packet of an instrument that `fits`.
async fn packet(client: &mut TickSocket, fits: impl Fn(&Packet) -> bool) -> Result<Packet> {
    loop {
        if let Message::Binary(frame) = client.frame().await? {
            let packets = Packets::new(&frame).map(Result::unwrap);
            if let Some(found) = packets.into_iter().find(&fits) {
                return Ok(found);
            }
        }
    }
}

/// The next text.
async fn text(client: &mut TickSocket) -> Result<String> {
    loop {
        if let Message::Text(text) = client.frame().await? {
            return Ok(text.to_string());
        }
    }
}

#[tokio::test]
async fn packets_of_a_running_account_reach_a_client() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let mut local = Local::new(&redis)?;
    local.write_account("demo", &simulator, "")?;
    local.write_set("index", "full", &["NSE:NIFTY 50"], "")?;
    local.write_set("share", "quote", &["NSE:INFY"], "")?;
    local.start()?;
    local.shows("index", "True", "Streaming").await;
    local.shows("share", "True", "Streaming").await;
    let gateway = Gateway::start(&redis).await?;
    let token = gateway.token("me", &[]).await?;
    let path = format!("/kite-mock/?api_key=x&access_token={token}");
    let mut client = gateway.open(&path).await?;
    let subscribe = json!({"a": "subscribe", "v": [NIFTY, INFY]});
    client.send(&subscribe).await?;
    let quote = packet(&mut client, |it| it.token.0 == INFY).await?;
    assert!(matches!(quote.detail, Detail::Quote(_)), "{quote:?}");
    client
        .send(&json!({"a": "mode", "v": ["full", [NIFTY, INFY]]}))
        .await?;
    let error = r#"{"data":"set streams quote: NSE:INFY","type":"error"}"#;
    assert_eq!(text(&mut client).await?, error);
    let is_full = |it: &Packet| matches!(it.detail, Detail::IndexFull(..));
    let full = packet(&mut client, is_full).await?;
    let Detail::IndexFull(index, _) = full.detail else {
        panic!("{full:?}")
    };
    assert_eq!(index.change, full.last_price - index.close);
    // Mock ticks cannot be told apart in a packet: they are not under the other path.
    let mut real = gateway.open(&path.replace("kite-mock/", "kite")).await?;
    real.send(&subscribe).await?;
    assert!(
        text(&mut real)
            .await?
            .contains("2 of these instruments do not stream")
    );
    Ok(())
}

/// What Kite sends goes into Redis as text, and comes out of the gateway as the same bytes.
#[tokio::test]
async fn packets_are_those_of_kite_byte_for_byte() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    simulator.control("record", json!({})).await?;
    let mut local = Local::new(&redis)?;
    local.write_account("demo", &simulator, "")?;
    local.write_set("all", "full", &["NSE:NIFTY 50", "NSE:INFY"], "")?;
    local.start()?;
    local.shows("all", "True", "Streaming").await;
    let gateway = Gateway::start(&redis).await?;
    let token = gateway.token("me", &[]).await?;
    let mut client = gateway
        .open(&format!("/kite-mock?access_token={token}"))
        .await?;
    let tokens = [NIFTY, INFY];
    client.send(&json!({"a": "subscribe", "v": tokens})).await?;
    client
        .send(&json!({"a": "mode", "v": ["full", tokens]}))
        .await?;
    let mut got: Vec<Vec<u8>> = Vec::new();
    while got.len() < 40 {
        if let Message::Binary(frame) = client.frame().await? {
            let packets = raw_packets(&frame).filter(|it| [32, 184].contains(&it.len()));
            got.extend(packets.map(<[u8]>::to_vec));
        }
    }
    let page = simulator.read("record").await?;
    let entries = page["entries"].as_array().unwrap();
    let sent = entries.iter().filter_map(|it| it["hex"].as_str());
    let sent: BTreeSet<Vec<u8>> = sent.map(from_hex).collect();
    for packet in &got {
        assert!(sent.contains(packet), "not sent by Kite: {packet:?}");
    }
    assert!(got.iter().any(|it| it.len() == 32) && got.iter().any(|it| it.len() == 184));
    Ok(())
}

#[tokio::test]
async fn the_newest_comes_first_and_a_heartbeat_each_second() -> Result<()> {
    let redis = RedisServer::start().await?;
    let mut publisher = Publisher::new(&redis).await;
    publisher.list(12_192_002).await;
    publisher.keep(12_192_002).await;
    let gateway = Gateway::start(&redis).await?;
    let token = gateway.token("me", &[]).await?;
    let mut client = gateway.open(&format!("/kite?access_token={token}")).await?;
    let first = client.frame().await?;
    assert_eq!(first, Message::Binary(vec![0].into()));
    client
        .send(&json!({"a": "subscribe", "v": [12_192_002]}))
        .await?;
    let newest = packet(&mut client, |it| it.token.0 == 12_192_002).await?;
    assert_eq!(
        (newest.last_price, newest.detail),
        (70, Detail::Ltp),
        "what there is"
    );
    let many: Vec<u32> = (1..=3_001).collect();
    client.send(&json!({"a": "subscribe", "v": many})).await?;
    assert!(
        text(&mut client)
            .await?
            .contains("more than 3000 instruments")
    );
    Ok(())
}

#[tokio::test]
async fn instruments_and_commands_are_limited_here_too() -> Result<()> {
    let redis = RedisServer::start().await?;
    let arguments = ["--max-tokens-per-client", "2", "--max-commands-per-s", "2"];
    let gateway = Gateway::start_with(&redis, &arguments).await?;
    let token = gateway.token("me", &[]).await?;
    let mut client = gateway.open(&format!("/kite?access_token={token}")).await?;
    let subscribe = json!({"a": "subscribe", "v": [1, 2, 3]});
    client.send(&subscribe).await?;
    let error = text(&mut client).await?;
    assert!(error.contains("more than 2 instruments"), "{error}");
    for _ in 0..20 {
        client.send(&subscribe).await?;
    }
    while !text(&mut client).await?.contains("at most 2 a second") {}
    Ok(())
}

#[tokio::test]
async fn a_bad_token_is_refused_before_the_upgrade() -> Result<()> {
    let redis = RedisServer::start().await?;
    let gateway = Gateway::start(&redis).await?;
    for path in ["/kite", "/kite?access_token=x", "/kite-mock?access_token=x"] {
        let refused = gateway.open(path).await.unwrap_err();
        assert!(format!("{refused:#}").contains("403"), "{refused:#}");
    }
    Ok(())
}
