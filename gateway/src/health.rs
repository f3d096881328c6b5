//! Which accounts are alive, as they say it themselves.
//!
//! Owns reading that from time to time, and the answer of `GET /health`, so that a question costs nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use redis_link::reader::RedisReader;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::directory::sync::KnownDirectory;
use crate::directory::{InstrumentDirectory, key_start};

/// Accounts write it every ten seconds.
const EVERY: Duration = Duration::from_secs(2);

/// Accounts that are asked for.
const MOST: usize = 1_000;

/// An account, and how many instruments of the directory are its own.
type Accounts = BTreeMap<(bool, Option<String>, String), usize>;

/// Reads until `shutdown`.
pub(crate) async fn run(
    reader: Arc<RedisReader>,
    directory: watch::Receiver<KnownDirectory>,
    health: watch::Sender<Arc<Value>>,
    shutdown: CancellationToken,
) {
    let reading = async {
        loop {
            let known = directory.borrow().clone().unwrap_or_default();
            let accounts = accounts(&known);
            let mut told = Vec::new();
            for (account, count) in accounts.into_iter().take(MOST) {
                match reader.value(&key(&account)).await {
                    Ok(alive) => told.push((account.2, count, alive)),
                    Err(_away) => {
                        told.clear();
                        break;
                    }
                }
            }
            let redis = !told.is_empty() || reader.value("ticker:alive").await.is_ok();
            health.send_replace(Arc::new(answer(&told, known.len(), redis)));
            tokio::time::sleep(EVERY).await;
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = reading => {}
    }
}

/// What is answered before anything was read.
pub(crate) fn unknown() -> Value {
    answer(&[], 0, false)
}

fn accounts(directory: &InstrumentDirectory) -> Accounts {
    let mut accounts = Accounts::new();
    for (id, row) in directory.all() {
        let namespace = row.namespace.as_ref().map(ToString::to_string);
        let account = (id.is_mock, namespace, row.account.to_string());
        *accounts.entry(account).or_default() += 1;
    }
    accounts
}

fn key((is_mock, namespace, account): &(bool, Option<String>, String)) -> String {
    let start = key_start(*is_mock);
    match namespace {
        Some(namespace) => format!("{start}ticker:alive:{namespace}:{account}"),
        None => format!("{start}ticker:alive:{account}"),
    }
}

/// Names, numbers of instruments, and what each account says of itself, if it is alive.
fn answer(accounts: &[(String, usize, Option<Vec<u8>>)], streaming: usize, redis: bool) -> Value {
    let mut dead = Vec::new();
    let mut shown = Vec::new();
    for (name, count, alive) in accounts {
        let says = alive.as_deref();
        let says = says.and_then(|text| serde_json::from_slice::<Value>(text).ok());
        let last = says.as_ref().and_then(|it| it["last_tick_ts"].as_f64());
        if says.is_none() {
            dead.push(name.as_str());
        }
        shown.push(json!({"account_id": name, "instrument_count": count, "last_tick_at": last}));
    }
    let running = dead.len() < accounts.len();
    let is_well = redis && dead.is_empty();
    let mut answer = json!({
        "status": if is_well { "ok" } else { "degraded" },
        "ticker": {"running": running, "active_subscriptions": streaming, "accounts": shown},
        "dependencies": {"redis": if redis { "ok" } else { "error" }},
    });
    if !redis {
        answer["reason"] = "redis cannot be read".into();
    } else if !dead.is_empty() {
        answer["reason"] = format!("not alive: {}", dead.join(", ")).into();
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_that_says_nothing_is_named() {
        let alive = br#"{"event_type":"alive","last_tick_ts":1795493159}"#.to_vec();
        let accounts = [
            ("acct-a".to_owned(), 2, Some(alive)),
            ("acct-b".to_owned(), 1, None),
        ];
        assert_eq!(
            answer(&accounts, 3, true),
            json!({
                "status": "degraded", "reason": "not alive: acct-b",
                "ticker": {"running": true, "active_subscriptions": 3, "accounts": [
                    {"account_id": "acct-a", "instrument_count": 2, "last_tick_at": 1_795_493_159.0},
                    {"account_id": "acct-b", "instrument_count": 1, "last_tick_at": null}]},
                "dependencies": {"redis": "ok"},
            })
        );
        assert_eq!(answer(&accounts[..1], 2, true)["status"], "ok");
        assert_eq!(answer(&[], 0, false)["dependencies"]["redis"], "error");
    }

    #[test]
    fn keys_are_those_of_the_accounts() {
        let key = |is_mock, namespace: Option<&str>| {
            key(&(is_mock, namespace.map(str::to_owned), "a".to_owned()))
        };
        assert_eq!(key(false, None), "ticker:alive:a");
        assert_eq!(key(true, Some("n")), "mock:ticker:alive:n:a");
    }
}
