//! Instruments whose prices are needed: they are placed before the sets that need them.
//!
//! Owns on which accounts they are subscribed to. One subscription serves every set of a group that may use its account. Must
//! not know what their prices mean.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kite::Token;
use rustc_hash::FxHashSet;

use super::problem::{Item, Outcome, SetRequest};
use crate::instruments::InstrumentTable;
use crate::plan::ids::{AccountIx, TokenIx};
use crate::plan::selection::{NeededReferences, Reference};

/// They come before every set.
const PRIORITY: i32 = i32::MAX;

/// The instruments that one account subscribes to because their prices are needed, by token.
#[derive(Debug, Default)]
pub(crate) struct AccountReferences {
    pub(crate) instruments: Vec<Reference>,
    /// Where they were looked up.
    pub(crate) table: Option<Arc<InstrumentTable>>,
}

impl AccountReferences {
    /// Whether both are the same.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let tables = (&self.table, &other.table);
        let same_table = match tables {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        same_table && self.instruments == other.instruments
    }
}

/// The instruments that sets with the same accounts need.
pub(super) struct ReferenceRequests<'w> {
    by_accounts: BTreeMap<Vec<AccountIx>, (BTreeSet<Reference>, &'w Arc<InstrumentTable>)>,
}

/// Where they are placed.
#[derive(Debug, Default)]
pub(super) struct PlacedReferences {
    /// By account of the group.
    pub(super) accounts: Vec<AccountReferences>,
    /// Those that find no room.
    pub(super) waiting: FxHashSet<Token>,
}

impl<'w> ReferenceRequests<'w> {
    /// Those of these sets; `local` numbers the accounts of the group.
    pub(super) fn new(
        sets: impl Iterator<Item = &'w NeededReferences>,
        local: impl Fn(&AccountIx) -> Option<AccountIx>,
    ) -> Self {
        let mut by_accounts = BTreeMap::new();
        for needed in sets {
            let allowed: Vec<AccountIx> = needed.allowed.iter().filter_map(&local).collect();
            let (instruments, _) = by_accounts
                .entry(allowed)
                .or_insert_with(|| (BTreeSet::new(), &needed.table));
            instruments.extend(&needed.chains.references);
        }
        Self { by_accounts }
    }

    /// The requests of the solver, one for each choice of accounts.
    pub(super) fn requests(&self, mut number: impl FnMut(Token) -> TokenIx) -> Vec<SetRequest> {
        let requests = self.by_accounts.iter().map(|(allowed, (instruments, _))| {
            let items = instruments.iter().map(|it| Item {
                channel: None,
                underlying: None,
                token: number(it.token),
            });
            SetRequest {
                priority: PRIORITY,
                allowed: allowed.clone(),
                items: items.collect(),
                ..SetRequest::default()
            }
        });
        requests.collect()
    }

    /// Where they are placed among so many accounts: `outcomes` are those of the requests.
    pub(super) fn placed(self, outcomes: &[Vec<Outcome>], accounts: usize) -> PlacedReferences {
        let mut placed = PlacedReferences::default();
        placed.accounts.resize_with(accounts, Default::default);
        let requests = self.by_accounts.into_values().zip(outcomes);
        for ((instruments, table), outcomes) in requests {
            for (reference, outcome) in instruments.into_iter().zip(outcomes) {
                if let Outcome::Placed(at) = outcome {
                    let account = &mut placed.accounts[at.at()];
                    account.instruments.push(reference);
                    account.table = Some(Arc::clone(table));
                } else {
                    placed.waiting.insert(reference.token);
                }
            }
        }
        for account in &mut placed.accounts {
            account.instruments.sort_unstable();
            account.instruments.dedup();
        }
        placed
    }
}
