//! Events for back ends: what happened to connections, credentials, orders and instruments.
//!
//! Owns when something is an event, its JSON, the channels it goes to and the commands that publish
//! it. Must not wait for Redis on the data plane's thread.

pub mod detect;
pub mod event;
pub mod message;
pub mod publish;
