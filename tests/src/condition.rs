//! Waiting for a condition.

use std::fmt::Debug;
use std::time::Duration;

/// How often a condition is looked at.
const INTERVAL: Duration = Duration::from_millis(20);

/// The limit that suits most conditions: long enough for a loaded machine, short enough to notice.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `probe` gives `Ok`, and returns that.
///
/// # Panics
/// After [`PATIENCE`], with the last `Err`: what was seen instead.
pub async fn eventually<T, E: Debug>(what: &str, probe: impl AsyncFnMut() -> Result<T, E>) -> T {
    within(PATIENCE, what, probe).await
}

/// As [`eventually`], with a limit of its own.
///
/// # Panics
/// After `limit`, with the last `Err`.
pub async fn within<T, E: Debug>(
    limit: Duration,
    what: &str,
    mut probe: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let deadline = tokio::time::Instant::now() + limit;
    loop {
        match probe().await {
            Ok(value) => return value,
            Err(seen) if tokio::time::Instant::now() >= deadline => {
                panic!("{what}: not within {limit:?}; last seen: {seen:#?}")
            }
            Err(_) => tokio::time::sleep(INTERVAL).await,
        }
    }
}
