//! Builds the parts of the process, and ends them together.
//!
//! The data plane has its own thread and runtime, so that nothing else is scheduled between a frame
//! and its ticks. HTTP, files and signals share the caller's runtime.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use service::clock::Clock;
use service::http::{BindError, PortFileError, Server, write_port_file};
use service::metrics::{Registry, register_build, register_process};
use service::probe::{Heartbeat, Probes, Readiness};
use service::signal::{Shutdown, SignalError};
use service::tasks::{TaskError, Tasks};
use service::tls::{Roots, TlsError};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::args::Args;
use crate::data_plane::{DataPlane, Setup};
use crate::directory::refusal::DirectoryHealth;
use crate::directory::task::{DirectoryPorts, DirectoryTask};
use crate::events::{EVENT_QUEUE, EventCounts};
use crate::input::credential_reader::CredentialReader;
use crate::input::redis_files;
use crate::input::watch::{FolderChange, MountedFolders};
use crate::recorder::{self, RecordError, Recorder};
use crate::status::metrics::Exposition;
use crate::status::report::StatusSnapshot;
use crate::status::{http, metrics};
use redis_link::access::Access;

/// Changes of the folders that may wait for the data plane.
const CHANGES: usize = 4;

/// The data plane sends a heartbeat about once a second.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Everything ends within this time; the data plane alone takes up to two seconds.
const DRAIN: Duration = Duration::from_secs(8);

/// How long the end of a recording may take to be written.
const RECORDING_END: Duration = Duration::from_secs(2);

/// Why the process cannot start, or has to end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] TlsError),
    /// Signals cannot be watched.
    #[error("signals cannot be watched")]
    Signal(#[from] SignalError),
    /// The HTTP server cannot start.
    #[error("the HTTP server cannot start")]
    Bind(#[from] BindError),
    /// The port file cannot be written.
    #[error("the port file cannot be written")]
    PortFile(#[from] PortFileError),
    /// Frames cannot be recorded.
    #[error("frames cannot be recorded")]
    Record(#[from] RecordError),
    /// The thread cannot start.
    #[error("the thread of the data plane cannot start")]
    Thread(#[source] io::Error),
    /// A part ended.
    #[error("a part of the process ended")]
    Task(#[from] TaskError),
}

/// The data plane's thread panicked, or its runtime could not be built.
#[derive(Debug, thiserror::Error)]
#[error("the data plane failed: see the log line before this one")]
struct DataPlaneBroke;

/// Runs until `shutdown`.
///
/// # Errors
/// When it cannot start, or a part ends by itself.
pub async fn run(args: Args, shutdown: Shutdown) -> Result<(), RunError> {
    let clock = args
        .wall_clock
        .map_or_else(Clock::system, Clock::accelerated);
    let epoch = clock.wall_micros().to_string();
    let server = Server::bind(args.listen)?;
    let (snapshots, seen) = watch::channel(Arc::new(StatusSnapshot::default()));
    let (changes, taken) = mpsc::channel::<FolderChange>(CHANGES);
    let counts = Arc::new(EventCounts::default());
    let (recorder, writer) = record(&args)?;
    let recorded = recorder.as_ref().map(Recorder::counts);
    let credentials = CredentialReader::new(args.credentials_dir.clone());
    let (setup, directory) = prepare(&args, &credentials, (&clock, &epoch), recorder, &counts)?;
    let plane = start_plane(DataPlane::new(setup, taken, snapshots), shutdown.token())
        .map_err(RunError::Thread)?;
    let folders = MountedFolders::new(args.assignment_dir, credentials, epoch);
    let probes = Probes::with_clock(clock.clone());
    let heartbeat = probes.heartbeat("data-plane", HEARTBEAT);
    let router = http::router(
        seen.clone(),
        &probes,
        registry(seen.clone(), counts, recorded),
    );
    if let Some(path) = &args.port_file {
        write_port_file(path, server.local_addr())?;
    }
    tracing::info!(addr = %server.local_addr(), "listening");

    let mut tasks = Tasks::new(shutdown.clone());
    tasks.spawn("http", server.serve(router, shutdown.token()));
    tasks.spawn("directory", directory.run(shutdown.token()));
    tasks.spawn("folders", folders.watch(changes, shutdown.token()));
    tasks.spawn(
        "probes",
        observe(seen, clock, probes, heartbeat, shutdown.token()),
    );
    tasks.spawn("data plane", async {
        plane.await.map_err(|_dropped| DataPlaneBroke)
    });
    let ended = tasks.join_all_bounded(DRAIN).await;
    if let Some(writer) = writer {
        complete_recording(writer).await;
    }
    Ok(ended?)
}

/// Starts to record frames if that is asked for: the recorder, and the thread that writes.
fn record(args: &Args) -> Result<(Option<Recorder>, Option<JoinHandle<()>>), RecordError> {
    let most = args.record_megabytes.saturating_mul(1024 * 1024);
    let recorder = args.record.as_deref();
    let recorder = recorder.map(|folder| Recorder::start(folder, most));
    Ok(recorder.transpose()?.unzip())
}

/// The data plane was the last one to record: the file is closed in a moment.
async fn complete_recording(writer: JoinHandle<()>) {
    let closed = tokio::task::spawn_blocking(|| writer.join());
    if tokio::time::timeout(RECORDING_END, closed).await.is_err() {
        tracing::warn!("shutdown: the recording is incomplete");
    }
}

/// What the data plane is built from, and the task that it sends listings and events to.
fn prepare(
    args: &Args,
    credentials: &CredentialReader,
    (clock, epoch): (&Clock, &str),
    recorder: Option<Recorder>,
    counts: &Arc<EventCounts>,
) -> Result<(Setup, DirectoryTask), RunError> {
    let roots = Roots::of_machine();
    let (listing, open) = watch::channel(None);
    let (events, taken) = mpsc::channel(EVENT_QUEUE);
    let (alive, seen) = watch::channel(None);
    let (market, classes) = watch::channel(Arc::default());
    let files = args.redis_dir.clone().map(redis_files::reader);
    let access = Access::new(files, roots.clone())?;
    let (ticks_at, told) = watch::channel(None);
    let (health, known) = watch::channel(DirectoryHealth::default());
    let directory = DirectoryTask::new(
        access.clone(),
        format!("kite-ingestor:{epoch}:directory"),
        clock.clone(),
        DirectoryPorts {
            listing: open,
            events: taken,
            alive: seen,
            market: classes,
            ticks_at: told,
            counts: Arc::clone(counts),
            health,
        },
    );
    let setup = Setup {
        clock: clock.clone(),
        tls: roots.client_config(None)?,
        credentials: credentials.clone(),
        redis: access,
        epoch: epoch.to_owned(),
        seed: fastrand::u64(..),
        listing,
        events,
        alive,
        market,
        event_counts: Arc::clone(counts),
        ticks_at,
        directory: known,
        recorder,
    };
    Ok((setup, directory))
}

/// Starts the thread of the data plane; the returned future completes when it has ended without an
/// error.
fn start_plane(plane: DataPlane, shutdown: CancellationToken) -> io::Result<oneshot::Receiver<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (ended, end) = oneshot::channel();
    std::thread::Builder::new()
        .name("data-plane".to_owned())
        .spawn(move || {
            runtime.block_on(plane.run(shutdown));
            if ended.send(()).is_err() {
                tracing::debug!("the data plane ended after everything else");
            }
        })?;
    Ok(end)
}

fn registry(
    snapshots: watch::Receiver<Arc<StatusSnapshot>>,
    events: Arc<EventCounts>,
    recorder: Option<Arc<recorder::RecordingCounts>>,
) -> Registry {
    let mut registry = Registry::default();
    register_process(&mut registry);
    register_build(
        registry.sub_registry_with_prefix(metrics::PREFIX),
        "kite-ingestor",
        env!("CARGO_PKG_VERSION"),
    );
    registry.register_collector(Box::new(Exposition {
        snapshots,
        events,
        recorder,
    }));
    registry
}

/// Every snapshot is a heartbeat; an assignment in force makes the process ready.
async fn observe(
    mut snapshots: watch::Receiver<Arc<StatusSnapshot>>,
    clock: Clock,
    probes: Probes,
    heartbeat: Heartbeat,
    shutdown: CancellationToken,
) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            changed = snapshots.changed() => if changed.is_err() {
                // The data plane has ended; its own task reports it.
                return shutdown.cancelled().await;
            },
        }
        heartbeat.beat(clock.now());
        let assigned = snapshots.borrow_and_update().report.assignment.is_some();
        probes.set_ready(if assigned {
            Readiness::Ready
        } else {
            Readiness::from("no assignment yet")
        });
    }
}
