//! Serves the answers.
//!
//! Owns the limits: a second question is refused while one is being answered, an answer is given up after a second, and one
//! that is too large is cut. Must not make answers.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use contract::answer::{
    CALENDAR_PATH, EXPLAIN_PATH, ErrorAnswer, ExplainAnswer, FIND_PATH, LARGEST_ANSWER,
    LARGEST_QUESTION, PREVIEW_PATH, Shorten, TOP_PATH,
};
use http_body_util::LengthLimitError;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use service::clock::Clock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::snapshot::Snapshot;
use super::{find, preview, top};
use crate::plan::{Key, ObservedAccount, Scrape};

/// How long an answer may take.
const LONGEST: Duration = Duration::from_secs(1);

/// How long the manifests of a question may take to arrive.
const LONGEST_UPLOAD: Duration = Duration::from_secs(5);

/// The newest report of an account, which may be newer than the snapshot.
pub(crate) type ReportSource = Arc<dyn Fn(&ObservedAccount) -> Scrape + Send + Sync>;

/// Answers from the newest snapshot.
#[derive(Clone)]
pub(crate) struct QueryServer {
    snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    reports: ReportSource,
    clock: Clock,
    turn: Arc<Semaphore>,
}

/// Why there is no answer: the status, and a text for people.
type Refusal = (StatusCode, String);

#[derive(Debug, Deserialize)]
struct ExplainQuestion {
    kind: AskedKind,
    name: String,
    namespace: Option<String>,
    symbol: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum AskedKind {
    Set,
    Account,
}

#[derive(Debug, Deserialize)]
struct FindQuestion {
    query: String,
    namespace: Option<String>,
}

#[derive(Debug, Deserialize)]
struct CalendarQuestion {
    /// Today in India if there is none.
    date: Option<String>,
}

#[derive(Debug, Deserialize)]
struct NamespaceQuestion {
    namespace: Option<String>,
}

impl QueryServer {
    pub(crate) fn new(
        snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
        reports: ReportSource,
        clock: Clock,
    ) -> Self {
        Self {
            snapshots,
            reports,
            clock,
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// The routes of all questions.
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route(EXPLAIN_PATH, get(explain))
            .route(FIND_PATH, get(find))
            .route(TOP_PATH, get(top))
            .route(CALENDAR_PATH, get(calendar))
            .route(PREVIEW_PATH, post(preview))
            .with_state(self)
    }

    /// Takes the turn, unless another question has it.
    fn turn(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.turn).try_acquire_owned().map_err(|_| {
            let why = "another question is being answered: ask again in a second";
            (StatusCode::SERVICE_UNAVAILABLE, why.to_owned())
        })
    }

    /// Answers a question that has come whole.
    async fn answer<T>(
        &self,
        compute: impl FnOnce(&Snapshot) -> Result<T, Refusal> + Send + 'static,
    ) -> Response
    where
        T: Serialize + Shorten,
    {
        match self.turn() {
            Ok(turn) => self.answer_in(turn, compute).await,
            Err(refused) => refusal(refused),
        }
    }

    /// Computes an answer on a blocking thread, within the limits.
    async fn answer_in<T>(
        &self,
        turn: OwnedSemaphorePermit,
        compute: impl FnOnce(&Snapshot) -> Result<T, Refusal> + Send + 'static,
    ) -> Response
    where
        T: Serialize + Shorten,
    {
        let Some(snapshot) = self.snapshots.borrow().clone() else {
            let why = "the operator has not planned yet: ask again in a second";
            return refusal((StatusCode::SERVICE_UNAVAILABLE, why.to_owned()));
        };
        let computed = tokio::task::spawn_blocking(move || {
            let answer = compute(&snapshot).and_then(bounded);
            // One that is given up goes on to its end: the next may not begin before.
            drop(turn);
            answer
        });
        match tokio::time::timeout(LONGEST, computed).await {
            Ok(Ok(Ok(body))) => {
                ([(header::CONTENT_TYPE, "application/json")], body).into_response()
            }
            Ok(Ok(Err(refused))) => refusal(refused),
            Ok(Err(failed)) => {
                tracing::error!(error = %failed, "a question has no answer");
                let why = "the operator failed to answer: its log says why";
                refusal((StatusCode::INTERNAL_SERVER_ERROR, why.to_owned()))
            }
            Err(_) => {
                let why = format!("the answer took longer than {LONGEST:?}: ask for less");
                refusal((StatusCode::GATEWAY_TIMEOUT, why))
            }
        }
    }
}

async fn explain(
    State(server): State<QueryServer>,
    question: Result<Query<ExplainQuestion>, QueryRejection>,
) -> Response {
    let question = match understood(question) {
        Ok(question) => question,
        Err(refused) => return refusal(refused),
    };
    let compute = move |snapshot: &Snapshot| {
        let Some(namespace) = namespace(snapshot, question.namespace.as_deref())? else {
            let why = "the operator manages every namespace: name one";
            return Err((StatusCode::BAD_REQUEST, why.to_owned()));
        };
        let key = Key::new(namespace, &question.name);
        let review = snapshot.review();
        let answer = match (question.kind, &question.symbol) {
            (AskedKind::Set, None) => review.set(&key).map(ExplainAnswer::Set),
            (AskedKind::Set, Some(symbol)) => {
                let explained = review.instrument(&key, symbol);
                explained.map(|it| ExplainAnswer::Instrument(Box::new(it)))
            }
            (AskedKind::Account, _) => review.account(&key).map(ExplainAnswer::Account),
        };
        answer.map_err(|unknown| (StatusCode::NOT_FOUND, with_problems(unknown, snapshot)))
    };
    server.answer(compute).await
}

/// That something does not exist, and what may be the reason: a document that is not used.
fn with_problems(unknown: impl std::fmt::Display, snapshot: &Snapshot) -> String {
    let problems = snapshot.problems.iter();
    let problems: String = problems.map(|it| format!("; not used: {it}")).collect();
    format!("{unknown}{problems}")
}

async fn find(
    State(server): State<QueryServer>,
    question: Result<Query<FindQuestion>, QueryRejection>,
) -> Response {
    let FindQuestion { query, namespace } = match understood(question) {
        Ok(question) => question,
        Err(refused) => return refusal(refused),
    };
    let compute = move |snapshot: &Snapshot| {
        let namespace = self::namespace(snapshot, namespace.as_deref())?;
        find::find(snapshot, &query, namespace.as_deref())
            .map_err(|invalid| (StatusCode::BAD_REQUEST, invalid.to_string()))
    };
    server.answer(compute).await
}

async fn top(
    State(server): State<QueryServer>,
    question: Result<Query<NamespaceQuestion>, QueryRejection>,
) -> Response {
    let NamespaceQuestion { namespace } = match understood(question) {
        Ok(question) => question,
        Err(refused) => return refusal(refused),
    };
    let (reports, now) = (Arc::clone(&server.reports), server.clock.now());
    let compute = move |snapshot: &Snapshot| {
        let namespace = self::namespace(snapshot, namespace.as_deref())?;
        let scrape = |account: &ObservedAccount| reports(account);
        Ok(top::top(snapshot, namespace.as_deref(), &scrape, now))
    };
    server.answer(compute).await
}

async fn calendar(
    State(server): State<QueryServer>,
    question: Result<Query<CalendarQuestion>, QueryRejection>,
) -> Response {
    let date = match understood(question) {
        Ok(question) => question.date.map(|date| date.parse::<Date>()).transpose(),
        Err(refused) => return refusal(refused),
    };
    let Ok(date) = date else {
        let why = "date must be one such as 2026-12-25".to_owned();
        return refusal((StatusCode::BAD_REQUEST, why));
    };
    let compute = move |snapshot: &Snapshot| {
        let today = || kite::ist::date(snapshot.now.wall);
        let date = date.unwrap_or_else(today);
        Ok(super::calendar::answer(&snapshot.observed.calendar, date))
    };
    server.answer(compute).await
}

async fn preview(
    State(server): State<QueryServer>,
    question: Result<Query<NamespaceQuestion>, QueryRejection>,
    manifests: Body,
) -> Response {
    let NamespaceQuestion { namespace } = match understood(question) {
        Ok(question) => question,
        Err(refused) => return refusal(refused),
    };
    // Before anything is read: the manifests of many would fill the memory.
    let turn = match server.turn() {
        Ok(turn) => turn,
        Err(refused) => return refusal(refused),
    };
    let manifests = match read(manifests).await {
        Ok(manifests) => manifests,
        Err(refused) => return refusal(refused),
    };
    let compute = move |snapshot: &Snapshot| {
        preview::preview(snapshot, &manifests, namespace.as_deref())
            .map_err(|why| (StatusCode::BAD_REQUEST, why))
    };
    server.answer_in(turn, compute).await
}

/// The namespace that a question is about; `None`: all of them.
fn namespace(snapshot: &Snapshot, asked: Option<&str>) -> Result<Option<String>, Refusal> {
    let resolved = snapshot.scope.resolve(asked);
    resolved.map_err(|unmanaged| (StatusCode::NOT_FOUND, unmanaged.to_string()))
}

/// The text of a body.
async fn read(body: Body) -> Result<String, Refusal> {
    let arrived = tokio::time::timeout(LONGEST_UPLOAD, to_bytes(body, LARGEST_QUESTION)).await;
    let Ok(arrived) = arrived else {
        let why = format!("the manifests took longer than {LONGEST_UPLOAD:?} to arrive");
        return Err((StatusCode::REQUEST_TIMEOUT, why));
    };
    let bytes = arrived.map_err(|error| {
        if error.into_inner().is::<LengthLimitError>() {
            let why = format!("the manifests are larger than {LARGEST_QUESTION} bytes");
            return (StatusCode::PAYLOAD_TOO_LARGE, why);
        }
        let why = "the manifests did not arrive whole: send them again";
        (StatusCode::BAD_REQUEST, why.to_owned())
    })?;
    let text = String::from_utf8(bytes.to_vec());
    text.map_err(|_| {
        let why = "the manifests are not text".to_owned();
        (StatusCode::BAD_REQUEST, why)
    })
}

fn understood<T>(question: Result<Query<T>, QueryRejection>) -> Result<T, Refusal> {
    let Query(question) =
        question.map_err(|rejection| (rejection.status(), rejection.body_text()))?;
    Ok(question)
}

/// The answer as JSON, cut until it is small enough.
fn bounded<T: Serialize + Shorten>(mut answer: T) -> Result<Vec<u8>, Refusal> {
    loop {
        // Of plain structs with text as keys: this cannot fail.
        let body = serde_json::to_vec(&answer).unwrap_or_default();
        if body.len() <= LARGEST_ANSWER {
            return Ok(body);
        }
        if !answer.shorten() {
            let why = format!("the answer is larger than {LARGEST_ANSWER} bytes: ask for less");
            return Err((StatusCode::INTERNAL_SERVER_ERROR, why));
        }
    }
}

fn refusal((status, error): Refusal) -> Response {
    let body = serde_json::to_vec(&ErrorAnswer { error }).unwrap_or_default();
    let mut response = (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

#[cfg(test)]
mod tests;
