//! Hands ticks on from Redis to programs and browsers, over WebSockets.
//!
//! Holds no connection to Kite and keeps nothing: any number of these may run. It must not write to Redis.

pub mod args;
mod auth;
mod client;
mod directory;
mod duration;
mod health;
mod http;
mod hub;
mod instrument;
mod market;
mod metrics;
mod outbox;
mod protocol;
mod redis_files;
mod rights;
pub mod run;
mod tick;
pub mod token;
