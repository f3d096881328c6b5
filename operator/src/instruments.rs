//! The instruments that exist today: the table the planner looks names up in, and how it is had.
//!
//! [`table`] and [`schedule`] are pure; [`fetch`] and [`keep`] are the shell around them and must not
//! decide what a set selects.

pub mod fetch;
pub mod keep;
pub mod schedule;
pub mod table;

pub use keep::Tables;
pub use table::InstrumentTable;
