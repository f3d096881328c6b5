//! What is wrong with a calendar file.
//!
//! Owns how it is said: the file, the line, the key, and what must stand there.

use std::fmt;

/// As many problems of a file are said.
const MOST: usize = 10;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalendarProblem {
    /// The line, from 1; 0 where it is not known.
    pub line: u64,
    /// The key, such as `hours[3].open`; empty for the whole file.
    pub key: String,
    /// What is wrong, and what must be there.
    pub problem: String,
}

/// A file that is no calendar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct CalendarError {
    /// Its name.
    pub file: String,
    /// What is wrong with it, in the order of its lines; at least one.
    pub problems: Vec<CalendarProblem>,
}

impl fmt::Display for CalendarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, it) in self.problems.iter().take(MOST).enumerate() {
            let separator = if at == 0 { "" } else { "\n" };
            write!(f, "{separator}{}", self.file)?;
            if it.line > 0 {
                write!(f, ":{}", it.line)?;
            }
            if !it.key.is_empty() {
                write!(f, ": {}", it.key)?;
            }
            write!(f, ": {}", it.problem)?;
        }
        match self.problems.len().saturating_sub(MOST) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}
