//! Polls one child for its report.
//!
//! Owns the interval. A child that hangs does not delay the others.

use std::time::{Duration, Instant};

use service::clock::Clock;
use service::exit::chain;
use tokio::sync::{mpsc, watch};

use super::supervisor::ChildState;
use crate::plan::{Process, Scrape};
use crate::poll_schedule::Intervals;
use crate::scrape::{ProcessAnswer, Scraper};

/// How often a process is polled: there are few, on this machine.
const INTERVALS: Intervals = Intervals {
    expecting: Duration::from_millis(100),
    active: Duration::from_secs(1),
    idle: Duration::from_secs(1),
};

/// A process that lives and does not answer for this long hangs. A kubelet ends such a one too.
const HANG_LIMIT: Duration = Duration::from_secs(60);

/// An update of an account's process.
#[derive(Debug)]
pub(crate) struct PollResult {
    /// The account.
    pub(crate) account: String,
    /// Its process.
    pub(crate) process: Process,
    /// Its report.
    pub(crate) scrape: Scrape,
}

/// One account's process, and the receiver of its reports.
#[derive(Debug)]
pub(crate) struct Poller {
    /// The account.
    pub(crate) account: String,
    /// Whether the process runs.
    pub(crate) child: watch::Receiver<ChildState>,
    /// Whether its next report is awaited.
    pub(crate) expected: watch::Receiver<bool>,
    /// The process that hangs, by its id.
    pub(crate) hung: watch::Sender<Option<u32>>,
    /// Where results are sent.
    pub(crate) results: mpsc::Sender<PollResult>,
}

impl Poller {
    /// Polls until the receiver is gone.
    pub(crate) async fn run(mut self, scraper: Scraper, clock: Clock) {
        let (mut scrape, mut silence) = (Scrape::default(), Silence::default());
        loop {
            let state = self.child.borrow_and_update().clone();
            scrape = scrape.after(ask(&scraper, &state).await, clock.now());
            let ready = state.address.is_some() && scrape.failing.is_none();
            let hung = silence.note(state.pid.filter(|_| !ready), clock.now());
            if hung.is_some() {
                self.hung.send_replace(hung);
            }
            let result = PollResult {
                account: self.account.clone(),
                process: process(&state, ready),
                scrape: scrape.clone(),
            };
            if self.results.send(result).await.is_err() {
                return;
            }
            let expecting = *self.expected.borrow_and_update() || !ready;
            let interval = INTERVALS.at(expecting, None, clock.now());
            tokio::select! {
                _ = self.child.changed() => {}
                _ = self.expected.changed() => {}
                () = tokio::time::sleep(interval) => {}
            }
        }
    }
}

/// Since when a process that lives does not answer, by its id.
#[derive(Debug, Default)]
struct Silence(Option<(u32, Instant)>);

impl Silence {
    /// Notes which process does not answer at `now`, if one lives; returns the one that hangs.
    fn note(&mut self, pid: Option<u32>, now: Instant) -> Option<u32> {
        let known = self.0.filter(|(known, _)| Some(*known) == pid);
        self.0 = pid.map(|pid| known.unwrap_or((pid, now)));
        let (pid, since) = self.0?;
        (now.saturating_duration_since(since) >= HANG_LIMIT).then_some(pid)
    }
}

async fn ask(scraper: &Scraper, state: &ChildState) -> Result<ProcessAnswer, String> {
    let Some(address) = state.address else {
        let trouble = state.trouble.clone();
        return Err(trouble.unwrap_or_else(|| "the ingest process is starting".to_owned()));
    };
    let report = scraper.answer(address).await;
    report.map_err(|error| chain(&error).to_string())
}

fn process(state: &ChildState, ready: bool) -> Process {
    match state.pid {
        Some(pid) => Process::Present {
            name: format!("process {pid}"),
            address: state.address,
            ready,
            stopped: false,
            trouble: None,
        },
        None => match &state.trouble {
            Some(trouble) => Process::Present {
                name: "the ingest process".to_owned(),
                address: None,
                ready: false,
                stopped: true,
                trouble: Some(trouble.clone()),
            },
            None => Process::Absent,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_that_lives_and_does_not_answer_for_a_minute_hangs() {
        let (start, mut silence) = (Clock::system().now(), Silence::default());
        let at = |second| start + Duration::from_secs(second);
        assert_eq!(silence.note(Some(7), at(0)), None);
        assert_eq!(silence.note(Some(7), at(59)), None);
        assert_eq!(silence.note(Some(7), at(60)), Some(7));
        // Another one, which was started in its place, and one that answered in between.
        assert_eq!(silence.note(Some(8), at(61)), None);
        assert_eq!(silence.note(None, at(100)), None);
        assert_eq!(silence.note(Some(8), at(121)), None);
        assert_eq!(silence.note(Some(8), at(181)), Some(8));
    }
}
