//! The operator's answers to people who ask: `/v1/explain`, `/v1/find`, `/v1/top`, `/v1/calendar` and `POST /v1/plan`.
//!
//! Owns what the loop leaves for them after each pass, and the limits: one question at a time, one second, one megabyte.
//! Questions change nothing and never wait for the loop, nor the loop for them.

mod calendar;
mod find;
mod preview;
mod server;
mod snapshot;
mod top;

pub(crate) use server::QueryServer;
pub(crate) use snapshot::{QueryFeed, Scope, Snapshot};
