//! The status of this process: report, health, metrics.
//!
//! Owns how it is counted and served, from copies. Must not change the state, and no request may
//! reach the data plane.

mod carried;
pub(crate) mod health;
pub(crate) mod http;
pub(crate) mod intervals;
pub(crate) mod metrics;
mod moves;
mod rates;
mod redis;
mod references;
pub(crate) mod report;
mod silence;
mod text;
