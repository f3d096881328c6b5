//! `kite-ingestor`: streams one account's instruments from Kite's WebSockets to Redis.
//!
//! Owns sockets, subscription state, ticks, the link to Redis, and the report about all of it. It
//! must not know that Kubernetes exists: the assignment and the credentials are files.
//!
//! `data_plane` is the one task that carries ticks; around it, `input` watches files and `status`
//! serves the data plane's last snapshot. The JSON of a tick is made in `tick_json`, by pure
//! functions.

pub mod args;
pub(crate) mod connection;
pub(crate) mod data_plane;
pub(crate) mod directory;
pub(crate) mod events;
pub(crate) mod input;
pub(crate) mod last_value;
pub mod pipeline;
pub(crate) mod recorder;
pub mod run;
pub(crate) mod status;
pub(crate) mod tick_json;
