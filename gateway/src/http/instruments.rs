//! What streams, and the newest ticks, for those who poll.
//!
//! Owns `GET /last`, `/instruments` and `/subscriptions`, and the answers to what older services could do
//! and this one does not. A caller sees what its token allows.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::caller::{caller, told};
use crate::client::Gateway;
use crate::directory::{InstrumentDirectory, StreamedInstrument};
use crate::instrument::InstrumentId;
use crate::rights::Rights;
use crate::tick::Tick;

/// The most instruments of one answer.
const MOST: usize = 500;

#[derive(Deserialize)]
pub(super) struct LastQuery {
    #[serde(default)]
    symbols: String,
    #[serde(default)]
    tokens: String,
}

#[derive(Deserialize)]
pub(super) struct SearchQuery {
    #[serde(default)]
    q: String,
}

#[derive(Deserialize)]
pub(super) struct PageQuery {
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    offset: usize,
}

/// `GET /last?symbols=&tokens=`: the newest ticks, as they were published.
pub(super) async fn last(
    State(gateway): State<Arc<Gateway>>,
    Query(query): Query<LastQuery>,
    headers: HeaderMap,
) -> Response {
    let rights = match caller(&gateway, &headers).await {
        Ok(rights) => rights,
        Err(refusal) => return *refusal,
    };
    let directory = gateway.directory.borrow().clone().unwrap_or_default();
    let names = |list: &str| -> Vec<String> {
        let names = list.split(',').filter(|it| !it.is_empty());
        names.map(str::to_owned).collect()
    };
    let (symbols, tokens) = (names(&query.symbols), names(&query.tokens));
    if symbols.len() + tokens.len() > MOST {
        return told(StatusCode::BAD_REQUEST, "at most 500 instruments at once");
    }
    let by_name = symbols
        .iter()
        .filter_map(|it| directory.by_name(it, true).ok());
    let by_token = tokens.iter().filter_map(|it| it.parse().ok());
    let by_token = by_token.filter_map(|it| directory.by_token(it, true).ok());
    let ids: Vec<InstrumentId> = by_name.chain(by_token).collect();
    match newest(&gateway, &directory, &rights, &ids).await {
        Some(ticks) => Json(json!({"data": ticks})).into_response(),
        None => told(
            StatusCode::SERVICE_UNAVAILABLE,
            "redis cannot be read at present",
        ),
    }
}

/// The newest ticks of those that are allowed and have one.
async fn newest(
    gateway: &Gateway,
    directory: &InstrumentDirectory,
    rights: &Rights,
    ids: &[InstrumentId],
) -> Option<Vec<Box<RawValue>>> {
    let mut keys: BTreeMap<String, Vec<(InstrumentId, &StreamedInstrument)>> = BTreeMap::new();
    for id in ids {
        if let Some(row) = directory.get(*id)
            && rights.allow(&row.exchange, &row.tradingsymbol)
        {
            let key = row.last_value_key(id.is_mock);
            keys.entry(key).or_default().push((*id, row));
        }
    }
    let mut found = Vec::new();
    for (key, wanted) in keys {
        let fields: Vec<String> = wanted.iter().map(|(id, _)| id.token.to_string()).collect();
        let values = gateway
            .authenticator
            .reader
            .hash_fields(&key, &fields)
            .await;
        for ((id, row), text) in wanted.into_iter().zip(values.ok()?) {
            let Some(text) = text else { continue };
            let fits = Tick::parse(&text)
                .is_some_and(|tick| tick.id == id && tick.is_of(&row.exchange, &row.tradingsymbol));
            let raw = String::from_utf8(text).ok();
            let raw = raw.and_then(|it| RawValue::from_string(it).ok());
            found.extend(raw.filter(|_| fits));
        }
    }
    Some(found)
}

/// `GET /instruments?q=`: what streams, by a part of its name.
pub(super) async fn search(
    State(gateway): State<Arc<Gateway>>,
    Query(query): Query<SearchQuery>,
    headers: HeaderMap,
) -> Response {
    let rights = match caller(&gateway, &headers).await {
        Ok(rights) => rights,
        Err(refusal) => return *refusal,
    };
    let directory = gateway.directory.borrow().clone().unwrap_or_default();
    let words = query.q.to_uppercase();
    let found = allowed(&directory, &rights);
    let found = found.filter(|(_, row)| {
        let mut words = words.split_whitespace();
        words.all(|word| row.name().contains(word) || row.symbol.contains(word))
    });
    let found: Vec<Value> = found
        .take(MOST)
        .map(|(id, row)| {
            json!({
                "instrument_token": id.token, "is_mock": id.is_mock, "symbol": row.symbol,
                "tradingsymbol": row.tradingsymbol, "exchange": row.exchange, "segment": row.segment,
                "type": row.kind, "strike": row.strike, "expiry": row.expiry, "lot_size": row.lot_size,
                "tick_size": row.tick_size, "mode": row.mode,
            })
        })
        .collect();
    Json(json!({"data": found})).into_response()
}

/// `GET /subscriptions?limit=&offset=`: what streams, with the account that streams it.
pub(super) async fn subscriptions(
    State(gateway): State<Arc<Gateway>>,
    Query(page): Query<PageQuery>,
    headers: HeaderMap,
) -> Response {
    let rights = match caller(&gateway, &headers).await {
        Ok(rights) => rights,
        Err(refusal) => return *refusal,
    };
    let directory = gateway.directory.borrow().clone().unwrap_or_default();
    let rows = allowed(&directory, &rights).skip(page.offset);
    let rows: Vec<Value> = rows
        .take(page.limit.unwrap_or(MOST).min(MOST))
        .map(|(id, row)| {
            json!({
                "instrument_token": id.token, "tradingsymbol": row.tradingsymbol, "segment": row.segment,
                "status": "active", "requested_mode": row.mode, "account_id": row.account,
            })
        })
        .collect();
    Json(rows).into_response()
}

/// A subscription is a part of an InstrumentSet.
pub(super) async fn no_change() -> Response {
    told(
        StatusCode::METHOD_NOT_ALLOWED,
        "instruments are subscribed to by an InstrumentSet: edit that",
    )
}

/// This keeps the present alone.
pub(super) async fn no_history() -> Response {
    told(
        StatusCode::NOT_IMPLEMENTED,
        "there is no history here: keep your historical source",
    )
}

fn allowed<'a>(
    directory: &'a InstrumentDirectory,
    rights: &'a Rights,
) -> impl Iterator<Item = (InstrumentId, &'a Arc<StreamedInstrument>)> {
    let all = directory.all();
    all.filter(|(_, row)| rights.allow(&row.exchange, &row.tradingsymbol))
}
