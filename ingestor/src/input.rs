//! The mounted folders: the assignment and the credentials.
//!
//! Owns reading, watching, checking and preparing what lies in them, and what Kite said of the
//! credentials. Must not hold what the data plane does with it.

pub mod assignment;
pub mod credential_state;
pub mod credentials;
pub mod redis_files;
pub mod watch;
