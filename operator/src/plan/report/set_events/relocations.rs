//! What a set's event says about instruments that move.
//!
//! Pure. A failover has an event of its own, on the accounts.

use std::collections::BTreeMap;

use super::paced::Accumulate;
use crate::plan::assignment::AssignedAccount;
use crate::plan::ids::AccountIx;
use crate::plan::placement::{PlacedSet, RelocationCause};

/// How many instruments move, by the names of both accounts and the cause.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Relocations(BTreeMap<(String, String, RelocationCause), u32>);

/// The most that a message names one by one.
const MOST: usize = 4;

/// What moves of a set, unless it is nothing.
pub(super) fn of_set(
    placed: &PlacedSet<'_>,
    accounts: &[AssignedAccount<'_>],
) -> Option<Relocations> {
    let name = |at: AccountIx| accounts.get(at.at()).map(|it| it.account.name().to_owned());
    let relocations = placed.relocations.iter();
    let relocations = relocations.filter(|it| it.cause != RelocationCause::Lost);
    let relocations = relocations.filter_map(|it| {
        let accounts = (name(it.from)?, name(it.to)?);
        Some(((accounts.0, accounts.1, it.cause), it.instruments))
    });
    let relocations: BTreeMap<_, _> = relocations.collect();
    (!relocations.is_empty()).then_some(Relocations(relocations))
}

impl Accumulate for Relocations {
    fn add(&mut self, later: Self) {
        for (what, instruments) in later.0 {
            let known = self.0.entry(what).or_default();
            *known = known.saturating_add(instruments);
        }
    }
}

impl Relocations {
    /// For people.
    pub(super) fn message(&self) -> String {
        let shown = self.0.iter().take(MOST);
        let shown = shown.map(|((from, to, cause), instruments)| {
            let why = cause.message(from);
            let noun = if *instruments == 1 {
                "instrument moves"
            } else {
                "instruments move"
            };
            format!("{instruments} {noun} from account {from} to account {to}: {why}")
        });
        let rest: u32 = self.0.values().skip(MOST).sum();
        let rest = (rest > 0).then(|| format!("{rest} more move between other accounts"));
        shown.chain(rest).collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use crds::condition::Reason;

    use super::*;

    fn moves(all: &[(&str, RelocationCause, u32)]) -> Relocations {
        let all = all.iter();
        let all =
            all.map(|(from, cause, count)| (((*from).to_owned(), "z".to_owned(), *cause), *count));
        Relocations(all.collect())
    }

    #[test]
    fn counts_of_one_cause_are_added_up() {
        let mut all = moves(&[("a", RelocationCause::LessCapacity, 3)]);
        all.add(moves(&[
            ("a", RelocationCause::LessCapacity, 4),
            ("b", RelocationCause::NotAllowed, 1),
        ]));
        assert_eq!(
            all.message(),
            "7 instruments move from account a to account z: the capacity of a was lowered; 1 instrument moves from \
             account b to account z: the set may not use b any more"
        );
    }

    #[test]
    fn a_message_is_short() {
        let names = ["a", "b", "c", "d", "e", "f"];
        let all = names.map(|name| (name, RelocationCause::Suspended(Reason::Paused), 2));
        let message = moves(&all).message();
        assert!(
            message.ends_with("; 4 more move between other accounts"),
            "{message}"
        );
    }
}
