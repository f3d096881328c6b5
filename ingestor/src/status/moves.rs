//! How far the moves of an assignment are.
//!
//! Owns when an instrument counts as arrived, and which second it is at the exchange. Pure; must not decide when a move
//! goes on.

use std::time::Instant;

use contract::report::MoveReport;

use super::silence::is_silent;
use crate::pipeline::instruments::{AssignedInstrument, AssignedInstruments};

/// Every move, in the order of the assignment.
#[must_use]
pub(super) fn report(instruments: &AssignedInstruments, now: Instant) -> Vec<MoveReport> {
    let second = exchange_second(instruments.rows(), now);
    let report = instruments.moves().map(|(gate, rows)| MoveReport {
        id: gate.id.clone(),
        instruments: rows.clone().count() as u32,
        seen: rows.clone().filter(|row| row.state.seen).count() as u32,
        silent: rows.filter(|row| is_silent(row, now)).count() as u32,
        second,
        done: gate.has_given(now),
    });
    report.collect()
}

/// The exchange's second at `now`: no tick is younger than the time since it came, and the furthest of them tells most. A
/// single one may be wrong: the second furthest is taken where there are two.
fn exchange_second(rows: &[AssignedInstrument], now: Instant) -> Option<i64> {
    let told = rows.iter().filter_map(|row| {
        let (second, received) = (row.state.exchange_time?, row.state.received?);
        let since = now.saturating_duration_since(received.at).as_secs();
        Some(second.saturating_add_unsigned(since))
    });
    let mut furthest = [None, None];
    for second in told {
        if furthest[0] < Some(second) {
            furthest = [Some(second), furthest[0]];
        } else {
            furthest[1] = furthest[1].max(Some(second));
        }
    }
    furthest[1].or(furthest[0])
}
