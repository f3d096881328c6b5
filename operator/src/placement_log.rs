//! Tells in the log what moves from one account to another, and what expires.
//!
//! Must not decide anything.

use crate::plan::{Failover, Plan};

/// Logs what moves away from accounts that lost it, and the events of sets that say why instruments move or go.
pub(crate) fn log(plan: &Plan) {
    for failover in &plan.failovers {
        let Failover {
            from,
            to,
            instruments,
            cause,
        } = failover;
        let reason = cause.as_str();
        tracing::warn!(%from, %to, instruments, reason, "failover");
    }
    for event in &plan.events {
        let (set, reason, message) = (&event.key, event.reason, &event.message);
        if reason.is_paced() {
            tracing::info!(%set, %reason, "{message}");
        }
    }
}
