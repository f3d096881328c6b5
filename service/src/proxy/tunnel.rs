//! The tunnel through a proxy: CONNECT, and what the answer means.
//!
//! Owns the request and the answer. Must not open the connection to the proxy.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Proxy, authority};
use crate::address::Address;

/// The longest answer to CONNECT that is read, the interim ones before it included.
const LONGEST_HEAD: usize = 8 * 1024;

/// Why there is no tunnel.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The proxy cannot be reached, or the connection to it broke.
    #[error("it cannot be reached")]
    Unreachable(#[source] io::Error),
    /// It closed the connection, or sent something else than HTTP.
    #[error("it did not answer the request as an HTTP proxy does")]
    NoAnswer,
    /// It does not open the tunnel.
    #[error("it answered {0}{hint}", hint = hint(*.0))]
    Refused(u16),
}

const fn hint(status: u16) -> &'static str {
    match status {
        407 => ": it demands a login, which is not supported",
        403 | 405 => ": it does not allow this connection",
        502..=504 => ": it cannot reach the host",
        _ => "",
    }
}

impl Proxy {
    /// Opens the tunnel to `target` on a connection to the proxy. Reads no byte that belongs to the
    /// target.
    ///
    /// # Errors
    /// When the proxy does not open it.
    pub async fn tunnel<S>(&self, stream: &mut S, target: &Address) -> Result<(), ProxyError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let authority = authority(target);
        let request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        let sent = stream.write_all(request.as_bytes()).await;
        sent.map_err(ProxyError::Unreachable)?;
        let mut left = LONGEST_HEAD;
        loop {
            let mut head = Vec::new();
            // Byte by byte: what follows the head belongs to the tunnel.
            while !head.ends_with(b"\r\n\r\n") {
                left = left.checked_sub(1).ok_or(ProxyError::NoAnswer)?;
                let byte = stream.read_u8().await;
                head.push(byte.map_err(|_closed| ProxyError::NoAnswer)?);
            }
            return match status(&head) {
                // An interim answer: the real one follows.
                Some(100 | 102..=199) => continue,
                Some(200..=299) => Ok(()),
                Some(other) => Err(ProxyError::Refused(other)),
                None => Err(ProxyError::NoAnswer),
            };
        }
    }
}

/// The status of an answer: `HTTP/1.1 200 Connection established`.
fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let (protocol, rest) = line.split_once(' ')?;
    protocol.strip_prefix("HTTP/1.")?;
    rest.get(..3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks for a tunnel and plays the proxy's answer; what it was asked, and what remains unread.
    async fn ask(answer: &[u8]) -> (Result<(), ProxyError>, String, Vec<u8>) {
        let (mut near, mut far) = tokio::io::duplex(16 * 1024);
        far.write_all(answer).await.unwrap();
        let target = Address::parse("[::1]:443", 443, true).unwrap();
        let proxy = Proxy::parse("proxy:1").unwrap();
        let answer_side = tokio::spawn(async move {
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(far.read_u8().await.unwrap());
            }
            String::from_utf8(asked).unwrap()
        });
        let outcome = proxy.tunnel(&mut near, &target).await;
        let asked = answer_side.await.unwrap();
        let mut rest = Vec::new();
        near.read_to_end(&mut rest).await.unwrap();
        (outcome, asked, rest)
    }

    #[tokio::test]
    async fn a_tunnel_is_asked_for_and_begins_behind_the_answer() {
        let (outcome, asked, rest) =
            ask(b"HTTP/1.0 200 Connection established\r\nVia: x\r\n\r\ntunnel").await;
        assert!(outcome.is_ok(), "{outcome:?}");
        assert_eq!(
            asked,
            "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n"
        );
        assert_eq!(rest, b"tunnel");
    }

    #[tokio::test]
    async fn interim_answers_are_passed_over() {
        let interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
        let (outcome, _, rest) =
            ask(&[&interim[..], b"HTTP/1.1 200 OK\r\n\r\ntunnel"].concat()).await;
        assert!(outcome.is_ok(), "{outcome:?}");
        assert_eq!(rest, b"tunnel");
        let refused = ask(&[&interim[..], b"HTTP/1.1 403 No\r\n\r\n"].concat())
            .await
            .0;
        assert!(
            matches!(refused, Err(ProxyError::Refused(403))),
            "{refused:?}"
        );
    }

    #[tokio::test]
    async fn other_answers_are_named() {
        let refused = ask(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            .await
            .0;
        let message = refused.unwrap_err().to_string();
        assert!(message.contains("407: it demands a login"), "{message}");
        for strange in [
            &b"SSH-2.0-x\r\n\r\n"[..],
            b"HTTP/1.1 2\r\n\r\n",
            &[b'x'; LONGEST_HEAD],
            &b"HTTP/1.1 102 Processing\r\n\r\n".repeat(400),
        ] {
            let outcome = ask(strange).await.0;
            assert!(matches!(outcome, Err(ProxyError::NoAnswer)), "{outcome:?}");
        }
    }
}
