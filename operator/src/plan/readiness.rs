//! Whether an account or a set is ready, and why: facts → observation → condition.
//!
//! Owns the order of the rules, and how long a problem may last before it counts. Each step is a
//! pure function; messages are for people and say what to do.

mod account;
mod condition;
mod credentials;
mod facts;
mod names;
mod observation;
mod obstacle;
mod secret;
mod set;

pub(crate) use account::account;
pub(crate) use condition::{ConditionOutcome, GRACE, History, outcome};
pub(crate) use credentials::{credentials, is_dead_token, needs_token, only_lacks_token};
pub(crate) use facts::AccountFacts;
pub(crate) use names::remarks;
pub(crate) use observation::Observation;
pub(crate) use obstacle::{CONTRADICTED, sockets};
pub(crate) use set::{Freshness, Holder, SetFacts, set, unplaced, waiting};
