//! Where everything is: which account streams which token, and why.
//!
//! Owns what stays whatever is asked for, who publishes on which channel, and what would find no
//! room. Must not say what a row of an assignment looks like.

mod channels;
mod failover_capacity;
mod groups;
mod held_over;
mod input;
mod problem;
mod solver;

pub(crate) use failover_capacity::{Taken, stranded};
pub(crate) use groups::{PlacedSet, place};
pub(crate) use held_over::{HeldOverSets, RetainedAccount, retain};
pub(crate) use input::GroupPlacement;
pub(crate) use problem::Outcome;
