//! Opens links, to a server or to the one that Sentinels name, and finds out whether a silent link is
//! broken.
//!
//! Owns the time limit, and the question to a server about another link. What is said on a new link is
//! [`super::introduction`]'s.

use std::time::Duration;

use service::address::Address;

use super::access::Access;
use super::error::HandshakeError;
use super::introduction::{Established, Introduction};
use super::resp_stream::OwnedReply;
use super::role::WRITE;
use super::sentinel;
use super::target::{ServerAddress, ServerTarget};

/// The time limit for connecting and the handshake together.
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// Opens a link named `name` with the present data of `access`, and ends the link `previous` of the
/// same name if the server still has it: commands of that link must not be executed after the first
/// command of this one.
///
/// # Errors
/// When the server cannot be reached, is not Redis, or does not accept commands.
pub async fn establish(
    target: &ServerTarget,
    access: &Access,
    name: &str,
    previous: Option<i64>,
) -> Result<Established, HandshakeError> {
    let mut tried = Vec::new();
    let greeting = async {
        let keys = access.read(target.tls()).await?;
        let link = Introduction::new(target, &keys, name, previous);
        match &target.address {
            ServerAddress::Direct(address) => link.open(address).await,
            ServerAddress::Sentinels(sentinels) => {
                sentinel::open_master(sentinels, &link, &mut tried).await
            }
        }
    };
    let established = tokio::time::timeout(TIMEOUT, greeting).await;
    let tls = matches!(&target.address, ServerAddress::Direct(address) if address.tls);
    established.unwrap_or_else(|_elapsed| {
        Err(match &target.address {
            ServerAddress::Sentinels(sentinels) if !tried.is_empty() => {
                HandshakeError::unusable_master(&sentinels.master, &tried)
            }
            _ => HandshakeError::Timeout {
                after: TIMEOUT,
                tls,
            },
        })
    })
}

/// Whether the server executes commands like those of messages while the link `id` waits for its
/// answers: that link is then broken. It is not while the server holds back writes (CLIENT PAUSE).
///
/// PUBLISH is held back like a write, but must not be tried: readers of all channels would get it.
/// So the server is asked whether it holds back the link itself. Where that is forbidden, a write
/// without effect is tried, and if that is forbidden too, TCP decides when the link is broken.
pub(super) async fn is_serving_others(
    target: &ServerTarget,
    access: &Access,
    (name, id, at): (&str, Option<i64>, &Address),
) -> bool {
    let asking = async {
        let keys = access.read(target.tls()).await?;
        let link = Introduction::new(target, &keys, name, None);
        let mut redis = link.greet(at).await?.0;
        if let Some(id) = id {
            let id = id.to_string();
            let listed = redis
                .ask(&[b"CLIENT", b"LIST", b"ID", id.as_bytes()])
                .await?;
            if let OwnedReply::Text(line) = listed {
                return Ok(!is_held_back(&line));
            }
        }
        let written = redis.ask(WRITE).await?;
        Ok::<bool, HandshakeError>(matches!(written, OwnedReply::Number(_)))
    };
    matches!(asking.await, Ok(true))
}

/// Whether a line of CLIENT LIST is of a connection whose next command waits.
fn is_held_back(line: &str) -> bool {
    let mut members = line.split_ascii_whitespace();
    let flags = members.find_map(|member| member.strip_prefix("flags="));
    flags.is_some_and(|flags| flags.contains('b'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_waits_is_recognised() {
        let line = |flags: &str| format!("id=8 addr=127.0.0.1:1 name=b flags={flags} db=0");
        assert!(is_held_back(&line("b")) && is_held_back(&line("Nb")));
        assert!(!is_held_back(&line("N")) && !is_held_back(""));
    }
}
