//! The instruments that exist today: the table the planner looks names up in, and how it is fetched.
//!
//! [`table`] and [`schedule`] are pure; [`fetch`] and [`refresher`] are the shell around them and must not
//! decide what a set selects.

pub mod fetch;
pub mod refresher;
pub mod schedule;
pub mod table;

pub use refresher::TableRefresher;
pub use table::{InstrumentTable, RowIx};
