//! The instruments list, Kite's envelopes of REST answers, and the answers that a fault gives instead.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use kite::rest::{Answer, GENERAL_EXCEPTION, INPUT_EXCEPTION};
use serde_json::Value;

use super::App;
use crate::exchange::faults::RestFault;

/// `error_type` of a failure behind Kite's API.
const NETWORK_EXCEPTION: &str = "NetworkException";

/// For how long a fault gives no answer: longer than clients wait, and bounded.
const HANG: Duration = Duration::from_mins(1);

pub(super) async fn instruments(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    dump(&app, None, &headers).await
}

pub(super) async fn instruments_of(
    State(app): State<Arc<App>>,
    Path(exchange): Path<String>,
    headers: HeaderMap,
) -> Response {
    dump(&app, Some(&exchange), &headers).await
}

async fn dump(app: &App, exchange: Option<&str>, headers: &HeaderMap) -> Response {
    let fault = app.exchange().faults_mut().instruments();
    if let Some(fault) = fault {
        return fail(app, fault).await;
    }
    app.dump().answer(exchange, headers).unwrap_or_else(|| {
        error(
            StatusCode::BAD_REQUEST,
            INPUT_EXCEPTION,
            "Invalid exchange.",
        )
    })
}

pub(super) async fn unknown_route() -> Response {
    error(StatusCode::NOT_FOUND, GENERAL_EXCEPTION, "Route not found")
}

/// The answer that a fault gives.
pub(super) async fn fail(app: &App, fault: RestFault) -> Response {
    match fault {
        RestFault::Html502 => gateway_page(StatusCode::BAD_GATEWAY),
        RestFault::Hang => {
            tokio::select! {
                () = app.shutdown.cancelled() => {}
                () = tokio::time::sleep(HANG) => {}
            }
            gateway_page(StatusCode::GATEWAY_TIMEOUT)
        }
        RestFault::NetworkException => error(
            StatusCode::SERVICE_UNAVAILABLE,
            NETWORK_EXCEPTION,
            "Gateway timed out",
        ),
        RestFault::TooManyRequests => error(
            StatusCode::TOO_MANY_REQUESTS,
            NETWORK_EXCEPTION,
            "Too many requests",
        ),
    }
}

/// A load balancer's own page.
fn gateway_page(status: StatusCode) -> Response {
    let page = format!(
        "<html><head><title>{status}</title></head><body><center><h1>{status}</h1></center></body></html>"
    );
    (status, Html(page)).into_response()
}

pub(super) fn success(data: Value) -> Response {
    Json(Answer::Success { data }).into_response()
}

pub(super) fn error(status: StatusCode, error_type: &str, message: &str) -> Response {
    let answer: Answer<Value> = Answer::Error {
        message: message.to_owned(),
        error_type: error_type.to_owned(),
        data: Value::Null,
    };
    (status, Json(answer)).into_response()
}
