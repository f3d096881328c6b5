//! Command line of `kite-simulator`. Owns reading settings; nothing else reads the environment.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::Uri;
use clap::{Args, Parser, Subcommand, ValueEnum};
use kite::Mode;
use service::clock::WallClock;
use service::telemetry::LogArgs;

use crate::exchange::rates;

/// A wire-faithful Zerodha Kite for tests and demonstrations
#[derive(Debug, Parser)]
#[command(name = "kite-simulator", version)]
pub struct SimulatorCli {
    /// What to do.
    #[command(subcommand)]
    pub command: SimulatorCommand,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum SimulatorCommand {
    /// Serve the ticker, the REST API and the control API on one port
    #[command(after_long_help = CONTROL_API)]
    Serve(Box<ServeArgs>),
    /// Play a recording of kite-ingestor to the clients that subscribe to its instruments, and stop
    Replay(ReplayArgs),
    /// Print InstrumentSet manifests of listed instruments
    Symbols(SymbolsArgs),
}

/// Settings of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Address to listen on; 0.0.0.0 is every address, IPv4 and IPv6; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:7070", value_name = "IP:PORT", value_parser = address)]
    pub listen: SocketAddr,
    /// Write the address listened on to this file
    #[arg(long, value_name = "FILE")]
    pub port_file: Option<PathBuf>,
    /// Seed of names, numbers and prices, together with today's date
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Mean ticks per second of instruments without a rate of their own
    #[arg(long, default_value = "1.0", allow_negative_numbers = true, value_parser = rates::parse)]
    pub rate: f64,
    /// Rate of one instrument, such as "NSE:NIFTY 50=5"; repeatable
    #[arg(long, value_name = "SYMBOL=RATE")]
    pub rate_of: Vec<String>,
    /// File with one SYMBOL=RATE per line; `#` begins a comment
    #[arg(long, value_name = "FILE")]
    pub rates: Option<PathBuf>,
    /// Milliseconds between two moves of the market; an instrument ticks at most once per move
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub step_ms: u64,
    /// Wall clock of the simulator: START,RATE such as 2026-12-01T05:55:00+05:30,60 (a minute per
    /// second). It dates packets, sessions, the token flush and the instruments list, of which there
    /// is a new one each day at 08:00; heartbeats, rates, faults and request tokens use real time
    #[arg(long, value_name = "START,RATE", value_parser = wall_clock)]
    pub wall_clock: Option<WallClock>,
    /// When instruments tick: always, as a demonstration or a load test needs it, or in the sessions of
    /// their exchange, by the calendar and the wall clock
    #[arg(long, value_enum, default_value_t = MarketHoursMode::Always, value_name = "WHEN")]
    pub market_hours: MarketHoursMode,
    /// Calendar file: its rows replace those built in, for sessions and for the end of contracts
    #[arg(long, value_name = "FILE")]
    pub calendar: Option<PathBuf>,
    /// Strikes on each side of the money that every option chain has at least, so far as they are above
    /// zero; with 0 there are about 35,000 instruments, with 50 about 150,000
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u16).range(..=500))]
    pub strikes: u16,
    /// Time of day in India at which all issued or used access tokens become invalid, as at Kite at
    /// about six in the morning; open connections stay
    #[arg(long, value_name = "HH:MM", value_parser = time_of_day)]
    pub token_flush: Option<jiff::civil::Time>,
    /// Secret that verifies checksums of POST /session/token; without it every checksum is wrong. The request token has
    /// to come from the login page, /connect/login
    #[arg(
        long,
        env = "KITE_SIMULATOR_API_SECRET",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub api_secret: Option<String>,
    /// Where the login page sends its users back to, with a request token: the redirect URL of an
    /// app at Kite
    #[arg(long, default_value = "http://127.0.0.1:9402/login/callback", value_name = "URL", value_parser = redirect_url)]
    pub redirect_url: Uri,
    /// Logs.
    #[command(flatten)]
    pub log: LogArgs,
}

impl ServeArgs {
    /// Time between two moves of the market.
    #[must_use]
    pub const fn step(&self) -> Duration {
        Duration::from_millis(self.step_ms)
    }
}

/// Settings of `replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Folder of recordings, played one after the other, or one file in it
    #[arg(value_name = "RECORDING")]
    pub recording: PathBuf,
    /// Speed, as a multiple of that of the recording
    #[arg(long, default_value = "1", value_name = "N", value_parser = speed)]
    pub speed: f64,
    /// Begin when this many instruments are subscribed to and no client has subscribed to more for
    /// a second
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub wait_for: usize,
    /// Instruments list of the recorded day, the answer to GET /instruments; without it the answer
    /// is 404
    #[arg(long, value_name = "CSV")]
    pub instruments: Option<PathBuf>,
    /// Address to listen on; 0.0.0.0 is every address, IPv4 and IPv6; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:7070", value_name = "IP:PORT", value_parser = address)]
    pub listen: SocketAddr,
    /// Write the address listened on to this file
    #[arg(long, value_name = "FILE")]
    pub port_file: Option<PathBuf>,
    /// Logs.
    #[command(flatten)]
    pub log: LogArgs,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let wrong = "must be an address and a port, such as 127.0.0.1:7070 or [::1]:7070";
    text.parse().map_err(|_| wrong.to_owned())
}

/// Packets have 32 bits for seconds; a time outside their range would be sent as 0.
pub(crate) fn wall_clock(text: &str) -> Result<WallClock, String> {
    let clock: WallClock = text.parse().map_err(|error| format!("{error}"))?;
    if (EARLIEST..LATEST).contains(&clock.start.as_second()) {
        return Ok(clock);
    }
    Err("must start in a year from 2000 to 2099: packets cannot carry other times".to_owned())
}

/// The URL is sent as it is, with more parameters behind it: a fragment would swallow them.
fn redirect_url(text: &str) -> Result<Uri, String> {
    let url: Option<Uri> = text.parse().ok().filter(|_| !text.contains('#'));
    let is_whole = |url: &Uri| matches!(url.scheme_str(), Some("http" | "https"));
    url.filter(is_whole)
        .ok_or_else(|| "must be a URL such as https://HOST/login/callback, without #".to_owned())
}

/// 2000-01-01 UTC.
const EARLIEST: i64 = 946_684_800;
/// 2100-01-01 UTC.
const LATEST: i64 = 4_102_444_800;

fn time_of_day(text: &str) -> Result<jiff::civil::Time, String> {
    let time = jiff::civil::Time::strptime("%H:%M", text);
    time.map_err(|_| "must be a time of day such as 06:00".to_owned())
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(speed) if (0.01..=1_000.0).contains(&speed) => Ok(speed),
        _ => Err("must be a number from 0.01 to 1000".to_owned()),
    }
}

/// Settings of `symbols`.
#[derive(Debug, Args)]
pub struct SymbolsArgs {
    /// How many instruments
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub count: u64,
    /// Only instruments of this kind
    #[arg(long, value_enum)]
    pub kind: Option<InstrumentKind>,
    /// Prefix of the names of the manifests; a number follows
    #[arg(long, default_value = "symbols", value_name = "PREFIX")]
    pub name: String,
    /// Mode to stream them in
    #[arg(long, default_value_t = Mode::Full)]
    pub mode: Mode,
    /// TickerAccount that the sets use; without it, any account of the namespace
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,
    /// Seed of the simulator that will serve them
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Wall clock of the simulator that will serve them
    #[arg(long, value_name = "START,RATE", value_parser = wall_clock)]
    pub wall_clock: Option<WallClock>,
    /// Calendar file of the simulator that will serve them
    #[arg(long, value_name = "FILE")]
    pub calendar: Option<PathBuf>,
    /// `--strikes` of the simulator that will serve them
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u16).range(..=500))]
    pub strikes: u16,
}

/// When instruments tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MarketHoursMode {
    /// In the sessions of their exchange alone
    Exchange,
    /// At any time
    Always,
}

/// Kinds of instruments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum InstrumentKind {
    /// Computed values, such as NIFTY 50
    Index,
    /// Shares
    Equity,
    /// Futures
    Future,
    /// Calls and puts
    Option,
}

const CONTROL_API: &str = "\
Control API (JSON; `api_key` and `conn` choose connections, without them all are meant):
  GET  /sim/health, /livez
  GET  /sim/stats               packets, frames, heartbeats written by connection and API key
  GET  /sim/connections         id, api_key, subscribed by mode, muted, queued_bytes, sent
  POST /sim/connections/drop    {\"api_key\"?, \"conn\"?}: cut without a Close frame
  POST /sim/tokens/revoke       {\"access_token\"}: 403 for new connections; open ones stay
  POST /sim/tokens/restore      {\"access_token\"}
  POST /sim/tokens/flush        revokes every token that was given out or used so far
  GET  /sim/faults
  POST /sim/faults              {\"api_key\"?, \"refuse\"?: 403|429|..|null,
                                 \"session\"?, \"profile\"?, \"instruments\"?: \"html502\"|\"hang\"|
                                 \"network_exception\"|\"too_many_requests\"|null, the answers of
                                 POST /session/token, GET /user/profile and /instruments,
                                 \"count\"?: answers after which each of the above ends by itself,
                                 \"mute\"?: bool, \"freeze\"?: bool,
                                 \"linger\"?: seconds that an ended connection keeps its place,
                                 \"conflate\"?: ticks of a hundred that a socket does not get}
  POST /sim/pause               {\"paused\": bool}
  POST /sim/rate                {\"rate\": TICKS_PER_SECOND, \"tokens\"?}
  POST /sim/tick                {\"tokens\"}: each trades once, at another price, also while paused or closed
  POST /sim/prices              {\"prices\": [{\"token\", \"price\": RUPEES}], \"hold\"?: bool}: each trades once at its
                                 price and moves on from there, or stays until it is set again
  POST /sim/clock               {\"wall_clock\": \"START,RATE\"}: another wall clock, which is not behind
  POST /sim/packets/raw         {\"hex\", \"api_key\"?, \"conn\"?}: a binary frame as it is
  POST /sim/text                {\"text\", \"api_key\"?, \"conn\"?}: a text frame as it is
  POST /sim/record              {\"tokens\"?}: forget and record packets written; {\"stop\": true} ends
  GET  /sim/record              ?conn&after&limit: seq, conn, token, hex; what did not fit is counted";
