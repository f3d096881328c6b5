//! The standard output: its width if it is a terminal, and whether it shows colours.

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::Context as _;
use serde::Serialize;

use crate::args::OutputKind;

/// Where answers are printed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    kind: OutputKind,
    /// Columns; `None`: as many as are needed.
    width: Option<usize>,
    colours: bool,
}

impl Screen {
    /// The standard output of this process.
    pub(crate) fn of_stdout(kind: OutputKind) -> Self {
        let terminal = io::stdout().is_terminal();
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let width = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        Self {
            kind,
            width: width.filter(|_| terminal),
            colours: terminal && !set("NO_COLOR") && !dumb,
        }
    }

    /// Prints something on the way to the answer, for people alone.
    pub(crate) fn say(&self, text: &str) -> anyhow::Result<()> {
        match self.kind {
            OutputKind::Json => Ok(()),
            OutputKind::Table => write(text),
        }
    }

    /// Prints the answer as it is, or `text` of it for people, made for this width and with colours or without.
    pub(crate) fn print<T: Serialize>(
        &self,
        answer: &T,
        text: impl FnOnce(&T, Paper) -> String,
    ) -> anyhow::Result<()> {
        let text = match self.kind {
            OutputKind::Json => serde_json::to_string_pretty(answer)? + "\n",
            OutputKind::Table => {
                let paper = Paper {
                    width: self.width,
                    colours: self.colours,
                };
                text(answer, paper)
            }
        };
        write(&text)
    }
}

/// What a text is made for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Paper {
    /// Columns; `None`: as many as are needed.
    pub(crate) width: Option<usize>,
    pub(crate) colours: bool,
}

/// Writes to the standard output. A reader that has gone, such as `head`, is no failure.
pub(crate) fn write(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("the standard output cannot be written"),
    }
}
