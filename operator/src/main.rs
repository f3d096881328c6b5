//! `kite-operator`: arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser;
use operator::args::{OperatorCli, OperatorCommand};
use operator::calendar_file::CalendarFile;
use operator::{cluster, local};
use service::signal::Shutdown;

fn main() -> ExitCode {
    service::tls::install();
    match start(OperatorCli::parse()) {
        Ok(code) => code,
        Err(error) => service::exit::report(error.as_ref()),
    }
}

fn start(cli: OperatorCli) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(run(cli));
    // A write to a stopped terminal, or a read from a disk that is gone, never returns.
    runtime.shutdown_background();
    ended
}

async fn run(cli: OperatorCli) -> anyhow::Result<ExitCode> {
    let _log = service::telemetry::init_muting(&cli.log, &["kube_client::client"])?;
    let shutdown = Shutdown::new();
    shutdown.on_signals()?;
    cli.command.check()?;
    match cli.command {
        OperatorCommand::Run(args) => {
            let (wall_clock, clock) = args.kite.clock();
            let settings = cluster::ClusterSettings {
                namespace: (!args.all_namespaces).then_some(args.namespace),
                ingestor_image: args.ingestor_image,
                ingestor_pull_policy: args.ingestor_pull_policy,
                ingestor_pull_secrets: args.ingestor_pull_secrets,
                redis_url: args.redis_url,
                index_names: args.kite.index_names,
                calendar: CalendarFile::open(args.kite.calendar)?,
                failover_after: args.kite.failover_after.0,
                rates: args.kite.pricing.rates(),
                proxy: args.kite.proxy.read()?,
                poke: args.poke,
                repair_pods: args.repair_pods,
                fixed_ids: args.fixed_ids,
                listen: args.listen,
                login_listen: args.login_listen.0,
                wall_clock,
            };
            cluster::run(settings, clock, shutdown).await?;
            Ok(ExitCode::SUCCESS)
        }
        OperatorCommand::Local(args) => {
            let (wall_clock, clock) = args.kite.clock();
            let settings = local::LocalSettings {
                manifests: args.manifests,
                redis_url: args.redis_url,
                index_names: args.kite.index_names,
                calendar: CalendarFile::open(args.kite.calendar)?,
                failover_after: args.kite.failover_after.0,
                rates: args.kite.pricing.rates(),
                proxy: args.kite.proxy.read()?,
                once: args.once,
                ingestor: args.ingestor_bin,
                record: args.record,
                state: args.state_dir,
                login_listen: args.login_listen,
                log_level: cli.log.log_level,
                wall_clock,
            };
            match local::run(settings, clock, &shutdown).await? {
                local::RunOutcome::Done => Ok(ExitCode::SUCCESS),
                local::RunOutcome::NotReady => Ok(ExitCode::FAILURE),
            }
        }
    }
}
