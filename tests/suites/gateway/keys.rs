//! Keys that are public: from a file, and served by an address.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::Result;
use axum::http::StatusCode;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kite::frame::raw_packets;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PublicKeyData as _, SigningKey as _};
use serde_json::{Value, json};
use tests::gateway::allow_reading;
use tests::simulator::from_hex;
use tests::{Gateway, RedisServer, eventually};
use tokio_tungstenite::tungstenite::Message;

use crate::publisher::Publisher;

/// A token that `key` signs.
fn sign(key: &KeyPair, kid: &str, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({"alg": "EdDSA", "kid": kid});
    let message = format!("{}.{}", part(&header), part(claims));
    let signature = key.sign(message.as_bytes()).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn claims(more: &Value) -> Value {
    let mut claims = json!({"sub": "me", "exp": 4_102_444_800.5});
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

async fn refused(gateway: &Gateway, token: &str) -> Result<(u16, String)> {
    let mut client = gateway.open(&format!("/ws/ticks?token={token}")).await?;
    client.closed().await
}

#[tokio::test]
async fn a_public_key_in_a_file_checks_tokens_and_their_audience() -> Result<()> {
    let redis = RedisServer::start().await?;
    let key = KeyPair::generate_for(&PKCS_ED25519)?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("key.pem");
    std::fs::write(&path, key.public_key_pem())?;
    let path = path.display().to_string();
    let arguments = [
        "--jwt-public-key-file",
        &path,
        "--jwt-audience",
        "ticks",
        "--jwt-issuer",
        "us",
    ];
    let gateway = Gateway::start_with(&redis, &arguments).await?;
    let good = json!({"iss": "us", "aud": ["ticks"]});
    gateway.client_of(&sign(&key, "", &claims(&good))).await?;
    for (more, wrong) in [
        (json!({"iss": "us"}), "the claim aud is missing"),
        (json!({"iss": "us", "aud": "x"}), "another audience"),
        (json!({"aud": "ticks"}), "the claim iss is missing"),
        (
            json!({"iss": "us", "aud": "ticks", "exp": 1000}),
            "Token expired",
        ),
    ] {
        let (code, text) = refused(&gateway, &sign(&key, "", &claims(&more))).await?;
        assert!(code == 1008 && text.contains(wrong), "{text}");
    }
    let other = KeyPair::generate_for(&PKCS_ED25519)?;
    let (_, text) = refused(&gateway, &sign(&other, "", &claims(&good))).await?;
    assert!(text.contains("signature is wrong"), "{text}");
    Ok(())
}

#[tokio::test]
async fn a_new_token_takes_away_what_it_does_not_allow() -> Result<()> {
    let redis = RedisServer::start().await?;
    let mut publisher = Publisher::new(&redis).await;
    for token in 1..=3 {
        publisher.list(token).await;
    }
    let key = KeyPair::generate_for(&PKCS_ED25519)?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("key.pem");
    std::fs::write(&path, key.public_key_pem())?;
    let path = path.display().to_string();
    let gateway = Gateway::start_with(&redis, &["--jwt-public-key-file", &path]).await?;
    let token = |kt: Value| sign(&key, "", &claims(&json!({"kt": kt})));
    let wide = token(json!({"orders": ["acct-a"]}));
    let mut client = gateway.client_of(&wide).await?;
    client
        .send(&json!({"action": "subscribe_orders", "accounts": ["acct-a"]}))
        .await?;
    assert_eq!(client.next().await?["accounts"], json!(["acct-a"]));
    client
        .send(&json!({"action": "subscribe", "tokens": [3, 2, 1, 2]}))
        .await?;
    assert_eq!(client.next().await?["total"], 3);
    publisher.has_readers("orders:acct-a", 1).await;
    let narrow = token(json!({"max_tokens": 1}));
    client
        .send(&json!({"action": "refresh", "token": narrow}))
        .await?;
    assert_eq!(client.next().await?["type"], "refreshed");
    assert_eq!(
        client.next().await?,
        json!({"type": "unsubscribed", "tokens": [2, 3], "total": 1})
    );
    publisher.has_readers("orders:acct-a", 0).await;
    Ok(())
}

#[tokio::test]
async fn a_revoked_token_of_a_curve_is_refused_with_its_other_signature() -> Result<()> {
    let redis = RedisServer::start().await?;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("key.pem");
    std::fs::write(&path, key.public_key_pem())?;
    let path = path.display().to_string();
    let gateway = Gateway::start_with(&redis, &["--jwt-public-key-file", &path]).await?;
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!(
        "{}.{}",
        part(&json!({"alg": "ES256"})),
        part(&claims(&json!({})))
    );
    // Two integers in DER, each with its length.
    let der = key.sign(message.as_bytes())?;
    let (r, rest) = integer(&der[2..]);
    let (s, _) = integer(rest);
    let order = from_hex(P256_ORDER);
    let mut other = s;
    let mut borrow = 0;
    for at in (0..32).rev() {
        let digit = i16::from(order[at]) - i16::from(s[at]) - borrow;
        borrow = i16::from(digit < 0);
        other[at] = digit.rem_euclid(256).try_into()?;
    }
    let token = |s: [u8; 32]| format!("{message}.{}", URL_SAFE_NO_PAD.encode([r, s].concat()));
    gateway.client_of(&token(s)).await?;
    gateway.client_of(&token(other)).await?;
    let mut command = redis::cmd("SET");
    command.arg(format!("revoked_token:{}", token(s))).arg("1");
    command
        .query_async::<()>(&mut redis.connection().await?)
        .await?;
    for token in [token(s), token(other)] {
        let revoked = (1008, "Token revoked".to_owned());
        assert_eq!(refused(&gateway, &token).await?, revoked);
    }
    Ok(())
}

/// The order of the curve.
const P256_ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

/// An integer in DER as 32 bytes, and what follows it.
fn integer(der: &[u8]) -> ([u8; 32], &[u8]) {
    let (value, rest) = der[2..].split_at(der[1].into());
    let mut bytes = [0; 32];
    for (byte, from) in bytes.iter_mut().rev().zip(value.iter().rev()) {
        *byte = *from;
    }
    (bytes, rest)
}

#[tokio::test]
async fn the_rate_of_a_token_holds_for_packets_too() -> Result<()> {
    let redis = RedisServer::start().await?;
    let mut publisher = Publisher::new(&redis).await;
    publisher.list(1).await;
    let key = KeyPair::generate_for(&PKCS_ED25519)?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("key.pem");
    std::fs::write(&path, key.public_key_pem())?;
    let path = path.display().to_string();
    let gateway = Gateway::start_with(&redis, &["--jwt-public-key-file", &path]).await?;
    let token = sign(&key, "", &claims(&json!({"kt": {"max_hz": 1}})));
    let mut client = gateway.open(&format!("/kite?access_token={token}")).await?;
    client.send(&json!({"a": "subscribe", "v": [1]})).await?;
    publisher.is_read().await;
    for _ in 0..100 {
        publisher.tick(1).await;
    }
    let (mut packets, mut seconds) = (0, 0);
    while seconds < 4 || packets == 0 {
        if let Message::Binary(frame) = client.frame().await? {
            seconds += usize::from(frame.len() == 1);
            packets += raw_packets(&frame).count();
        }
    }
    assert!(packets < 20, "{packets} packets at 1 Hz");
    Ok(())
}

#[tokio::test]
async fn served_keys_are_awaited_kept_and_asked_for_when_a_new_one_comes() -> Result<()> {
    let redis = RedisServer::start().await?;
    allow_reading(&redis).await?;
    let (first, second) = (
        KeyPair::generate_for(&PKCS_ED25519)?,
        KeyPair::generate_for(&PKCS_ED25519)?,
    );
    let key = |kid: &str, key: &KeyPair| {
        let x = URL_SAFE_NO_PAD.encode(key.der_bytes());
        json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "use": "sig", "x": x})
    };
    let set = json!({"keys": [key("one", &first)]}).to_string();
    let (up, asked) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let (is_up, count) = (Arc::clone(&up), Arc::clone(&asked));
    let serve = move || {
        count.fetch_add(1, Ordering::Relaxed);
        let answer = if is_up.load(Ordering::Relaxed) {
            (StatusCode::OK, set.clone())
        } else {
            (StatusCode::INTERNAL_SERVER_ERROR, String::new())
        };
        std::future::ready(answer)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/keys", listener.local_addr()?);
    let router = axum::Router::new().route("/keys", get(serve));
    tokio::spawn(async move { axum::serve(listener, router).await });

    let gateway = Gateway::start_at(&redis.url(), &["--jwks-url", &url]).await?;
    let token = sign(&first, "one", &claims(&json!({})));
    eventually("it waits for keys", async || {
        let (code, text) = refused(&gateway, &token).await?;
        anyhow::ensure!(code == 1013 && text.starts_with("keys"), "{code} {text}");
        anyhow::Ok(())
    })
    .await;
    assert_eq!(gateway.metrics("/readyz").await?.0, 503);
    up.store(true, Ordering::Relaxed);
    gateway.ready().await;
    gateway.client_of(&token).await?;
    // Kept while the address is away.
    up.store(false, Ordering::Relaxed);
    gateway.client_of(&token).await?;
    let before = asked.load(Ordering::Relaxed);
    for _ in 0..20 {
        let unknown = sign(&second, "two", &claims(&json!({})));
        let (code, text) = refused(&gateway, &unknown).await?;
        assert!(
            code == 1008 && text.contains("the key is not known"),
            "{text}"
        );
    }
    let more = asked.load(Ordering::Relaxed) - before;
    assert!(more <= 1, "asked {more} times for a flood of unknown keys");
    Ok(())
}
