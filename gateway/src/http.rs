//! What is served over HTTP.
//!
//! Owns the routes. Must not log an address: it may hold a token.

mod caller;
mod instruments;
mod stats;

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;
use service::metrics::Registry;
use service::probe::Probes;

use crate::client::{Gateway, admission, kite};

/// For clients.
pub(crate) fn router(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/ws/ticks", get(admission::upgrade))
        .route("/kite", get(kite::real))
        .route("/kite/", get(kite::real))
        .route("/kite-mock", get(kite::mock))
        .route("/kite-mock/", get(kite::mock))
        .route("/ws/stats", get(stats::for_admins))
        .route("/health", get(health))
        .route("/last", get(instruments::last))
        .route("/instruments", get(instruments::search))
        .route(
            "/subscriptions",
            get(instruments::subscriptions)
                .post(instruments::no_change)
                .delete(instruments::no_change),
        )
        .route("/history", get(instruments::no_history))
        .with_state(gateway)
}

/// For everybody: it names accounts, and nothing of clients.
async fn health(State(gateway): State<Arc<Gateway>>) -> Json<Value> {
    Json(Value::clone(&gateway.health.borrow()))
}

/// For the machinery beside them.
pub(crate) fn metrics_router(gateway: Arc<Gateway>, probes: &Probes, registry: Registry) -> Router {
    let stats = Router::new()
        .route("/ws/stats", get(stats::for_operators))
        .with_state(gateway);
    probes
        .router()
        .merge(service::metrics::router(Arc::new(registry)))
        .merge(stats)
}
