//! Who is let in, and with which words others are refused.

use anyhow::Result;
use serde_json::json;
use tests::{Gateway, RedisServer, TickSocket};

use crate::publisher::Publisher;

#[tokio::test]
async fn tokens_are_taken_from_the_address_the_header_or_the_first_message() -> Result<()> {
    let redis = RedisServer::start().await?;
    let gateway = Gateway::start(&redis).await?;
    let token = gateway.token("me", &[]).await?;
    gateway.client_of(&token).await?;
    let url = format!("ws://{}/ws/ticks", gateway.address());
    let bearer = format!("Bearer {token}");
    let mut client = TickSocket::open(&url, &[("authorization", &bearer)]).await?;
    assert_eq!(client.next().await?["type"], "connected");
    let mut client = TickSocket::open(&url, &[]).await?;
    client
        .send(&json!({"action": "auth", "token": token}))
        .await?;
    assert_eq!(client.next().await?["type"], "connected");
    let mut client = TickSocket::open(&url, &[]).await?;
    client.send(&json!({"action": "ping"})).await?;
    let missing = (1008, "Missing authentication token".to_owned());
    assert_eq!(client.closed().await?, missing);
    assert!(!gateway.log().contains(&token), "a token is in the log");
    Ok(())
}

#[tokio::test]
async fn pages_of_other_hosts_are_refused_unless_they_are_named() -> Result<()> {
    let redis = RedisServer::start().await?;
    let arguments = ["--origin", "https://desk.example"];
    let gateway = Gateway::start_with(&redis, &arguments).await?;
    let token = gateway.token("me", &[]).await?;
    let url = format!("ws://{}/ws/ticks?token={token}", gateway.address());
    let mut client = TickSocket::open(&url, &[("origin", "https://desk.example")]).await?;
    assert_eq!(client.next().await?["type"], "connected");
    let mut client = TickSocket::open(&url, &[("origin", "https://evil.example")]).await?;
    let refused = (1008, "Origin not allowed".to_owned());
    assert_eq!(client.closed().await?, refused);
    Ok(())
}

#[tokio::test]
async fn connections_and_instruments_are_limited() -> Result<()> {
    let redis = RedisServer::start().await?;
    let mut publisher = Publisher::new(&redis).await;
    for token in 1..=3 {
        publisher.list(token).await;
    }
    let arguments = [
        "--max-connections",
        "3",
        "--max-connections-per-user",
        "2",
        "--max-tokens-per-client",
        "2",
        "--max-frame",
        "1024",
    ];
    let gateway = Gateway::start_with(&redis, &arguments).await?;
    let token = gateway.token("me", &[]).await?;
    let path = format!("/ws/ticks?token={token}");
    let (mut first, _second) = (
        gateway.client_of(&token).await?,
        gateway.client_of(&token).await?,
    );
    let of_user = (1013, "Too many connections of this user".to_owned());
    assert_eq!(gateway.open(&path).await?.closed().await?, of_user);
    let mut third = gateway.client("you").await?;
    let other = gateway.token("third", &[]).await?;
    let mut refused = gateway.open(&format!("/ws/ticks?token={other}")).await?;
    let in_all = (1013, "Too many connections".to_owned());
    assert_eq!(refused.closed().await?, in_all);

    first
        .send(&json!({"action": "subscribe", "tokens": [1, 2, 3]}))
        .await?;
    assert_eq!(
        first.next().await?,
        json!({"type": "subscribed", "tokens": [1, 2], "total": 2,
               "rejected": [{"token": 3, "reason": "limit"}]})
    );
    first.send_text(&" ".repeat(2_000)).await?;
    assert_eq!(first.closed().await?, (1009, "frame too large".to_owned()));
    third.send_binary(vec![0].into()).await?;
    assert_eq!(third.closed().await?, (1003, "send text frames".to_owned()));
    Ok(())
}

#[tokio::test]
async fn commands_are_limited_and_a_flood_disturbs_nobody() -> Result<()> {
    let redis = RedisServer::start().await?;
    let gateway = Gateway::start_with(&redis, &["--max-commands-per-s", "5"]).await?;
    let (mut client, mut other) = (gateway.client("me").await?, gateway.client("you").await?);
    for _ in 0..50 {
        client.send(&json!({"action": "ping"})).await?;
    }
    let refused = client.next_of("error").await?;
    assert_eq!(refused["message"], "too many commands: at most 5 a second");
    other.send(&json!({"action": "ping"})).await?;
    assert_eq!(other.next().await?["type"], "pong");
    Ok(())
}
