//! The program against an API server that answers as it is told: which paths it asks, and what it says when there is no
//! operator, no right, or no cluster.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
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
const OPERATOR: &str = "/api/v1/namespaces/ticker/services/kt-kite-ticker-operator:http/proxy";

/// Answers by the beginning of the path; the longest one counts.
type Answers = BTreeMap<String, (u16, String)>;

#[derive(Clone, Default)]
struct ApiServer {
    answers: Arc<Mutex<Answers>>,
    /// Method, path with query, and body.
    asked: Arc<Mutex<Vec<(String, String, String)>>>,
}

/// An API server, and a kubeconfig that leads to it.
struct Stage {
    server: ApiServer,
    folder: TempDir,
}

async fn answer(State(server): State<ApiServer>, request: Request) -> Response {
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
fn status(code: u16, message: &str) -> String {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message}).to_string()
}

fn condition(status: &str, reason: &str, message: &str) -> Value {
    json!([{
        "type": "Ready", "status": status, "reason": reason, "message": message,
        "lastTransitionTime": "2026-11-29T10:00:00Z",
    }])
}

fn list(items: &[Value]) -> String {
    json!({"kind": "List", "metadata": {}, "items": items}).to_string()
}

impl Stage {
    async fn new() -> Self {
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

    fn set(&self, start: &str, status: u16, body: &str) {
        let mut answers = self.server.answers.lock().unwrap();
        answers.insert(start.to_owned(), (status, body.to_owned()));
    }

    fn asked(&self) -> Vec<(String, String, String)> {
        self.server.asked.lock().unwrap().clone()
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-kiteticker"));
        command
            .env_remove("KITETICKER_LOCAL")
            .env("KUBECONFIG", self.config());
        let command = command.args(arguments).current_dir(self.folder.path());
        command.output().await.unwrap()
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("config")
    }

    /// What it prints when it succeeds.
    async fn says(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What it says when it fails: one line.
    async fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        errors
    }
}

#[tokio::test]
async fn status_is_live_from_pods_and_says_what_is_not() {
    let stage = Stage::new().await;
    let text = stage.says(&["status"]).await;
    assert!(
        text.contains("a         True    Streaming     1/1           2/3         9"),
        "{text}"
    );
    assert!(
        text.contains("s     False   CapacityShort   full           2/5         9"),
        "{text}"
    );
    assert!(text.contains("2 of 5 instruments wait for room"), "{text}");
    assert!(!text.contains("live"), "{text}");

    // Without an operator, objects and pods remain.
    stage.set(
        &format!("{OPERATOR}/v1/top"),
        503,
        &status(503, "no endpoints available for service"),
    );
    let text = stage.says(&["status"]).await;
    assert!(text.contains("True    Streaming"), "{text}");
    assert!(
        text.contains(
            "are what the operator wrote last: the operator in namespace ticker does not answer"
        ),
        "{text}"
    );
    // Without pods too.
    let pod = "/api/v1/namespaces/ticker/pods/kt-a-0:9400/proxy";
    stage.set(
        &format!("{pod}/v1/report"),
        403,
        &status(403, "pods is forbidden"),
    );
    let view: Value = serde_json::from_str(&stage.says(&["status", "-o", "json"]).await).unwrap();
    assert_eq!(view["accounts"][0]["streaming"], 3);
    let notes = view["notes"].to_string();
    assert!(
        notes.contains("get on pods/proxy in namespace ticker is not allowed"),
        "{notes}"
    );
}

#[tokio::test]
async fn the_operator_is_asked_through_the_proxy_of_its_service() {
    let stage = Stage::new().await;
    stage.set(
        &format!("{OPERATOR}/v1/find"),
        200,
        &json!({"instruments": []}).to_string(),
    );
    let error = stage.fails(&["find", "nifty", "25000 ce"]).await;
    assert!(error.contains("nothing matches"), "{error}");
    let asked = stage.asked();
    let find = asked.iter().find(|it| it.1.contains("/v1/find")).unwrap();
    assert_eq!(find.0, "GET");
    assert_eq!(
        find.1,
        format!("{OPERATOR}/v1/find?query=nifty%2025000%20ce&namespace=ticker")
    );
    let services = &asked[0].1;
    assert!(
        services.contains("labelSelector=app.kubernetes.io%2Fname%3Dkite-ticker%2C"),
        "{services}"
    );

    stage.set(
        &format!("{OPERATOR}/v1/plan"),
        200,
        &json!({"remarks": ["hm"]}).to_string(),
    );
    let manifests = "kind: SecretList\nitems: [{stringData: {api_key: hunter2}}]\n---\nkind: InstrumentSet\n---\n\
                     kind: ConfigMap\nmetadata: {name: c}\ndata: {x: hunter2}\n";
    std::fs::write(stage.folder.path().join("m.yaml"), manifests).unwrap();
    let text = stage.says(&["plan", "--dry-run", "-f", "m.yaml"]).await;
    let ignored =
        "not sent, because only TickerAccounts and InstrumentSets are: a Secret, ConfigMap c";
    assert_eq!(text, format!("nothing would change\n\nhm\n\n{ignored}\n"));
    let asked = stage.asked();
    let plan = asked.iter().find(|it| it.1.contains("/v1/plan")).unwrap();
    assert_eq!(plan.0, "POST");
    let sent: Value = serde_json::from_str(&plan.2).unwrap();
    assert_eq!(
        sent,
        json!({"kind": "List", "items": [{"kind": "InstrumentSet"}]})
    );
    std::fs::write(stage.folder.path().join("m.yaml"), "kind: Secret\n").unwrap();
    let error = stage.fails(&["plan", "--dry-run", "-f", "m.yaml"]).await;
    assert!(error.contains("neither a TickerAccount nor"), "{error}");

    // Of all namespaces, the operator stands in that of the context.
    stage.says(&["top", "-A"]).await;
    let asked = stage.asked();
    assert!(
        asked.iter().any(|it| it.1 == format!("{OPERATOR}/v1/top?")),
        "{asked:?}"
    );
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let stage = Stage::new().await;
    let explain = ["explain", "iset/s"];
    let path = format!("{OPERATOR}/v1/explain");
    let message = r#"services "kt-kite-ticker-operator:http" is forbidden: User "eve" cannot get resource "services/proxy""#;
    stage.set(&path, 403, &status(403, message));
    let error = stage.fails(&explain).await;
    assert!(
        error.contains("get on services/proxy in namespace ticker is not allowed"),
        "{error}"
    );
    assert!(
        error.contains("kiteticker-plugin") && error.contains("eve"),
        "{error}"
    );

    stage.set(&path, 404, "404 page not found");
    let error = stage.fails(&explain).await;
    assert!(
        error.contains("does not know /v1/explain: it is older than this program"),
        "{error}"
    );

    stage.set(&path, 404, &status(404, "services not found"));
    let error = stage.fails(&explain).await;
    assert!(
        error.contains("no operator in namespace ticker: name its namespace"),
        "{error}"
    );

    stage.set(
        &path,
        404,
        &json!({"error": "there is no InstrumentSet s"}).to_string(),
    );
    assert_eq!(
        stage.fails(&explain).await,
        "error: there is no InstrumentSet s\n"
    );

    stage.set(&path, 200, "<html>");
    let error = stage.fails(&explain).await;
    assert!(error.contains("cannot be read (status 200)"), "{error}");

    let kinds = "/apis/kiteticker.dev/v1alpha1/namespaces/ticker/tickeraccounts";
    stage.set(kinds, 403, &status(403, "tickeraccounts is forbidden"));
    let error = stage.fails(&["status"]).await;
    assert!(
        error.contains("list on tickeraccounts in namespace ticker is not allowed"),
        "{error}"
    );
    stage.set(kinds, 404, "404 page not found");
    let error = stage.fails(&["status"]).await;
    assert!(
        error.contains("install the chart kite-ticker-crds"),
        "{error}"
    );
    let report: Value =
        serde_json::from_str(&stage.says(&["report", "--file", "-"]).await).unwrap();
    let not_read = report["not_read"].to_string();
    assert!(
        not_read.contains("the cluster does not list pods (status 404)"),
        "{not_read}"
    );

    // Who has to log in again is not told that versions differ.
    stage.set(&path, 401, &status(401, "Unauthorized"));
    let error = stage.fails(&explain).await;
    assert!(error.contains("does not know you: log in again"), "{error}");

    let error = stage.fails(&["status", "--context", "other"]).await;
    assert!(
        error.contains("check --context and --kubeconfig"),
        "{error}"
    );
    // Nobody listens there.
    let text = std::fs::read_to_string(stage.config()).unwrap();
    let start = text.find("127.0.0.1:").unwrap() + "127.0.0.1:".len();
    let end = start + text[start..].find('"').unwrap();
    let gone = format!("{}1{}", &text[..start], &text[end..]);
    std::fs::write(stage.config(), gone).unwrap();
    let error = stage.fails(&["status"]).await;
    assert!(error.contains("the cluster does not answer"), "{error}");
}

#[tokio::test]
async fn of_what_a_pod_or_an_operator_says_only_so_much_is_read() {
    let stage = Stage::new().await;
    let pod = "/api/v1/namespaces/ticker/pods/kt-a-0:9400/proxy/v1/report";
    stage.set(pod, 200, &" ".repeat(contract::report::LARGEST_REPORT + 1));
    let text = stage.says(&["status"]).await;
    assert!(
        text.contains("numbers of account a are not live: the answer to"),
        "{text}"
    );
    assert!(
        text.contains("is larger than 3145728 bytes, and was not read"),
        "{text}"
    );

    let large = " ".repeat(contract::answer::LARGEST_ANSWER + 1);
    stage.set(&format!("{OPERATOR}/v1/top"), 200, &large);
    let error = stage.fails(&["top"]).await;
    assert!(error.contains("is larger than 1048576 bytes"), "{error}");
}

#[tokio::test]
async fn what_is_left_out_is_said() {
    let stage = Stage::new().await;
    let accounts = (0..201).map(|at| json!({"namespace": "ticker", "name": format!("a{at}")}));
    let accounts: Vec<Value> = accounts.collect();
    let top = json!({"operator_version": "1", "accounts": accounts, "truncated": true});
    stage.set(&format!("{OPERATOR}/v1/top"), 200, &top.to_string());
    // A list that never ends.
    let endless = json!({"metadata": {"continue": "more"}, "items": [{"metadata": {"name": "p"}}]});
    let kinds = "/apis/kiteticker.dev/v1alpha1/namespaces/ticker/tickeraccounts";
    stage.set(kinds, 200, &endless.to_string());
    let cut = "there are more than 40 tickeraccounts: the others are not read";
    let text = stage.says(&["status"]).await;
    assert!(text.contains(cut), "{text}");
    let report: Value =
        serde_json::from_str(&stage.says(&["report", "--file", "-"]).await).unwrap();
    let not_read = report["not_read"].as_array().unwrap();
    for expected in [
        cut,
        "the operator's overview: it leaves accounts and sets out, there are too many",
        "explanations: those of 1 more, only 200 are asked for",
        "reports: those of 1 more, only 200 are asked for",
    ] {
        assert!(not_read.contains(&expected.into()), "{not_read:?}");
    }
}

#[tokio::test]
async fn a_busy_operator_is_asked_again() {
    let stage = Stage::new().await;
    let busy = json!({"error": "another question is being answered"}).to_string();
    stage.set(&format!("{OPERATOR}/v1/top"), 503, &busy);
    let free = async {
        while !stage.asked().iter().any(|it| it.1.contains("/v1/top")) {
            tokio::task::yield_now().await;
        }
        let top = json!({"operator_version": "1", "plan_age_ms": 0}).to_string();
        stage.set(&format!("{OPERATOR}/v1/top"), 200, &top);
    };
    let (text, ()) = tokio::join!(stage.says(&["top"]), free);
    assert_eq!(text, "there is neither an account nor a set\n");
}

#[tokio::test]
async fn a_report_holds_what_helps_and_nothing_secret() {
    let stage = Stage::new().await;
    stage.set(
        &format!("{OPERATOR}/v1/explain"),
        200,
        &json!({"kind": "set", "message": "wss://x/?api_key=hunter2 failed"}).to_string(),
    );
    let metrics = "# HELP x\nkite_operator_plans_total 7\n";
    stage.set(&format!("{OPERATOR}/metrics"), 200, metrics);
    let pod = |name: &str, app: &str| {
        json!({
            "metadata": {"name": name, "namespace": "ticker", "labels": {"app.kubernetes.io/name": app}},
            "spec": {"containers": [{"image": "img:1", "env": [{"name": "X", "value": "hunter2"}]}]},
            "status": {"phase": "Running"},
        })
    };
    stage.set(
        "/api/v1/namespaces/ticker/pods?",
        200,
        &list(&[pod("kt-a-0", "kite-ticker"), pod("strange", "other")]),
    );
    let event =
        |kind: &str, name: &str| json!({"regarding": {"kind": kind, "name": name}, "note": "text"});
    stage.set(
        "/apis/events.k8s.io/v1/namespaces/ticker/events?",
        200,
        &list(&[event("TickerAccount", "a"), event("Pod", "strange")]),
    );
    let said = stage.says(&["report", "--file", "out.json"]).await;
    assert!(said.starts_with("out.json is written."), "{said}");
    let text = std::fs::read_to_string(stage.folder.path().join("out.json")).unwrap();
    assert!(
        !text.contains("hunter2") && !text.contains("strange"),
        "{text}"
    );
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["not_read"], json!([]));
    assert_eq!(report["operator_metrics"][0], "kite_operator_plans_total 7");
    assert_eq!(
        report["tickeraccounts"][0]["spec"]["redis"]["url"],
        "redis://REDACTED@redis:6379"
    );
    assert_eq!(report["pods"][0]["images"][0], "img:1");
    assert_eq!(report["events"].as_array().unwrap().len(), 1);
    assert_eq!(report["reports"][0]["report"]["ticks_total"], 100);
    assert_eq!(report["explanations"].as_array().unwrap().len(), 2);
    assert_eq!(report["top"]["operator_version"], "9.9.9");
    // Secrets are not even asked for.
    assert!(!stage.asked().iter().any(|it| it.1.contains("secrets")));

    // What is there stays.
    let error = stage.fails(&["report", "--file", "out.json"]).await;
    assert!(error.contains("out.json exists already"), "{error}");
    let file = stage.folder.path().join("out.json");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // What cannot be read is listed.
    stage.set(
        "/apis/events.k8s.io/v1/namespaces/ticker/events?",
        403,
        &status(403, "no"),
    );
    let text = stage.says(&["report", "--file", "-"]).await;
    let report: Value = serde_json::from_str(&text).unwrap();
    assert!(
        report["not_read"][0]
            .as_str()
            .unwrap()
            .starts_with("events: list on events"),
        "{text}"
    );
}
