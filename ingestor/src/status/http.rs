//! The HTTP routes: report and lists of instruments, health, probes and metrics. All of them read the last snapshot; no
//! request reaches the data plane.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use contract::REPORT_PATH;
use serde::Deserialize;
use service::metrics::Registry;
use service::probe::Probes;
use tokio::sync::watch;

use super::carried::carried_by;
use super::health::{Health, assess};
use super::report::StatusSnapshot;

type Snapshots = watch::Receiver<Arc<StatusSnapshot>>;

/// All routes.
pub(crate) fn router(snapshots: Snapshots, probes: &Probes, registry: Registry) -> Router {
    Router::new()
        .route(REPORT_PATH, get(report))
        .route("/health", get(health))
        .with_state(snapshots)
        .merge(probes.router())
        .merge(service::metrics::router(Arc::new(registry)))
}

/// What is asked for besides the path.
#[derive(Debug, Deserialize)]
struct ReportQuery {
    /// Asks for the instruments of this connection instead of the report.
    connection: Option<u32>,
}

/// What does not parse is answered with 400.
async fn report(
    State(snapshots): State<Snapshots>,
    Query(query): Query<ReportQuery>,
) -> Result<Response, (StatusCode, String)> {
    let snapshot = Arc::clone(&snapshots.borrow());
    let Some(index) = query.connection else {
        return Ok(Json(&snapshot.report).into_response());
    };
    let carried = carried_by(&snapshot, index).map_err(|error| {
        let text = error.to_string();
        (StatusCode::NOT_FOUND, text)
    })?;
    Ok(Json(carried).into_response())
}

async fn health(State(snapshots): State<Snapshots>) -> Json<Health> {
    Json(assess(&snapshots.borrow()))
}
