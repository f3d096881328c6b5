//! `kite-operator local`: the operator without Kubernetes. Manifests come from a folder, ingest
//! pods are child processes, mounted files lie in a private state folder, statuses go to the screen.
//!
//! Owns the loop. It uses the cluster's planner and the cluster's ingest program, and must not
//! decide anything itself.

mod child;
mod error;
mod folder;
mod ingest;
mod inquiry;
mod known;
mod manifest;
mod printer;
mod running;
mod screen;
mod secret;
mod stamp;
mod state;
mod watcher;
mod world;

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use service::clock::Clock;
use service::folder::ensure_writable;
use service::signal::Shutdown;
use tokio::sync::{mpsc, watch};

pub use self::error::{LocalError, StateFolderError};
use self::folder::Folder;
use self::ingest::find_ingestor;
use self::inquiry::Finding;
use self::printer::Printer;
use self::running::Means;
use self::screen::{AccountRow, SetRow};
use self::state::StateFolder;
use self::watcher::watch_folder;
use self::world::World;
use crate::instruments::keep::Known;
use crate::instruments::{Tables, fetch};
use crate::plan::{self, Memory, Now};
use crate::scrape::Scraper;

/// Changes of a folder come in bursts; it is read when one is over.
const SETTLE: Duration = Duration::from_millis(50);

/// A folder is read this often although nobody told of a change: some file systems tell nobody.
const REREAD: Duration = Duration::from_secs(5);

/// How long the last table may take to be printed.
const LAST_TABLE: Duration = Duration::from_secs(1);

/// How long `--once` waits for Ready.
const ONCE_LIMIT: Duration = Duration::from_secs(10);

/// What the run was asked for.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder of manifests.
    pub manifests: PathBuf,
    /// The Redis of accounts that name none.
    pub redis_url: String,
    /// Whether to stop once everything is Ready.
    pub once: bool,
    /// The ingest program, where one was named.
    pub ingestor: Option<PathBuf>,
    /// Where frames are recorded, if they are.
    pub record: Option<PathBuf>,
    /// Where state is kept, where a place was named.
    pub state: Option<PathBuf>,
    /// The log filter of ingest processes.
    pub log_level: String,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was told to stop, or everything was Ready.
    Done,
    /// `--once`, and not everything was Ready in time.
    NotReady,
}

/// Runs until `shutdown`, or with `once` until everything is Ready.
///
/// # Errors
/// When it cannot start, or the state folder breaks.
pub async fn run(
    settings: Settings,
    clock: Clock,
    shutdown: &Shutdown,
) -> Result<Verdict, LocalError> {
    let manifests = settings
        .manifests
        .canonicalize()
        .map_err(|source| LocalError::Manifests {
            path: settings.manifests.clone(),
            source,
        })?;
    if !manifests.is_dir() {
        return Err(LocalError::NoFolder(settings.manifests));
    }
    let ingestor = find_ingestor(settings.ingestor.as_deref())?;
    if let Some(path) = &settings.record {
        // Ingest processes would find out, each for itself and over and over.
        let path = path.clone();
        ensure_writable(&path).map_err(|source| LocalError::Record { path, source })?;
    }
    let state =
        StateFolder::open(&manifests, settings.state.as_deref()).map_err(StateFolderError)?;
    let tls = service::tls::client_config()?;
    let (findings, found) = mpsc::channel(64);
    let means = Means {
        ingestor,
        record: settings.record,
        log_level: settings.log_level.clone(),
        scraper: Scraper::new(&tls)?,
        clock: clock.clone(),
        findings,
    };
    let tables = Tables::new(fetch::client(&tls)?);
    let fetched = tables.watch();
    let planner = plan::Settings {
        redis_url: settings.redis_url,
        poke: true,
    };
    let mut run = Run {
        folder: Folder::new(manifests.clone()),
        world: World::new(means, planner, state),
        tables,
        memory: Memory::default(),
        delivered: false,
        clock,
        printer: Printer::start(io::stdout()).map_err(LocalError::Screen)?,
        printed: Printed::default(),
        once: settings.once,
    };
    let verdict = run.until_done(&manifests, found, fetched, shutdown).await;
    run.world.shut_down().await;
    run.printer.finish(LAST_TABLE);
    verdict
}

struct Run {
    folder: Folder,
    world: World,
    tables: Tables,
    memory: Memory,
    /// Whether every process runs what this run's plan says.
    delivered: bool,
    clock: Clock,
    printer: Printer,
    printed: Printed,
    once: bool,
}

#[derive(Default)]
struct Printed {
    gist: String,
    at: Option<Instant>,
}

impl Run {
    async fn until_done(
        &mut self,
        manifests: &Path,
        mut found: mpsc::Receiver<Finding>,
        mut fetched: watch::Receiver<Known>,
        shutdown: &Shutdown,
    ) -> Result<Verdict, LocalError> {
        let (_watcher, mut changes) = watch_folder(manifests);
        let deadline = self.clock.now() + ONCE_LIMIT;
        self.reread();
        loop {
            let next = self.pass().await?;
            let now = self.clock.now();
            let ready = self.all_ready();
            if self.once && (ready || now >= deadline) {
                self.print(false)?;
                if !ready {
                    tracing::error!("not everything is Ready after {ONCE_LIMIT:?}");
                }
                return Ok(if ready {
                    Verdict::Done
                } else {
                    Verdict::NotReady
                });
            }
            self.print(true)?;
            let wait = next
                .map_or(REREAD, |next| next.saturating_duration_since(now))
                .min(screen::REFRESH);
            let wait = if self.once {
                wait.min(deadline - now)
            } else {
                wait
            };
            tokio::select! {
                () = shutdown.wait() => return Ok(Verdict::Done),
                Some(finding) = found.recv() => {
                    self.world.take_finding(finding);
                    while let Ok(finding) = found.try_recv() {
                        self.world.take_finding(finding);
                    }
                }
                Ok(()) = fetched.changed() => {
                    self.world.tables = fetched.borrow_and_update().clone();
                }
                Some(()) = changes.recv() => {
                    tokio::time::sleep(SETTLE).await;
                    while changes.try_recv().is_ok() {}
                    self.reread();
                }
                () = tokio::time::sleep(wait) => self.reread(),
            }
        }
    }

    /// Reads the folder; what cannot be read is said, and what was known of it stays.
    fn reread(&mut self) {
        match self.folder.read() {
            Ok(manifests) => self.world.take_manifests(manifests),
            Err(error) => {
                tracing::error!(%error, "manifest folder cannot be read; nothing changes");
            }
        }
    }

    /// Observes, plans, applies; returns when to do so again although nothing happens.
    async fn pass(&mut self) -> Result<Option<Instant>, LocalError> {
        self.world.hold_state().map_err(StateFolderError)?;
        let observed = self.world.observe().map_err(LocalError::Observe)?;
        let now = Now {
            wall: self.clock.wall(),
            monotonic: self.clock.now(),
        };
        let plan = plan::plan(&observed, &self.memory, now);
        self.world.apply(&plan).await;
        self.tables.keep(&plan.endpoints, &plan.doubted);
        let loaded =
            |api: &String| matches!(self.world.tables.get(api), Some(plan::Table::Loaded(_)));
        self.delivered = plan.endpoints.iter().all(loaded)
            && plan.accounts.iter().all(|account| !account.awaiting);
        self.memory = plan.memory;
        Ok(plan.next)
    }

    /// Whether everything is Ready, by what this run has found out: statuses and processes of an
    /// earlier one are no proof.
    fn all_ready(&self) -> bool {
        if !self.delivered || !self.world.whole() {
            return false;
        }
        let ready =
            |conditions: &[_]| screen::ready(conditions).is_some_and(|it| it.status == "True");
        let mut accounts = self.world.accounts().peekable();
        accounts.peek().is_some()
            && accounts.all(|(_, known)| {
                known
                    .status
                    .as_ref()
                    .is_some_and(|status| ready(&status.conditions))
            })
            && self.world.sets().all(|(_, known)| {
                known
                    .status
                    .as_ref()
                    .is_some_and(|status| ready(&status.conditions))
            })
    }

    /// Prints the table if it says something new, or, where it may be `repeated`, if it was long ago.
    fn print(&mut self, repeated: bool) -> Result<(), LocalError> {
        let accounts: Vec<_> = self
            .world
            .accounts()
            .filter_map(|(name, known)| {
                Some(AccountRow {
                    name,
                    status: known.status.as_deref()?,
                    since: known.since,
                })
            })
            .collect();
        let sets: Vec<_> = self
            .world
            .sets()
            .filter_map(|(name, known)| {
                let mode = known.spec().map(|spec| spec.mode.as_str());
                Some(SetRow {
                    name,
                    mode,
                    status: known.status.as_deref()?,
                    since: known.since,
                })
            })
            .collect();
        let problems = self.world.problems();
        let gist = format!("{}{}", screen::gist(&accounts, &sets), problems.join("\n"));
        let now = self.clock.now();
        let old = |at| now.saturating_duration_since(at) >= screen::REFRESH;
        let due = self.printed.at.is_none_or(|at| repeated && old(at));
        if !due && gist == self.printed.gist {
            return Ok(());
        }
        let mut text = screen::render(&accounts, &sets, self.clock.wall());
        for problem in problems {
            text.push_str(problem);
            text.push('\n');
        }
        self.printed = Printed {
            gist,
            at: Some(now),
        };
        text.push('\n');
        self.printer.print(text).map_err(LocalError::Screen)
    }
}
