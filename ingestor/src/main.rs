//! `kite-ingestor`: streams one account's instruments from Kite to Redis.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use ingestor::args::Args;
use service::signal::Shutdown;

fn main() -> ExitCode {
    service::tls::install();
    match start(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => service::exit::report(error.as_ref()),
    }
}

fn start(args: Args) -> anyhow::Result<()> {
    let _log = service::telemetry::init(&args.log)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be built")?;
    runtime.block_on(async {
        let shutdown = Shutdown::new();
        shutdown.on_signals()?;
        if args.exit_on_stdin_close {
            shutdown.on_stdin_close()?;
        }
        Ok(ingestor::run::run(args, shutdown).await?)
    })
}
