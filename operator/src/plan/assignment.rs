//! The assignment of each account: its rows, and the generation under which they are written.
//!
//! Must not choose accounts.

mod change;
mod document;
mod former;
mod generation;
mod handover;
mod rows;

pub use change::AssignmentChange;

pub(crate) use generation::{in_range, marks};
pub(crate) use handover::longest_handover;

use std::sync::Arc;
use std::time::Instant;

use contract::Assignment;

use crate::plan::ids::{AccountIx, SetIx};
use crate::plan::input::{AccountInput, AccountSpec, Basis, Memo, Reissue};
use crate::plan::placement::{AccountReferences, HeldOver, PlacedAccount, PlacedSet};
use handover::Handover;

/// An account and the change of its assignment.
pub(crate) struct AssignedAccount<'a> {
    pub(crate) account: AccountInput<'a>,
    pub(crate) change: AssignmentChange,
    /// How many of its instruments belong to sets that may use no other account.
    pub(crate) tied: usize,
    /// The instruments that it subscribes to for their prices.
    pub(crate) references: Arc<AccountReferences>,
    /// Where how many of its instruments move that no socket carried.
    pub(crate) failed_over: Vec<(AccountIx, u32)>,
    /// The new generation that its process made necessary.
    pub(crate) reissue: Option<Reissue>,
    /// Since when it goes on with instruments that others take over.
    pub(crate) handover_since: Option<Instant>,
}

impl AssignedAccount<'_> {
    /// The assignment that is in force once the plan is applied, where that is known.
    pub(crate) fn current(&self) -> Option<&Arc<Assignment>> {
        self.change.assignment().or(self.account.base)
    }
}

/// Builds what every account should stream; an assignment that is known to be unchanged is not
/// built again.
pub(crate) fn build<'a>(
    accounts: Vec<PlacedAccount<'a>>,
    sets: &[PlacedSet<'a>],
    mut memo: Memo<'_, ()>,
    poke: bool,
    now: Instant,
) -> Vec<AssignedAccount<'a>> {
    let handover = Handover::new(&accounts, sets, poke, now);
    let mut sets_of: Vec<Vec<SetIx>> = vec![Vec::new(); accounts.len()];
    for (at, placed) in sets.iter().enumerate() {
        for account in &placed.placement.accounts {
            sets_of[account.at()].push(SetIx::new(at));
        }
    }
    let accounts = accounts.into_iter().zip(sets_of).enumerate();
    let assigned = accounts.map(|(at, (placed, sets_of))| {
        let PlacedAccount {
            held_over,
            tied,
            references,
            failed_over,
        } = placed;
        let mut reissue = None;
        let mut handover_since = None;
        let change = match &held_over.account.spec {
            Ok(spec) if !held_over.account.eligibility.is_frozen() => {
                let account = &held_over.account;
                let stands_by = stands_by(account, &failed_over);
                let build = || {
                    let at = AccountIx::new(at);
                    let mut document = document::document(account, spec);
                    rows::write(&mut document, at, (&held_over, &references), &sets_of, sets);
                    let room = spec.capacity().saturating_sub(document.instruments.len());
                    rows::hand_over(&mut document, account, handover.leaving(account, room));
                    document.standby = document.instruments.is_empty() && stands_by;
                    document
                };
                let basis = basis((&held_over, &references), spec, &sets_of, sets);
                // What moves away changes the content, and so do reports of others while it hands something over.
                let since = account.remembered.and_then(|it| it.handover_since);
                let basis = basis.filter(|_| failed_over.is_empty() && since.is_none());
                let key = &account.observed.object.meta.key;
                let known = basis.as_ref().is_some_and(|it| memo.get(key, it).is_some());
                let (change, same, made) = generation::change(account, known, build, now);
                reissue = made;
                // What is known to be unchanged hands nothing over.
                let goes_on = !known && change.assignment().is_some_and(|it| hands_over(it));
                handover_since = goes_on.then(|| since.unwrap_or(now));
                if let Some(basis) = basis.filter(|_| same && !goes_on) {
                    memo.put(key, basis, ());
                }
                change
            }
            Ok(_) | Err(_) => AssignmentChange::None,
        };
        AssignedAccount {
            account: held_over.account,
            change,
            tied,
            references,
            failed_over,
            reissue,
            handover_since,
        }
    });
    assigned.collect()
}

fn hands_over(assignment: &Assignment) -> bool {
    assignment.instruments.iter().any(|row| row.handover)
}

/// Whether an account without instruments keeps a connection: it lost what it had, and nothing else would show that it
/// works again.
fn stands_by(account: &AccountInput<'_>, failed_over: &[(AccountIx, u32)]) -> bool {
    let stood_by = account.base.is_some_and(|base| base.standby);
    account.eligibility.is_active() && (stood_by || !failed_over.is_empty())
}

/// Everything that an account's assignment depends on, with the base that may already say it.
/// `None` without a base, or with held over rows.
fn basis(
    (held_over, references): (&HeldOver<'_>, &Arc<AccountReferences>),
    spec: &AccountSpec,
    sets_of: &[SetIx],
    sets: &[PlacedSet<'_>],
) -> Option<Basis> {
    let account = &held_over.account;
    let base = account.base.filter(|_| held_over.rows.is_empty())?;
    let basis = Basis::default().shared(base).shared(references);
    let mut basis = basis.value((
        account.uid(),
        document::version_of(account),
        (spec.connections, spec.tokens_per_connection),
        (&spec.websocket, &spec.redis_url, &spec.egress),
        (spec.mock, spec.order_updates, spec.events),
        account.eligibility.is_active(),
    ));
    for at in sets_of {
        let placed = &sets[at.at()];
        basis = basis.shared(&placed.request.resolved()?.lookup);
        basis = basis.shared(&placed.placement);
    }
    Some(basis)
}
