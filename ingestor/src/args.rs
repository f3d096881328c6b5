//! The command line: every setting of the process, read once.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Parser;
use service::clock::WallClock;
use service::telemetry::LogArgs;

const LISTEN: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    contract::INGESTOR_PORT,
);

/// Streams one account's instruments from Kite's WebSockets to Redis
///
/// What to stream and the credentials are files in folders, mounted or written by another process;
/// all of them may change at any time.
#[derive(Clone, Debug, Parser)]
#[command(name = "kite-ingestor", version)]
pub struct Args {
    /// Folder of the assignment
    #[arg(long, env = "ASSIGNMENT_DIR", value_name = "DIR")]
    pub assignment_dir: PathBuf,
    /// Folder of the files api_key and access_token
    #[arg(long, env = "CREDENTIALS_DIR", value_name = "DIR")]
    pub credentials_dir: PathBuf,
    /// Folder of the optional files username, password, ca.crt, tls.crt and tls.key for Redis; they
    /// are read at each connection to Redis
    #[arg(long, env = "REDIS_DIR", value_name = "DIR")]
    pub redis_dir: Option<PathBuf>,
    /// Address of the HTTP server: report, health, probes, metrics; 0.0.0.0 is every address, IPv4
    /// and IPv6; port 0 takes a free one
    #[arg(long, env = "LISTEN", default_value_t = LISTEN, value_name = "ADDR")]
    pub listen: SocketAddr,
    /// Where to write the address that the HTTP server listens on
    #[arg(long, value_name = "PATH")]
    pub port_file: Option<PathBuf>,
    /// End when standard input closes, because the process that started this one has ended
    #[arg(long)]
    pub exit_on_stdin_close: bool,
    /// Record every frame from Kite into this folder, compressed; kite-simulator replay plays it
    /// back
    #[arg(long, env = "RECORD_DIR", value_name = "DIR")]
    pub record: Option<PathBuf>,
    /// Maximum size of all recordings in megabytes; the oldest are deleted first
    #[arg(
        long,
        env = "RECORD_MEGABYTES",
        default_value_t = 10_240,
        value_name = "N",
        value_parser = clap::value_parser!(u64).range(512..)
    )]
    pub record_megabytes: u64,
    /// Wall clock for tests against a simulator that has the same one: START,RATE,ORIGIN; at the real
    /// time ORIGIN it shows START, and RATE seconds pass in one. Assignments of a real Kite are refused
    #[arg(long, value_name = "START,RATE,ORIGIN")]
    pub wall_clock: Option<WallClock>,
    /// Logs
    #[command(flatten)]
    pub log: LogArgs,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn only_two_folders_are_required() {
        let args = [
            "kite-ingestor",
            "--assignment-dir",
            "a",
            "--credentials-dir",
            "c",
        ];
        let parsed = Args::parse_from(args);
        assert_eq!(parsed.listen.to_string(), "0.0.0.0:9400");
        assert_eq!(parsed.redis_dir, None);
        assert!(Args::try_parse_from(["kite-ingestor"]).is_err());
    }
}
