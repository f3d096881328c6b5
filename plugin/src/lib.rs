//! `kubectl kiteticker`: what a person at a terminal asks of the operator.
//!
//! Owns how answers look, and where they come from: the operator's paths through the API server's proxy, or those of
//! `kite-operator local` on this machine. It changes nothing and reads no Secret, but for `token set`, which writes the session
//! of an account. Why something is as it is, the operator says; this program must not decide it.

pub mod args;
mod command;
mod error;
mod output;
mod report;
mod source;

use args::{CalendarCommand, PluginCli, PluginCommand, TokenCommand};
use output::Screen;
use source::Source;

/// Answers one question.
///
/// # Errors
/// When there is no answer; the text says why, and what to do.
pub async fn run(cli: PluginCli) -> anyhow::Result<()> {
    let screen = Screen::of_stdout(cli.output);
    if let PluginCommand::Calendar(args) = &cli.command
        && let Some(CalendarCommand::Check { file }) = &args.command
    {
        return command::calendar::check(&screen, file);
    }
    let source = Source::open(&cli.place).await?;
    match cli.command {
        PluginCommand::Status => command::status::run(&source, &screen).await,
        PluginCommand::Explain(args) => command::explain::run(&source, &screen, &args).await,
        PluginCommand::Top => command::top::run(&source, &screen).await,
        PluginCommand::Plan(args) => command::plan::run(&source, &screen, &args).await,
        PluginCommand::Find(args) => command::find::run(&source, &screen, &args).await,
        PluginCommand::Calendar(args) => {
            command::calendar::run(&source, &screen, args.date.as_deref()).await
        }
        PluginCommand::Login(args) => {
            command::login::run(&source, &screen, &cli.place, &args).await
        }
        PluginCommand::Token { command } => {
            let TokenCommand::Set(args) = command;
            command::token::set(&source, &screen, &args).await
        }
        PluginCommand::Report(args) => report::run(&source, &args).await,
    }
}
