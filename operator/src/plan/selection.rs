//! The request of each set: from selectors to instruments and their channels.
//!
//! Owns the lookup of names, and which accounts a set may use. Must not know the placement.

mod chain;
mod channel;
mod expiry;
mod lookup;
mod request;
mod routes;
mod select;

pub(crate) use channel::{ChannelRoute, Slug, symbol};
pub(crate) use expiry::TradingDays;
pub(crate) use lookup::Lookup;
pub(crate) use request::{Request, RequestedSet, Resolved, resolve};
pub(crate) use routes::RoutedInstrument;
pub(crate) use select::ReusedName;
#[cfg(test)]
pub(crate) use select::Selection;
