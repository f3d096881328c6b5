//! The request of each set, before anything is placed.
//!
//! Owns types only.

use std::sync::Arc;

use crds::condition::Reason;

use super::lookup::Lookup;
use super::money::{ChainMoney, MoneyChains};
use crate::instruments::InstrumentTable;
use crate::plan::ids::AccountIx;
use crate::plan::input::SetInput;

/// A set and its request.
pub(crate) struct RequestedSet<'a> {
    pub(crate) set: SetInput<'a>,
    pub(crate) request: Request,
    /// The instruments whose prices it needs, if it needs any and they are known.
    pub(crate) references: Option<NeededReferences>,
}

/// Instruments whose prices a set needs, and where they may be subscribed to.
#[derive(Debug)]
pub(crate) struct NeededReferences {
    pub(crate) chains: Arc<MoneyChains>,
    pub(crate) table: Arc<InstrumentTable>,
    /// The accounts that the set may use, ascending.
    pub(crate) allowed: Vec<AccountIx>,
}

impl RequestedSet<'_> {
    /// Whether it may need prices although it is not known of which instruments.
    pub(crate) fn may_need_references(&self) -> bool {
        self.request.is_pending() && self.references.is_none()
    }
}

/// The request of a set.
#[derive(Debug)]
pub(crate) enum Request {
    /// Nothing may stream: its instruments are removed.
    Denied { reason: Reason, message: String },
    /// It cannot be read or looked up now: its instruments are held over.
    Pending { reason: Reason, message: String },
    /// Looked up.
    Resolved(Box<Resolved>),
}

/// What a set selects, and the accounts that it may use.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// The instruments that its selectors select.
    pub(crate) lookup: Arc<Lookup>,
    /// Whether the accounts that it may use are mock accounts.
    pub(crate) mock: bool,
    /// Its priority.
    pub(crate) priority: i32,
    /// The accounts it may use, ascending.
    pub(crate) allowed: Vec<AccountIx>,
    /// Names of some matching accounts, if it may use none of them.
    pub(crate) matching: String,
    /// Where the money is, of each chain that it selects by it.
    pub(crate) money: Vec<ChainMoney>,
}

impl Resolved {
    /// How many instruments it selects.
    pub(crate) fn selected(&self) -> u32 {
        u32::try_from(self.lookup.selection.instruments.len()).unwrap_or(u32::MAX)
    }
}

impl Request {
    /// Whether the set's instruments are held over because it cannot be looked up.
    pub(crate) fn is_pending(&self) -> bool {
        matches!(self, Self::Pending { .. })
    }

    /// Whether something that it needs has not been read yet since the operator's start.
    pub(crate) fn is_unread(&self) -> bool {
        let unread = Reason::Pending;
        matches!(self, Self::Pending { reason, .. } if *reason == unread)
    }

    /// What it selects, if that is known.
    pub(crate) fn resolved(&self) -> Option<&Resolved> {
        match self {
            Self::Resolved(resolved) => Some(resolved),
            Self::Denied { .. } | Self::Pending { .. } => None,
        }
    }
}

pub(super) fn denied(reason: Reason, message: impl Into<String>) -> Request {
    let message = message.into();
    Request::Denied { reason, message }
}

pub(super) fn pending(reason: Reason, message: String) -> Request {
    Request::Pending { reason, message }
}
