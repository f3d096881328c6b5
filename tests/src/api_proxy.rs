//! A proxy in front of the API server of this repository's cluster, with faults on demand.
//!
//! Owns faults of answers, and the moments at which a client is stopped. It forwards everything
//! else unchanged, with the rights of the cluster's administrator.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, RETRY_AFTER};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// The kind of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequestKind {
    /// One object, or a list of them.
    Read,
    /// A watch.
    Watch,
    /// A change.
    Write,
}

/// The fault of requests of one kind.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// They are answered with this status instead.
    Answer(u16),
    /// They are forwarded after this delay.
    Slow(Duration),
    /// They are forwarded, and their answers are lost.
    LoseAnswer,
}

/// A write at which the client is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It never reaches the API server.
    Before(u64),
    /// It is carried out, and its answer never arrives.
    After(u64),
}

/// A running proxy.
#[derive(Debug)]
pub struct ApiProxy {
    inner: Arc<Inner>,
    address: SocketAddr,
    serving: JoinHandle<()>,
    reached: mpsc::Receiver<String>,
}

#[derive(Debug)]
struct Inner {
    server: String,
    token: String,
    client: reqwest::Client,
    rules: Mutex<Rules>,
    muted: watch::Sender<bool>,
    reached: mpsc::Sender<String>,
}

#[derive(Debug, Default)]
struct Rules {
    /// Each with the number of requests that it still affects.
    faults: BTreeMap<RequestKind, (Fault, u32)>,
    halt: Option<Moment>,
    seen: BTreeMap<RequestKind, u64>,
}

impl Drop for ApiProxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl ApiProxy {
    /// Starts one in front of the cluster of `kubeconfig`.
    ///
    /// # Errors
    /// When the file is not as this repository's scripts write it.
    pub async fn start(kubeconfig: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(kubeconfig)?;
        let field = |name: &str| {
            let line = text.lines().find_map(|line| {
                line.trim()
                    .trim_start_matches("- ")
                    .strip_prefix(&format!("{name}: "))
            });
            line.map(str::to_owned)
                .with_context(|| format!("{} has no {name}", kubeconfig.display()))
        };
        let authority = STANDARD.decode(field("certificate-authority-data")?)?;
        service::tls::install();
        let tls = service::tls::Roots::from_pem(&authority)?.client_config(None)?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured((*tls).clone())
            .no_proxy()
            .build()?;
        let (reached, reaches) = mpsc::channel(1);
        let inner = Arc::new(Inner {
            server: field("server")?,
            token: field("token")?,
            client,
            rules: Mutex::default(),
            muted: watch::Sender::new(false),
            reached,
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let router = Router::new().fallback(pass).with_state(Arc::clone(&inner));
        let serving = tokio::spawn(async move {
            // It serves until the test ends.
            let _ended = axum::serve(listener, router).await;
        });
        Ok(Self {
            inner,
            address,
            serving,
            reached: reaches,
        })
    }

    /// Creates objects, many at a time: `(path, object)` each.
    ///
    /// # Errors
    /// When one is refused.
    pub async fn create_all(
        &self,
        objects: impl IntoIterator<Item = (String, Value)>,
    ) -> Result<()> {
        let posts = objects.into_iter().map(async |(path, object)| {
            let url = format!("{}{path}", self.inner.server);
            let request = self.inner.client.post(url).bearer_auth(&self.inner.token);
            let answer = request.json(&object).send().await?;
            answer.error_for_status().map(drop)
        });
        let posts: Vec<_> = posts.collect();
        let mut posts = futures::stream::iter(posts).buffer_unordered(16);
        while let Some(done) = posts.next().await {
            done?;
        }
        Ok(())
    }

    /// Changes an object by a JSON patch.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn patch(&self, path: &str, patch: &Value) -> Result<()> {
        let url = format!("{}{path}", self.inner.server);
        let request = self.inner.client.patch(url).bearer_auth(&self.inner.token);
        let request = request
            .header(CONTENT_TYPE, "application/json-patch+json")
            .body(patch.to_string());
        request.send().await?.error_for_status()?;
        Ok(())
    }

    /// Deletes all objects of a path, hundreds by each request: one for thousands takes longer than a request may.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn delete_all(&self, path: &str) -> Result<()> {
        loop {
            let left = self.read(&format!("{path}?limit=1")).await?;
            if left["items"].as_array().is_none_or(Vec::is_empty) {
                return Ok(());
            }
            let url = format!("{}{path}?limit=500", self.inner.server);
            let request = self.inner.client.delete(url);
            let request = request.bearer_auth(&self.inner.token);
            request.send().await?.error_for_status()?;
        }
    }

    /// The object or the objects of a path.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn read(&self, path: &str) -> Result<Value> {
        let url = format!("{}{path}", self.inner.server);
        let request = self.inner.client.get(url).bearer_auth(&self.inner.token);
        Ok(request.send().await?.error_for_status()?.json().await?)
    }

    /// A kubeconfig that leads to it.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "proxy",
            "clusters": [{"name": "proxy", "cluster": {"server": format!("http://{}", self.address)}}],
            "users": [{"name": "proxy", "user": {}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
        })
        .to_string()
    }

    /// Makes the next `count` requests of a kind fail.
    pub fn fail(&self, kind: RequestKind, fault: Fault, count: u32) {
        self.inner.rules().faults.insert(kind, (fault, count));
    }

    /// Ends every fault.
    pub fn heal(&self) {
        let mut rules = self.inner.rules();
        rules.faults.clear();
        rules.halt = None;
        drop(rules);
        self.inner.muted.send_replace(false);
    }

    /// Makes every watch, present and future, silent without ending it.
    pub fn mute_watches(&self) {
        self.inner.muted.send_replace(true);
    }

    /// Stops the client at a write, counted from now.
    pub fn halt_at(&mut self, moment: Moment) {
        // Several writes may have reached an earlier stop.
        while self.reached.try_recv().is_ok() {}
        let mut rules = self.inner.rules();
        rules.seen.remove(&RequestKind::Write);
        rules.halt = Some(moment);
    }

    /// Waits until it is stopped; returns the write, as `PATCH /path`.
    ///
    /// # Panics
    /// When it does not in time.
    pub async fn halted(&mut self) -> String {
        let reached = tokio::time::timeout(crate::condition::PATIENCE, self.reached.recv()).await;
        let reached = reached.ok().flatten();
        reached.unwrap_or_else(|| panic!("the client never got there"))
    }

    /// How many requests of a kind there were.
    #[must_use]
    pub fn seen(&self, kind: RequestKind) -> u64 {
        self.inner.rules().seen.get(&kind).copied().unwrap_or(0)
    }
}

impl Inner {
    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request; returns its fault.
    fn fate(&self, kind: RequestKind) -> (Option<Fault>, Option<Moment>) {
        let mut rules = self.rules();
        let seen = rules.seen.entry(kind).or_default();
        *seen += 1;
        let number = *seen;
        let halt = rules.halt.filter(|moment| {
            let (Moment::Before(at) | Moment::After(at)) = moment;
            kind == RequestKind::Write && number >= *at
        });
        let fault = match rules.faults.get_mut(&kind) {
            Some((fault, left)) if *left > 0 => {
                *left -= 1;
                Some(*fault)
            }
            Some(_) | None => None,
        };
        (fault, halt)
    }

    async fn stand_still(&self, at: String) -> ! {
        // The first one signals; the others only wait.
        let _told = self.reached.try_send(at);
        std::future::pending().await
    }

    async fn forward(&self, request: Request) -> Result<reqwest::Response> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut headers = parts.headers;
        headers.remove(HOST);
        headers.remove(AUTHORIZATION);
        let body = axum::body::to_bytes(body, 16 * 1024 * 1024).await?;
        let request = self
            .client
            .request(parts.method, format!("{}{path}", self.server))
            .headers(headers)
            .bearer_auth(&self.token)
            .body(body);
        Ok(request.send().await?)
    }
}

async fn pass(State(proxy): State<Arc<Inner>>, request: Request) -> Response {
    let kind = kind_of(&request);
    let (fault, halt) = proxy.fate(kind);
    let at = format!("{} {}", request.method(), request.uri().path());
    if matches!(halt, Some(Moment::Before(_))) {
        proxy.stand_still(at).await;
    }
    match fault {
        Some(Fault::Answer(status)) => return refusal(status),
        Some(Fault::Slow(wait)) => tokio::time::sleep(wait).await,
        Some(Fault::LoseAnswer) | None => {}
    }
    let Ok(answer) = proxy.forward(request).await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    if halt.is_some() {
        proxy.stand_still(at).await;
    }
    if matches!(fault, Some(Fault::LoseAnswer)) {
        return StatusCode::GATEWAY_TIMEOUT.into_response();
    }
    let mut response = Response::builder().status(answer.status());
    for name in [CONTENT_TYPE, RETRY_AFTER] {
        if let Some(value) = answer.headers().get(&name) {
            response = response.header(name, value);
        }
    }
    let body = if kind == RequestKind::Watch {
        Body::from_stream(audible(answer, proxy.muted.subscribe()))
    } else {
        Body::from_stream(answer.bytes_stream())
    };
    response
        .body(body)
        .unwrap_or_else(|_| StatusCode::BAD_GATEWAY.into_response())
}

/// The answer until it is muted; then nothing, without an end.
fn audible(
    answer: reqwest::Response,
    muted: watch::Receiver<bool>,
) -> impl futures::Stream<Item = reqwest::Result<bytes::Bytes>> {
    answer.bytes_stream().then(move |chunk| {
        let muted = *muted.borrow();
        async move {
            if muted {
                std::future::pending::<()>().await;
            }
            chunk
        }
    })
}

fn kind_of(request: &Request) -> RequestKind {
    let query = request.uri().query().unwrap_or_default();
    match *request.method() {
        Method::GET | Method::HEAD if query.contains("watch=") => RequestKind::Watch,
        Method::GET | Method::HEAD => RequestKind::Read,
        _ => RequestKind::Write,
    }
}

/// As the API server writes it.
fn refusal(status: u16) -> Response {
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let reason = match status {
        409 => "Conflict",
        410 => "Expired",
        429 => "TooManyRequests",
        _ => "InternalError",
    };
    let body: Value = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure",
        "message": "told to fail", "reason": reason, "code": status,
    });
    let mut response = (code, axum::Json(body)).into_response();
    if status == 429
        && let Ok(soon) = "1".parse()
    {
        response.headers_mut().insert(RETRY_AFTER, soon);
    }
    response
}
