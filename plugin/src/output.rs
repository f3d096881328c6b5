//! How answers are printed.
//!
//! Owns width and colours. Must not know what is shown.

mod format;
mod screen;
mod table;

pub(crate) use format::{age_of_seconds, count_of, dash, date_time, rate};
pub(crate) use screen::{Paper, Screen, write};
/// What is shown instead of accounts and sets where there are none.
pub(crate) const NOTHING: &str = "there is neither an account nor a set\n";

pub(crate) use table::{Cell, TextTable, Tone, render_all};
