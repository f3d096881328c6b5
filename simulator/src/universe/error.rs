//! What can be wrong with the tables that are built in.
//!
//! Owns the messages. Must not know how they are read.

/// A contradiction in the built-in tables.
#[derive(Debug, thiserror::Error)]
pub enum UniverseError {
    /// Two rows with one number.
    #[error("instrument {0} has the token of another one")]
    DuplicateToken(String),
    /// Two rows with one name.
    #[error("instrument {0} is listed twice")]
    DuplicateSymbol(String),
    /// A derivative without its underlying.
    #[error("nothing called {0:?} is listed, so it has no derivatives")]
    UnknownUnderlying(String),
    /// A table that cannot be read.
    #[error("table of {0} is malformed")]
    Table(&'static str, #[source] csv::Error),
    /// A day at the end of the calendar.
    #[error("no expiry can be computed")]
    Calendar(#[from] jiff::Error),
}
