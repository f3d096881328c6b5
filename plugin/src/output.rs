//! How answers are printed.
//!
//! Owns width and colours. Must not know what is shown.

mod format;
mod screen;
mod table;

pub(crate) use format::{age_of_seconds, count_of, dash, date_time, rate};
pub(crate) use screen::{Paper, Screen, write};
pub(crate) use table::{Cell, Table, Tone};
