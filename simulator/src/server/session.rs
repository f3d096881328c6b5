//! Sessions: the exchange of a request token, the end of a session, and whose a token is.

use std::sync::Arc;

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use kite::rest::{GENERAL_EXCEPTION, INPUT_EXCEPTION, TOKEN_EXCEPTION};
use rand::Rng;
use rand::distr::Alphanumeric;
use serde::Deserialize;
use serde_json::{Value, json};

use super::App;
use super::query::parameter;
use super::rest::{error, fail, success};
use crate::exchange::credentials::{ExchangeError, SessionRequest};

/// Length of Kite's access and request tokens.
const TOKEN_LEN: usize = 32;

pub(super) async fn profile(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let authorization = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let credentials = authorization
        .and_then(|value| value.strip_prefix("token "))
        .and_then(|pair| pair.split_once(':'))
        .filter(|(api_key, access_token)| !api_key.is_empty() && !access_token.is_empty());
    let api_key = credentials.map_or("", |(api_key, _)| api_key);
    let fault = app.exchange().faults_mut().profile(api_key);
    if let Some(fault) = fault {
        return fail(&app, fault).await;
    }
    let admitted = credentials.and_then(|(api_key, access_token)| {
        let mut exchange = app.exchange();
        let tokens = exchange.credentials();
        let is_valid = tokens.admit(api_key, access_token);
        is_valid.then(|| tokens.user_of(access_token).to_owned())
    });
    match admitted {
        Some(user_id) => success(user(&app, &user_id)),
        None => error(
            StatusCode::FORBIDDEN,
            TOKEN_EXCEPTION,
            "Incorrect `api_key` or `access_token`.",
        ),
    }
}

/// The form of a session exchange.
#[derive(Deserialize)]
pub(super) struct SessionForm {
    api_key: String,
    request_token: String,
    checksum: String,
}

pub(super) async fn open_session(
    State(app): State<Arc<App>>,
    form: Result<Form<SessionForm>, FormRejection>,
) -> Response {
    let Ok(Form(form)) = form else {
        return error(
            StatusCode::BAD_REQUEST,
            INPUT_EXCEPTION,
            "Missing or empty field `api_key`, `request_token` or `checksum`",
        );
    };
    let fault = app.exchange().faults_mut().session(&form.api_key);
    if let Some(fault) = fault {
        return fail(&app, fault).await;
    }
    let request = SessionRequest {
        api_key: &form.api_key,
        request_token: &form.request_token,
        checksum: &form.checksum,
    };
    let (access_token, now) = (fresh_token(), app.now());
    let opened = app
        .exchange()
        .credentials()
        .open_session(request, &access_token, now.elapsed);
    let user_id = match opened {
        Ok(user_id) => user_id,
        Err(refused) => {
            let (status, error_type) = match refused {
                ExchangeError::Checksum | ExchangeError::RequestToken => {
                    (StatusCode::FORBIDDEN, TOKEN_EXCEPTION)
                }
                ExchangeError::Revoked(_) => (StatusCode::INTERNAL_SERVER_ERROR, GENERAL_EXCEPTION),
            };
            return error(status, error_type, &refused.to_string());
        }
    };
    let mut session = user(&app, &user_id);
    for (member, value) in [
        ("api_key", form.api_key),
        ("access_token", access_token),
        ("public_token", fresh_token()),
        ("enctoken", fresh_token()),
        ("refresh_token", String::new()),
        ("login_time", indian_time(now.unix)),
    ] {
        session[member] = Value::String(value);
    }
    success(session)
}

pub(super) async fn end_session(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(access_token) = query.and_then(|query| parameter(&query, "access_token")) else {
        return error(
            StatusCode::BAD_REQUEST,
            INPUT_EXCEPTION,
            "Missing or empty field `access_token`",
        );
    };
    let revoked = app.exchange().credentials().revoke(access_token);
    match revoked {
        Ok(()) => success(Value::Bool(true)),
        Err(full) => error(
            StatusCode::INTERNAL_SERVER_ERROR,
            GENERAL_EXCEPTION,
            &full.to_string(),
        ),
    }
}

fn user(app: &App, user_id: &str) -> Value {
    let universe = app.exchange().universe();
    json!({
        "user_id": user_id,
        "user_type": "individual",
        "email": "simulator@example.com",
        "user_name": "Simulated Trader",
        "user_shortname": "Simulated",
        "broker": "ZERODHA",
        "exchanges": universe.exchanges(),
        "products": ["CNC", "NRML", "MIS"],
        "order_types": ["MARKET", "LIMIT", "SL", "SL-M"],
        "avatar_url": null,
        "meta": {"demat_consent": "physical"},
    })
}

pub(super) fn fresh_token() -> String {
    rand::rng()
        .sample_iter(Alphanumeric)
        .take(TOKEN_LEN)
        .map(char::from)
        .collect()
}

/// A login time as Kite writes it: Indian time without a zone.
fn indian_time(unix: i64) -> String {
    jiff::Timestamp::from_second(unix)
        .map(|time| {
            kite::ist::civil(time)
                .strftime("%Y-%m-%d %H:%M:%S")
                .to_string()
        })
        .unwrap_or_default()
}
