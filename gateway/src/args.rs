//! The command line: every setting of the process, read once.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use jsonwebtoken::Algorithm;
use redis_link::target::{InvalidTarget, Target};
use service::telemetry::LogArgs;

use crate::duration;
use crate::token::TokenArgs;

const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
const METRICS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9403);

/// Hands ticks on from Redis to programs and browsers, over WebSockets
///
/// For the programs of your own organisation: showing data of an exchange to others needs a licence of
/// that exchange.
#[derive(Debug, Parser)]
#[command(
    name = "kite-gateway",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub struct GatewayArgs {
    #[command(subcommand)]
    other: Option<Other>,
    #[command(flatten)]
    serve: GatewaySettings,
}

#[derive(Debug, Subcommand)]
enum Other {
    /// Prints a token, for trying the gateway out
    Token(TokenArgs),
}

/// What the program is to do.
#[derive(Debug)]
pub enum Invocation {
    /// Serve clients.
    Serve(Box<GatewaySettings>),
    /// Print a token.
    Token(TokenArgs),
}

impl GatewayArgs {
    /// What was asked for.
    #[must_use]
    pub fn command(self) -> Invocation {
        match self.other {
            Some(Other::Token(args)) => Invocation::Token(args),
            None => Invocation::Serve(Box::new(self.serve)),
        }
    }
}

/// Settings of the gateway.
#[derive(Debug, Args)]
pub struct GatewaySettings {
    /// Address for clients; 0.0.0.0 is every address, IPv4 and IPv6; port 0 takes a free one
    #[arg(long, env = "LISTEN", default_value_t = LISTEN, value_name = "ADDR")]
    pub listen: SocketAddr,
    /// Address of probes and metrics
    #[arg(long, env = "METRICS_LISTEN", default_value_t = METRICS, value_name = "ADDR")]
    pub metrics_listen: SocketAddr,
    /// Where to write the address for clients
    #[arg(long, value_name = "PATH")]
    pub port_file: Option<PathBuf>,
    /// Where to write the address of probes and metrics
    #[arg(long, value_name = "PATH")]
    pub metrics_port_file: Option<PathBuf>,
    /// End when standard input closes, because the process that started this one has ended
    #[arg(long)]
    pub exit_on_stdin_close: bool,
    /// Where Redis is
    #[command(flatten)]
    pub redis: RedisArgs,
    /// How tokens are checked
    #[command(flatten)]
    pub jwt: JwtArgs,
    /// Role of those who may read what all clients do
    #[arg(long, env = "ADMIN_ROLE", default_value = "admin", value_name = "ROLE")]
    pub admin_role: String,
    /// Page from which browsers may connect, such as `https://desk.example`; repeatable. Pages of the
    /// gateway's own host always may
    #[arg(
        long = "origin",
        env = "ORIGINS",
        value_delimiter = ',',
        value_name = "ORIGIN"
    )]
    pub origins: Vec<String>,
    /// Most clients
    #[arg(long, env = "MAX_CONNECTIONS", default_value_t = 10_000, value_name = "N",
          value_parser = count)]
    pub max_connections: usize,
    /// Most clients of one user
    #[arg(long, env = "MAX_CONNECTIONS_PER_USER", default_value_t = 20, value_name = "N",
          value_parser = count)]
    pub max_connections_per_user: usize,
    /// Most instruments of one client
    #[arg(long, env = "MAX_TOKENS_PER_CLIENT", default_value_t = 9_000, value_name = "N",
          value_parser = count)]
    pub max_tokens_per_client: usize,
    /// Most commands of one client in a second
    #[arg(long, env = "MAX_COMMANDS_PER_S", default_value_t = 20, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub max_commands_per_s: u32,
    /// Largest frame of a client, in bytes
    #[arg(long, env = "MAX_FRAME", default_value_t = 524_288, value_name = "BYTES",
          value_parser = count)]
    pub max_frame: usize,
    /// A client that takes nothing for this long is closed
    #[arg(long, env = "SLOW_CLIENT_AFTER", default_value = "10s", value_name = "TIME",
          value_parser = duration::parse)]
    pub slow_client_after: Duration,
    /// Over how long clients are closed when the process ends
    #[arg(long, env = "DRAIN", default_value = "20s", value_name = "TIME", value_parser = duration::parse)]
    pub drain: Duration,
    /// Logging
    #[command(flatten)]
    pub log: LogArgs,
}

/// One of three ways to Redis.
#[derive(Debug, Args)]
#[group(skip)]
pub struct RedisArgs {
    /// A single server, as `redis://HOST:PORT/DATABASE`; `rediss` for TLS
    #[arg(long, env = "REDIS_URL", value_name = "URL",
          required_unless_present_any = ["redis_sentinel_master", "redis_cluster_node"],
          conflicts_with_all = ["redis_sentinel_master", "redis_cluster_node"])]
    pub redis_url: Option<String>,
    /// The master that these Sentinels know
    #[arg(
        long,
        env = "REDIS_SENTINEL_MASTER",
        value_name = "NAME",
        requires = "redis_sentinel_node",
        conflicts_with = "redis_cluster_node"
    )]
    pub redis_sentinel_master: Option<String>,
    /// A Sentinel, HOST:PORT; repeatable
    #[arg(
        long,
        env = "REDIS_SENTINEL_NODE",
        value_delimiter = ',',
        value_name = "HOST:PORT",
        requires = "redis_sentinel_master"
    )]
    pub redis_sentinel_node: Vec<String>,
    /// A node of a Redis Cluster, HOST:PORT; repeatable
    #[arg(
        long,
        env = "REDIS_CLUSTER_NODE",
        value_delimiter = ',',
        value_name = "HOST:PORT"
    )]
    pub redis_cluster_node: Vec<String>,
    /// Ticks are published on sharded channels (shardedPubSub)
    #[arg(long, env = "REDIS_SHARDED", requires = "redis_cluster_node")]
    pub redis_sharded: bool,
    /// TLS to Sentinels, or to a cluster
    #[arg(long, env = "REDIS_TLS", conflicts_with = "redis_url")]
    pub redis_tls: bool,
    /// Folder of the optional files username, password, ca.crt, tls.crt, tls.key, sentinel_username and
    /// sentinel_password; they are read at each connection
    #[arg(long, env = "REDIS_DIR", value_name = "DIR")]
    pub redis_dir: Option<PathBuf>,
}

/// One of three kinds of keys.
#[derive(Debug, Args)]
#[group(skip)]
pub struct JwtArgs {
    /// File with a shared secret of at least 32 bytes
    #[arg(long, env = "JWT_SECRET_FILE", value_name = "FILE",
          required_unless_present_any = ["jwt_public_key_file", "jwks_url"],
          conflicts_with_all = ["jwt_public_key_file", "jwks_url"])]
    pub jwt_secret_file: Option<PathBuf>,
    /// File with a public key in PEM
    #[arg(
        long,
        env = "JWT_PUBLIC_KEY_FILE",
        value_name = "FILE",
        conflicts_with = "jwks_url"
    )]
    pub jwt_public_key_file: Option<PathBuf>,
    /// Address that serves keys (JWKS)
    #[arg(long, env = "JWKS_URL", value_name = "URL")]
    pub jwks_url: Option<reqwest::Url>,
    /// Tokens must be of this issuer
    #[arg(long, env = "JWT_ISSUER", value_name = "ISSUER")]
    pub jwt_issuer: Option<String>,
    /// Tokens must be for this audience; without it the audience is not looked at
    #[arg(long, env = "JWT_AUDIENCE", value_name = "AUDIENCE")]
    pub jwt_audience: Option<String>,
    /// Another algorithm than HS256, RS256, ES256, ES384 or EdDSA, which the kind of key decides
    #[arg(long, env = "JWT_ALGORITHM", value_name = "ALGORITHM")]
    pub jwt_algorithm: Option<Algorithm>,
}

impl RedisArgs {
    /// Where Redis is.
    ///
    /// # Errors
    /// When an address cannot be read.
    pub(crate) fn target(&self) -> Result<Target, InvalidTarget> {
        let tls = if self.redis_tls { "rediss" } else { "redis" };
        let url = if let Some(url) = &self.redis_url {
            url.clone()
        } else if let Some(master) = &self.redis_sentinel_master {
            let nodes = self.redis_sentinel_node.join(",");
            format!("{tls}-sentinel://{nodes}/{master}")
        } else {
            let nodes = self.redis_cluster_node.join(",");
            let end = if self.redis_sharded { "/sharded" } else { "" };
            format!("{tls}-cluster://{nodes}{end}")
        };
        Target::parse(&url)
    }
}

fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("must be a number of at least 1".to_owned()),
        Ok(count) => Ok(count),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<GatewaySettings, String> {
        let arguments = [&["kite-gateway"], arguments].concat();
        match GatewayArgs::try_parse_from(arguments).map(GatewayArgs::command) {
            Ok(Invocation::Serve(args)) => Ok(*args),
            Ok(Invocation::Token(_)) => panic!("a token"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        <GatewayArgs as CommandFactory>::command().debug_assert();
    }

    #[test]
    fn there_is_one_way_to_redis_and_one_kind_of_key() {
        let key = ["--jwt-secret-file", "s"];
        let target = |more: &[&str]| {
            let args = parse(&[&key[..], more].concat())?;
            args.redis.target().map_err(|error| error.to_string())
        };
        let same = |more: &[&str], url: &str| {
            assert_eq!(target(more), Ok(Target::parse(url).unwrap()));
        };
        same(&["--redis-url", "redis://h:1/2"], "redis://h:1/2");
        same(
            &[
                "--redis-sentinel-master",
                "m",
                "--redis-sentinel-node",
                "a:1",
                "--redis-sentinel-node",
                "b:2",
            ],
            "redis-sentinel://a:1,b:2/m",
        );
        same(
            &[
                "--redis-cluster-node",
                "a:1,b:2",
                "--redis-sharded",
                "--redis-tls",
            ],
            "rediss-cluster://a:1,b:2/sharded",
        );
        assert!(target(&[]).is_err());
        assert!(target(&["--redis-url", "redis://h", "--redis-cluster-node", "a"]).is_err());
        assert!(
            target(&["--redis-url", "redis://user:pw@h"])
                .unwrap_err()
                .contains("must not hold")
        );
        assert!(parse(&["--redis-url", "redis://h"]).is_err(), "no key");
    }
}
