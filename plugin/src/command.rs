//! The questions.
//!
//! Each file owns one: what is asked, and how its answer reads.

pub(crate) mod calendar;
mod cells;
pub(crate) mod explain;
pub(crate) mod find;
pub(crate) mod login;
pub(crate) mod plan;
pub(crate) mod status;
pub(crate) mod token;
pub(crate) mod top;
