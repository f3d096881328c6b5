//! Every message and row fits the documented schema, whose integers JavaScript reads exactly.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use futures::StreamExt;
use serde_json::{Value, json};
use tests::documents::root;
use tests::{Local, RedisServer, Simulator, eventually};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Which definition of the schema a message of this channel fits.
fn kind(channel: &str) -> &'static str {
    match channel.rsplit_once(':').map(|(_, end)| end) {
        Some("events") => "event",
        Some("underlying" | "indices") => "underlying",
        _ => "contract",
    }
}

/// Gathers every message of a Redis by its kind.
async fn gather(redis: &RedisServer) -> Result<Arc<Mutex<Vec<Value>>>> {
    let mut subscription = redis::Client::open(redis.url())?.get_async_pubsub().await?;
    subscription.psubscribe("*").await?;
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    tokio::spawn(async move {
        let mut messages = subscription.into_on_message();
        while let Some(message) = messages.next().await {
            let text: String = message.get_payload().unwrap_or_default();
            let line = json!({"kind": kind(message.get_channel_name()), "json": text});
            let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
            sink.push(line);
        }
    });
    Ok(lines)
}

/// What the checker says of these lines.
pub(crate) async fn check(lines: &[Value]) -> Result<String> {
    let mut checker = Command::new(root().join(".state/python/bin/python"))
        .arg(root().join("tests/clients/check_messages.py"))
        .arg(root().join("docs/messages.schema.json"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut input = checker.stdin.take().context("no input")?;
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    // It ends at the first that does not fit.
    let written = input.write_all(text.as_bytes()).await;
    drop(input);
    let output = checker.wait_with_output().await?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{errors}");
    written?;
    Ok(String::from_utf8(output.stdout)?)
}

#[tokio::test]
async fn every_message_and_row_fits_the_documented_schema() -> Result<()> {
    let (redis, kite) = (RedisServer::start().await?, Simulator::start().await?);
    let lines = gather(&redis).await?;
    let mut local = Local::new(&redis)?;
    local.write_account("demo", &kite, "")?;
    local.write("options.yaml", &Simulator::symbols(40, "option").await?)?;
    local.write_set("full", "full", &["NSE:INFY", "NSE:NIFTY 50"], "")?;
    local.write_set("quote", "quote", &["NSE:TCS", "NSE:NIFTY BANK"], "")?;
    local.write_set("ltp", "ltp", &["NSE:RELIANCE", "NSE:INDIA VIX"], "")?;
    local.start()?;
    for set in ["full", "quote", "ltp"] {
        local.shows(set, "True", "Streaming").await;
    }
    // A socket that is lost and comes back gives the events that a quiet day does not.
    kite.control("connections/drop", json!({})).await?;
    let modes = ["ltp", "quote", "full"].map(|mode| format!("\\\"mode\\\":\\\"{mode}\\\""));
    let kinds = ["alive", "subscription_created", "disconnected", "gap"];
    let kinds = kinds.map(|kind| format!("\\\"event_type\\\":\\\"{kind}\\\""));
    let wanted: Vec<String> = modes.into_iter().chain(kinds).collect();
    eventually("messages of all kinds", async || {
        let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        let text: Vec<String> = lines.iter().map(Value::to_string).collect();
        let missing = |word: &&String| !text.iter().any(|line| line.contains(*word));
        let missing: Vec<&String> = wanted.iter().filter(missing).collect();
        ensure!(missing.is_empty(), "{missing:?} in {} messages", text.len());
        for kind in ["contract", "underlying", "event"] {
            let of_kind = lines.iter().filter(|line| line["kind"] == kind).count();
            ensure!(of_kind > 5, "{of_kind} of {kind}");
        }
        Ok(())
    })
    .await;
    let mut all = lines.lock().unwrap_or_else(PoisonError::into_inner).clone();
    all.extend(rows(&redis).await?);
    let counts: BTreeMap<String, u32> = serde_json::from_str(&check(&all).await?)?;
    assert!(
        ["contract", "underlying", "event", "row"]
            .iter()
            .all(|it| counts[*it] > 5)
    );
    Ok(())
}

/// The rows of the directory.
async fn rows(redis: &RedisServer) -> Result<Vec<Value>> {
    let rows: BTreeMap<String, String> = redis::cmd("HGETALL")
        .arg("mock:ticker:instruments")
        .query_async(&mut redis.connection().await?)
        .await?;
    let rows = rows.into_values();
    Ok(rows
        .map(|row| json!({"kind": "row", "json": row}))
        .collect())
}

/// A check that cannot fail shows nothing.
#[tokio::test]
async fn what_does_not_fit_the_schema_is_found() -> Result<()> {
    let alive = json!({
        "event_type": "alive", "ts": 1, "is_mock": false, "account_id": "a",
        "live": 1, "needed": 1, "assigned": 1, "last_tick_ts": 1,
    });
    let line = |event: &Value| [json!({"kind": "event", "json": event.to_string()})];
    check(&line(&alive)).await?;
    for (key, value) in [
        ("ts", json!(9_007_199_254_740_992_u64)),
        ("live", Value::Null),
        ("another", json!(1)),
    ] {
        let mut wrong = alive.clone();
        wrong[key] = value;
        let refused = check(&line(&wrong)).await;
        assert!(refused.is_err(), "{wrong}");
    }
    Ok(())
}
