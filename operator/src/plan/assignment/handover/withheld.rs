//! What an account that takes does not publish yet, although no file says any more that another one gives it.
//!
//! Pure. Must not begin a move.

use contract::Assignment;
use rustc_hash::FxHashMap;

use super::super::{handover_rows, moves};
use super::{Handover, IncomingMove};
use crate::plan::ids::AccountIx;
use crate::plan::input::AccountInput;

impl Handover<'_, '_> {
    /// What accounts still do not publish because others do that were not told of the move: an operator that ended in the
    /// middle of it may not know yet that it goes on.
    pub(super) fn withheld(&self, documents: &[Option<Assignment>]) -> Vec<IncomingMove> {
        let inputs = || self.accounts.iter().map(|it| &it.held_over.account);
        let names = inputs().enumerate();
        let names = names.map(|(at, it)| ((it.namespace(), it.name()), at));
        let names: FxHashMap<(&str, &str), usize> = names.collect();
        let of_account = |(at, account): (usize, &AccountInput<'_>)| {
            let base = account.base.filter(|base| !base.moves.is_empty())?;
            let document = documents[at].as_ref()?;
            let rows = base.instruments.iter().filter(|row| base.withholds(row));
            let withheld = rows.filter_map(|row| {
                let id = &base.move_of(row)?.id;
                let from = *names.get(&(account.namespace(), moves::giver(id)?))?;
                // A file that says so of itself was not written by a planner.
                let giver = Some(from).filter(|from| *from != at)?;
                let giver = &self.accounts[giver].held_over.account;
                let known = giver.base.filter(|_| self.may_go_on(giver));
                let giving = known.map(|it| documents[from].as_ref().unwrap_or(it))?;
                let goes_on = handover_rows::publishes_alone(giving, base, row)
                    && handover_rows::is_wanted(document, row.token);
                goes_on.then(|| (AccountIx::new(at), row.token, (id.clone(), None)))
            });
            Some(withheld.collect::<Vec<IncomingMove>>())
        };
        inputs()
            .enumerate()
            .filter_map(of_account)
            .flatten()
            .collect()
    }
}
