//! Results of the report that the next pass uses again.
//!
//! Owns types only.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::{Assignment, MovePart};
use crds::condition::State;

use super::status::Change;
use super::status::set::Validity;
use crate::plan::input::Classes;

/// The instruments of an assignment, counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct AssignmentCounts {
    /// Of each set.
    pub(super) sets: BTreeMap<String, SetCount>,
    /// By the stage of their move.
    pub(super) moves: MoveCounts,
    /// Of all rows that are published.
    pub(super) classes: Classes,
}

/// The instruments of a set in an assignment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SetCount {
    pub(super) instruments: u32,
    /// Those of them that come from another account, which still has them.
    pub(super) moving: u32,
    pub(super) classes: Classes,
}

/// Instruments that go from one account to another, by the stage of their move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MoveCounts {
    /// The new account subscribes to them and publishes nothing.
    pub subscribing: u32,
    /// A second of the exchange divides them between the two.
    pub dividing: u32,
    /// Both accounts publish them.
    pub handover: u32,
}

impl AssignmentCounts {
    pub(super) fn of(assignment: &Assignment) -> Arc<Self> {
        let mut moves = MoveCounts::default();
        let mut counts = vec![SetCount::default(); assignment.sets.len()];
        for row in &assignment.instruments {
            let taken = assignment.move_of(row);
            let taken = taken.filter(|it| it.part == MovePart::To);
            match taken {
                Some(taken) if taken.boundary.is_some() => moves.dividing += 1,
                Some(_) => moves.subscribing += 1,
                None => moves.handover += u32::from(row.handover),
            }
            for set in &row.sets {
                if let Some(count) = counts.get_mut(usize::from(*set)) {
                    count.instruments += 1;
                    count.moving += u32::from(taken.is_some());
                    count.classes.add(row.class);
                }
            }
        }
        let classes = counts.iter().map(|count| count.classes);
        let classes = classes.fold(Classes::default(), Classes::plus);
        Arc::new(Self {
            classes,
            sets: assignment.sets.iter().cloned().zip(counts).collect(),
            moves,
        })
    }
}

impl MoveCounts {
    pub(super) const fn plus(self, other: Self) -> Self {
        Self {
            subscribing: self.subscribing.saturating_add(other.subscribing),
            dividing: self.dividing.saturating_add(other.dividing),
            handover: self.handover.saturating_add(other.handover),
        }
    }
}

/// The part of a set's report that is neither in its status nor remembered of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SetResult {
    /// The state of its `Ready`.
    pub(super) state: State,
    pub(super) change: Change,
    /// When the report holds without any news.
    pub(super) validity: Validity,
}
