//! How long to wait before a link is tried again.

use std::time::Duration;

use service::backoff::Backoff;

/// Between half and all of 50, 100 … 500 ms. The cap is low, so that consumers have the newest
/// values within a second of the server's return.
pub const RETRY: Backoff =
    Backoff::new(Duration::from_millis(50), Duration::from_millis(500)).with_jitter(0.5, 1.0);
