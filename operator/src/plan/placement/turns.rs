//! In which order sets get room.
//!
//! Pure. Owns what priority means: who gets free places first, and who keeps more when an account shrinks. Which of two
//! sets publishes an instrument on a channel goes by age, whatever their priorities.

use rustc_hash::{FxHashMap, FxHashSet};

use super::problem::{AccountSlot, Item, SetRequest};
use crate::plan::ids::{ChannelId, SetIx, TokenIx};

/// The order of a group's sets.
pub(super) struct Turns {
    /// The highest priority first, the oldest of one priority first.
    pub(super) order: Vec<SetIx>,
    /// What is served by age after everything else: a younger set of a higher priority would take its channel from an
    /// older one, which may use other accounts or has the instrument on another one.
    contested: FxHashSet<(TokenIx, ChannelId)>,
}

impl Turns {
    pub(super) fn new(slots: &[AccountSlot], requests: &[SetRequest]) -> Self {
        let mut order: Vec<SetIx> = (0..requests.len()).map(SetIx::new).collect();
        order.sort_by_key(|set| -i64::from(requests[set.at()].priority));
        Self {
            order,
            contested: contested(slots, requests),
        }
    }

    pub(super) fn is_contested(&self, item: &Item) -> bool {
        let mut channels = item.channels();
        channels.any(|channel| self.contested.contains(&(item.token, channel)))
    }
}

fn contested(slots: &[AccountSlot], requests: &[SetRequest]) -> FxHashSet<(TokenIx, ChannelId)> {
    let mut contested = FxHashSet::default();
    if requests.is_sorted_by(|older, younger| !overtakes(younger, older)) {
        return contested;
    }
    let current = slots.iter().flat_map(|slot| &slot.current);
    let streaming: FxHashSet<TokenIx> = current.map(|(token, _)| *token).collect();
    let mut askers: FxHashMap<_, Vec<&SetRequest>> = FxHashMap::default();
    for younger in requests {
        let items = younger.items.iter();
        let keys = items.flat_map(|item| item.channels().map(|channel| (item.token, channel)));
        for key in keys {
            let (token, _) = key;
            let older = askers.entry(key).or_default();
            let streams = streaming.contains(&token);
            let yields = |older: &&SetRequest| {
                overtakes(younger, older) && (streams || older.allowed != younger.allowed)
            };
            if older.iter().any(yields) {
                contested.insert(key);
            }
            older.push(younger);
        }
    }
    contested
}

/// Whether a younger set gets its turn before an older one.
fn overtakes(younger: &SetRequest, older: &SetRequest) -> bool {
    older.priority < younger.priority
}
