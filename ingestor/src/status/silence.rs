//! Instruments of which nothing arrives.
//!
//! Owns after which time one is silent. Pure.

use std::time::{Duration, Instant};

use crate::pipeline::instruments::AssignedInstrument;

/// A token that was subscribed to and not seen for this long is silent.
const SILENT_AFTER: Duration = Duration::from_secs(10);

/// Whether the present socket has subscribed to an instrument, and received nothing of it for long.
#[must_use]
pub(super) fn is_silent(row: &AssignedInstrument, now: Instant) -> bool {
    let subscribed = row.state.subscribed;
    !row.state.seen
        && subscribed.is_some_and(|since| now.saturating_duration_since(since) >= SILENT_AFTER)
}
