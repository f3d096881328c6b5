//! Waiting for a condition.

use std::fmt::Debug;
use std::time::Duration;

use tokio::time::Instant;

/// How often a condition is checked.
const INTERVAL: Duration = Duration::from_millis(20);

/// The limit that suits most conditions: long enough for a loaded machine, short enough to notice.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// For how long beyond the limit changes count as progress: a counter that always runs is not
/// progress.
const PROGRESS: Duration = Duration::from_secs(300);

/// Waits until `probe` returns `Ok`, and returns its value.
///
/// # Panics
/// When nothing has changed for [`PATIENCE`], with the last `Err`: what was observed instead.
pub async fn eventually<T, E: Debug>(what: &str, probe: impl AsyncFnMut() -> Result<T, E>) -> T {
    within(PATIENCE, what, probe).await
}

/// As [`eventually`], with another limit. It counts from the last change of what is observed, so
/// that a slow machine that makes progress has the time it needs.
///
/// # Panics
/// When nothing has changed for `limit`, with the last `Err`.
pub async fn within<T, E: Debug>(
    limit: Duration,
    what: &str,
    mut probe: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let start = Instant::now();
    let (mut last, mut changed) = (String::new(), start);
    loop {
        let seen = match probe().await {
            Ok(value) => return value,
            Err(seen) => format!("{seen:#?}"),
        };
        let now = Instant::now();
        if seen != last {
            (last, changed) = (seen, now);
        }
        let (still, all) = (now - changed, now - start);
        assert!(
            still < limit && all < limit + PROGRESS,
            "{what}: not after {all:?}, of which {still:?} without progress; last seen: {last}"
        );
        tokio::time::sleep(INTERVAL).await;
    }
}
