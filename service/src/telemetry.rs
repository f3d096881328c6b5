//! Owns the log subscriber: level, format, destination (stderr), and panics as log lines.
//!
//! It must not leak credentials: HTTP crates log headers and URLs below INFO, so no setting lowers
//! their level further.

use std::io::IsTerminal as _;
use std::sync::OnceLock;

use clap::{Args, ValueEnum};
use tracing::{Level, Metadata, Subscriber};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, LevelFilter, ParseError, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::registry::Registry;

/// Crates whose DEBUG and TRACE lines hold request headers, bodies or full URLs.
const WIRE_CRATES: [&str; 6] = [
    "h2",
    "hyper",
    "hyper_util",
    "reqwest",
    "rustls",
    "tower_http",
];

/// The subscriber could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is not a filter. The argument parser rejects it first.
    #[error("log level {level:?} is not a filter such as `info` or `info,operator=debug`")]
    Level {
        /// The text given.
        level: String,
        /// Why it is rejected.
        source: ParseError,
    },
    /// Logs were initialised before in this process.
    #[error("a log subscriber is already installed")]
    Installed(#[source] tracing::subscriber::SetGlobalDefaultError),
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people; coloured on a terminal.
    #[default]
    Text,
    /// One JSON object per line, for collectors.
    Json,
}

/// Log settings, flattened into the arguments of every binary.
#[derive(Args, Clone, Debug)]
pub struct LogArgs {
    /// Least severe level to log, or a filter such as `info,ingestor=debug`
    #[arg(long, env = "LOG_LEVEL", global = true, default_value = "info", value_name = "FILTER", value_parser = filter_text)]
    pub log_level: String,
    /// Shape of a log line
    #[arg(long, env = "LOG_FORMAT", global = true, value_enum, default_value_t)]
    pub log_format: LogFormat,
}

/// Lines that may wait for the reader of the log; further ones are dropped.
const WAITING_LINES: usize = 4096;

/// Keeps the log running; when dropped it writes waiting lines, for a second at most.
#[derive(Debug)]
#[must_use = "without it nothing is logged"]
pub struct LogGuard {
    _writer: WorkerGuard,
}

/// Installs the subscriber for the whole process, and a panic hook that logs.
///
/// Lines are written by a separate thread: a pipe that is not read costs lines, never a tick.
///
/// # Errors
/// When the level is not a filter, or when called a second time.
pub fn init(args: &LogArgs) -> Result<LogGuard, TelemetryError> {
    init_muting(args, &[])
}

/// As [`init`], without the lines of these modules, such as `kube_client::client`: libraries that
/// log for every attempt what is logged once elsewhere.
///
/// # Errors
/// As of [`init`].
pub fn init_muting(
    args: &LogArgs,
    muted: &'static [&'static str],
) -> Result<LogGuard, TelemetryError> {
    let ansi = std::io::stderr().is_terminal();
    let (lines, writer) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(WAITING_LINES)
        .thread_name("log")
        .finish(std::io::stderr());
    let subscriber = subscriber(args, muted, ansi, lines)?;
    tracing::subscriber::set_global_default(subscriber).map_err(TelemetryError::Installed)?;
    log_panics();
    Ok(LogGuard { _writer: writer })
}

fn subscriber<W>(
    args: &LogArgs,
    muted: &'static [&'static str],
    ansi: bool,
    writer: W,
) -> Result<impl Subscriber + Send + Sync + use<W>, TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let not_muted = filter_fn(|line| !muted.iter().any(|module| line.target().starts_with(module)));
    let filter = parse(&args.log_level)?
        .and(filter_fn(is_safe_to_log))
        .and(not_muted);
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match args.log_format {
        LogFormat::Text => lines.with_ansi(ansi).boxed(),
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .boxed(),
    };
    Ok(Registry::default().with(lines.with_filter(filter)))
}

fn is_safe_to_log(line: &Metadata<'_>) -> bool {
    let owner = line.target().split("::").next().unwrap_or_default();
    *line.level() <= Level::INFO || !WIRE_CRATES.contains(&owner)
}

fn parse(level: &str) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::try_new(level).map_err(|source| TelemetryError::Level {
        level: level.to_owned(),
        source,
    })
}

/// A bare word that is not a level would count as the name of a module, all lines of which are
/// logged: a mistyped level would silence everything else.
fn filter_text(level: &str) -> Result<String, String> {
    let bare = level.split(',').map(str::trim).find(|part| {
        !part.is_empty() && !part.contains(['=', '[']) && part.parse::<LevelFilter>().is_err()
    });
    if let Some(word) = bare {
        return Err(format!(
            "{word:?} is not a log level: use error, warn, info, debug, trace or off, or MODULE=LEVEL"
        ));
    }
    match EnvFilter::try_new(level) {
        Ok(_) => Ok(level.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Replaces the default hook, whose bare text would break a stream of JSON lines.
fn log_panics() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        std::panic::set_hook(Box::new(|panic| {
            let message = panic.payload_as_str().unwrap_or("no message");
            let location = panic.location().map(ToString::to_string);
            let thread = std::thread::current();
            tracing::error!(
                location = location.as_deref(),
                thread = thread.name(),
                "panic: {message}"
            );
        }));
    });
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        log: LogArgs,
    }

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(text)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What the lines logged by `act` look like under these arguments.
    fn logged(args: &[&str], act: impl FnOnce()) -> String {
        let cli = Cli::try_parse_from([&["binary"], args].concat()).unwrap();
        let page = Page::default();
        let writer = page.clone();
        let muted = &["noisy::inner"];
        let subscriber = subscriber(&cli.log, muted, false, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, act);
        let bytes = page.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_lines_carry_the_fields_at_the_top() {
        let text = logged(&["--log-format", "json"], || {
            tracing::warn!(account = "primary", attempt = 3, "refused");
        });
        let line: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["message"], "refused");
        assert_eq!(line["account"], "primary");
        assert_eq!(line["attempt"], 3);
    }

    #[test]
    fn the_level_filters_by_module() {
        let text = logged(&["--log-level", "warn,chosen=debug"], || {
            tracing::info!("hidden");
            tracing::debug!(target: "chosen::inner", "shown");
        });
        assert!(text.contains("shown") && !text.contains("hidden"), "{text}");
    }

    #[test]
    fn a_muted_module_is_not_heard_at_any_level() {
        let text = logged(&["--log-level", "trace"], || {
            tracing::error!(target: "noisy::inner::more", "hidden");
            tracing::error!(target: "noisy", "shown");
        });
        assert!(text.contains("shown") && !text.contains("hidden"), "{text}");
    }

    #[test]
    fn no_level_opens_the_wire() {
        let text = logged(&["--log-level", "trace,hyper=trace"], || {
            tracing::debug!(target: "hyper::proto", "authorization: token");
            tracing::trace!(target: "h2", "authorization: token");
            tracing::info!(target: "hyper::proto", "connected");
            tracing::debug!(target: "hyperspace", "unrelated");
        });
        assert!(!text.contains("authorization"), "{text}");
        assert!(
            text.contains("connected") && text.contains("unrelated"),
            "{text}"
        );
    }

    #[test]
    fn a_wrong_level_is_refused_with_the_arguments() {
        for wrong in ["info,a=loud", "lodu", "info, lodu"] {
            let Err(error) = Cli::try_parse_from(["binary", "--log-level", wrong]) else {
                panic!("accepted");
            };
            assert!(error.to_string().contains(wrong), "{error}");
        }
        for right in ["WARN", "off", "info,a=debug", "a[span]=trace", "3"] {
            assert!(
                Cli::try_parse_from(["binary", "--log-level", right]).is_ok(),
                "{right}"
            );
        }
    }
}
