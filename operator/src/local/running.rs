//! An account's process together with what it last said.

use std::path::PathBuf;

use service::clock::Clock;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::child::{ChildSpec, Supervised};
use super::inquiry::{Finding, Inquiry};
use super::state::StateFolder;
use crate::plan::{Process, Scrape};
use crate::scrape::Scraper;

/// How children are started and asked.
#[derive(Debug)]
pub(crate) struct Means {
    /// The ingest program.
    pub(crate) ingestor: PathBuf,
    /// Where frames are recorded, if they are.
    pub(crate) record: Option<PathBuf>,
    /// Its log filter.
    pub(crate) log_level: String,
    /// Asks for reports.
    pub(crate) scraper: Scraper,
    /// The time.
    pub(crate) clock: Clock,
    /// Where findings go.
    pub(crate) findings: mpsc::Sender<Finding>,
}

/// A child, whoever asks it, and the last answer.
#[derive(Debug)]
pub(crate) struct Running {
    child: Supervised,
    inquiry: JoinHandle<()>,
    stop: CancellationToken,
    expecting: watch::Sender<bool>,
    last: Finding,
}

impl Running {
    /// Starts an account's process on its folders in `state`.
    pub(crate) fn start(account: &str, state: &StateFolder, means: &Means) -> Self {
        let child = Supervised::start(ChildSpec {
            account: account.to_owned(),
            binary: means.ingestor.clone(),
            record: means.record.as_ref().map(|folder| folder.join(account)),
            assignment: state.assignment(account),
            credentials: state.credentials(account),
            redis: state.redis(account),
            port_file: state.port_file(account),
            log_level: means.log_level.clone(),
        });
        let (expecting, expected) = watch::channel(true);
        let stop = CancellationToken::new();
        let inquiry = Inquiry {
            account: account.to_owned(),
            port_file: state.port_file(account),
            child: child.state(),
            expected,
            findings: means.findings.clone(),
        };
        let run = inquiry.run(means.scraper.clone(), means.clock.clone(), stop.clone());
        let last = Finding {
            account: account.to_owned(),
            process: Process::Unknown,
            scrape: Scrape::default(),
        };
        Self {
            child,
            inquiry: tokio::spawn(run),
            stop,
            expecting,
            last,
        }
    }

    /// Takes a newer answer.
    pub(crate) fn take(&mut self, finding: Finding) {
        self.last = finding;
    }

    /// What is known of the process.
    pub(crate) fn process(&self) -> Process {
        self.last.process.clone()
    }

    /// What it said last.
    pub(crate) fn scrape(&self) -> Scrape {
        self.last.scrape.clone()
    }

    /// Says whether its next report is waited for: the process is then asked more often.
    pub(crate) fn set_expecting(&self, expecting: bool) {
        self.expecting
            .send_if_modified(|before| std::mem::replace(before, expecting) != expecting);
    }

    /// Ends the process; returns when it has ended.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.inquiry.abort();
        self.child.stop().await;
    }
}
