//! `kubectl-kiteticker`: arguments in, an answer and an exit code out.

use std::process::ExitCode;

use clap::Parser;
use plugin::args::PluginCli;

fn main() -> ExitCode {
    service::tls::install();
    let cli = PluginCli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(plugin::run(cli)),
        Err(error) => Err(error.into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => service::exit::report(error.as_ref()),
    }
}
