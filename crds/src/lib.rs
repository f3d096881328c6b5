//! The API users see: the kinds `TickerAccount` and `InstrumentSet`, their rules, conditions and names.
//!
//! Owns every field, default, bound and rule that users see, and the name of everything that the operator creates. Must
//! not do I/O, must not read a clock, and is linked into nothing but the operator and the plugin.

#![allow(
    unreachable_pub,
    reason = "KubeSchema repeats every public struct inside a function of its own"
)]

pub mod account;
pub mod account_selector;
pub mod check;
pub mod condition;
pub mod crd;
pub mod last_value_ttl;
pub mod names;
pub mod pod;
pub mod quantity;
pub mod rebalance;
pub mod reference;
mod rule;
pub mod selector;
pub mod set;

pub use account::{TickerAccount, TickerAccountSpec, TickerAccountStatus};
pub use check::{Resource, Violation, check};
pub use set::{InstrumentSet, InstrumentSetSpec, InstrumentSetStatus};

/// Whether a value is its type's default, for fields that are then left out of a serialised object.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
