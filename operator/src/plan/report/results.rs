//! Results of the report that the next pass uses again.
//!
//! Owns types only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use contract::{Assignment, MovePart};
use crds::condition::State;

use super::status::Change;
use super::status::set::Validity;
use crate::plan::assignment;
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
    /// Of each set that has some: the expiries of its options without a forward price, because the account has no room for
    /// what gives one. For people.
    pub(super) without_forward: BTreeMap<String, String>,
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
            without_forward: without_forward(assignment),
            classes,
            sets: assignment.sets.iter().cloned().zip(counts).collect(),
            moves,
        })
    }
}

/// By set: the first of its expiries that have no forward price for lack of room, and how many more there are.
fn without_forward(assignment: &Assignment) -> BTreeMap<String, String> {
    let short = assignment::without_room(assignment);
    let mut of_sets: BTreeMap<u16, BTreeSet<u16>> = BTreeMap::new();
    if short.contains(&true) {
        for row in &assignment.instruments {
            let chain = row
                .chain
                .filter(|at| short.get(usize::from(*at)) == Some(&true));
            for (set, chain) in row.sets.iter().zip(chain.into_iter().cycle()) {
                of_sets.entry(*set).or_default().insert(chain);
            }
        }
    }
    let texts = of_sets.into_iter().filter_map(|(set, chains)| {
        let name = assignment.sets.get(usize::from(set))?;
        let first = assignment.chains.get(usize::from(*chains.first()?))?;
        let more = match chains.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let text = format!(
            "{}:{} of {}{more}",
            first.exchange, first.underlying, first.expiry
        );
        Some((name.clone(), text))
    });
    texts.collect()
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
