//! Tokens: what is signed by whom, until when, and what was revoked.

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use tests::{Gateway, RedisServer};

async fn refused(gateway: &Gateway, token: &str) -> Result<String> {
    let mut client = gateway.open(&format!("/ws/ticks?token={token}")).await?;
    let (code, text) = client.closed().await?;
    assert_eq!(code, 1008, "{text}");
    Ok(text)
}

#[tokio::test]
async fn tokens_that_are_not_ours_are_refused() -> Result<()> {
    let redis = RedisServer::start().await?;
    let gateway = Gateway::start(&redis).await?;
    let good = gateway.token("me", &[]).await?;
    let parts: Vec<&str> = good.split('.').collect();
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let none = format!("{}.{}.", part(json!({"alg": "none"})), parts[1]);
    assert!(
        refused(&gateway, &none)
            .await?
            .contains("algorithm is not allowed")
    );
    let rsa = format!(
        "{}.{}.{}",
        part(json!({"alg": "RS256"})),
        parts[1],
        parts[2]
    );
    assert!(
        refused(&gateway, &rsa)
            .await?
            .contains("algorithm is not allowed")
    );
    let claims = part(json!({"sub": "you", "exp": 9_999_999_999_u64}));
    let forged = format!("{}.{claims}.{}", parts[0], parts[2]);
    assert!(
        refused(&gateway, &forged)
            .await?
            .contains("signature is wrong")
    );
    assert!(refused(&gateway, "x").await?.contains("not a token"));
    gateway.client_of(&good).await?;
    for token in [&none, &forged, &good] {
        assert!(
            !gateway.log().contains(token.as_str()),
            "a token is in the log"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_revoked_token_is_refused() -> Result<()> {
    let redis = RedisServer::start().await?;
    let gateway = Gateway::start(&redis).await?;
    let token = gateway.token("me", &[]).await?;
    gateway.client_of(&token).await?;
    let mut command = redis::cmd("SET");
    command.arg(format!("revoked_token:{token}")).arg("1");
    command
        .query_async::<()>(&mut redis.connection().await?)
        .await?;
    assert_eq!(refused(&gateway, &token).await?, "Token revoked");
    Ok(())
}

#[tokio::test]
async fn statistics_are_for_those_with_the_role() -> Result<()> {
    let redis = RedisServer::start().await?;
    let gateway = Gateway::start(&redis).await?;
    let _client = gateway.client("me").await?;
    let (status, _) = gateway.get("/ws/stats", None).await?;
    assert_eq!(status, 401);
    let token = gateway.token("me", &[]).await?;
    assert_eq!(gateway.get("/ws/stats", Some(&token)).await?.0, 403);
    let token = gateway.token("boss", &["--role", "admin"]).await?;
    let (status, stats) = gateway.get("/ws/stats", Some(&token)).await?;
    assert_eq!((status, &stats["active_connections"]), (200, &json!(1)));
    assert_eq!(stats["connections"][0]["user_id"], "me");
    let (status, text) = gateway.metrics("/ws/stats").await?;
    assert!(status == 200 && text.contains("active_connections"));
    let (_, text) = gateway.metrics("/metrics").await?;
    assert!(
        text.contains("kiteticker_gateway_connections 1\n"),
        "{text}"
    );
    Ok(())
}
