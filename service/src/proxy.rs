//! An HTTP proxy on the way out: a tunnel by CONNECT, and who needs none.
//!
//! Owns the request and what its answer means. Must not open the connection to the proxy, and knows
//! no login: a proxy that asks for one is refused by it.

use std::fmt;
use std::io;
use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::address::Address;

/// The port of a proxy whose URL names none.
const DEFAULT_PORT: u16 = 80;

/// The longest answer to CONNECT that is read.
const LONGEST_HEAD: usize = 8 * 1024;

/// A proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    address: Address,
}

/// Not the URL of a proxy that can be used. It is not repeated, because it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProxy {
    /// Another scheme, or something else than a host and a port behind it.
    #[error("the proxy must be http://HOST[:PORT], without path or query")]
    Address,
    /// Whoever may read the assignment would read the password.
    #[error("the proxy must be http://HOST[:PORT], without user and password")]
    UserInfo,
}

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
    /// Reads `http://host[:port]`, or the same without a scheme as environment variables may have
    /// it.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(url: &str) -> Result<Self, InvalidProxy> {
        let rest = match url.split_once("://") {
            Some(("http", rest)) => rest,
            Some(_) => return Err(InvalidProxy::Address),
            None => url,
        };
        if rest.contains('@') {
            return Err(InvalidProxy::UserInfo);
        }
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let strange = |c: char| "/?#".contains(c) || c.is_whitespace();
        let address = Address::parse(authority, DEFAULT_PORT, false);
        let address = address.filter(|address| address.port > 0 && !address.host.contains(strange));
        Ok(Self {
            address: address.ok_or(InvalidProxy::Address)?,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

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
        let mut head = Vec::new();
        // Byte by byte: what follows the head belongs to the tunnel.
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() >= LONGEST_HEAD {
                return Err(ProxyError::NoAnswer);
            }
            let byte = stream.read_u8().await;
            head.push(byte.map_err(|_closed| ProxyError::NoAnswer)?);
        }
        match status(&head) {
            Some(200..=299) => Ok(()),
            Some(other) => Err(ProxyError::Refused(other)),
            None => Err(ProxyError::NoAnswer),
        }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", authority(&self.address))
    }
}

fn authority(address: &Address) -> String {
    let (host, port) = (&address.host, address.port);
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
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

/// Hosts that are reached without a proxy, as in the environment variable `NO_PROXY`: names, which
/// stand for their subdomains too, addresses, networks such as `10.0.0.0/8`, or `*`, each with an
/// optional port, separated by commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoProxy(Vec<Exception>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Exception {
    host: Hosts,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    All,
    Name(String),
    Network(IpAddr, u8),
}

impl NoProxy {
    /// Reads the variable's value. An entry that says nothing matches nothing.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let entries = text.split(',').map(str::trim);
        Self(entries.filter_map(exception).collect())
    }

    /// Whether `host` is reached without a proxy.
    #[must_use]
    pub fn covers(&self, host: &str, port: u16) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let ip: Option<IpAddr> = host.parse().ok();
        self.0.iter().any(|it| {
            let fits = match &it.host {
                Hosts::All => true,
                Hosts::Name(name) => host.strip_suffix(name.as_str()).is_some_and(|before| {
                    ip.is_none() && (before.is_empty() || before.ends_with('.'))
                }),
                Hosts::Network(network, bits) => ip.is_some_and(|ip| within(ip, *network, *bits)),
            };
            fits && it.port.is_none_or(|only| only == port)
        })
    }
}

fn exception(entry: &str) -> Option<Exception> {
    if entry == "*" {
        return Some(Exception {
            host: Hosts::All,
            port: None,
        });
    }
    let network = |text: &str| {
        let (ip, bits) = match text.split_once('/') {
            Some((ip, bits)) => (ip, Some(bits.parse().ok()?)),
            None => (text, None),
        };
        let ip: IpAddr = ip.trim_matches(['[', ']']).parse().ok()?;
        let all = if ip.is_ipv4() { 32 } else { 128 };
        let bits: u8 = bits.unwrap_or(all);
        (bits <= all).then_some(Hosts::Network(ip, bits))
    };
    if let Some(host) = network(entry) {
        return Some(Exception { host, port: None });
    }
    let address = Address::parse(entry, 0, false)?;
    let name = address.host.trim_start_matches("*.");
    let name = name.trim_start_matches('.').trim_end_matches('.');
    let host = network(name).or_else(|| {
        let usable = !name.is_empty() && !name.contains('/');
        usable.then(|| Hosts::Name(name.to_ascii_lowercase()))
    })?;
    Some(Exception {
        host,
        port: (address.port > 0).then_some(address.port),
    })
}

fn within(ip: IpAddr, network: IpAddr, bits: u8) -> bool {
    let bits = u32::from(bits);
    match (ip.to_canonical(), network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            u32::from(ip) & mask == u32::from(network) & mask
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            u128::from(ip) & mask == u128::from(network) & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_a_host_and_a_port() {
        let read = |url: &str| Proxy::parse(url).map(|proxy| proxy.to_string());
        for (url, shown) in [
            ("http://proxy:3128", "http://proxy:3128"),
            ("http://proxy/", "http://proxy:80"),
            ("proxy.example.com:8080", "http://proxy.example.com:8080"),
            ("http://[fd00::1]:3128", "http://[fd00::1]:3128"),
        ] {
            assert_eq!(read(url), Ok(shown.to_owned()), "{url}");
        }
        for url in [
            "https://proxy:3128",
            "socks5://proxy:1080",
            "http://",
            "",
            "http://proxy:0",
            "http://proxy:x",
            "http://proxy/path",
            "http://pro xy",
        ] {
            assert_eq!(read(url), Err(InvalidProxy::Address), "{url}");
        }
        let refused = read("http://me:hunter2@proxy:3128").unwrap_err();
        assert_eq!(refused, InvalidProxy::UserInfo);
        assert!(!refused.to_string().contains("hunter2"));
    }

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
        ] {
            let outcome = ask(strange).await.0;
            assert!(matches!(outcome, Err(ProxyError::NoAnswer)), "{outcome:?}");
        }
    }

    #[test]
    fn exceptions_are_those_of_the_variable() {
        let none = NoProxy::parse(
            " .svc, kite.trade ,10.0.0.0/8,fd00::/8,[::1],sim:7070,,192.168.1.7,a/b",
        );
        for (host, port) in [
            ("redis.ticker.svc", 443),
            ("WS.kite.trade", 443),
            ("kite.trade.", 443),
            ("10.96.0.1", 443),
            ("fd00::7", 443),
            ("::1", 1),
            ("sim", 7070),
            ("192.168.1.7", 80),
        ] {
            assert!(none.covers(host, port), "{host}:{port}");
        }
        for (host, port) in [
            ("notkite.trade", 443),
            ("11.0.0.1", 443),
            ("sim", 443),
            ("::2", 1),
            ("192.168.1.8", 80),
            ("b", 80),
        ] {
            assert!(!none.covers(host, port), "{host}:{port}");
        }
        assert!(NoProxy::parse("*").covers("anything", 1));
        assert!(!NoProxy::parse("").covers("anything", 1));
        assert!(NoProxy::parse("0.0.0.0/0").covers("8.8.8.8", 1));
    }
}
