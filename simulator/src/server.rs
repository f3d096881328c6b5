//! The I/O around the exchange: routes, sockets, the clock and the task that drives the market.
//!
//! One port serves the ticker at `/`, the REST API and the control API under `/sim/`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::{get, post};
use service::clock::Clock;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::exchange::Exchange;
use crate::exchange::recorder::PacketRecorder;
use crate::market::SimulationTime;

mod control;
mod dump;
mod query;
mod rest;
mod ticker;

pub use dump::{DumpBodies, DumpBodiesError};

/// State shared by requests.
#[derive(Debug)]
pub struct App {
    exchange: Mutex<Exchange>,
    recorder: PacketRecorder,
    dump: DumpBodies,
    clock: Clock,
    start: Instant,
    shutdown: CancellationToken,
}

impl App {
    /// The shared state; sockets end when `shutdown` is cancelled.
    #[must_use]
    pub fn new(
        exchange: Exchange,
        dump: DumpBodies,
        clock: Clock,
        shutdown: CancellationToken,
    ) -> Self {
        let start = clock.now();
        let exchange = Mutex::new(exchange);
        Self {
            exchange,
            recorder: PacketRecorder::default(),
            dump,
            clock,
            start,
            shutdown,
        }
    }

    /// The exchange, locked for one request or step.
    fn exchange(&self) -> MutexGuard<'_, Exchange> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> SimulationTime {
        SimulationTime {
            elapsed: self.clock.now() - self.start,
            unix: self.clock.wall().as_second(),
        }
    }
}

/// All routes.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(ticker::upgrade))
        .route("/instruments", get(rest::instruments))
        .route("/instruments/{exchange}", get(rest::instruments_of))
        .route("/user/profile", get(rest::profile))
        .route(
            "/session/token",
            post(rest::open_session).delete(rest::end_session),
        )
        .route("/livez", get(control::health))
        .nest("/sim", control::routes())
        .fallback(rest::unknown_route)
        .with_state(app)
}

/// Drives the market every `step` until shutdown.
pub async fn drive(app: Arc<App>, step: Duration) {
    let mut steps = tokio::time::interval(step);
    steps.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = app.shutdown.cancelled() => return,
            _ = steps.tick() => {
                let now = app.now();
                app.exchange().step(now);
            }
        }
    }
}
