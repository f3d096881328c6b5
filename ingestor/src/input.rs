//! The mounted folders: the assignment and the credentials.
//!
//! Owns reading, watching, checking and preparing their files, and whether Kite accepted the
//! credentials. Must not hold state of the data plane.

pub(crate) mod assignment;
pub(crate) mod credential_reader;
pub(crate) mod credential_state;
pub(crate) mod credentials;
mod notifications;
pub(crate) mod redis_files;
mod remark;
mod token_choice;
pub(crate) mod watch;
