//! How late a machine is that has more to do than these tests.
//!
//! A limit that is asserted holds for a program that runs when it has something to do. What the machine
//! took away meanwhile is measured by a timer of the test's own, and added to the limit.

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

    /// By how much a limit of this time is to be longer.
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
