//! The request of each set: from selectors to instruments and their channels.
//!
//! Owns the lookup of names, which accounts a set may use, and where the money is. Must not know the placement.

mod accounts;
mod by_selector;
mod chain;
mod channel;
mod expiry;
mod forwards;
mod lookup;
mod money;
mod request;
mod resolver;
mod retention;
mod routes;
mod select;

pub(crate) use by_selector::{SelectorLists, SelectorResult, by_selector};
pub(crate) use channel::{ChannelRoute, Slug, symbol};
pub(crate) use expiry::TradingDays;
pub(crate) use forwards::ForwardSources;
pub(crate) use lookup::{KnownSelection, Lookup};
pub use money::PriceBands;
pub(crate) use money::{
    ChainMoney, ChainPrices, MoneyChains, MoneyFindings, MoneyMemory, Reference,
};
pub(crate) use request::{NeededReferences, Request, RequestedSet, Resolved};
pub(crate) use resolver::{Resolver, SelectionMemos};
pub(crate) use retention::{RetainedInstrument, trading_day};
pub(crate) use routes::RoutedInstrument;
pub(crate) use select::ReusedName;
#[cfg(test)]
pub(crate) use select::Selection;
