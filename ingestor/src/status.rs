//! What others may know of this process: report, health, metrics.
//!
//! Owns counting and telling, from copies. Must not change what it tells of, and no request may
//! reach the data plane.

pub mod health;
pub mod http;
pub mod intervals;
pub mod metrics;
pub mod report;
pub mod stats;
