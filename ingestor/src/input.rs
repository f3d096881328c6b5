//! The mounted folders: the assignment and the credentials.
//!
//! Owns reading, watching, checking and preparing what lies in them, and what Kite said of the
//! credentials. Must not hold what the data plane does with it.

pub(crate) mod assignment;
pub(crate) mod credential_state;
pub(crate) mod credentials;
pub(crate) mod redis_files;
pub(crate) mod watch;
