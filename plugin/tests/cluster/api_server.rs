//! An API server that answers as it is told, and the program with a kubeconfig that leads to it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Output;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

/// The start of every path to the operator.
pub(crate) const OPERATOR: &str =
    "/api/v1/namespaces/ticker/services/kt-kite-ticker-operator:http/proxy";

/// Answers by the beginning of the path; the longest one counts.
pub(crate) type Answers = BTreeMap<String, (u16, String)>;

#[derive(Clone, Default)]
pub(crate) struct ApiServer {
    answers: Arc<Mutex<Answers>>,
    /// Method, path with query, and body.
    asked: Arc<Mutex<Vec<(String, String, String)>>>,
}

/// An API server, and a kubeconfig that leads to it.
pub(crate) struct Stage {
    server: ApiServer,
    pub(crate) folder: TempDir,
}

pub(crate) async fn answer(State(server): State<ApiServer>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.to_string();
    let body = to_bytes(body, 8 * 1024 * 1024).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let method = parts.method.to_string();
    server
        .asked
        .lock()
        .unwrap()
        .push((method, path.clone(), body));
    let answers = server.answers.lock().unwrap();
    let found = answers.iter().filter(|(start, _)| path.starts_with(*start));
    let found = found.max_by_key(|(start, _)| start.len());
    let missing = (
        404,
        status(404, "the server could not find the requested resource"),
    );
    let (status, body) = found.map_or(missing, |(_, answer)| answer.clone());
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}

/// What an API server says when it fails.
pub(crate) fn status(code: u16, message: &str) -> String {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message}).to_string()
}

pub(crate) fn condition(status: &str, reason: &str, message: &str) -> Value {
    json!([{
        "type": "Ready", "status": status, "reason": reason, "message": message,
        "lastTransitionTime": "2026-11-29T10:00:00Z",
    }])
}

pub(crate) fn list(items: &[Value]) -> String {
    json!({"kind": "List", "metadata": {}, "items": items}).to_string()
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let server = ApiServer::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://{address}")}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "ticker"}}],
        });
        std::fs::write(folder.path().join("config"), kubeconfig.to_string()).unwrap();
        let stage = Self { server, folder };
        stage.set(
            "/api/v1/namespaces/ticker/services?",
            200,
            &list(&[json!({"metadata": {"name": "kt-kite-ticker-operator"}})]),
        );
        let kinds = "/apis/kiteticker.dev/v1alpha1/namespaces/ticker";
        let account = json!({
            "metadata": {
                "name": "a", "namespace": "ticker",
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "hunter2"},
            },
            "spec": {"redis": {"url": "redis://user:hunter2@redis:6379"}},
            "status": {"conditions": condition("True", "Streaming", "3 of 3 instruments stream"), "instruments": "3/3"},
        });
        let set = json!({
            "metadata": {"name": "s", "namespace": "ticker"}, "spec": {"mode": "full"},
            "status": {
                "conditions": condition("False", "CapacityShort", "2 of 5 instruments wait for room"),
                "selected": 5, "streaming": 3, "assignments": [{"account": "a", "instruments": 3}],
            },
        });
        stage.set(&format!("{kinds}/tickeraccounts"), 200, &list(&[account]));
        stage.set(&format!("{kinds}/instrumentsets"), 200, &list(&[set]));
        let report = json!({
            "assignment_versions": [1], "epoch": "1", "credentials": {"state": "accepted"},
            "redis": {"connected": true, "published": 0, "conflated": 0, "unknown": 0},
            "connections": [{"index": 0, "state": "Live", "instruments": 3, "streaming": 3, "reconnects": 0}],
            "sets": [{"name": "s", "assigned": 3, "streaming": 2, "silent": 1, "ticks_per_second": 9}],
            "assigned": 3, "streaming": 2, "ticks_total": 100, "ticks_per_second": 9,
        });
        stage.set(
            "/api/v1/namespaces/ticker/pods/kt-a-0:9400/proxy/v1/report",
            200,
            &report.to_string(),
        );
        let top = json!({
            "operator_version": "9.9.9", "plan_age_ms": 0,
            "accounts": [{"namespace": "ticker", "name": "a"}], "sets": [{"namespace": "ticker", "name": "s"}],
        });
        stage.set(&format!("{OPERATOR}/v1/top"), 200, &top.to_string());
        stage
    }

    pub(crate) fn set(&self, start: &str, status: u16, body: &str) {
        let mut answers = self.server.answers.lock().unwrap();
        answers.insert(start.to_owned(), (status, body.to_owned()));
    }

    pub(crate) fn asked(&self) -> Vec<(String, String, String)> {
        self.server.asked.lock().unwrap().clone()
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-kiteticker"));
        command
            .env_remove("KITETICKER_LOCAL")
            .env("KUBECONFIG", self.config());
        let command = command.args(arguments).current_dir(self.folder.path());
        command.output().await.unwrap()
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("config")
    }

    /// What it prints when it succeeds.
    pub(crate) async fn says(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What it says when it fails: one line.
    pub(crate) async fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        errors
    }
}
