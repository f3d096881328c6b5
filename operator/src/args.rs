//! The command line: every setting, its environment variable and its default. Read once, by `main`.

mod failover;
mod login;
mod pricing;
mod proxy;

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};
use service::clock::{Clock, WallClock};
use service::telemetry::LogArgs;

pub use failover::FailoverAfter;
pub use login::LoginListen;
pub use pricing::PricingArgs;
pub use proxy::ProxyArgs;

use crate::instruments::IndexNames;

/// Turns TickerAccounts and InstrumentSets into ingest pods that stream.
#[derive(Clone, Debug, Parser)]
#[command(name = "kite-operator", version)]
pub struct OperatorCli {
    /// Log settings.
    #[command(flatten)]
    pub log: LogArgs,
    /// What to run.
    #[command(subcommand)]
    pub command: OperatorCommand,
}

/// What to run.
#[derive(Clone, Debug, Subcommand)]
pub enum OperatorCommand {
    /// Runs in a Kubernetes cluster, or beside one that a kubeconfig points to
    Run(RunArgs),
    /// Runs without Kubernetes, on a folder of manifests
    Local(LocalArgs),
}

/// Settings of both commands that concern Kite.
#[derive(Args, Clone, Debug)]
pub struct KiteArgs {
    /// What the derivatives of an index are called where its list does not show it, such as
    /// SNSX50=SENSEX50; several are separated by commas
    #[arg(
        long,
        env = "INDEX_NAMES",
        default_value = "",
        hide_default_value = true,
        value_name = "INDEX=UNDERLYING"
    )]
    pub index_names: IndexNames,
    /// After which time the instruments of an account that is known to be down move to others, from
    /// 10s to 1h; 0: never
    #[arg(
        long,
        env = "FAILOVER_AFTER",
        default_value = "30s",
        value_name = "TIME"
    )]
    pub failover_after: FailoverAfter,
    /// File with rows over the calendar that is built in: sessions, holidays, special days (see
    /// docs/calendar.md); read again when it changes
    #[arg(long, env = "CALENDAR", value_name = "FILE")]
    pub calendar: Option<PathBuf>,
    /// Wall clock for tests against a simulator that has the same one: START,RATE,ORIGIN; at the real
    /// time ORIGIN it shows START, and RATE seconds pass in one. Ingest processes get it too; accounts
    /// of a real Kite are refused
    #[arg(long, env = "WALL_CLOCK", value_name = "START,RATE,ORIGIN")]
    pub wall_clock: Option<WallClock>,
    /// What options are priced with
    #[command(flatten)]
    pub pricing: PricingArgs,
    /// The proxy
    #[command(flatten)]
    pub proxy: ProxyArgs,
}

impl KiteArgs {
    /// The simulated wall clock, and the one to read: without an origin it begins now.
    #[must_use]
    pub fn clock(&self) -> (Option<WallClock>, Clock) {
        let wall = self.wall_clock.map(WallClock::fixed);
        (wall, wall.map_or_else(Clock::system, Clock::accelerated))
    }
}

/// Settings of `run`.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// Namespace whose accounts and sets this operator manages
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAMESPACE")]
    pub namespace: String,
    /// Manage the accounts and sets of every namespace instead
    #[arg(long, env = "ALL_NAMESPACES", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", default_value_t = false, action = ArgAction::Set,
          value_name = "BOOL")]
    pub all_namespaces: bool,
    /// Image of ingest pods, unless their account names another
    #[arg(long, env = "INGESTOR_IMAGE", value_name = "IMAGE")]
    pub ingestor_image: String,
    /// When a node pulls the image of an ingest pod
    #[arg(long, env = "INGESTOR_PULL_POLICY", default_value = "IfNotPresent", value_name = "POLICY",
          value_parser = ["Always", "IfNotPresent", "Never"])]
    pub ingestor_pull_policy: String,
    /// Secrets with which nodes pull images of ingest pods, separated by commas
    #[arg(
        long,
        env = "INGESTOR_PULL_SECRETS",
        value_delimiter = ',',
        value_name = "NAMES"
    )]
    pub ingestor_pull_secrets: Vec<String>,
    /// Redis of accounts that name no other, without user and password
    #[arg(long, env = "REDIS_URL", value_name = "URL")]
    pub redis_url: String,
    /// The list and the way to Kite
    #[command(flatten)]
    pub kite: KiteArgs,
    /// Annotate a pod when its files change: they then arrive in 0.1 s instead of a minute; needs
    /// the right to patch pods
    #[arg(long, env = "POKE", default_value_t = true, action = ArgAction::Set, value_name = "BOOL")]
    pub poke: bool,
    /// Delete a pod that never got ready if its StatefulSet wants a newer one for a minute and does
    /// not replace it; needs the right to delete pods
    #[arg(long, env = "REPAIR_PODS", default_value_t = true, action = ArgAction::Set, value_name = "BOOL")]
    pub repair_pods: bool,
    /// Run ingest pods as user and group 65532; false leaves the choice to the cluster, as OpenShift
    /// demands. A change restarts every ingest pod
    #[arg(long, env = "FIXED_IDS", default_value_t = true, action = ArgAction::Set, value_name = "BOOL")]
    pub fixed_ids: bool,
    /// Address of probes and metrics; 0.0.0.0 is every address, IPv4 and IPv6
    #[arg(
        long,
        env = "LISTEN",
        default_value = "0.0.0.0:9401",
        value_name = "ADDRESS"
    )]
    pub listen: SocketAddr,
    /// Address that browsers come back to after a login at Kite, over a proxy with TLS or a port-forward; off: there
    /// is no login. Needs the rights to read and write the Secrets of sessions
    #[arg(
        long,
        env = "LOGIN_LISTEN",
        default_value = "[::]:9402",
        value_name = "ADDRESS"
    )]
    pub login_listen: LoginListen,
}

/// Settings of `local`.
#[derive(Args, Clone, Debug)]
pub struct LocalArgs {
    /// Folder of TickerAccount, InstrumentSet and Secret manifests; it is watched
    #[arg(short = 'f', long = "filename", value_name = "FOLDER")]
    pub manifests: PathBuf,
    /// Redis of accounts that name no other, without user and password
    #[arg(
        long,
        env = "REDIS_URL",
        value_name = "URL",
        default_value = "redis://127.0.0.1:6379"
    )]
    pub redis_url: String,
    /// The list and the way to Kite
    #[command(flatten)]
    pub kite: KiteArgs,
    /// Wait up to 10 seconds until everything is Ready, print and stop; exit code 1 if it is not
    #[arg(long)]
    pub once: bool,
    /// The ingest program. Default: the one in the folder of this program, else the one on the PATH
    #[arg(long, env = "INGESTOR_BIN", value_name = "FILE")]
    pub ingestor_bin: Option<PathBuf>,
    /// Folder for assignments and credentials, readable by you alone
    #[arg(long, env = "STATE_DIR", value_name = "FOLDER")]
    pub state_dir: Option<PathBuf>,
    /// Address that browsers come back to after a login at Kite; off: there is no login. Where the address is taken by another
    /// program, there is none either unless it was named
    #[arg(long, env = "LOGIN_LISTEN", value_name = "ADDRESS")]
    pub login_listen: Option<LoginListen>,
    /// Record every frame from Kite, each account into a folder of its name in this one
    #[arg(long, env = "RECORD_DIR", value_name = "FOLDER")]
    pub record: Option<PathBuf>,
}

/// The Redis URL cannot be used. The message does not repeat it, because it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRedisUrl {
    /// Another scheme, or something else than a host and a port behind it.
    #[error(
        "--redis-url (REDIS_URL) must be redis://HOST[:PORT] or rediss://HOST[:PORT]: no path, no query, a port \
         from 1 to 65535"
    )]
    Address,
    /// The URL is part of every assignment, which everybody who may read ConfigMaps can read.
    #[error(
        "--redis-url (REDIS_URL) must not hold a user or password: the URL is visible to everybody"
    )]
    UserInfo,
}

impl OperatorCommand {
    /// Checks what the parser must not check, because its errors repeat the value.
    ///
    /// # Errors
    /// When the Redis URL cannot be used.
    pub fn check(&self) -> Result<(), InvalidRedisUrl> {
        let (Self::Run(RunArgs { redis_url, .. }) | Self::Local(LocalArgs { redis_url, .. })) =
            self;
        check_redis_url(redis_url)
    }
}

fn check_redis_url(url: &str) -> Result<(), InvalidRedisUrl> {
    let schemes = ["redis://", "rediss://"];
    let rest = schemes.iter().find_map(|scheme| url.strip_prefix(scheme));
    let rest = rest.ok_or(InvalidRedisUrl::Address)?;
    if rest.contains('@') {
        return Err(InvalidRedisUrl::UserInfo);
    }
    let address = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match address.rsplit_once(':') {
        // The colons of an IPv6 address stand in brackets.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (address, None),
    };
    let strange = |c: char| "/?#".contains(c) || c.is_whitespace();
    let number = port.is_none_or(|port| port.parse::<NonZeroU16>().is_ok());
    if host.is_empty() || host.contains(strange) || !number {
        return Err(InvalidRedisUrl::Address);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn run(args: &[&str]) -> Result<RunArgs, clap::Error> {
        let required = [
            "kite-operator",
            "run",
            "--namespace=n",
            "--ingestor-image=i",
        ];
        let cli = OperatorCli::try_parse_from([&required, args].concat())?;
        match cli.command {
            OperatorCommand::Run(args) => Ok(args),
            OperatorCommand::Local(_) => panic!("another command"),
        }
    }

    #[test]
    fn the_command_line_is_consistent_and_every_knob_has_help_and_a_variable() {
        OperatorCli::command().debug_assert();
        let command = OperatorCli::command();
        let run = command.find_subcommand("run").unwrap();
        for arg in run.get_arguments() {
            assert!(
                arg.get_help().is_some() && arg.get_env().is_some(),
                "{}",
                arg.get_id()
            );
        }
    }

    #[test]
    fn one_namespace_is_looked_after_unless_all_are_asked_for() {
        let all = |more: &[&str]| {
            let args = [&["--redis-url=redis://r"], more].concat();
            run(&args).unwrap().all_namespaces
        };
        assert!(!all(&[]) && !all(&["--all-namespaces=false"]));
        assert!(all(&["--all-namespaces"]) && all(&["--all-namespaces=true"]));
    }

    #[test]
    fn defaults_are_those_of_a_cluster() {
        let args = run(&["--redis-url=redis://r:6379"]).unwrap();
        assert!(args.poke);
        assert_eq!(args.listen.to_string(), "0.0.0.0:9401");
        assert_eq!(args.ingestor_pull_policy, "IfNotPresent");
        assert_eq!(args.ingestor_pull_secrets, [""; 0]);
        assert_eq!(args.kite.index_names, IndexNames::default());
        let two = run(&["--redis-url=redis://r", "--ingestor-pull-secrets=a,b"]).unwrap();
        assert_eq!(two.ingestor_pull_secrets, ["a", "b"]);
        assert!(
            !run(&["--redis-url=redis://r", "--poke=false"])
                .unwrap()
                .poke
        );
    }

    #[test]
    fn only_a_redis_url_without_password_will_do() {
        let check = |url: &str| check_redis_url(url);
        assert_eq!(check("rediss://r:6379"), Ok(()));
        for usable in [
            "redis://r",
            "redis://r:1/",
            "redis://[::1]",
            "redis://[::1]:6379",
        ] {
            assert_eq!(check(usable), Ok(()), "{usable}");
        }
        assert_eq!(check("http://r"), Err(InvalidRedisUrl::Address));
        for wrong in [
            "redis://",
            "redis://:6379",
            "redis://r:",
            "redis://r:port",
            "redis://r:0",
            "redis://r:99999",
            "redis://r/3",
            "redis://r?db=2",
            "redis://r 1",
        ] {
            assert_eq!(check(wrong), Err(InvalidRedisUrl::Address), "{wrong}");
        }
        let refused = check("redis://u:hunter2@r:6379").unwrap_err();
        assert!(!refused.to_string().contains("hunter2"));
    }
}
