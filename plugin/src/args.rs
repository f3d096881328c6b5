//! The command line. Read once, by `main`.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Shows what streams, why it is where it is, and what a change would do. Changes nothing but access tokens.
#[derive(Clone, Debug, Parser)]
#[command(name = "kubectl-kiteticker", bin_name = "kubectl kiteticker", version)]
pub struct PluginCli {
    /// Where to ask.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Table for people, or JSON for programs
    #[arg(
        short,
        long,
        global = true,
        default_value = "table",
        value_name = "FORMAT"
    )]
    pub output: OutputKind,
    /// What to show.
    #[command(subcommand)]
    pub command: PluginCommand,
}

/// Where to ask.
#[derive(Args, Clone, Debug, Default)]
pub struct PlaceArgs {
    /// Namespace of the accounts and sets; that of the context if it is not given
    #[arg(short, long, global = true, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Accounts and sets of every namespace that the operator manages
    #[arg(short = 'A', long, global = true, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// Context of the kubeconfig
    #[arg(long, global = true, value_name = "CONTEXT")]
    pub context: Option<String>,
    /// Kubeconfig; KUBECONFIG or ~/.kube/config if it is not given
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Namespace in which the operator runs, if it is another one
    #[arg(
        long,
        global = true,
        env = "KITETICKER_OPERATOR_NAMESPACE",
        value_name = "NAMESPACE"
    )]
    pub operator_namespace: Option<String>,
    /// Ask `kite-operator local` on this machine and no cluster: the one that runs, or the one with this state folder
    #[arg(
        long,
        global = true,
        env = "KITETICKER_LOCAL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        value_parser = folder,
        conflicts_with_all = ["context", "kubeconfig", "operator_namespace"],
        value_name = "STATE_FOLDER"
    )]
    pub local: Option<PathBuf>,
}

/// How answers are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputKind {
    /// For people: tables as wide as the terminal.
    #[default]
    Table,
    /// For programs.
    Json,
}

/// What to show.
#[derive(Clone, Debug, Subcommand)]
pub enum PluginCommand {
    /// Accounts and sets, with what their pods report at this moment
    Status,
    /// Why a set, an account or one instrument of a set is where it is, and why it waits
    Explain(ExplainArgs),
    /// Ticks per second by set, account and connection
    Top,
    /// What manifests would change, without applying them
    Plan(PlanArgs),
    /// Instruments by words: exact names, tokens, lots, and who streams them
    Find(FindArgs),
    /// When markets trade on a date, as the operator's calendar says; or whether a file is a calendar
    Calendar(CalendarArgs),
    /// The link with which the user of an account logs in at Kite, and the wait until the account is ready
    Login(LoginArgs),
    /// Today's access token of an account
    Token {
        /// What to do with it.
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// A file for a bug report; users in URLs, API keys, tokens and passwords are taken out: read it before you send it
    Report(ReportArgs),
}

/// Arguments of `explain`.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// What to explain: iset/NAME or tka/NAME
    #[arg(value_name = "TYPE/NAME")]
    pub object: ObjectName,
    /// An instrument of the set: NFO:NIFTY26DEC25000CE, its symbol alone, or its token
    #[arg(value_name = "SYMBOL")]
    pub symbol: Option<String>,
}

/// Arguments of `plan`.
#[derive(Args, Clone, Debug)]
pub struct PlanArgs {
    /// Only plan: this program applies nothing; kubectl apply does
    #[arg(long, required = true)]
    pub dry_run: bool,
    /// File of manifests, or - for the standard input; may be given several times
    #[arg(short = 'f', long = "filename", required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// Arguments of `find`.
#[derive(Args, Clone, Debug)]
pub struct FindArgs {
    /// Words in any order: underlying, strike, expiry (dec, 29dec, 2026-12-29), ce, pe, fut, an exchange
    #[arg(required = true, value_name = "WORDS")]
    pub words: Vec<String>,
}

/// Arguments of `calendar`.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct CalendarArgs {
    /// What else to do.
    #[command(subcommand)]
    pub command: Option<CalendarCommand>,
    /// A date such as 2026-12-25; today in India if it is not given
    #[arg(value_name = "DATE")]
    pub date: Option<String>,
}

/// What to do with a calendar.
#[derive(Clone, Debug, Subcommand)]
pub enum CalendarCommand {
    /// Whether a file is a calendar: asks nobody
    Check {
        /// The file, as for the operator's --calendar
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// Arguments of `login`.
#[derive(Args, Clone, Debug)]
pub struct LoginArgs {
    /// The account: tka/NAME
    #[arg(value_name = "TYPE/NAME")]
    pub account: ObjectName,
    /// Open the link in the browser of this desktop
    #[arg(long)]
    pub open: bool,
    /// Do not run `kubectl port-forward` from 127.0.0.1:9402 to the operator, as for a redirect URL behind an Ingress
    #[arg(long)]
    pub no_port_forward: bool,
}

/// What to do with an access token.
#[derive(Clone, Debug, Subcommand)]
pub enum TokenCommand {
    /// Reads it from the standard input and puts it into the Secret kt-NAME-session, as a login would; the account's own Secret
    /// stays. Needs get on the account's Secret, and create and patch on that one
    Set(TokenSetArgs),
}

/// Arguments of `token set`.
#[derive(Args, Clone, Debug)]
pub struct TokenSetArgs {
    /// The account: tka/NAME
    #[arg(value_name = "TYPE/NAME")]
    pub account: ObjectName,
}

/// Arguments of `report`.
#[derive(Args, Clone, Debug)]
pub struct ReportArgs {
    /// The file to write, which must not exist, or - for the standard output; a name with the time in this folder if it is not given
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// The kind of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// An InstrumentSet.
    Set,
    /// A TickerAccount.
    Account,
}

/// A kind and a name, such as `iset/nifty`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectName {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its name.
    pub name: String,
}

/// Not the name of an object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write it like iset/NAME or tka/NAME")]
pub struct InvalidObjectName;

impl FromStr for ObjectName {
    type Err = InvalidObjectName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, name) = text.split_once('/').ok_or(InvalidObjectName)?;
        let kind = match kind.to_ascii_lowercase().as_str() {
            "iset"
            | "instrumentset"
            | "instrumentsets"
            | "instrumentsets.kiteticker.dev"
            | "instrumentset.kiteticker.dev" => ObjectKind::Set,
            "tka"
            | "tickeraccount"
            | "tickeraccounts"
            | "tickeraccounts.kiteticker.dev"
            | "tickeraccount.kiteticker.dev" => ObjectKind::Account,
            _ => return Err(InvalidObjectName),
        };
        let name = name.to_owned();
        if name.is_empty() || name.contains('/') {
            return Err(InvalidObjectName);
        }
        Ok(Self { kind, name })
    }
}

/// A folder, or nothing.
fn folder(text: &str) -> Result<PathBuf, Infallible> {
    Ok(PathBuf::from(text))
}

impl ObjectKind {
    /// The word in a question.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Account => "account",
        }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ObjectKind::Set => "iset",
            ObjectKind::Account => "tka",
        };
        write!(f, "{kind}/{}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(args: &[&str]) -> Result<PluginCli, clap::Error> {
        PluginCli::try_parse_from([&["kubectl-kiteticker"], args].concat())
    }

    #[test]
    fn the_command_line_is_consistent() {
        PluginCli::command().debug_assert();
        for command in PluginCli::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
        }
    }

    #[test]
    fn flags_stand_before_and_behind_the_command() {
        let cli = parse(&["status", "-n", "ticker", "-o", "json"]).unwrap();
        assert_eq!(cli.place.namespace.as_deref(), Some("ticker"));
        assert_eq!(cli.output, OutputKind::Json);
        let cli = parse(&["--local", "top"]).unwrap();
        assert_eq!(cli.place.local, Some(PathBuf::new()));
        let cli = parse(&["top", "--local=/state"]).unwrap();
        assert_eq!(cli.place.local, Some(PathBuf::from("/state")));
        assert!(parse(&["status", "-A", "-n", "x"]).is_err());
        assert!(parse(&["status", "--local", "--context", "x"]).is_err());
        assert!(parse(&["plan", "-f", "x"]).is_err());
        assert!(parse(&["plan", "--dry-run", "-f", "x", "-f", "-"]).is_ok());
        assert!(parse(&["find"]).is_err());
    }

    #[test]
    fn objects_are_named_as_kubectl_does() {
        let of = |text: &str| text.parse::<ObjectName>();
        for set in [
            "iset/x",
            "InstrumentSet/x",
            "instrumentsets.kiteticker.dev/x",
        ] {
            let name = of(set).unwrap();
            assert_eq!(
                (name.kind, name.to_string().as_str()),
                (ObjectKind::Set, "iset/x")
            );
        }
        assert_eq!(of("tka/x").unwrap().kind, ObjectKind::Account);
        for wrong in ["x", "pod/x", "iset/", "iset/x/y", ""] {
            assert_eq!(of(wrong), Err(InvalidObjectName), "{wrong}");
        }
    }
}
