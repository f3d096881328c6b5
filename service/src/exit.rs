//! Prints the error that ends a process: the whole chain, once, at the edge.
//!
//! Libraries return errors and never print them; messages do not repeat their source.

use std::error::Error;
use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

/// Writes `error: <message>: <cause>: <cause>` as one line to stderr and returns the failure code
/// for `main`. An `anyhow::Error` is passed as `error.as_ref()`.
pub fn report(error: &(dyn Error + 'static)) -> ExitCode {
    // With a closed stderr only the exit code reports the failure.
    drop(writeln!(
        std::io::stderr().lock(),
        "error: {}",
        chain(error)
    ));
    ExitCode::FAILURE
}

/// Shows an error with its causes, separated by `: `, on one line.
///
/// A cause is left out if its parent's message already ends with it: some libraries repeat it.
pub fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl fmt::Display + 'a {
    Chain(error)
}

struct Chain<'a>(&'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = one_line(self.0);
        f.write_str(&shown)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let message = one_line(error);
            if !shown.ends_with(&message) {
                write!(f, ": {message}")?;
                shown = message;
            }
            cause = error.source();
        }
        Ok(())
    }
}

fn one_line(error: &dyn Error) -> String {
    error.to_string().replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layer {
        text: &'static str,
        source: Option<Box<Layer>>,
    }

    fn layers(texts: &[&'static str]) -> Layer {
        let (first, rest) = texts.split_first().unwrap();
        let source = (!rest.is_empty()).then(|| Box::new(layers(rest)));
        Layer {
            text: first,
            source,
        }
    }

    #[test]
    fn every_cause_is_shown_once_on_one_line() {
        let error = layers(&["cannot start", "bind 127.0.0.1:80", "denied\nby the system"]);
        assert_eq!(
            chain(&error).to_string(),
            "cannot start: bind 127.0.0.1:80: denied by the system"
        );
    }

    #[test]
    fn a_cause_repeated_by_its_parent_is_left_out() {
        let error = layers(&["read failed: closed", "closed", "by peer"]);
        assert_eq!(chain(&error).to_string(), "read failed: closed: by peer");
    }
}
