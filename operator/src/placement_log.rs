//! Tells in the log what moves from one account to another, and what expires.
//!
//! Must not decide anything.

use crate::plan::{EventReason, Failover, Plan};

/// Logs what moves away from accounts that lost it, and the events of sets that say why instruments move or go.
pub(crate) fn tell(plan: &Plan) {
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
        if matches!(reason, EventReason::Moved | EventReason::Rolled) {
            tracing::info!(%set, %reason, "{message}");
        }
    }
}
