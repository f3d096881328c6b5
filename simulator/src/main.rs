//! `kite-simulator`: parses the command line and runs the subcommand.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use service::{clock::Clock, exit, telemetry};
use simulator::args::{SimulatorCli, SimulatorCommand};
use simulator::universe::{Universe, indian_date};
use simulator::{calendar_file, replay, serve, symbols};

fn main() -> ExitCode {
    match run(SimulatorCli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(error.as_ref()),
    }
}

fn run(cli: SimulatorCli) -> anyhow::Result<()> {
    match cli.command {
        SimulatorCommand::Serve(args) => {
            let _log = telemetry::init(&args.log)?;
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()?;
            Ok(runtime.block_on(serve::serve(*args))?)
        }
        SimulatorCommand::Replay(args) => {
            let _log = telemetry::init(&args.log)?;
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()?;
            let played = runtime.block_on(replay::replay(args))?;
            let mut out = std::io::stdout().lock();
            let replay::ReplaySummary {
                frames,
                packets,
                sent,
                texts,
            } = played;
            writeln!(
                out,
                "played {frames} frames ({packets} packets, {texts} text messages); sent {sent} packets to subscribers"
            )?;
            Ok(out.flush()?)
        }
        SimulatorCommand::Symbols(args) => {
            let clock = args
                .wall_clock
                .map_or_else(Clock::system, Clock::accelerated);
            let date = indian_date(clock.wall().as_second()).context("no date")?;
            let calendar = calendar_file::read(args.calendar.as_deref())?;
            let universe = Universe::with_strikes(args.seed, date, &calendar, args.strikes)?;
            let mut out = std::io::BufWriter::new(std::io::stdout().lock());
            symbols::print(&universe, &args, &mut out)?;
            Ok(out.flush()?)
        }
    }
}
