//! The I/O around the exchange: routes, sockets, the clock and the task that drives the market.
//!
//! One port serves the ticker at `/`, the REST API and the control API under `/sim/`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::Uri;
use axum::routing::{get, post};
use jiff::Timestamp;
use service::clock::Clock;
use service::exit::chain;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::args::wall_clock;
use crate::exchange::recorder::PacketRecorder;
use crate::exchange::{DayChange, Exchange};
use crate::market::SimulationTime;
use crate::universe::UniverseError;

mod control;
mod dump;
mod login;
mod query;
mod rest;
mod session;
mod ticker;

pub use dump::{DumpBodies, DumpBodiesError};

/// The list of another day cannot be made.
#[derive(Debug, thiserror::Error)]
enum DayError {
    #[error(transparent)]
    Universe(#[from] UniverseError),
    #[error(transparent)]
    Dump(#[from] DumpBodiesError),
}

/// A wall clock that cannot be set.
#[derive(Debug, thiserror::Error)]
enum ClockError {
    #[error("wall_clock {0}")]
    Invalid(String),
    #[error("the clock cannot go back: it shows {0}")]
    Back(Timestamp),
}

/// State shared by requests.
#[derive(Debug)]
pub struct App {
    exchange: Mutex<Exchange>,
    recorder: PacketRecorder,
    /// Those of today.
    dump: Mutex<Arc<DumpBodies>>,
    clock: Mutex<Clock>,
    start: Instant,
    /// Where the application's users come back to after their login.
    redirect_url: Uri,
    shutdown: CancellationToken,
}

impl App {
    /// The shared state; sockets end when `shutdown` is cancelled.
    #[must_use]
    pub fn new(
        exchange: Exchange,
        dump: DumpBodies,
        clock: Clock,
        redirect_url: Uri,
        shutdown: CancellationToken,
    ) -> Self {
        let start = clock.now();
        let exchange = Mutex::new(exchange);
        Self {
            exchange,
            recorder: PacketRecorder::default(),
            dump: Mutex::new(Arc::new(dump)),
            clock: Mutex::new(clock),
            start,
            redirect_url,
            shutdown,
        }
    }

    /// The exchange, locked for one request or step.
    fn exchange(&self) -> MutexGuard<'_, Exchange> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a new list each day.
    pub fn list_daily(&self) {
        let now = self.now();
        self.exchange().list_daily(now);
    }

    /// Keeps the hours of the exchanges from now on.
    pub fn keep_hours(&self) {
        let now = self.now();
        self.exchange().keep_hours(now);
    }

    fn dump(&self) -> Arc<DumpBodies> {
        Arc::clone(&self.dump.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes the list of another day, and opens the day. The old one is served meanwhile.
    fn change_day(&self, change: &DayChange) -> Result<(), DayError> {
        let universe = Arc::new(change.universe()?);
        let dump = Arc::new(DumpBodies::new(&universe)?);
        let now = self.now();
        let mut exchange = self.exchange();
        let (instruments, date) = (universe.listings.len(), universe.date);
        exchange.open_day(universe, now);
        *self.dump.lock().unwrap_or_else(PoisonError::into_inner) = dump;
        tracing::info!(instruments, %date, "another day is listed");
        Ok(())
    }

    fn clock(&self) -> MutexGuard<'_, Clock> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the wall clock by that of `text`. Returns what it shows.
    fn set_clock(&self, text: &str) -> Result<Timestamp, ClockError> {
        let set = Clock::accelerated(wall_clock(text).map_err(ClockError::Invalid)?);
        let mut clock = self.clock();
        let (before, now) = (clock.wall(), set.wall());
        if now < before {
            return Err(ClockError::Back(before));
        }
        *clock = set;
        Ok(now)
    }

    fn now(&self) -> SimulationTime {
        let now = self.clock().times();
        SimulationTime {
            elapsed: now.monotonic - self.start,
            unix: now.wall.as_second(),
        }
    }
}

/// All routes.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(ticker::upgrade))
        .route("/instruments", get(rest::instruments))
        .route("/instruments/{exchange}", get(rest::instruments_of))
        .route("/user/profile", get(session::profile))
        .route(
            "/session/token",
            post(session::open_session).delete(session::end_session),
        )
        .route("/connect/login", get(login::page).post(login::log_in))
        .route("/livez", get(control::health))
        .nest("/sim", control::routes())
        .fallback(rest::unknown_route)
        .with_state(app)
}

/// Drives the market every `step` until shutdown, and makes each day's list.
pub async fn drive(app: Arc<App>, step: Duration) {
    let mut steps = tokio::time::interval(step);
    steps.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut changes = JoinSet::new();
    loop {
        tokio::select! {
            () = app.shutdown.cancelled() => return,
            Some(changed) = changes.join_next() => match changed {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(error = %chain(&error), "the list of another day cannot be made"),
                Err(error) => tracing::error!(%error, "the list of another day cannot be made"),
            },
            _ = steps.tick() => {
                let now = app.now();
                app.exchange().step(now);
                let change = app.exchange().take_day_change(now);
                if let Some(change) = change {
                    let app = Arc::clone(&app);
                    changes.spawn_blocking(move || app.change_day(&change));
                }
            }
        }
    }
}
