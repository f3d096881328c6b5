//! `kite-operator local`: the operator without Kubernetes. Manifests come from a folder, ingest
//! pods are child processes, mounted files lie in a private state folder, statuses go to the screen.
//!
//! Owns the loop. It uses the same planner and ingest program as in a cluster, and must not decide
//! anything itself.

mod error;
mod file_fingerprint;
mod folder;
mod host;
mod ingest_process;
mod ingestor_binary;
mod login_store;
mod logins;
mod poller;
mod printer;
mod secrets;
mod session;
mod state;
mod supervisor;
mod table;
mod tracked;
mod watcher;

use crate::calendar_file::CalendarFile;
use calendar::Calendar;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use service::clock::{Clock, WallClock};
use service::folder::ensure_writable;
use service::http::Server;
use service::signal::Shutdown;
use service::text::LineQuota;
use tokio::sync::{Notify, mpsc, watch};

pub use self::error::{LocalError, StateFolderError};
use self::folder::Folder;
use self::host::Host;
use self::ingest_process::ProcessContext;
use self::ingestor_binary::find_ingestor;
use self::logins::Logins;
use self::poller::PollResult;
use self::printer::Printer;
use self::state::StateFolder;
use self::table::TableRow;
use self::watcher::watch_folder;
use crate::args::LoginListen;
use crate::instruments::refresher::TablesByOrigin;
use crate::instruments::{IndexNames, TableRefresher};
use crate::kite_client;
use crate::login::Webhooks;
use crate::placement_log;
use crate::plan::{self, Memory, ObservedAccount};
use crate::pricing_log;
use crate::query::{QueryFeed, QueryServer, Scope};
use crate::scrape::Scraper;
use crate::token_check::{TokenCheckCounter, TokenChecker};

/// Changes of a folder come in bursts; it is read when nothing changes for this long.
const DEBOUNCE: Duration = Duration::from_millis(50);

/// A folder is read this often even without a notification: some file systems send none.
const REREAD_INTERVAL: Duration = Duration::from_secs(5);

/// How long the last table may take to be printed.
const FINAL_PRINT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long `--once` waits for Ready.
const ONCE_TIMEOUT: Duration = Duration::from_secs(10);

/// The settings of the run.
#[derive(Debug)]
pub struct LocalSettings {
    /// The folder of manifests.
    pub manifests: PathBuf,
    /// The Redis of accounts that name no other.
    pub redis_url: String,
    /// What the derivatives of indices are called.
    pub index_names: IndexNames,
    /// When instruments trade.
    pub calendar: CalendarFile,
    /// After which time instruments move away from an account that is known to be down; `None`: never.
    pub failover_after: Option<Duration>,
    /// What options are priced with.
    pub rates: plan::PricingRates,
    /// The proxy to Kite of accounts that name none.
    pub proxy: Option<plan::DefaultProxy>,
    /// Whether to stop once everything is Ready.
    pub once: bool,
    /// The ingest program, if one was named.
    pub ingestor: Option<PathBuf>,
    /// The folder for recordings, if frames are recorded.
    pub record: Option<PathBuf>,
    /// The state folder, if one was named.
    pub state: Option<PathBuf>,
    /// Where browsers come back to after a login; `None`: at the usual address, if that is free.
    pub login_listen: Option<LoginListen>,
    /// The log filter of ingest processes.
    pub log_level: String,
    /// The simulated wall clock, of ingest processes too.
    pub wall_clock: Option<WallClock>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunOutcome {
    /// It was stopped, or everything was Ready.
    Done,
    /// With `--once`, not everything was Ready in time.
    NotReady,
}

/// Runs until `shutdown`, or with `once` until everything is Ready.
///
/// # Errors
/// When it cannot start, or the state folder fails.
pub async fn run(
    settings: LocalSettings,
    clock: Clock,
    shutdown: &Shutdown,
) -> Result<RunOutcome, LocalError> {
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
    pricing_log::warn(&settings.rates, clock.wall());
    if let Some(path) = &settings.record {
        // Otherwise each ingest process would fail again and again.
        let path = path.clone();
        ensure_writable(&path).map_err(|source| LocalError::Record { path, source })?;
    }
    let state =
        StateFolder::open(&manifests, settings.state.as_deref()).map_err(StateFolderError)?;
    let tls = service::tls::client_config()?;
    let (results, poll_results) = mpsc::channel(64);
    let context = ProcessContext {
        ingestor,
        record: settings.record,
        log_level: settings.log_level.clone(),
        wall_clock: settings.wall_clock,
        scraper: Scraper::new(&tls)?,
        clock: clock.clone(),
        results,
    };
    let client = kite_client::client(&tls)?;
    let tables = TableRefresher::new(
        client.clone(),
        settings.index_names,
        settings.calendar.watch(),
        clock.clone(),
    );
    let table_changes = tables.watch();
    let login_server = logins::server(settings.login_listen).map_err(LocalError::Listen)?;
    let planner = plan::Settings {
        redis_url: settings.redis_url,
        poke: true,
        proxy: settings.proxy,
        failover_after: settings.failover_after,
        simulated_time: settings.wall_clock.is_some(),
        login: login_server.is_some(),
        rates: settings.rates,
    };
    let server = Server::bind((Ipv4Addr::LOCALHOST, 0).into()).map_err(LocalError::Listen)?;
    let feed = QueryFeed::new(Scope::Local);
    let mut run = Run {
        folder: Folder::new(manifests.clone()),
        host: Host::new(context, planner, settings.calendar.watch(), state),
        tables,
        memory: Arc::default(),
        feed,
        address: server.local_addr(),
        assignments_applied: false,
        clock,
        printer: Printer::start(io::stdout()).map_err(LocalError::Screen)?,
        printed: Printed::default(),
        once: settings.once,
        webhooks: None,
        lines: LineQuota::for_reasons(),
    };
    // A stale one, of a run that was killed.
    run.host.withdraw_address();
    // Each report makes a pass: the newest is always in the snapshot.
    let reports = Arc::new(|account: &ObservedAccount| account.scrape.clone());
    let answers = QueryServer::new(run.feed.snapshots(), reports, run.clock.clone());
    let serving = tokio::spawn(server.serve(answers.router(), shutdown.token()));
    let token_changes = Arc::new(Notify::new());
    let checker = TokenChecker {
        checks: Arc::clone(&run.host.tokens),
        source: run.host.local_secrets.clone(),
        client: client.clone(),
        clock: run.clock.clone(),
        dirty: Arc::clone(&token_changes),
        counter: TokenCheckCounter::default(),
    };
    let checking = tokio::spawn(checker.run(shutdown.token()));
    let logins = Logins::start(&run, login_server, client, &token_changes, shutdown);
    run.webhooks = Some(logins.webhooks.clone());
    let sources = Sources {
        tables: table_changes,
        calendar: settings.calendar.watch(),
        tokens: token_changes,
    };
    let following = tokio::spawn(settings.calendar.run(shutdown.token()));
    let outcome = run
        .until_done(&manifests, poll_results, sources, shutdown)
        .await;
    serving.abort();
    following.abort();
    checking.abort();
    logins.tasks.into_iter().for_each(|task| task.abort());
    run.host.withdraw_address();
    run.host.shut_down().await;
    run.printer.finish(FINAL_PRINT_TIMEOUT);
    outcome
}

/// What changes without a change of the folder.
struct Sources {
    tables: watch::Receiver<TablesByOrigin>,
    calendar: watch::Receiver<Arc<Calendar>>,
    tokens: Arc<Notify>,
}

struct Run {
    folder: Folder,
    host: Host,
    tables: TableRefresher,
    memory: Arc<Memory>,
    /// What is left for those who ask.
    feed: QueryFeed,
    /// Where they ask.
    address: SocketAddr,
    /// Whether every process runs what the plan of this run says.
    assignments_applied: bool,
    clock: Clock,
    printer: Printer,
    printed: Printed,
    once: bool,
    /// Where calls of webhooks are handed over.
    webhooks: Option<Webhooks>,
    /// Of a folder that cannot be read or written.
    lines: LineQuota,
}

#[derive(Default)]
struct Printed {
    summary: String,
    at: Option<Instant>,
}

impl Run {
    async fn until_done(
        &mut self,
        manifests: &Path,
        mut poll_results: mpsc::Receiver<PollResult>,
        mut sources: Sources,
        shutdown: &Shutdown,
    ) -> Result<RunOutcome, LocalError> {
        let (_watcher, mut changes) = watch_folder(manifests);
        let deadline = self.clock.now() + ONCE_TIMEOUT;
        self.reread();
        loop {
            let next = self.pass().await?;
            let now = self.clock.now();
            let ready = self.all_ready();
            if self.once && (ready || now >= deadline) {
                self.print(false)?;
                if ready {
                    return Ok(RunOutcome::Done);
                }
                tracing::error!(
                    "not everything is Ready after {ONCE_TIMEOUT:?}, or a document is not used"
                );
                return Ok(RunOutcome::NotReady);
            }
            self.print(true)?;
            let wait = next
                .map_or(REREAD_INTERVAL, |next| next.saturating_duration_since(now))
                .min(table::REFRESH_INTERVAL);
            let wait = if self.once {
                wait.min(deadline - now)
            } else {
                wait
            };
            tokio::select! {
                () = shutdown.wait() => return Ok(RunOutcome::Done),
                Some(result) = poll_results.recv() => {
                    self.host.record_poll(result);
                    while let Ok(result) = poll_results.try_recv() {
                        self.host.record_poll(result);
                    }
                }
                Ok(()) = sources.tables.changed() => {
                    self.host.tables = sources.tables.borrow_and_update().clone();
                }
                Ok(()) = sources.calendar.changed() => {}
                () = sources.tokens.notified() => {}
                Some(()) = changes.recv() => {
                    tokio::time::sleep(DEBOUNCE).await;
                    while changes.try_recv().is_ok() {}
                    self.reread();
                }
                () = tokio::time::sleep(wait) => self.reread(),
            }
        }
    }

    /// Reads the folder; errors are logged, and the last known content stays.
    fn reread(&mut self) {
        match self.folder.read() {
            Ok(manifests) => self.host.set_manifests(manifests),
            Err(error) => {
                if let Some(suppressed) = self.lines.take(self.clock.now()) {
                    tracing::error!(
                        folder = %self.folder.path().display(),
                        %error,
                        suppressed,
                        "the manifest folder cannot be read: what was read before stays in force"
                    );
                }
            }
        }
    }

    /// Observes, plans, applies; returns when to do so again even if nothing happens.
    async fn pass(&mut self) -> Result<Option<Instant>, LocalError> {
        self.host.hold_state().map_err(StateFolderError)?;
        if let Err(error) = self.host.publish_address(self.address)
            && let Some(suppressed) = self.lines.take(self.clock.now())
        {
            tracing::warn!(%error, suppressed, "kubectl-kiteticker will not find this program");
        }
        let observed = self.host.observe().map_err(LocalError::Observe)?;
        let now = self.clock.times();
        let plan = plan::plan(&observed, &self.memory, now);
        placement_log::log(&plan);
        self.host.apply(&plan).await;
        self.tables.set_lists(&plan.lists);
        self.host.tokens.set_targets(&plan.tokens);
        self.host.links.set_targets(&plan.logins);
        if let Some(webhooks) = &self.webhooks {
            webhooks.call(&plan.webhooks);
        }
        let loaded =
            |api: &String| matches!(self.host.tables.get(api), Some(plan::Table::Loaded(_)));
        self.assignments_applied =
            plan.lists.keys().all(loaded) && plan.accounts.iter().all(|account| !account.awaiting);
        self.feed.note(&plan, now);
        let before = std::mem::replace(&mut self.memory, Arc::new(plan.memory));
        self.feed.note_problems(self.host.problems());
        self.feed.leave(observed, [&before, &self.memory], now);
        Ok(plan.next)
    }

    /// Whether everything is Ready, by what this run has observed: statuses and processes of an
    /// earlier run do not count.
    fn all_ready(&self) -> bool {
        if !self.assignments_applied || !self.host.is_complete() || !self.host.uses_all() {
            return false;
        }
        let ready = |conditions: Option<&[_]>| {
            let ready = conditions.and_then(table::ready);
            ready.is_some_and(|it| it.status == "True")
        };
        let accounts = self.host.accounts().values().map(|it| it.status.as_ref());
        let mut accounts = accounts
            .map(|status| status.map(|it| &*it.conditions))
            .peekable();
        let mut sets = self.host.sets().values().map(|it| it.status.as_ref());
        accounts.peek().is_some()
            && accounts.all(ready)
            && sets.all(|status| ready(status.map(|it| &*it.conditions)))
    }

    /// Prints the table if it has changed, or, if it may be `repeated`, after a while.
    fn print(&mut self, repeated: bool) -> Result<(), LocalError> {
        let wall = self.clock.wall();
        let accounts = self.host.accounts().iter().filter_map(|(name, it)| {
            let (status, warning) = (it.status.as_deref()?, it.warning.as_deref());
            Some(TableRow::of_account(name, status, warning, it.since, wall))
        });
        let accounts: Vec<_> = accounts.collect();
        let sets = self.host.sets().iter().filter_map(|(name, it)| {
            let (status, warning) = (it.status.as_deref()?, it.warning.as_deref());
            let mode = it.spec().map(|spec| spec.mode.as_str());
            let row = TableRow::of_set(name, mode, status, warning, it.since, wall);
            Some(row)
        });
        let sets: Vec<_> = sets.collect();
        let problems = self.host.problems();
        let links = table::login_links(self.host.accounts().iter().filter_map(|(name, it)| {
            let link = it.status.as_deref()?.login_url.as_deref()?;
            Some((name.as_str(), link))
        }));
        let summary = format!(
            "{}{}{links}",
            table::summary(&accounts, &sets),
            problems.join("\n")
        );
        let now = self.clock.now();
        let old = |at| now.saturating_duration_since(at) >= table::REFRESH_INTERVAL;
        let due = self.printed.at.is_none_or(|at| repeated && old(at));
        if !due && summary == self.printed.summary {
            return Ok(());
        }
        let mut text = table::render(&accounts, &sets);
        for problem in problems {
            text.push_str(problem);
            text.push('\n');
        }
        text.push_str(&links);
        self.printed = Printed {
            summary,
            at: Some(now),
        };
        text.push('\n');
        self.printer.print(text).map_err(LocalError::Screen)
    }
}
