//! Kite's instruments lists: the table in which the planner looks names up, and how it is fetched.
//!
//! [`table`], [`underlyings`], [`similar`], [`list_check`] and [`schedule`] are pure; [`fetch`] and
//! [`refresher`] do the I/O and must not decide what a set selects.

pub mod fetch;
pub mod list_check;
pub mod refresher;
pub mod schedule;
pub(crate) mod similar;
pub mod table;
mod underlyings;

pub use refresher::TableRefresher;
pub use table::{InstrumentTable, RowIx, Table};
pub use underlyings::{IndexNames, InvalidIndexNames};
