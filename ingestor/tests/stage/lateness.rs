//! Measures how late a busy machine runs timers.
//!
//! Asserted limits assume that the program runs when it has something to do. The delay of the
//! machine is measured by a timer of the test, and added to the limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

const BEAT: Duration = Duration::from_millis(5);

pub struct Lateness {
    /// Microseconds that timers came too late since the start.
    late: Arc<AtomicU64>,
    measuring: JoinHandle<()>,
}

impl Lateness {
    /// Measures from now on.
    pub fn start() -> Self {
        let late = Arc::new(AtomicU64::new(0));
        let measuring = tokio::spawn(measure(Arc::clone(&late)));
        Self { late, measuring }
    }

    /// How much a limit has to be extended.
    pub fn total(&self) -> Duration {
        Duration::from_micros(self.late.load(Ordering::Relaxed))
    }
}

impl Drop for Lateness {
    fn drop(&mut self) {
        self.measuring.abort();
    }
}

async fn measure(late: Arc<AtomicU64>) {
    loop {
        let due = Instant::now() + BEAT;
        tokio::time::sleep_until(due).await;
        // A timer of Tokio's is up to a millisecond late on any machine.
        let by = due.elapsed().saturating_sub(Duration::from_millis(1));
        late.fetch_add(by.as_micros() as u64, Ordering::Relaxed);
    }
}
