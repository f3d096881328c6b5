//! An HTTP proxy on the way out: what names it, and which hosts need none. [`tunnel`] asks it for the way.
//!
//! Owns what settings may say. Knows no login: settings with one are refused.

mod tunnel;

use std::fmt;
use std::net::IpAddr;

pub use tunnel::ProxyError;

use crate::address::Address;

/// The port of a proxy whose URL names none.
const DEFAULT_PORT: u16 = 80;

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
