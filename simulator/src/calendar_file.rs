//! The calendar that is built in, with the rows of a file over it.
//!
//! Owns reading the file. Must not judge it.

use std::path::{Path, PathBuf};
use std::{fs, io};

use calendar::{Calendar, CalendarError};

/// A calendar that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorCalendarError {
    /// The file cannot be read.
    #[error("cannot read the calendar {0}")]
    Read(PathBuf, #[source] io::Error),
    /// The file is no calendar: file, line and key of each problem.
    #[error("cannot use the calendar")]
    Rows(#[from] CalendarError),
}

/// The calendar with the rows of a file, if there is one.
///
/// # Errors
/// When the file cannot be read or is no calendar.
pub fn read(file: Option<&Path>) -> Result<Calendar, SimulatorCalendarError> {
    let built_in = Calendar::india();
    let Some(path) = file else {
        return Ok(built_in.clone());
    };
    let text = fs::read_to_string(path);
    let text = text.map_err(|error| SimulatorCalendarError::Read(path.to_owned(), error))?;
    Ok(built_in.with(&text, &path.display().to_string())?)
}
