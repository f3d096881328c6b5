//! `kite-simulator serve`: builds the parts and runs them until shutdown.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use service::clock::Clock;
use service::http::{self, Limits, Server};
use service::signal::{Shutdown, SignalError};
use service::tasks::{TaskError, Tasks};

use crate::args::{MarketHoursMode, ServeArgs};
use crate::calendar_file::{self, SimulatorCalendarError};
use crate::exchange::Exchange;
use crate::exchange::credentials::AccessTokens;
use crate::exchange::rates::{RateError, Rates};
use crate::market::Market;
use crate::server::{self, App, DumpBodies};
use crate::universe::{Universe, UniverseError, indian_date};

/// Sockets at a time, upgraded ones included.
const MAX_SOCKETS: usize = 4_096;

/// How long requests and sockets may take to end at shutdown.
const DRAIN: Duration = Duration::from_secs(3);

/// Why the simulator cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The year of the clock is out of range.
    #[error("today's date is out of range")]
    Date,
    /// The calendar cannot be used.
    #[error(transparent)]
    Calendar(#[from] SimulatorCalendarError),
    /// The universe is inconsistent.
    #[error("cannot make the universe")]
    Universe(#[from] UniverseError),
    /// The dump cannot be written.
    #[error("cannot write the instruments dump")]
    Dump(#[from] server::DumpBodiesError),
    /// A rate cannot be used.
    #[error("cannot use the rates")]
    Rates(#[from] RateError),
    /// The file of rates cannot be read.
    #[error("cannot read rates from {0}")]
    RatesFile(PathBuf, #[source] io::Error),
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

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot start, or a part fails.
pub async fn serve(args: ServeArgs) -> Result<(), ServeError> {
    let shutdown = Shutdown::new();
    shutdown.on_signals()?;
    let wall_clock = args.wall_clock;
    let start_clock = || wall_clock.map_or_else(Clock::system, Clock::accelerated);
    let date = indian_date(start_clock().wall().as_second()).ok_or(ServeError::Date)?;
    let calendar = calendar_file::read(args.calendar.as_deref())?;
    let server = Server::bind(args.listen)?;
    let universe = Arc::new(Universe::with_strikes(
        args.seed,
        date,
        &calendar,
        args.strikes,
    )?);
    let dump = DumpBodies::new(&universe)?;
    let rates = rates(&args, &universe)?;
    let listed = universe.listings.len();
    let step = args.step();
    let credentials = AccessTokens::new(args.api_secret);
    let mut exchange = Exchange::new(
        Market::new(universe, args.seed),
        rates,
        credentials,
        args.seed,
    );
    // Only now: making the list takes a second, which may be hours of a fast clock.
    let clock = start_clock();
    if let Some(time) = args.token_flush {
        exchange.flush_tokens_daily(time, clock.wall());
    }
    let app = App::new(exchange, dump, clock, args.redirect_url, shutdown.token());
    app.list_daily();
    if args.market_hours == MarketHoursMode::Exchange {
        app.keep_hours();
    }
    let app = Arc::new(app);

    let addr = server.local_addr();
    if let Some(path) = &args.port_file {
        http::write_port_file(path, addr)?;
    }
    tracing::info!(%addr, instruments = listed, %date, "serving");
    let limits = Limits {
        connections: MAX_SOCKETS,
        per_peer: MAX_SOCKETS,
        drain: DRAIN,
        ..Limits::default()
    };
    let mut tasks = Tasks::new(shutdown.clone());
    tasks.spawn("market", server::drive(Arc::clone(&app), step));
    tasks.spawn(
        "server",
        server
            .limits(limits)
            .serve(server::router(app), shutdown.token()),
    );
    Ok(tasks
        .join_all_bounded(DRAIN + Duration::from_secs(1))
        .await?)
}

fn rates(args: &ServeArgs, universe: &Universe) -> Result<Rates, ServeError> {
    let mut file = String::new();
    if let Some(path) = &args.rates {
        file =
            fs::read_to_string(path).map_err(|error| ServeError::RatesFile(path.clone(), error))?;
    }
    let lines = file
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let all = lines.chain(args.rate_of.iter().map(String::as_str));
    Ok(Rates::uniform(args.rate).with(all, universe)?)
}
