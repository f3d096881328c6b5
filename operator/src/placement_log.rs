//! Tells of failovers in the log.
//!
//! Must not decide anything.

use crate::plan::{Failover, Plan};

/// Logs what moves away from accounts that lost it.
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
}
