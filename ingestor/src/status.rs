//! What others may know of this process: report, health, metrics.
//!
//! Owns counting and telling, from copies. Must not change what it tells of, and no request may
//! reach the data plane.

pub(crate) mod health;
pub(crate) mod http;
pub(crate) mod intervals;
pub(crate) mod metrics;
pub(crate) mod report;
pub(crate) mod stats;
