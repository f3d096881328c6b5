//! Kite's instruments lists: the table in which the planner looks names up, and how it is fetched.
//!
//! [`table`], [`chains`], [`underlyings`], [`similar`], [`search`], [`list_check`] and [`schedule`]
//! are pure; [`fetch`] and
//! [`refresher`] do the I/O and must not decide what a set selects.

mod chains;
pub mod fetch;
pub mod list_check;
pub mod refresher;
mod row;
pub mod schedule;
pub mod search;
pub(crate) mod similar;
pub mod table;
mod underlyings;

pub use refresher::TableRefresher;
pub use row::RowIx;
pub use table::{InstrumentTable, Table};
pub use underlyings::{IndexNames, InvalidIndexNames};
