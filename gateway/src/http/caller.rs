//! Who asks over HTTP.
//!
//! Owns the check of the header, and the answers to those who may not ask. A token in the address is not
//! taken: addresses are logged by others.

use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::auth::AuthError;
use crate::client::Gateway;
use crate::client::admission::bearer;
use crate::rights::Rights;

/// What the caller may do.
///
/// # Errors
/// The answer, if it may not ask.
pub(super) async fn caller(
    gateway: &Gateway,
    headers: &HeaderMap,
) -> Result<Rights, Box<Response>> {
    let refused = |error: &AuthError| Box::new(refusal(error));
    let token = bearer(headers).ok_or_else(|| refused(&AuthError::Missing))?;
    let checked = gateway.authenticator.check(&token).await;
    checked.map_err(|error| refused(&error))
}

/// What a caller is answered that is not let in.
pub(crate) fn refusal(error: &AuthError) -> Response {
    let status = if error.is_temporary() {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::UNAUTHORIZED
    };
    let mut answer = told(status, &error.to_string());
    if status == StatusCode::UNAUTHORIZED {
        let scheme = header::HeaderValue::from_static("Bearer");
        answer
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, scheme);
    }
    answer
}

/// An answer that says what is wrong.
pub(super) fn told(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({"error": message}))).into_response()
}
