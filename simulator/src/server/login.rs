//! Kite's login page: a form that lets everybody pass, and sends the browser back to the application with a request token.
//!
//! Owns the page and the redirect. It must not keep or print what is typed into the page, except who the user is.

use std::sync::Arc;

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use kite::rest::INPUT_EXCEPTION;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::{Deserialize, Deserializer};

use super::App;
use super::query::parameter;
use super::rest::error;
use super::session::fresh_token;
use crate::exchange::credentials::DEFAULT_USER;

/// The version of the API whose login this is.
const VERSION: &str = "3";
/// Longest API key; Kite's have 16 characters.
const MAX_API_KEY: usize = 64;
/// Longest user id; Kite's have 6 characters.
const MAX_USER_ID: usize = 20;

/// What cannot stand in a query. All else of the application's parameters is sent back as it came.
const QUERY: AsciiSet = CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');

/// What the application sends its user with.
#[derive(Debug, PartialEq, Eq)]
struct LoginRequest {
    api_key: String,
    /// A query string that goes back to the application.
    redirect_params: String,
}

impl LoginRequest {
    fn new(
        version: Option<&str>,
        api_key: Option<String>,
        redirect_params: Option<String>,
    ) -> Result<Self, &'static str> {
        if version != Some(VERSION) {
            return Err("Invalid or missing `v`: it must be 3.");
        }
        let api_key = api_key.filter(|key| (1..=MAX_API_KEY).contains(&key.len()));
        Ok(Self {
            api_key: api_key.ok_or("Invalid or missing `api_key`.")?,
            redirect_params: redirect_params.unwrap_or_default(),
        })
    }
}

/// What the page posts.
#[derive(Deserialize)]
pub(super) struct LoginForm {
    v: Option<String>,
    api_key: Option<String>,
    redirect_params: Option<String>,
    #[serde(default)]
    user_id: String,
    /// Whether one was typed.
    #[serde(default, deserialize_with = "is_filled")]
    password: bool,
    /// Whether one was typed.
    #[serde(default, deserialize_with = "is_filled")]
    totp: bool,
    #[serde(default)]
    decision: Decision,
}

/// The button that was pressed.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Decision {
    #[default]
    Login,
    Cancel,
}

pub(super) async fn page(RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let [version, api_key, redirect_params] =
        ["v", "api_key", "redirect_params"].map(|name| parameter(&query, name));
    match LoginRequest::new(version.as_deref(), api_key, redirect_params) {
        Ok(request) => form(&request, None),
        Err(message) => bad_request(message),
    }
}

pub(super) async fn log_in(
    State(app): State<Arc<App>>,
    form_data: Result<Form<LoginForm>, FormRejection>,
) -> Response {
    let Ok(Form(sent)) = form_data else {
        return bad_request("The login form is incomplete.");
    };
    let request = match LoginRequest::new(sent.v.as_deref(), sent.api_key, sent.redirect_params) {
        Ok(request) => request,
        Err(message) => return bad_request(message),
    };
    if sent.decision == Decision::Cancel {
        tracing::info!("login cancelled");
        return send_back(&app, None, &request);
    }
    let user_id = sent.user_id.trim();
    if !is_user_id(user_id) {
        return form(&request, Some("A user ID has up to 20 letters and digits."));
    }
    if !sent.password || !sent.totp {
        return form(&request, Some("Password and TOTP are needed: any will do."));
    }
    let (request_token, now) = (fresh_token(), app.now());
    app.exchange().credentials().log_in(
        request_token.clone(),
        &request.api_key,
        user_id,
        now.elapsed,
    );
    tracing::info!("logged in");
    send_back(&app, Some(&request_token), &request)
}

/// Sends the browser back to the application. Without a request token the login was cancelled.
fn send_back(app: &App, request_token: Option<&str>, request: &LoginRequest) -> Response {
    let location = callback(&app.redirect_url, request_token, &request.redirect_params);
    let headers = [
        (header::LOCATION, location.as_str()),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (StatusCode::FOUND, headers).into_response()
}

fn callback(url: &Uri, request_token: Option<&str>, redirect_params: &str) -> String {
    let separator = if url.query().is_some() { '&' } else { '?' };
    let outcome = match request_token {
        Some(token) => format!("request_token={token}&action=login&type=login&status=success"),
        None => "action=login&type=login&status=error".to_owned(),
    };
    let mut callback = format!("{url}{separator}{outcome}");
    if !redirect_params.is_empty() {
        callback.push('&');
        callback.extend(utf8_percent_encode(redirect_params, &QUERY));
    }
    callback
}

fn is_user_id(text: &str) -> bool {
    (1..=MAX_USER_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The page, with what was wrong with the last attempt.
fn form(request: &LoginRequest, problem: Option<&str>) -> Response {
    let status = match problem {
        None => StatusCode::OK,
        Some(_) => StatusCode::BAD_REQUEST,
    };
    let headers = [(header::CACHE_CONTROL, "no-store")];
    (status, headers, Html(document(request, problem))).into_response()
}

fn document(request: &LoginRequest, problem: Option<&str>) -> String {
    let problem = problem.map_or_else(String::new, |text| {
        format!("<p role=\"alert\">{text}</p>\n")
    });
    let (api_key, redirect_params) = (escape(&request.api_key), escape(&request.redirect_params));
    format!(
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Login to the simulated Kite</title>
</head>
<body>
<main>
<h1>Login to the simulated Kite</h1>
<p>Any password and any TOTP will do. Do not type real ones.</p>
{problem}<form method="post" action="/connect/login">
<input type="hidden" name="v" value="{VERSION}">
<input type="hidden" name="api_key" value="{api_key}">
<input type="hidden" name="redirect_params" value="{redirect_params}">
<p><label>User ID <input name="user_id" value="{DEFAULT_USER}" maxlength="{MAX_USER_ID}" required></label></p>
<p><label>Password <input type="password" name="password" autocomplete="off" required></label></p>
<p><label>TOTP <input name="totp" inputmode="numeric" autocomplete="off" required></label></p>
<p><button name="decision" value="login">Login</button>
<button name="decision" value="cancel" formnovalidate>Cancel</button></p>
</form>
</main>
</body>
</html>
"#
    )
}

/// Text as the value of an attribute.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn bad_request(message: &str) -> Response {
    error(StatusCode::BAD_REQUEST, INPUT_EXCEPTION, message)
}

/// Whether a field has text, which is forgotten at once.
fn is_filled<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    String::deserialize(deserializer).map(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(version: &str, api_key: &str) -> Result<LoginRequest, &'static str> {
        LoginRequest::new(Some(version), Some(api_key.to_owned()), None)
    }

    #[test]
    fn a_request_names_the_version_and_the_application() {
        assert!(request("3", "key").is_ok());
        for (version, api_key, named) in [
            ("2", "key", "`v`"),
            ("3", "", "`api_key`"),
            ("3", &"k".repeat(MAX_API_KEY + 1), "`api_key`"),
        ] {
            assert!(request(version, api_key).unwrap_err().contains(named));
        }
        assert!(LoginRequest::new(None, Some("key".to_owned()), None).is_err());
    }

    #[test]
    fn the_user_comes_back_with_a_token_and_the_applications_parameters() {
        let url: Uri = "https://example.com/login/callback".parse().unwrap();
        assert_eq!(
            callback(&url, Some("token"), ""),
            "https://example.com/login/callback?request_token=token&action=login&type=login&status=success"
        );
        assert_eq!(
            callback(&url, None, "state=a.b-_&more=%26+1"),
            "https://example.com/login/callback?action=login&type=login&status=error&state=a.b-_&more=%26+1"
        );
        let url: Uri = "http://localhost:1/?app=1".parse().unwrap();
        assert_eq!(
            callback(&url, None, "to=\r\nSet-Cookie: ü#<"),
            "http://localhost:1/?app=1&action=login&type=login&status=error\
             &to=%0D%0ASet-Cookie:%20%C3%BC%23%3C"
        );
    }

    #[test]
    fn user_ids_are_letters_and_digits() {
        assert!(is_user_id("AB1234") && is_user_id(DEFAULT_USER));
        assert!(!is_user_id("") && !is_user_id("A B") && !is_user_id(&"A".repeat(21)));
    }

    #[test]
    fn the_page_carries_the_parameters_as_text() {
        let request = LoginRequest {
            api_key: "\"><script>".to_owned(),
            redirect_params: "state=1&more=2".to_owned(),
        };
        let page = document(&request, Some("wrong"));
        assert!(page.contains(r#"name="api_key" value="&quot;&gt;&lt;script&gt;""#));
        assert!(page.contains(r#"name="redirect_params" value="state=1&amp;more=2""#));
        assert!(page.contains("<p role=\"alert\">wrong</p>") && !page.contains("<script>"));
    }
}
