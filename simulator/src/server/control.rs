//! The control API, for tests and people. The routes are documented at [`crate`].

use std::collections::HashSet;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use kite::Token;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{App, ClockError};
use crate::exchange::credentials::TooManyRevoked;
use crate::exchange::faults::{FaultChange, FaultError};
use crate::exchange::prices::{PriceChange, PriceError};
use crate::exchange::recorder::MAX_ENTRIES;
use crate::exchange::truth::TruthError;
use crate::exchange::{ConnectionFilter, Outgoing, rates};

/// A request that cannot be carried out.
#[derive(Debug, thiserror::Error)]
enum ControlError {
    #[error("body: {0}")]
    Body(#[from] serde_json::Error),
    #[error("query: {0}")]
    Query(#[from] QueryRejection),
    #[error("hex must be an even number of hexadecimal digits")]
    Hex,
    #[error(transparent)]
    Rate(#[from] rates::RateError),
    #[error(transparent)]
    Fault(#[from] FaultError),
    #[error(transparent)]
    Price(#[from] PriceError),
    #[error(transparent)]
    Truth(#[from] TruthError),
    #[error(transparent)]
    Clock(#[from] ClockError),
    #[error(transparent)]
    Revoked(#[from] TooManyRevoked),
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Revoked(_) | Self::Fault(FaultError::TooMany) => StatusCode::CONFLICT,
            _ => StatusCode::BAD_REQUEST,
        };
        (status, Json(json!({"error": self.to_string()}))).into_response()
    }
}

type Answer = Result<Json<Value>, ControlError>;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/health", get(health))
        .route("/stats", get(statistics))
        .route("/connections", get(connections))
        .route("/connections/drop", post(drop_connections))
        .route("/tokens/revoke", post(revoke))
        .route("/tokens/restore", post(restore))
        .route("/tokens/flush", post(flush))
        .route("/faults", get(faults).post(change_faults))
        .route("/pause", post(pause))
        .route("/rate", post(set_rate))
        .route("/tick", post(tick))
        .route("/prices", post(set_prices))
        .route("/market", post(change_market))
        .route("/truth", get(truth))
        .route("/clock", post(set_clock))
        .route("/packets/raw", post(send_raw))
        .route("/text", post(send_text))
        .route("/record", get(recording).post(record))
}

pub(super) async fn health() -> &'static str {
    "ok"
}

async fn statistics(State(app): State<Arc<App>>) -> Answer {
    let statistics = app.exchange().statistics();
    Ok(Json(serde_json::to_value(statistics)?))
}

async fn connections(State(app): State<Arc<App>>) -> Answer {
    let connections = app.exchange().connections();
    Ok(Json(json!({"connections": connections})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Selection {
    api_key: Option<String>,
    conn: Option<u64>,
}

async fn drop_connections(State(app): State<Arc<App>>, body: Bytes) -> Answer {
    let Selection { api_key, conn } = parse(&body)?;
    let dropped = app
        .exchange()
        .drop_connections(&ConnectionFilter { api_key, conn });
    Ok(Json(json!({"dropped": dropped})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccessToken {
    access_token: String,
}

async fn revoke(State(app): State<Arc<App>>, body: Bytes) -> Answer {
    let AccessToken { access_token } = parse(&body)?;
    app.exchange().credentials().revoke(access_token)?;
    Ok(Json(json!({"revoked": true})))
}

async fn restore(State(app): State<Arc<App>>, body: Bytes) -> Answer {
    let AccessToken { access_token } = parse(&body)?;
    let restored = app.exchange().credentials().restore(&access_token);
    Ok(Json(json!({"restored": restored})))
}

async fn flush(State(app): State<Arc<App>>) -> Answer {
    let flushed = app.exchange().credentials().flush();
    Ok(Json(json!({"flushed": flushed})))
}

async fn faults(State(app): State<Arc<App>>) -> Answer {
    let faults = serde_json::to_value(app.exchange().faults())?;
    Ok(Json(faults))
}

async fn change_faults(State(app): State<Arc<App>>, body: Bytes) -> Answer {
    let change: FaultChange = parse(&body)?;
    let faults = {
        let mut exchange = app.exchange();
        exchange.change_faults(change)?;
        serde_json::to_value(exchange.faults())?
    };
    Ok(Json(faults))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pause {
    paused: bool,
}

async fn pause(State(app): State<Arc<App>>, body: Bytes) -> Answer {
    let Pause { paused } = parse(&body)?;
    let now = app.now();
    app.exchange().pause(paused, now);
    Ok(Json(json!({"paused": paused})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rate {
    rate: f64,
    tokens: Option<Vec<Token>>,
}

async fn set_rate(State(app): State<Arc<App>>, body: Bytes) -> Answer {
    let Rate { rate, tokens } = parse(&body)?;
    let rate = rates::parse(&rate.to_string())?;
    let now = app.now();
    app.exchange().set_rate(rate, tokens.as_deref(), now);
    Ok(Json(json!({"rate": rate})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tick {
    tokens: Vec<Token>,
}

async fn tick(State(app): State<Arc<App>>, body: Bytes) -> Answer {
    let Tick { tokens } = parse(&body)?;
    let now = app.now();
    let ticked = app.exchange().tick(&tokens, now);
    Ok(Json(json!({"ticked": ticked})))
}

async fn set_prices(State(app): State<Arc<App>>, body: Bytes) -> Answer {
    let change: PriceChange = parse(&body)?;
    let now = app.now();
    let set = app.exchange().set_prices(&change, now)?;
    Ok(Json(json!({"set": set})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MarketChange {
    frozen: bool,
}

async fn change_market(State(app): State<Arc<App>>, body: Bytes) -> Answer {
    let MarketChange { frozen } = parse(&body)?;
    let now = app.now();
    app.exchange().freeze_prices(frozen, now);
    Ok(Json(json!({"frozen": frozen})))
}

#[derive(Deserialize)]
struct Tokens {
    tokens: String,
}

async fn truth(
    State(app): State<Arc<App>>,
    tokens: Result<Query<Tokens>, QueryRejection>,
) -> Answer {
    let Query(Tokens { tokens }) = tokens?;
    let now = app.now();
    let truth = app.exchange().truth(&tokens, now)?;
    Ok(Json(json!({"truth": truth})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetClock {
    wall_clock: String,
}

async fn set_clock(State(app): State<Arc<App>>, body: Bytes) -> Answer {
    let SetClock { wall_clock } = parse(&body)?;
    let now = app.set_clock(&wall_clock)?;
    Ok(Json(json!({"now": now})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    api_key: Option<String>,
    conn: Option<u64>,
    hex: String,
}

async fn send_raw(State(app): State<Arc<App>>, body: Bytes) -> Answer {
    let Raw { api_key, conn, hex } = parse(&body)?;
    let frame = Outgoing::Raw(unhex(&hex).ok_or(ControlError::Hex)?.into());
    let queued = app
        .exchange()
        .send(&ConnectionFilter { api_key, conn }, &frame);
    Ok(Json(json!({"queued": queued})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    api_key: Option<String>,
    conn: Option<u64>,
    text: String,
}

async fn send_text(State(app): State<Arc<App>>, body: Bytes) -> Answer {
    let Text {
        api_key,
        conn,
        text,
    } = parse(&body)?;
    let queued = app
        .exchange()
        .send(&ConnectionFilter { api_key, conn }, &Outgoing::Text(text));
    Ok(Json(json!({"queued": queued})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    tokens: Option<HashSet<u32>>,
    #[serde(default)]
    stop: bool,
}

async fn record(State(app): State<Arc<App>>, body: Bytes) -> Answer {
    let Record { tokens, stop } = parse(&body)?;
    if stop {
        app.recorder.stop();
    } else {
        app.recorder.start(tokens);
    }
    Ok(Json(json!({"recording": !stop})))
}

#[derive(Deserialize)]
struct Range {
    conn: Option<u64>,
    #[serde(default)]
    after: usize,
    limit: Option<usize>,
}

async fn recording(
    State(app): State<Arc<App>>,
    range: Result<Query<Range>, QueryRejection>,
) -> Answer {
    let Query(Range { conn, after, limit }) = range?;
    let page = app.recorder.read(conn, after, limit.unwrap_or(MAX_ENTRIES));
    Ok(Json(serde_json::to_value(page)?))
}

/// Reads a JSON body, whatever its content type; no body is an empty object.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ControlError> {
    let body = if body.is_empty() { b"{}" } else { body };
    Ok(serde_json::from_slice(body)?)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let nibble = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    pairs
        .iter()
        .map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_is_read_in_both_cases() {
        assert_eq!(unhex("00fFa1"), Some(vec![0, 255, 161]));
        assert_eq!(unhex(""), Some(vec![]));
        assert_eq!(unhex("0"), None);
        assert_eq!(unhex("zz"), None);
    }
}
