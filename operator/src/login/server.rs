//! Serves the redirect URL of the app at Kite, and the pages of a login.
//!
//! Owns the limits: so many requests a second in all, no bodies, one login at a time. Nobody has to be known to ask: who has no
//! state of ours gets a page and is counted, and nothing else happens.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use reqwest::Client;
use serde::Deserialize;
use service::clock::Clock;
use service::text::LineQuota;
use tokio::sync::{Notify, watch};
use zeroize::Zeroizing;

use super::attempts::{Attempts, Done, Pending, Sending};
use super::candidate::{Candidate, Progress, progress};
use super::flow::{Flow, LoginCounter, LoginError, LoginLabel, StoreError, within};
use super::pages::{Page, private};
use super::store::LoginStore;
use crate::login_link::{LoginState, StateError, StateKey, random_text};
use crate::query::Snapshot;

/// The path of the app's redirect URL.
pub(crate) const CALLBACK_PATH: &str = "/login/callback";

/// The start of the pages that show how a login goes on.
const DONE_PATH: &str = "/login/done/";

/// Kite's request tokens have 32 characters.
const LONGEST_REQUEST_TOKEN: usize = 128;

/// What a login server works with.
pub(crate) struct LoginParts<S> {
    pub(crate) store: Arc<S>,
    pub(crate) client: Client,
    pub(crate) clock: Clock,
    pub(crate) snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    pub(crate) counter: LoginCounter,
    /// Is told when a session was written.
    pub(crate) written: Arc<Notify>,
}

struct Shared<S> {
    parts: LoginParts<S>,
    attempts: Mutex<Attempts>,
    /// Of logins that fail, whoever makes them.
    lines: Mutex<LineQuota>,
    /// Held while a request token is exchanged.
    turn: tokio::sync::Mutex<()>,
}

/// What Kite adds to the redirect URL, with our state.
#[derive(Deserialize)]
struct Callback {
    status: Option<String>,
    request_token: Option<String>,
    state: Option<String>,
}

/// The routes.
pub(crate) fn router<S: LoginStore>(parts: LoginParts<S>) -> Router {
    let shared = Arc::new(Shared {
        parts,
        attempts: Mutex::default(),
        lines: Mutex::new(LineQuota::for_reasons()),
        turn: tokio::sync::Mutex::default(),
    });
    Router::new()
        .route(CALLBACK_PATH, get(callback::<S>))
        .route("/login/confirm/{attempt}", post(confirm::<S>))
        .route("/login/done/{attempt}", get(done::<S>))
        .fallback(nothing)
        .layer(from_fn_with_state(Arc::clone(&shared), admit::<S>))
        .with_state(shared)
}

/// Lets few requests pass, and none with a body.
async fn admit<S: LoginStore>(
    State(shared): State<Arc<Shared<S>>>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    let length = headers.get(header::CONTENT_LENGTH);
    let has_body = length.is_some_and(|length| length.as_bytes() != b"0")
        || headers.contains_key(header::TRANSFER_ENCODING);
    if has_body {
        return Page::new(StatusCode::PAYLOAD_TOO_LARGE, "Nothing is taken here").into_response();
    }
    let now = shared.parts.clock.now();
    if !shared.attempts().admits(now) {
        let page = Page::new(StatusCode::TOO_MANY_REQUESTS, "Too many requests");
        let page = page.says("Try again in a second.");
        let shows = request.uri().path().starts_with(DONE_PATH);
        return if shows { page.refreshing() } else { page }.into_response();
    }
    next.run(request).await
}

async fn callback<S: LoginStore>(
    State(shared): State<Arc<Shared<S>>>,
    method: Method,
    query: Result<Query<Callback>, QueryRejection>,
) -> Response {
    if method != Method::GET {
        // HEAD would log in.
        return nothing().await;
    }
    let came_back = match query {
        Ok(Query(callback)) => shared.come_back(callback).await,
        Err(_) => Err(LoginError::Forged),
    };
    shared.answer(came_back)
}

async fn confirm<S: LoginStore>(
    State(shared): State<Arc<Shared<S>>>,
    Path(attempt): Path<String>,
) -> Response {
    let now = shared.parts.clock.now();
    let pending = shared.attempts().take(&attempt, now);
    let confirmed = match pending {
        Some(pending) => shared.log_in(&pending.state, &pending.request_token).await,
        None => Err(LoginError::TooLate),
    };
    shared.answer(confirmed)
}

async fn done<S: LoginStore>(
    State(shared): State<Arc<Shared<S>>>,
    Path(attempt): Path<String>,
) -> Response {
    let now = shared.parts.clock.now();
    let done = shared.attempts().finished(&attempt, now).cloned();
    let Some(done) = done else {
        return nothing().await;
    };
    let account = &done.account.name;
    let snapshot = shared.parts.snapshots.borrow().clone();
    let progress = snapshot.map_or(Progress::Waiting, |snapshot| {
        progress(&snapshot, &done.account, done.at)
    });
    let page = Page::new(StatusCode::OK, "Logged in");
    let page = match progress {
        Progress::Waiting => page
            .says(format!("{account} gets the new session."))
            .refreshing(),
        Progress::Ready(reason) => page
            .says(format!("{account} is ready: {reason}."))
            .says("You may close this page."),
        Progress::Wrong(message) => page
            .says(format!("{account} is not ready: {message}."))
            .refreshing(),
    };
    page.into_response()
}

async fn nothing() -> Response {
    Page::new(StatusCode::NOT_FOUND, "There is nothing here").into_response()
}

/// Where a login goes on.
enum Step {
    /// A page that asks.
    Page(Page),
    /// The page that shows how it goes on.
    Redirect(String),
}

impl<S: LoginStore> Shared<S> {
    fn lines(&self) -> MutexGuard<'_, LineQuota> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, step: Result<Step, LoginError>) -> Response {
        match step {
            Ok(Step::Page(page)) => page.into_response(),
            Ok(Step::Redirect(path)) => {
                let Ok(location) = HeaderValue::from_str(&path) else {
                    return StatusCode::INTERNAL_SERVER_ERROR.into_response();
                };
                let mut response = StatusCode::SEE_OTHER.into_response();
                response.headers_mut().insert(header::LOCATION, location);
                private(&mut response);
                response
            }
            Err(error) => {
                self.count(error.label());
                let due = self.lines().take(self.parts.clock.now());
                if let Some(suppressed) = due {
                    let why = service::exit::chain(&error);
                    tracing::warn!(suppressed, "a login has failed: {why}");
                }
                error.page().into_response()
            }
        }
    }

    fn count(&self, result: &'static str) {
        let counter = &self.parts.counter;
        counter.get_or_create(&LoginLabel { result }).inc();
    }

    /// The browser is back from Kite.
    async fn come_back(self: &Arc<Self>, callback: Callback) -> Result<Step, LoginError> {
        let state = callback.state.ok_or(LoginError::Forged)?;
        // Nobody's request makes one.
        let key = within(self.parts.store.state_key()).await?;
        let key = key.and_then(|key| StateKey::new(&key));
        let key = key.ok_or(LoginError::Forged)?;
        let now = self.parts.clock.wall();
        let state = LoginState::verify(&state, &key, now).map_err(|error| match error {
            StateError::Forged => LoginError::Forged,
            StateError::Expired => LoginError::Expired,
        })?;
        let candidate = self.candidate(&state)?;
        let is_good = callback.status.as_deref() == Some("success");
        let request_token = callback.request_token.filter(|it| is_good && fits(it));
        let request_token = Zeroizing::new(request_token.ok_or(LoginError::Cancelled)?);
        if candidate.needs_login {
            return self.log_in(&state, &request_token).await;
        }
        let attempt = random_text().map_err(|why| LoginError::Store(StoreError(why)))?;
        let account = &candidate.owner.account.name;
        let page = Page::new(StatusCode::OK, "The session is still good")
            .says(format!("{account} has a session that Kite accepts."))
            .says("A new one may end it for every program that uses it, such as a bot with this API key.")
            .button(format!("/login/confirm/{attempt}"), "Log in all the same");
        let pending = Pending {
            state,
            request_token,
        };
        let now = self.parts.clock.now();
        self.attempts().wait(attempt, pending, now);
        Ok(Step::Page(page))
    }

    /// Makes a session of a request token. It goes on when the browser goes away: what Kite has made is not to be lost.
    async fn log_in(
        self: &Arc<Self>,
        state: &LoginState,
        request_token: &str,
    ) -> Result<Step, LoginError> {
        let (this, state) = (Arc::clone(self), state.clone());
        let request_token = Zeroizing::new(request_token.to_owned());
        let login = tokio::spawn(async move { this.exchange(&state, &request_token).await });
        login.await.unwrap_or(Err(LoginError::Sent))
    }

    async fn exchange(&self, state: &LoginState, request_token: &str) -> Result<Step, LoginError> {
        let _turn = self.turn.lock().await;
        let candidate = self.candidate(state)?;
        let account = candidate.owner.account.clone();
        let sending = self.attempts().send(request_token);
        match sending {
            Sending::First => {}
            Sending::Succeeded => return Err(LoginError::Used),
            Sending::Failed => return Err(LoginError::Sent),
        }
        let flow = Flow {
            store: &*self.parts.store,
            client: &self.parts.client,
            clock: &self.parts.clock,
        };
        let at = flow.complete(&candidate, request_token).await?;
        self.count(LoginLabel::SUCCEEDED);
        tracing::info!(%account, "logged in");
        self.parts.written.notify_one();
        let attempt = random_text().map_err(|why| LoginError::Store(StoreError(why)))?;
        let now = self.parts.clock.now();
        let done = Done { account, at };
        let mut attempts = self.attempts();
        attempts.succeed(request_token);
        attempts.finish(attempt.clone(), done, now);
        Ok(Step::Redirect(format!("/login/done/{attempt}")))
    }

    /// The account of a state that was not used so far.
    fn candidate(&self, state: &LoginState) -> Result<Candidate, LoginError> {
        let snapshot = self.parts.snapshots.borrow().clone();
        let snapshot = snapshot.ok_or(LoginError::NotReady)?;
        let candidate = Candidate::find(&snapshot, state).ok_or(LoginError::Gone)?;
        if !candidate.knows_last_login {
            return Err(LoginError::NotReady);
        }
        let last = self.attempts().last(&candidate.owner.account);
        let last = last.max(candidate.last_login);
        let second = |time: Timestamp| time.as_second();
        if last.is_some_and(|last| second(last) >= second(state.issued)) {
            return Err(LoginError::Used);
        }
        Ok(candidate)
    }
}

fn fits(request_token: &str) -> bool {
    let length = 1..=LONGEST_REQUEST_TOKEN;
    length.contains(&request_token.len())
        && request_token.bytes().all(|it| it.is_ascii_alphanumeric())
}
