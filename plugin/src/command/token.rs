//! `token set`: puts today's access token into the Secret of an account's session.
//!
//! Owns what is taken for a token. The token comes from the standard input, so that it stands in no list of processes and in
//! no history of commands; it is never printed.

use std::io::{IsTerminal as _, Read as _, Write as _};

use anyhow::{Context as _, ensure};
use serde::Serialize;
use service::clock::Clock;

use crate::args::{ObjectKind, TokenSetArgs};
use crate::output::Screen;
use crate::source::Source;

/// Longer than any access token; Kite's have 32 characters.
const LONGEST: u64 = 1_024;

/// Where a token is now.
#[derive(Serialize)]
struct Written {
    place: String,
}

pub(crate) async fn set(
    source: &Source,
    screen: &Screen,
    args: &TokenSetArgs,
) -> anyhow::Result<()> {
    let object = &args.account;
    ensure!(
        object.kind == ObjectKind::Account,
        "tokens are of accounts: name one, tka/NAME"
    );
    let namespace = source.namespace().context(
        "one account is in one namespace: name it with --namespace instead of --all-namespaces",
    )?;
    let place = source.session(namespace, &object.name).await?;
    let token = read()?;
    let place = place.write(&token, Clock::system().wall()).await?;
    screen.print(&Written { place }, |Written { place }, _| {
        format!(
            "the access token is in {place}\nthe operator asks Kite whether it is good, and the pod uses it then: see \
             `kubectl kiteticker status`\n"
        )
    })
}

fn read() -> anyhow::Result<String> {
    let mut input = std::io::stdin();
    if input.is_terminal() {
        writeln!(
            std::io::stderr(),
            "paste the access token, then Enter and Ctrl-D:"
        )?;
    }
    let mut text = String::new();
    let read = input.by_ref().take(LONGEST + 1).read_to_string(&mut text);
    read.context("the standard input cannot be read as text")?;
    check(&text).map(str::to_owned)
}

/// The token in a text. Messages hold nothing of it.
fn check(text: &str) -> anyhow::Result<&str> {
    let token = text.trim();
    ensure!(
        !token.is_empty(),
        "the standard input is empty: pipe the access token into this command"
    );
    ensure!(
        text.len() as u64 <= LONGEST,
        "the standard input is longer than {LONGEST} bytes: pipe the access token alone into this command"
    );
    ensure!(
        token.bytes().all(|byte| byte.is_ascii_graphic()),
        "the standard input has more than one word: pipe the access token alone into this command"
    );
    ensure!(
        !token.contains(':'),
        "that is KEY:TOKEN, as in a header: put only what is behind the colon"
    );
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_word_and_never_repeated_in_a_message() {
        assert_eq!(check("fakeToken\r\n").unwrap(), "fakeToken");
        let long = "f".repeat(2_000);
        for wrong in ["", " \n", "fake token", "fake:token", "fáke", &long] {
            let error = check(wrong).unwrap_err().to_string();
            assert!(
                !error.contains("fake") && !error.contains("ffff"),
                "{error}"
            );
        }
    }
}
