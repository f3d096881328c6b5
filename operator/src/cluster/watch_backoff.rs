//! When a watch is restarted: after a failure, and after a long silence.
//!
//! Owns the waits. Load balancers and proxies drop connections silently, and a watch on a dropped
//! connection shows an old state of the cluster.

use std::time::Duration;

use futures::{Stream, StreamExt};
use kube::runtime::utils;
use service::backoff::Backoff;

/// After an outage two of the longest waits pass before the cluster is seen again: the first
/// attempt finds that the last seen version is too old to continue from.
const WAITS: Backoff =
    Backoff::new(Duration::from_millis(500), Duration::from_secs(5)).with_jitter(0.75, 1.0);

/// The waits between the attempts of one watch.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WatchBackoff {
    failures: u32,
}

impl Iterator for WatchBackoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        Some(WAITS.delay(self.failures, fastrand::f64()))
    }
}

impl utils::Backoff for WatchBackoff {
    fn reset(&mut self) {
        self.failures = 0;
    }
}

/// A live watch is renewed by either side in less time; a kind without changes costs one list per
/// this time.
pub(crate) const MAX_SILENCE: Duration = Duration::from_secs(600);

/// Yields the items of the streams of `begin`, one stream after the other: the next one begins when
/// the last one has ended, or was silent for [`MAX_SILENCE`]; then `on_silence` is called.
pub(crate) fn restart_when_silent<S>(
    begin: impl Fn() -> S + Send,
    on_silence: impl Fn() + Send,
) -> impl Stream<Item = S::Item> + Send
where
    S: Stream + Send,
    S::Item: Send,
{
    let first = Box::pin(begin());
    futures::stream::unfold(
        (first, begin, on_silence),
        |(mut stream, begin, on_silence)| async move {
            loop {
                match tokio::time::timeout(MAX_SILENCE, stream.next()).await {
                    Ok(Some(item)) => return Some((item, (stream, begin, on_silence))),
                    Ok(None) => {}
                    Err(_silent) => on_silence(),
                }
                stream = Box::pin(begin());
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use kube::runtime::utils::Backoff as _;
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn waits_double_up_to_five_seconds_and_begin_again_after_a_success() {
        let mut backoff = WatchBackoff::default();
        for full in [500, 1_000, 2_000, 4_000, 5_000, 5_000] {
            let wait = backoff.next().unwrap().as_millis();
            assert!((full * 3 / 4..=full).contains(&wait), "{wait} of {full}");
        }
        backoff.reset();
        assert!(backoff.next().unwrap().as_millis() <= 500);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_falls_silent_is_begun_anew_and_one_that_speaks_is_not() {
        let (begun, silences) = (AtomicU32::new(0), AtomicU32::new(0));
        // The first yields two items nearly ten minutes apart and then nothing more.
        let begin = || {
            let number = begun.fetch_add(1, Ordering::Relaxed);
            let items = futures::stream::iter([0, 1]).then(move |at| async move {
                tokio::time::sleep(MAX_SILENCE.mul_f64(0.9)).await;
                (number, at)
            });
            items.chain(futures::stream::pending())
        };
        let stream = restart_when_silent(begin, || {
            silences.fetch_add(1, Ordering::Relaxed);
        });
        let mut stream = std::pin::pin!(stream);
        let start = Instant::now();
        let mut heard = Vec::new();
        for _ in 0..3 {
            heard.push(stream.next().await.unwrap());
        }
        assert_eq!(heard, [(0, 0), (0, 1), (1, 0)]);
        assert_eq!(start.elapsed(), MAX_SILENCE.mul_f64(3.7));
        assert_eq!(silences.load(Ordering::Relaxed), 1);
    }
}
