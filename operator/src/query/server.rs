//! Serves the answers.
//!
//! Owns the limits: a second question is refused while one is being answered, an answer is given up after a second, and one
//! that is too large is cut. Must not make answers.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use contract::answer::{
    EXPLAIN_PATH, ErrorAnswer, ExplainAnswer, FIND_PATH, LARGEST_ANSWER, LARGEST_QUESTION,
    PREVIEW_PATH, Shorten, TOP_PATH,
};
use serde::{Deserialize, Serialize};
use service::clock::Clock;
use tokio::sync::{Semaphore, watch};

use super::snapshot::Snapshot;
use super::{find, preview, top};
use crate::plan::review::Review;
use crate::plan::{Key, ObservedAccount, Scrape};

/// How long an answer may take.
const LONGEST: Duration = Duration::from_secs(1);

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
            .route(
                PREVIEW_PATH,
                post(preview).layer(DefaultBodyLimit::max(LARGEST_QUESTION)),
            )
            .with_state(self)
    }

    /// Computes an answer on a blocking thread, within the limits.
    async fn answer<T>(
        &self,
        compute: impl FnOnce(&Snapshot) -> Result<T, Refusal> + Send + 'static,
    ) -> Response
    where
        T: Serialize + Shorten,
    {
        let Some(snapshot) = self.snapshots.borrow().clone() else {
            let why = "the operator has not planned yet: ask again in a second";
            return refusal((StatusCode::SERVICE_UNAVAILABLE, why.to_owned()));
        };
        let Ok(turn) = Arc::clone(&self.turn).try_acquire_owned() else {
            let why = "another question is being answered: ask again in a second";
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
        let Some(namespace) = snapshot.namespace(question.namespace.as_deref()) else {
            let why = "the operator manages every namespace: name one";
            return Err((StatusCode::BAD_REQUEST, why.to_owned()));
        };
        let key = Key::new(namespace, &question.name);
        let review = Review::new(
            &snapshot.observed,
            &snapshot.memory,
            &snapshot.journal,
            snapshot.now,
        );
        let answer = match (question.kind, &question.symbol) {
            (AskedKind::Set, None) => review.set(&key).map(ExplainAnswer::Set),
            (AskedKind::Set, Some(symbol)) => {
                let explained = review.instrument(&key, symbol);
                explained.map(|it| ExplainAnswer::Instrument(Box::new(it)))
            }
            (AskedKind::Account, _) => review.account(&key).map(ExplainAnswer::Account),
        };
        answer.map_err(|unknown| (StatusCode::NOT_FOUND, unknown.to_string()))
    };
    server.answer(compute).await
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
        let namespace = snapshot.namespace(namespace.as_deref());
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
        let namespace = snapshot.namespace(namespace.as_deref());
        let scrape = |account: &ObservedAccount| reports(account);
        Ok(top::top(snapshot, namespace.as_deref(), &scrape, now))
    };
    server.answer(compute).await
}

async fn preview(
    State(server): State<QueryServer>,
    question: Result<Query<NamespaceQuestion>, QueryRejection>,
    manifests: Result<String, axum::extract::rejection::StringRejection>,
) -> Response {
    let NamespaceQuestion { namespace } = match understood(question) {
        Ok(question) => question,
        Err(refused) => return refusal(refused),
    };
    let manifests = match manifests {
        Ok(manifests) => manifests,
        Err(rejection) => return refusal((rejection.status(), rejection.body_text())),
    };
    let compute = move |snapshot: &Snapshot| {
        preview::preview(snapshot, &manifests, namespace.as_deref())
            .map_err(|why| (StatusCode::BAD_REQUEST, why))
    };
    server.answer(compute).await
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
mod tests {
    use std::sync::mpsc;

    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt as _;

    use super::*;
    use crate::plan::fixture::{account, equities, observed, run, set, start};

    fn server(feed: &watch::Sender<Option<Arc<Snapshot>>>) -> QueryServer {
        let reports: ReportSource = Arc::new(|account: &ObservedAccount| account.scrape.clone());
        QueryServer::new(feed.subscribe(), reports, Clock::system())
    }

    fn snapshot() -> Arc<Snapshot> {
        let mut world = observed(vec![account("a")], vec![set("s", &equities(0..3), &[])]);
        let memory = run(&mut world, start());
        Arc::new(Snapshot::sample(world, memory))
    }

    async fn ask(server: &QueryServer, path: &str) -> (u16, serde_json::Value) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = server.clone().router().oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = to_bytes(answer.into_body(), LARGEST_ANSWER).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn questions_are_answered_once_there_is_something_to_say() {
        let feed = watch::Sender::new(None);
        let server = server(&feed);
        let (status, answer) = ask(&server, "/v1/top").await;
        assert_eq!(status, 503);
        assert!(
            answer["error"]
                .as_str()
                .unwrap()
                .contains("has not planned yet")
        );

        feed.send_replace(Some(snapshot()));
        let (status, answer) = ask(&server, "/v1/top").await;
        assert_eq!((status, &answer["sets"][0]["name"]), (200, &"s".into()));
        let (status, answer) = ask(&server, "/v1/explain?kind=set&name=s").await;
        assert_eq!(
            (status, &answer["kind"], &answer["selected"]),
            (200, &"set".into(), &3.into())
        );
        let (status, answer) = ask(&server, "/v1/explain?kind=set&name=s&symbol=EQ0").await;
        assert_eq!((status, &answer["state"]), (200, &"placed".into()));
        let (status, answer) = ask(&server, "/v1/explain?kind=account&name=b").await;
        assert_eq!(status, 404);
        assert_eq!(
            answer["error"],
            "there is no TickerAccount trading/b: did you mean a?"
        );
        let (status, answer) = ask(&server, "/v1/find?query=nifty%20fut").await;
        assert_eq!(
            (status, &answer["instruments"][0]["symbol"]),
            (200, &"NFO:NIFTY26DECFUT".into())
        );
        for wrong in ["/v1/find?query=", "/v1/find", "/v1/explain?kind=pod&name=a"] {
            let (status, answer) = ask(&server, wrong).await;
            assert!(
                status == 400 && answer["error"].is_string(),
                "{wrong}: {status} {answer}"
            );
        }
    }

    #[tokio::test]
    async fn one_question_is_answered_at_a_time_and_none_for_longer_than_a_second() {
        let feed = watch::Sender::new(Some(snapshot()));
        let server = server(&feed);
        let (go, goes) = mpsc::channel::<()>();
        let slow = {
            let server = server.clone();
            tokio::spawn(async move {
                let compute = move |_: &Snapshot| {
                    let _end: Result<(), _> = goes.recv();
                    Ok(contract::answer::TopAnswer::default())
                };
                server.answer(compute).await.status().as_u16()
            })
        };
        while server.turn.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let (status, answer) = ask(&server, "/v1/top").await;
        assert_eq!(status, 503);
        assert!(
            answer["error"]
                .as_str()
                .unwrap()
                .starts_with("another question")
        );
        assert_eq!(slow.await.unwrap(), 504, "it is given up");
        // Its computing goes on, and the next question waits for its end.
        assert_eq!(ask(&server, "/v1/top").await.0, 503);
        go.send(()).unwrap();
        while server.turn.available_permits() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(ask(&server, "/v1/top").await.0, 200);
    }

    #[test]
    fn an_answer_that_is_too_large_is_cut() {
        use contract::answer::{SetTop, TopAnswer};

        let set = SetTop {
            name: "x".repeat(1_000),
            ..SetTop::default()
        };
        let answer = TopAnswer {
            sets: vec![set; 5_000],
            ..TopAnswer::default()
        };
        let body = bounded(answer).unwrap();
        assert!(body.len() <= LARGEST_ANSWER && body.len() > LARGEST_ANSWER / 4);
        let cut: TopAnswer = serde_json::from_slice(&body).unwrap();
        assert!(cut.truncated && cut.sets.len() < 5_000);
        let one = TopAnswer {
            operator_version: "x".repeat(LARGEST_ANSWER),
            ..TopAnswer::default()
        };
        assert_eq!(
            bounded(one).unwrap_err().0,
            StatusCode::INTERNAL_SERVER_ERROR
        );
    }
}
