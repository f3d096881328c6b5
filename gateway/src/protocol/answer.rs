//! What clients are answered.
//!
//! Owns the members of every message and their words. Pure.

use axum::extract::ws::Utf8Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// The version of this protocol.
pub(crate) const PROTOCOL: u32 = 1;

/// Why an instrument is not subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    /// No `EXCHANGE:TRADINGSYMBOL`.
    Unknown,
    /// No account streams it, or its set keeps no last values.
    NotStreaming,
    /// A token that is not a number.
    NotANumber,
    /// The token of the client does not allow it.
    NotPermitted,
    /// The client has as many as it may have.
    Limit,
    /// The client wants no simulated prices.
    Mock,
}

/// An instrument that is not subscribed to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Rejection {
    #[serde(flatten)]
    pub(crate) what: Wanted,
    pub(crate) reason: Reason,
}

/// How a client named an instrument.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Wanted {
    /// As it was written, which need not be a number.
    Token(Value),
    Symbol(String),
    Account(String),
}

/// Who a client is, as it is told.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct UserShown {
    pub(crate) user_id: String,
    pub(crate) email: Option<String>,
    pub(crate) name: Option<String>,
}

/// What a client may do.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct LimitsShown {
    pub(crate) max_tokens: usize,
    pub(crate) commands_per_s: u32,
    pub(crate) max_frame: usize,
    pub(crate) max_hz: Option<f64>,
}

/// The instruments of a gap.
#[derive(Debug)]
pub(crate) enum GapOf<'a> {
    All,
    Tokens(&'a [u32]),
}

/// The first message.
pub(crate) fn connected(
    connection_id: &str,
    user: &UserShown,
    limits: &LimitsShown,
    market: &Map<String, Value>,
    now: f64,
) -> Utf8Bytes {
    let message = json!({
        "type": "connected",
        "connection_id": connection_id,
        "user": user,
        "timestamp": now.floor(),
        "server_ts": now,
        "protocol": PROTOCOL,
        "limits": limits,
        "market": market,
    });
    text(&message)
}

/// The answer to a subscription; `rejected` is there only if something was rejected.
pub(crate) fn subscribed(
    id: Option<&Value>,
    tokens: &[u32],
    total: usize,
    rejected: &[Rejection],
) -> Utf8Bytes {
    let mut message = json!({"type": "subscribed", "tokens": tokens, "total": total});
    if !rejected.is_empty() {
        message["rejected"] = json!(rejected);
    }
    text(&with_id(message, id))
}

/// The answer to the end of a subscription.
pub(crate) fn unsubscribed(id: Option<&Value>, tokens: &[u32], total: usize) -> Utf8Bytes {
    let message = json!({"type": "unsubscribed", "tokens": tokens, "total": total});
    text(&with_id(message, id))
}

/// What a client is subscribed to.
pub(crate) fn list(id: Option<&Value>, subscriptions: &[Value]) -> Utf8Bytes {
    let total = subscriptions.len();
    let message = json!({"type": "list", "subscriptions": subscriptions, "total": total});
    text(&with_id(message, id))
}

/// The answer to a ping.
pub(crate) fn pong(id: Option<&Value>, now: f64) -> Utf8Bytes {
    text(&with_id(json!({"type": "pong", "server_ts": now}), id))
}

/// The answer to `hello`.
pub(crate) fn hello(id: Option<&Value>, heartbeat: Option<f64>) -> Utf8Bytes {
    let message = json!({"type": "hello", "protocol": PROTOCOL, "heartbeat": heartbeat});
    text(&with_id(message, id))
}

/// The answer to a new token.
pub(crate) fn refreshed(id: Option<&Value>, expires: f64) -> Utf8Bytes {
    text(&with_id(
        json!({"type": "refreshed", "expires": expires}),
        id,
    ))
}

/// The answer to a subscription to order updates.
pub(crate) fn orders(id: Option<&Value>, accounts: &[String], rejected: &[Rejection]) -> Utf8Bytes {
    let mut message = json!({"type": "orders_subscribed", "accounts": accounts});
    if !rejected.is_empty() {
        message["rejected"] = json!(rejected);
    }
    text(&with_id(message, id))
}

/// One order update, as Kite sent it.
pub(crate) fn order(account: &str, data: &RawValue) -> Utf8Bytes {
    #[derive(Serialize)]
    struct Order<'a> {
        #[serde(rename = "type")]
        kind: &'static str,
        account: &'a str,
        data: &'a RawValue,
    }
    text(&Order {
        kind: "order",
        account,
        data,
    })
}

/// Something that a client sent cannot be done.
pub(crate) fn error(id: Option<&Value>, message: &str) -> Utf8Bytes {
    text(&with_id(json!({"type": "error", "message": message}), id))
}

/// Ticks may be missing from `from` to `to`, in Unix seconds.
pub(crate) fn gap(of: &GapOf<'_>, from: f64, to: f64, reason: &str) -> Utf8Bytes {
    let mut message = json!({"type": "gap", "from_ts": from, "to_ts": to, "reason": reason});
    match of {
        GapOf::All => message["all"] = true.into(),
        GapOf::Tokens(tokens) => message["tokens"] = json!(tokens),
    }
    text(&message)
}

/// A sign of life.
pub(crate) fn heartbeat(now: f64) -> Utf8Bytes {
    text(&json!({"type": "hb", "server_ts": now}))
}

/// The connection is about to be closed, and may be opened again.
pub(crate) fn closing(in_ms: u64) -> Utf8Bytes {
    text(&json!({"type": "closing", "in_ms": in_ms, "reconnect": true}))
}

/// Several ticks; `list` is a JSON list without its end.
pub(crate) fn ticks(list: &str) -> Utf8Bytes {
    format!(r#"{{"type":"ticks","data":{list}]}}"#).into()
}

/// Adds the number or text by which the client knows its command again.
fn with_id(mut message: Value, id: Option<&Value>) -> Value {
    if let Some(id) = id {
        message["id"] = id.clone();
    }
    message
}

#[expect(
    clippy::expect_used,
    reason = "strings and numbers always serialise into memory"
)]
fn text(message: &impl Serialize) -> Utf8Bytes {
    serde_json::to_string(message)
        .expect("plain data serialises")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_clients_see_what_they_know() {
        let read = |text: Utf8Bytes| serde_json::from_str::<Value>(&text).unwrap();
        assert_eq!(
            read(subscribed(None, &[1], 1, &[])),
            json!({"type": "subscribed", "tokens": [1], "total": 1})
        );
        assert_eq!(
            read(error(None, "Invalid JSON message")),
            json!({"type": "error", "message": "Invalid JSON message"})
        );
        assert_eq!(
            read(unsubscribed(Some(&json!("a")), &[1], 0)),
            json!({"type": "unsubscribed", "tokens": [1], "total": 0, "id": "a"})
        );
    }

    #[test]
    fn what_is_rejected_is_named_as_it_was_written() {
        let rejected = [
            Rejection {
                what: Wanted::Token(json!("256265")),
                reason: Reason::NotANumber,
            },
            Rejection {
                what: Wanted::Symbol("NSE:X".to_owned()),
                reason: Reason::NotStreaming,
            },
        ];
        assert_eq!(
            json!(rejected),
            json!([
                {"token": "256265", "reason": "not_a_number"},
                {"symbol": "NSE:X", "reason": "not_streaming"}
            ])
        );
    }

    #[test]
    fn a_gap_names_tokens_or_all() {
        let all: Value = serde_json::from_str(&gap(&GapOf::All, 1.5, 2.0, "redis")).unwrap();
        assert_eq!(
            all,
            json!({"type": "gap", "all": true, "from_ts": 1.5, "to_ts": 2.0, "reason": "redis"})
        );
    }
}
