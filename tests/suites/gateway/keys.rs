//! Keys that are public: from a file, and served by an address.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::Result;
use axum::http::StatusCode;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData as _, SigningKey as _};
use serde_json::{Value, json};
use tests::{Gateway, RedisServer, eventually, gateway::allow_reading};

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
