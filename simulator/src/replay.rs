//! `kite-simulator replay`: plays a recording to the clients that subscribe to its instruments.
//!
//! Owns the pace, and which client gets which packet. Packets are sent as they were recorded, in
//! any mode; a client gets those of its subscribed instruments, text goes to the first client. Must
//! not know the market of `serve`.

mod files;
mod subscribers;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use kite::instruments::{self, DumpError};
use kite::recording::{FrameKind, Record, RecordingError};
use service::clock::Clock;
use service::http::{self, Server};
use service::signal::{Shutdown, SignalError};
use service::tasks::{TaskError, Tasks};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::args::ReplayArgs;
use files::Recordings;
pub use subscribers::ReplaySummary;
use subscribers::Subscribers;

/// The recording begins when no client has subscribed to more instruments for this long.
const QUIET_PERIOD: Duration = Duration::from_secs(1);

/// How often it is checked whether it can begin.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// How long sockets may take to end.
const DRAIN: Duration = Duration::from_secs(3);

/// Why the recording cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The folder or file cannot be read.
    #[error("cannot read {0}")]
    Read(PathBuf, #[source] io::Error),
    /// There is no recording.
    #[error(
        "{0} holds no recording: name a folder that kite-ingestor --record has written, or a file in it"
    )]
    Nothing(PathBuf),
    /// The recordings are in folders of this one.
    #[error("{0} holds no recording, but its folder {1} does: name that folder")]
    Parent(PathBuf, String),
    /// The list is not in Kite's format.
    #[error("{0} is not an instruments list: save the answer of GET /instruments of that day")]
    Instruments(PathBuf, #[source] DumpError),
    /// It has no row.
    #[error("{0} lists no instrument: save the answer of GET /instruments of that day")]
    NoInstruments(PathBuf),
    /// One of the files is damaged.
    #[error("cannot play {0}")]
    Recording(PathBuf, #[source] RecordingError),
    /// The address cannot be listened on.
    #[error("cannot serve")]
    Bind(#[from] http::BindError),
    /// The port file cannot be written.
    #[error("cannot write the port file")]
    PortFile(#[from] http::PortFileError),
    /// Signals cannot be received.
    #[error("cannot wait for signals")]
    Signal(#[from] SignalError),
    /// A part ended by itself.
    #[error("stopped")]
    Task(#[from] TaskError),
}

/// Plays until the end of the recording, or SIGTERM or SIGINT. Returns what was played.
///
/// # Errors
/// When there is no recording, or it is damaged.
pub async fn replay(args: ReplayArgs) -> Result<ReplaySummary, ReplayError> {
    let shutdown = Shutdown::new();
    shutdown.on_signals()?;
    let recordings = Recordings::open(&args.recording)?;
    let instruments = args.instruments.as_deref().map(read_list).transpose()?;
    let server = Server::bind(args.listen)?;
    let addr = server.local_addr();
    if let Some(path) = &args.port_file {
        http::write_port_file(path, addr)?;
    }
    tracing::info!(%addr, files = recordings.len(), speed = args.speed, "waiting for subscribers");
    let subscribers = Arc::new(Subscribers::new(instruments, shutdown.token()));
    let mut tasks = Tasks::new(shutdown.clone());
    tasks.spawn(
        "server",
        server.serve(router(&subscribers), shutdown.token()),
    );
    let played = tokio::select! {
        played = play(recordings, &subscribers, &args) => played?,
        () = cancelled(shutdown.token()) => subscribers.summary(),
    };
    shutdown.trigger();
    tasks.join_all_bounded(DRAIN).await?;
    Ok(played)
}

/// The instruments list unchanged, after a check that it is one: otherwise clients would get a
/// useless answer.
fn read_list(path: &Path) -> Result<String, ReplayError> {
    let list =
        std::fs::read_to_string(path).map_err(|error| ReplayError::Read(path.to_owned(), error))?;
    let dump = instruments::read(list.as_bytes())
        .map_err(|error| ReplayError::Instruments(path.to_owned(), error))?;
    if dump.instruments.is_empty() {
        return Err(ReplayError::NoInstruments(path.to_owned()));
    }
    Ok(list)
}

async fn cancelled(token: CancellationToken) {
    token.cancelled().await;
}

fn router(subscribers: &Arc<Subscribers>) -> Router {
    Router::new()
        .route("/", get(subscribers::upgrade))
        .route("/instruments", get(subscribers::instruments))
        .route("/livez", get(async || "ok"))
        .with_state(Arc::clone(subscribers))
}

async fn play(
    recordings: Recordings,
    subscribers: &Subscribers,
    args: &ReplayArgs,
) -> Result<ReplaySummary, ReplayError> {
    ready(subscribers, args.wait_for).await;
    let mut records = recordings.read();
    let (start, mut first) = (Instant::now(), None);
    while let Some(record) = records.recv().await {
        let record = record?;
        let begin = *first.get_or_insert(record.received_us);
        let after = Duration::from_micros(record.received_us.saturating_sub(begin));
        let at = start + after.div_f64(args.speed);
        tokio::time::sleep_until(at).await;
        send_record(subscribers, &record).await;
    }
    subscribers.end().await;
    Ok(subscribers.summary())
}

/// Waits until enough instruments are subscribed to, and no more are added.
async fn ready(subscribers: &Subscribers, tokens: usize) {
    let clock = Clock::system();
    let mut poll = tokio::time::interval(POLL_INTERVAL);
    loop {
        poll.tick().await;
        let (subscribed, last) = subscribers.subscribed();
        let quiet =
            last.is_some_and(|last| clock.now().saturating_duration_since(last) >= QUIET_PERIOD);
        if subscribed >= tokens.max(1) && quiet {
            tracing::info!(subscribed, "playing");
            return;
        }
    }
}

async fn send_record(subscribers: &Subscribers, record: &Record) {
    match record.kind {
        FrameKind::Binary => subscribers.packets(&record.payload).await,
        FrameKind::Text => subscribers.text(&record.payload).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_instruments_list_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.csv");
        let missing = read_list(&path).unwrap_err();
        assert!(matches!(missing, ReplayError::Read(..)));
        std::fs::write(&path, "<html>").unwrap();
        let other = read_list(&path).unwrap_err();
        assert!(matches!(other, ReplayError::Instruments(..)), "{other}");
    }
}
