//! The placement: which account streams which token.
//!
//! Owns which rows are held over whatever the sets select, which account publishes on which channel, and
//! what would find no room. Must not build rows of assignments.

mod by_token;
mod channels;
mod failover_capacity;
mod group;
mod group_problem;
mod groups;
mod held_over;
mod problem;
mod rebalance;
mod references;
mod relocations;
mod retention;
mod set_placement;
mod solver;
mod turns;

pub(crate) use failover_capacity::{AccountLoad, stranded};
pub(crate) use group::GroupPlacement;
pub(crate) use groups::{PlacedAccount, PlacedSet, place};
pub(crate) use held_over::{HeldOver, hold_over};
pub(crate) use problem::Outcome;
pub(crate) use references::AccountReferences;
pub(crate) use relocations::RelocationCause;
