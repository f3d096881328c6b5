//! The REST routes of Kite that this project uses, with Kite's envelopes.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::{Json, extract::rejection::FormRejection};
use kite::rest::{Answer, GENERAL_EXCEPTION, INPUT_EXCEPTION, TOKEN_EXCEPTION};
use rand::Rng;
use rand::distr::Alphanumeric;
use serde::Deserialize;
use serde_json::{Value, json};

use super::App;
use super::query::parameter;
use crate::exchange::faults::InstrumentsFault;

/// The one client of the broker.
const USER_ID: &str = "SIM001";

/// Length of Kite's access tokens.
const TOKEN_LEN: usize = 32;

pub(super) async fn instruments(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    dump(&app, None, &headers)
}

pub(super) async fn instruments_of(
    State(app): State<Arc<App>>,
    Path(exchange): Path<String>,
    headers: HeaderMap,
) -> Response {
    dump(&app, Some(&exchange), &headers)
}

fn dump(app: &App, exchange: Option<&str>, headers: &HeaderMap) -> Response {
    let fault = app.exchange().faults().instruments();
    if fault == Some(InstrumentsFault::Html502) {
        let page = "<html><head><title>502 Bad Gateway</title></head>\
                    <body><center><h1>502 Bad Gateway</h1></center></body></html>";
        return (StatusCode::BAD_GATEWAY, Html(page)).into_response();
    }
    app.dump().answer(exchange, headers).unwrap_or_else(|| {
        error(
            StatusCode::BAD_REQUEST,
            INPUT_EXCEPTION,
            "Invalid exchange.",
        )
    })
}

pub(super) async fn profile(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let authorization = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let access_token = authorization
        .and_then(|value| value.strip_prefix("token "))
        .and_then(|pair| pair.split_once(':'))
        .filter(|(api_key, access_token)| !api_key.is_empty() && !access_token.is_empty())
        .map(|(_, access_token)| access_token);
    let is_valid = access_token.is_some_and(|token| app.exchange().credentials().admit(token));
    if !is_valid {
        return error(
            StatusCode::FORBIDDEN,
            TOKEN_EXCEPTION,
            "Incorrect `api_key` or `access_token`.",
        );
    }
    success(user(&app))
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
    let exchanged =
        app.exchange()
            .credentials()
            .exchange(&form.api_key, &form.request_token, &form.checksum);
    if let Err(refused) = exchanged {
        return error(StatusCode::FORBIDDEN, TOKEN_EXCEPTION, &refused.to_string());
    }
    let access_token = fresh_token();
    app.exchange().credentials().issue(&access_token);
    let mut session = user(&app);
    for (member, value) in [
        ("api_key", form.api_key),
        ("access_token", access_token),
        ("public_token", fresh_token()),
        ("enctoken", fresh_token()),
        ("refresh_token", String::new()),
        ("login_time", indian_time(app.now().unix)),
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

pub(super) async fn unknown_route() -> Response {
    error(StatusCode::NOT_FOUND, GENERAL_EXCEPTION, "Route not found")
}

fn user(app: &App) -> Value {
    let universe = app.exchange().universe();
    json!({
        "user_id": USER_ID,
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

fn fresh_token() -> String {
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

fn success(data: Value) -> Response {
    Json(Answer::Success { data }).into_response()
}

fn error(status: StatusCode, error_type: &str, message: &str) -> Response {
    let answer: Answer<Value> = Answer::Error {
        message: message.to_owned(),
        error_type: error_type.to_owned(),
        data: Value::Null,
    };
    (status, Json(answer)).into_response()
}
