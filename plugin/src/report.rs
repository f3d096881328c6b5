//! `report`: one file for a bug report: what runs, what it says, and why things are where they are.
//!
//! Owns what is in it. No Secret is read, and what `redact` knows as secret is taken out of everything before it is written:
//! it cannot know every text, so who sends the file reads it before.

mod redact;

use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use contract::answer::{EXPLAIN_PATH, TOP_PATH, TopAnswer};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::args::{ObjectKind, ReportArgs};
use crate::error::AskError;
use crate::output;
use crate::source::{ClusterOperator, OWN_KINDS, ObjectList, Source};

/// The most objects that are explained, and the most reports.
const MOST: usize = 200;

/// Parts of the file, and what could not be read of them.
#[derive(Default)]
struct Parts {
    parts: Map<String, Value>,
    unread: Vec<String>,
}

pub(crate) async fn run(source: &Source, args: &ReportArgs) -> anyhow::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "the edge: when it was made")]
    let now = Timestamp::now();
    let mut parts = Parts::default();
    parts.add("made_at", now.to_string());
    parts.add("plugin_version", env!("CARGO_PKG_VERSION"));
    let top = source.ask::<TopAnswer>(TOP_PATH, &[]).await;
    let top = parts.note("the operator's overview", top);
    if let Source::Cluster(cluster) = source {
        objects(&mut parts, cluster).await;
        let metrics = source.page("/metrics").await;
        if let Some(metrics) = parts.note("the operator's metrics", metrics) {
            let lines: Vec<&str> = metrics.lines().filter(|it| !it.starts_with('#')).collect();
            parts.add("operator_metrics", lines);
        }
    }
    if let Some(top) = top {
        if top.truncated {
            let note =
                "the operator's overview: it leaves accounts and sets out, there are too many";
            parts.unread.push(note.to_owned());
        }
        explanations(&mut parts, source, &top).await;
        reports(&mut parts, source, &top).await;
        parts.add("top", serde_json::to_value(&top)?);
    }
    let unread = std::mem::take(&mut parts.unread);
    parts.add("not_read", unread);
    let mut report = Value::Object(parts.parts);
    redact::all(&mut report);
    let text = serde_json::to_string_pretty(&report)? + "\n";
    let file = args.file.clone().unwrap_or_else(|| {
        PathBuf::from(format!(
            "kiteticker-report-{}.json",
            now.strftime("%Y%m%dT%H%M%SZ")
        ))
    });
    if file == Path::new("-") {
        return output::write(&text);
    }
    let mut options = std::fs::OpenOptions::new();
    // A file that is there may be readable by others, or may be needed.
    options.create_new(true).write(true).mode(0o600);
    let opened = options.open(&file);
    let exists = |error: &io::Error| error.kind() == io::ErrorKind::AlreadyExists;
    anyhow::ensure!(
        !opened.as_ref().is_err_and(exists),
        "{} exists already: name another file, or delete it",
        file.display()
    );
    let written = opened.and_then(|mut it| it.write_all(text.as_bytes()));
    written.with_context(|| format!("{} cannot be written", file.display()))?;
    output::write(&format!(
        "{} is written. No Secret was read. Users in URLs, values that are named like an API key, a token or a password, and \
         annotations of others are taken out. Other texts are as they were: read it before you send it.\n",
        file.display()
    ))
}

impl Parts {
    fn add(&mut self, name: &str, value: impl Into<Value>) {
        self.parts.insert(name.to_owned(), value.into());
    }

    /// The value, or a note that it could not be read.
    fn note<T, E: std::error::Error + 'static>(
        &mut self,
        what: &str,
        read: Result<T, E>,
    ) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(error) => {
                let note = format!("{what}: {}", service::exit::chain(&error));
                self.unread.push(note);
                None
            }
        }
    }

    /// The objects, with a note if there are more of them.
    fn listed(&mut self, what: &str, read: Result<ObjectList, AskError>) -> Option<Vec<Value>> {
        let read = self.note(what, read)?;
        self.unread.extend(read.cut);
        Some(read.objects)
    }

    /// The first of these, with a note if there are more.
    fn first<T>(&mut self, what: &str, mut all: Vec<T>) -> Vec<T> {
        if all.len() > MOST {
            let more = all.len() - MOST;
            let note = format!("{what}: those of {more} more, only {MOST} are asked for");
            self.unread.push(note);
            all.truncate(MOST);
        }
        all
    }
}

/// Objects, their pods, and events about them.
async fn objects(parts: &mut Parts, cluster: &ClusterOperator) {
    for resource in OWN_KINDS {
        let read = cluster.objects(resource).await;
        if let Some(objects) = parts.listed(resource, read) {
            parts.add(resource, objects);
        }
    }
    let pods = cluster.list("/api/v1", "pods").await;
    if let Some(pods) = parts.listed("pods", pods) {
        let own = pods.iter().filter(|pod| is_ours(pod));
        let pods = own.map(|pod| {
            json!({
                "name": pod.pointer("/metadata/name"), "namespace": pod.pointer("/metadata/namespace"),
                "created": pod.pointer("/metadata/creationTimestamp"),
                "images": images(pod), "status": pod.get("status"),
            })
        });
        parts.add("pods", pods.collect::<Vec<_>>());
    }
    let events = cluster.list("/apis/events.k8s.io/v1", "events").await;
    if let Some(mut events) = parts.listed("events", events) {
        events.retain(|event| {
            let name = event.pointer("/regarding/name").and_then(Value::as_str);
            let kind = event.pointer("/regarding/kind").and_then(Value::as_str);
            let ours = ["TickerAccount", "InstrumentSet"].map(Some).contains(&kind);
            ours || name.is_some_and(|name| name.starts_with("kt-"))
        });
        parts.add("events", events);
    }
}

fn is_ours(pod: &Value) -> bool {
    let label = format!(
        "/metadata/labels/{}",
        crds::names::LABEL_APP.replace('/', "~1")
    );
    pod.pointer(&label).and_then(Value::as_str) == Some(crds::names::APP)
}

fn images(pod: &Value) -> Vec<&Value> {
    let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
    let containers = containers.into_iter().flatten();
    containers.filter_map(|it| it.get("image")).collect()
}

/// Why each object is as it is.
async fn explanations(parts: &mut Parts, source: &Source, top: &TopAnswer) {
    let sets = top
        .sets
        .iter()
        .map(|it| (ObjectKind::Set, &it.namespace, &it.name));
    let accounts = top.accounts.iter();
    let accounts = accounts.map(|it| (ObjectKind::Account, &it.namespace, &it.name));
    let mut explanations = Vec::new();
    let asked = parts.first("explanations", accounts.chain(sets).collect());
    for (kind, namespace, name) in asked {
        let mut parameters = vec![("kind", kind.as_str()), ("name", name.as_str())];
        if source.shows_namespaces() {
            parameters.push(("namespace", namespace));
        }
        let explained = source.ask::<Value>(EXPLAIN_PATH, &parameters).await;
        let what = format!("the explanation of {} {name}", kind.as_str());
        explanations.extend(parts.note(&what, explained));
    }
    parts.add("explanations", explanations);
}

/// What each process reports.
async fn reports(parts: &mut Parts, source: &Source, top: &TopAnswer) {
    let mut reports = Vec::new();
    for account in parts.first("reports", top.accounts.iter().collect()) {
        let report = source.report(&account.namespace, &account.name).await;
        let what = format!("the report of account {}", account.name);
        if let Some(report) = parts.note(&what, report) {
            reports.push(json!({
                "namespace": account.namespace, "account": account.name, "report": report,
            }));
        }
    }
    parts.add("reports", reports);
}
