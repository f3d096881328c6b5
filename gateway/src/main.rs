//! `kite-gateway`: ticks over WebSockets, from Redis.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use gateway::args::{GatewayArgs, GatewaySettings, Invocation};
use service::signal::Shutdown;

fn main() -> ExitCode {
    service::tls::install();
    let ended = match GatewayArgs::parse().command() {
        Invocation::Serve(args) => serve(*args),
        Invocation::Token(args) => gateway::token::print(&args).map_err(anyhow::Error::from),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => service::exit::report(error.as_ref()),
    }
}

fn serve(args: GatewaySettings) -> anyhow::Result<()> {
    let _log = service::telemetry::init(&args.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be built")?;
    runtime.block_on(async {
        let shutdown = Shutdown::new();
        shutdown.on_signals()?;
        if args.exit_on_stdin_close {
            shutdown.on_stdin_close()?;
        }
        Ok(gateway::run::run(args, shutdown).await?)
    })
}
