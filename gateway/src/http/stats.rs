//! `GET /ws/stats`: who is connected, and what they were sent.
//!
//! Owns its members, whose names readers of older services know.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::caller::{caller, told};
use crate::client::Gateway;

/// For clients with the role.
pub(super) async fn for_admins(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
) -> Response {
    match caller(&gateway, &headers).await {
        Err(refusal) => *refusal,
        Ok(rights) if rights.is_admin => Json(stats(&gateway)).into_response(),
        Ok(_) => told(StatusCode::FORBIDDEN, "the token lacks the role for this"),
    }
}

/// For everybody who reaches the port of metrics.
pub(super) async fn for_operators(State(gateway): State<Arc<Gateway>>) -> Json<Value> {
    Json(stats(&gateway))
}

fn stats(gateway: &Gateway) -> Value {
    let counts = gateway.hub.counts();
    let connections = gateway.connections.all();
    let connections: Vec<Value> = connections
        .into_iter()
        .filter_map(|(client, it)| {
            let has = gateway.hub.client(client)?;
            Some(json!({
                "connection_id": it.connection_id,
                "user_id": &*it.user_id,
                "subscriptions": has.subscriptions,
                "connected_at": it.connected_at,
                "sent": has.counts.sent,
                "conflated": has.counts.conflated,
                "dropped": has.counts.dropped,
            }))
        })
        .collect();
    json!({
        "active_connections": connections.len(),
        "total_subscriptions": counts.subscriptions,
        "unique_tokens_subscribed": counts.instruments,
        "connections": connections,
    })
}
