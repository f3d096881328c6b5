//! The exchange of a request token for a session at Kite.
//!
//! Owns the request: it is sent once, for a request token is good once. Errors hold no token, address, header or body.

use std::time::Duration;

use kite::rest::{Answer, SESSION_PATH, UserSession, checksum};
use reqwest::{Client, StatusCode};
use service::text::printable;

/// Time limit for the whole answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The largest answer that is read. Kite's has about 1 KB.
const LARGEST: usize = 64 * 1024;

/// The most of Kite's own words that is shown.
const LONGEST_MESSAGE: usize = 120;

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    /// No answer, or an incomplete one: whether there is a session is not known.
    #[error("Kite did not answer")]
    Transport(#[source] reqwest::Error),
    /// Kite says no.
    #[error("Kite refused the login: {0}")]
    Refused(String),
    /// Too many requests with this API key.
    #[error("Kite answered with 429: other programs with this API key send too many requests")]
    RateLimited,
    /// Something else than Kite documents, such as the web page of a proxy.
    #[error("Kite answered with {0} and something that is not its JSON: is a proxy in between?")]
    Body(StatusCode),
}

/// What is exchanged.
pub(crate) struct Exchange<'a> {
    /// REST origin.
    pub(crate) api: &'a str,
    pub(crate) api_key: &'a str,
    pub(crate) api_secret: &'a str,
    pub(crate) request_token: &'a str,
}

/// Asks for a session, once.
///
/// # Errors
/// When there is none, or that is not known.
pub(crate) async fn exchange(
    client: &Client,
    of: &Exchange<'_>,
) -> Result<UserSession, ExchangeError> {
    let (name, value) = kite::endpoint::VERSION_HEADER;
    let transport = |error: reqwest::Error| ExchangeError::Transport(error.without_url());
    let checksum = checksum(of.api_key, of.request_token, of.api_secret);
    let form = [
        ("api_key", of.api_key),
        ("request_token", of.request_token),
        ("checksum", &checksum),
    ];
    let request = client
        .post(format!("{}{SESSION_PATH}", of.api))
        .header(name, value)
        .form(&form)
        .timeout(TIMEOUT);
    let mut response = request.send().await.map_err(transport)?;
    let status = response.status();
    if status == StatusCode::TOO_MANY_REQUESTS {
        return Err(ExchangeError::RateLimited);
    }
    let mut body = zeroize::Zeroizing::new(Vec::new());
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        if body.len() + chunk.len() > LARGEST {
            return Err(ExchangeError::Body(status));
        }
        body.extend_from_slice(&chunk);
    }
    match serde_json::from_slice::<Answer<UserSession>>(&body) {
        Ok(Answer::Success { data }) if status == StatusCode::OK => Ok(data),
        Ok(Answer::Error { message, .. }) => {
            let secrets = [of.request_token, of.api_key, of.api_secret];
            let tells = secrets.iter().any(|secret| message.contains(secret));
            let message = if tells {
                "with a message that holds a secret"
            } else {
                &message
            };
            Err(ExchangeError::Refused(printable(message, LONGEST_MESSAGE)))
        }
        Ok(Answer::Success { .. }) | Err(_) => Err(ExchangeError::Body(status)),
    }
}
