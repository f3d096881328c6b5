//! The HTTP routes: report, health, probes and metrics. All of them read the last snapshot; no
//! request reaches the data plane.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use contract::{REPORT_PATH, Report};
use service::metrics::Registry;
use service::probe::Probes;
use tokio::sync::watch;

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

async fn report(State(snapshots): State<Snapshots>) -> Json<Report> {
    Json(snapshots.borrow().report.clone())
}

async fn health(State(snapshots): State<Snapshots>) -> Json<Health> {
    Json(assess(&snapshots.borrow()))
}
