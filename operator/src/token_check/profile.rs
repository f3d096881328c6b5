//! Asks Kite once whose an access token is.
//!
//! Owns the request and its limits. Must not decide when to ask or what the answer means for an account. Errors hold no
//! address, header or body.

use std::time::Duration;

use kite::rest::{Answer, PROFILE_PATH, Profile, TOKEN_EXCEPTION, authorization};
use reqwest::header::AUTHORIZATION;
use reqwest::{Client, Response, StatusCode};
use service::text::printable;
use zeroize::Zeroizing;

use super::CredentialValues;
use crate::plan::TokenAnswer;

/// Time limit for the whole answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The largest answer that is read. Kite's has less than 1 KB.
const LARGEST: usize = 64 * 1024;

/// The longest name of a user that is shown.
const LONGEST_USER: usize = 20;

/// Why it is not known whether a token is good.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProfileError {
    /// No answer, or an incomplete one.
    #[error("no answer, check spec.endpoint.api and the network to it")]
    Transport(#[source] reqwest::Error),
    /// Neither 200 nor a refusal of the token.
    #[error("answered with {0}")]
    Status(StatusCode),
    /// Too many requests with this API key.
    #[error("answered with 429: other programs with this API key send too many requests")]
    RateLimited,
    /// Something else than Kite documents, such as the web page of a proxy.
    #[error("answered with {0} and something that is not Kite's JSON: is a proxy in between?")]
    Body(StatusCode),
}

/// Asks the API at `origin`, such as `https://api.kite.trade`.
///
/// # Errors
/// When there is no answer, or one that says nothing about the token.
pub(super) async fn ask(
    client: &Client,
    origin: &str,
    credentials: &CredentialValues,
) -> Result<TokenAnswer, ProfileError> {
    let (name, value) = kite::endpoint::VERSION_HEADER;
    let transport = |error: reqwest::Error| ProfileError::Transport(error.without_url());
    let authorization = authorization(&credentials.api_key, &credentials.access_token);
    let request = client
        .get(format!("{origin}{PROFILE_PATH}"))
        .header(name, value)
        .header(AUTHORIZATION, authorization)
        .timeout(TIMEOUT);
    let response = request.send().await.map_err(transport)?;
    let status = response.status();
    if status == StatusCode::TOO_MANY_REQUESTS {
        return Err(ProfileError::RateLimited);
    }
    if status != StatusCode::OK && status != StatusCode::FORBIDDEN {
        return Err(ProfileError::Status(status));
    }
    let body = read(response).await?;
    let answer = serde_json::from_slice(&body).map_err(|_| ProfileError::Body(status))?;
    match answer {
        Answer::Success { data } if status == StatusCode::OK => {
            let Profile { user_id, .. } = data;
            let user_id = printable(&user_id, LONGEST_USER);
            Ok(TokenAnswer::Accepted { user_id })
        }
        // Whatever else is forbidden, such as an address, says nothing about the token.
        Answer::Error { error_type, .. } if error_type == TOKEN_EXCEPTION => {
            Ok(TokenAnswer::Refused)
        }
        Answer::Success { .. } | Answer::Error { .. } => Err(ProfileError::Status(status)),
    }
}

/// Whose a token is that was given out just now; `None` if it is refused.
///
/// # Errors
/// As [`ask`].
pub(crate) async fn whose(
    client: &Client,
    origin: &str,
    api_key: &str,
    access_token: &str,
) -> Result<Option<String>, ProfileError> {
    let credentials = CredentialValues {
        version: String::new(),
        api_key: Zeroizing::new(api_key.to_owned()),
        access_token: Zeroizing::new(access_token.to_owned()),
    };
    match ask(client, origin, &credentials).await? {
        TokenAnswer::Accepted { user_id } => Ok(Some(user_id)),
        TokenAnswer::Refused => Ok(None),
    }
}

async fn read(mut response: Response) -> Result<Vec<u8>, ProfileError> {
    let (status, mut body) = (response.status(), Vec::new());
    let transport = |error: reqwest::Error| ProfileError::Transport(error.without_url());
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        if body.len() + chunk.len() > LARGEST {
            return Err(ProfileError::Body(status));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::HeaderMap;
    use axum::routing::get;

    use super::*;
    use crate::token_check::TokenValues;

    fn credentials() -> CredentialValues {
        let secret = TokenValues {
            api_key: Some(b"fake-key"),
            access_token: Some(b"fake-token"),
            ..TokenValues::default()
        };
        CredentialValues::new(String::new(), &secret, None).unwrap()
    }

    /// What is learnt of a token to whose check this is the answer.
    async fn asked(status: u16, body: &'static str) -> Result<TokenAnswer, ProfileError> {
        service::tls::install();
        let status = StatusCode::from_u16(status).unwrap();
        let handler = move |headers: HeaderMap| {
            let sent = headers.get("authorization").cloned();
            let version = headers.get("x-kite-version").cloned();
            async move {
                assert_eq!(sent.unwrap(), "token fake-key:fake-token");
                assert_eq!(version.unwrap(), "3");
                (status, body)
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/user/profile", get(handler));
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        let client = crate::kite_client::client(&service::tls::client_config().unwrap()).unwrap();
        let answer = ask(&client, &origin, &credentials()).await;
        server.abort();
        answer
    }

    #[tokio::test]
    async fn only_a_token_exception_is_a_refusal() {
        let accepted =
            r#"{"status":"success","data":{"user_id":"AB1234","exchanges":["NSE"],"email":"x"}}"#;
        let answer = asked(200, accepted).await.unwrap();
        let user_id = "AB1234".to_owned();
        assert_eq!(answer, TokenAnswer::Accepted { user_id });
        let refused = r#"{"status":"error","message":"Incorrect `api_key` or `access_token`.","data":null,"error_type":"TokenException"}"#;
        assert_eq!(asked(403, refused).await.unwrap(), TokenAnswer::Refused);
        let other = r#"{"status":"error","message":"no","error_type":"PermissionException"}"#;
        assert!(matches!(
            asked(403, other).await,
            Err(ProfileError::Status(_))
        ));
        for (status, body) in [
            (403, "<html>blocked</html>"),
            (200, "<html>log in</html>"),
            (200, ""),
        ] {
            assert!(
                matches!(asked(status, body).await, Err(ProfileError::Body(_))),
                "{body}"
            );
        }
        assert!(matches!(
            asked(429, "").await,
            Err(ProfileError::RateLimited)
        ));
        assert!(matches!(
            asked(502, refused).await,
            Err(ProfileError::Status(_))
        ));
    }

    #[tokio::test]
    async fn an_error_shows_neither_token_nor_address() {
        let error = asked(500, "fake-token").await.unwrap_err();
        assert!(!service::exit::chain(&error).to_string().contains("fake"));
        let client = crate::kite_client::client(&service::tls::client_config().unwrap()).unwrap();
        let nobody = "http://127.0.0.1:1";
        let error = ask(&client, nobody, &credentials()).await.unwrap_err();
        let text = service::exit::chain(&error).to_string();
        assert!(
            !text.contains("fake") && text.contains("spec.endpoint.api"),
            "{text}"
        );
    }
}
