//! What every binary needs: TLS, logs, signals, the clock, the back-off, the accept loop, probes, metrics, task
//! supervision, checks of writable folders, and the error message at exit.
//!
//! It must not know what the binary does: nothing here concerns a market, a cluster or a store.
//!
//! The order in a `main`: [`tls::install`], [`telemetry::init`], a [`signal::Shutdown`], the tasks in
//! [`tasks::Tasks`], and [`exit::report`] for what ended them.

pub mod address;
pub mod backoff;
pub mod clock;
pub mod exit;
pub mod folder;
pub mod http;
pub mod metrics;
pub mod probe;
pub mod proxy;
pub mod signal;
pub mod stream;
pub mod tasks;
pub mod telemetry;
pub mod text;
pub mod tls;
