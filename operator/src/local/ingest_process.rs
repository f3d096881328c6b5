//! An account's process and its last report.

use std::path::PathBuf;

use service::clock::{Clock, WallClock};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::poller::{PollResult, Poller};
use super::state::StateFolder;
use super::supervisor::{ChildSpec, Supervised};
use crate::plan::{Process, Scrape};
use crate::scrape::Scraper;

/// How children are started and polled.
#[derive(Debug)]
pub(crate) struct ProcessContext {
    /// The ingest program.
    pub(crate) ingestor: PathBuf,
    /// The folder for recordings, if frames are recorded.
    pub(crate) record: Option<PathBuf>,
    /// Its log filter.
    pub(crate) log_level: String,
    /// Its simulated wall clock.
    pub(crate) wall_clock: Option<WallClock>,
    /// Requests reports.
    pub(crate) scraper: Scraper,
    /// The time.
    pub(crate) clock: Clock,
    /// Where results are sent.
    pub(crate) results: mpsc::Sender<PollResult>,
}

/// A child, the task that polls it, and the last answer.
#[derive(Debug)]
pub(crate) struct IngestProcess {
    child: Supervised,
    poller: JoinHandle<()>,
    expecting: watch::Sender<bool>,
    /// What is known of the process, and its last report.
    pub(crate) last: PollResult,
}

impl IngestProcess {
    /// Starts an account's process on its folders in `state`.
    pub(crate) fn start(account: &str, state: &StateFolder, context: &ProcessContext) -> Self {
        let spec = ChildSpec {
            account: account.to_owned(),
            binary: context.ingestor.clone(),
            record: context.record.as_ref().map(|folder| folder.join(account)),
            assignment: state.assignment(account),
            credentials: state.credentials(account),
            redis: state.redis(account),
            port_file: state.port_file(account),
            log_level: context.log_level.clone(),
            wall_clock: context.wall_clock,
        };
        let (hung, hangs) = watch::channel(None);
        let child = Supervised::start(spec, hangs);
        let (expecting, expected) = watch::channel(true);
        let poller = Poller {
            account: account.to_owned(),
            child: child.state(),
            expected,
            hung,
            results: context.results.clone(),
        };
        let run = poller.run(context.scraper.clone(), context.clock.clone());
        let last = PollResult {
            account: account.to_owned(),
            process: Process::Unknown,
            scrape: Scrape::default(),
        };
        Self {
            child,
            poller: tokio::spawn(run),
            expecting,
            last,
        }
    }

    /// Sets whether its next report is awaited: the process is then polled more often.
    pub(crate) fn set_expecting(&self, expecting: bool) {
        self.expecting
            .send_if_modified(|before| std::mem::replace(before, expecting) != expecting);
    }

    /// Ends the process; returns when it has ended.
    pub(crate) async fn stop(self) {
        self.poller.abort();
        self.child.stop().await;
    }
}
