//! The addresses of Kite, and the spelling of a WebSocket address. Owns the request target, which
//! carries the credentials: its result must never be logged.

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

#[cfg(test)]
mod tests {
    use super::*;

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
