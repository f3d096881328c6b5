//! The HTTP client of all requests to Kite's REST API.
//!
//! Owns what they have in common; how long an answer may take is each request's own.

use std::time::Duration;

use reqwest::{Client, redirect};

/// Time limit to reach the server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Makes it: no redirects, a bounded time to connect, gzip.
///
/// # Errors
/// When the TLS configuration cannot be used.
pub(crate) fn client(tls: &rustls::ClientConfig) -> reqwest::Result<Client> {
    Client::builder()
        .tls_backend_preconfigured(tls.clone())
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("kite-ticker/", env!("CARGO_PKG_VERSION")))
        .build()
}
