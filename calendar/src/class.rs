//! Which instruments trade at the same hours.
//!
//! Must not know the hours.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;

/// The position of a class in a [`Calendar`](crate::Calendar); another calendar may have others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClassIx(pub(crate) u16);

impl ClassIx {
    /// The position.
    #[must_use]
    pub const fn at(self) -> usize {
        self.0 as usize
    }
}

/// What an instrument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TradedKind {
    /// A share, fund or bond.
    Share,
    /// An index.
    Index,
    /// A future.
    Future,
    /// A call or a put.
    Option,
}

/// What decides when an instrument trades.
#[derive(Clone, Copy, Debug)]
pub struct Traded<'a> {
    /// Its exchange, as in Kite's list.
    pub exchange: &'a str,
    /// What it is.
    pub kind: TradedKind,
    /// Name of its underlying, or of the commodity; empty where there is none.
    pub name: &'a str,
    /// Whether there are derivatives of it, of a share.
    pub derivatives: bool,
}

/// Which instruments are of a class: all that has every property that it names.
#[derive(Clone, Debug)]
pub(crate) struct ClassRule {
    pub(crate) class: Arc<str>,
    pub(crate) exchange: Arc<str>,
    pub(crate) kind: Option<TradedKind>,
    pub(crate) derivatives: Option<bool>,
    pub(crate) names: BTreeSet<String>,
}

impl ClassRule {
    pub(crate) fn fits(&self, traded: &Traded<'_>) -> bool {
        *self.exchange == *traded.exchange
            && self.kind.is_none_or(|kind| kind == traded.kind)
            && self.derivatives.is_none_or(|it| it == traded.derivatives)
            && (self.names.is_empty() || self.names.contains(traded.name))
    }
}
