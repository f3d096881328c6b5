//! The addresses of Kite, and the spelling of a WebSocket address. Owns the request target, which
//! carries the credentials: its result must never be logged.

use std::net::IpAddr;

/// Kite's ticker.
pub const TICKER: &str = "wss://ws.kite.trade";

/// Kite's REST API.
pub const API: &str = "https://api.kite.trade";

/// The header that names the API's version.
pub const VERSION_HEADER: (&str, &str) = ("X-Kite-Version", "3");

/// An endpoint that is not a bare WebSocket origin.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "websocket endpoint {0:?} must be ws://HOST[:PORT] or wss://HOST[:PORT], without user, path or query"
)]
pub struct InvalidEndpoint(pub String);

/// The address to dial at `origin` with credentials in its query.
///
/// The slash before `?` is not optional: without it the request target begins with `?`, which
/// Kite's load balancer answers with 400.
///
/// # Errors
/// When `origin` is not a bare `ws://` or `wss://` origin.
pub fn ticker_url(
    origin: &str,
    api_key: &str,
    access_token: &str,
) -> Result<String, InvalidEndpoint> {
    let origin = check_origin(origin)?;
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("api_key", api_key)
        .append_pair("access_token", access_token)
        .finish();
    Ok(format!("{origin}/?{query}"))
}

/// Checks that `origin` is a bare WebSocket origin and returns it without a trailing slash.
///
/// # Errors
/// As [`ticker_url`].
pub fn check_origin(origin: &str) -> Result<&str, InvalidEndpoint> {
    let invalid = || InvalidEndpoint(origin.to_owned());
    let bare = origin.strip_suffix('/').unwrap_or(origin);
    let authority = bare
        .strip_prefix("wss://")
        .or_else(|| bare.strip_prefix("ws://"))
        .ok_or_else(invalid)?;
    let is_bare = !authority.is_empty()
        && !authority.contains(['/', '?', '#', '@'])
        && !authority.contains(char::is_whitespace);
    if is_bare { Ok(bare) } else { Err(invalid()) }
}

/// Whether an origin is on this machine.
#[must_use]
pub fn is_loopback(origin: &str) -> bool {
    let authority = origin.split_once("://").map_or("", |(_, rest)| rest);
    let (host, _) = match authority.rsplit_once(':') {
        // The colons of an IPv6 address stand in brackets.
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority, ""),
    };
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known_by_its_addresses() {
        for here in [
            "ws://127.0.0.1:7070",
            "wss://localhost",
            "ws://[::1]:1",
            "ws://[::1]",
        ] {
            assert!(is_loopback(here), "{here}");
        }
        for elsewhere in [
            "wss://ws.kite.trade",
            "ws://127.0.0.1.example",
            "ws://10.0.0.1:1",
            "127.0.0.1",
            "",
        ] {
            assert!(!is_loopback(elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn the_target_begins_with_a_slash() {
        for origin in ["wss://ws.kite.trade", "wss://ws.kite.trade/"] {
            assert_eq!(
                ticker_url(origin, "key", "to+ken/=").unwrap(),
                "wss://ws.kite.trade/?api_key=key&access_token=to%2Bken%2F%3D"
            );
        }
    }

    #[test]
    fn anything_but_an_origin_is_refused() {
        for origin in [
            "",
            "ws://",
            "http://host",
            "ws://user@host",
            "ws://host/path",
            "ws://host?x=1",
            "ws://ho st",
        ] {
            assert!(ticker_url(origin, "k", "t").is_err(), "{origin}");
        }
    }
}
