//! What each set asks for: from selectors to instruments and their channels.
//!
//! Owns what names mean and which accounts a set may use. Must not know where anything is placed.

mod channel;
mod lookup;
mod request;
mod routes;
mod select;

pub(crate) use channel::{ChannelRoute, Slug, symbol};
pub(crate) use lookup::Lookup;
pub(crate) use request::{Request, RequestedSet, Resolved, resolve};
pub(crate) use routes::RoutedInstrument;
#[cfg(test)]
pub(crate) use select::Selection;
