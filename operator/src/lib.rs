//! Turns TickerAccount and InstrumentSet resources into ingest processes that stream, and writes
//! their health back into the resources: observe, plan, apply.
//!
//! Every choice is made in [`plan`], from what was observed and the time. Everything else collects
//! facts or applies decisions, and must not decide.

pub mod args;
pub mod calendar_file;
pub mod cluster;
pub mod instruments;
mod kite_client;
pub mod local;
mod login;
mod login_link;
mod manifest;
mod placement_log;
pub mod plan;
mod poll_schedule;
mod pricing_log;
mod query;
pub mod scrape;
mod token_check;
mod value_fingerprint;
