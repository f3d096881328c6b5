//! Manifests, checked as an API server would check them, document by document.
//!
//! Owns the content of a document and what is wrong with it. Must not know of other files.

mod secret;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use crds::names::ANNOTATION_REBALANCE;
use crds::{InstrumentSetSpec, Resource, TickerAccountSpec, Violation};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

pub(crate) use self::secret::{SecretError, SecretValues};
use crate::plan::InvalidSpec;

/// The largest manifest file that is read, in bytes.
const LARGEST_FILE: u64 = 4 * 1024 * 1024;

/// The most documents of one file, and the most objects if some of them are lists.
pub(crate) const MAX_DOCUMENTS: usize = 10_000;

/// One object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ManifestObject<Spec> {
    /// Its labels.
    pub(crate) labels: BTreeMap<String, String>,
    /// The annotation that asks for a rebalance.
    pub(crate) rebalance: Option<String>,
    /// Its spec, or why it cannot be used.
    pub(crate) spec: Result<Arc<Spec>, InvalidSpec>,
}

/// The content of a document.
#[derive(Clone, Debug)]
pub(crate) enum Document {
    Account(String, ManifestObject<TickerAccountSpec>),
    Set(String, ManifestObject<InstrumentSetSpec>),
    Secret(String, Result<SecretValues, SecretError>),
    /// One of ours that has no name or no known kind, and why.
    Unusable(String),
    /// One of another kind, and what is read instead.
    Foreign(String),
}

impl Document {
    /// Kind and name, if it is an object.
    pub(crate) fn name(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::Account(name, _) => Some(("TickerAccount", name)),
            Self::Set(name, _) => Some(("InstrumentSet", name)),
            Self::Secret(name, _) => Some(("Secret", name)),
            Self::Unusable(_) | Self::Foreign(_) => None,
        }
    }
}

/// Reads a file's documents.
///
/// # Errors
/// When the file as a whole cannot be used; text for people.
pub(crate) fn read_file(path: &Path) -> Result<Vec<Document>, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > LARGEST_FILE {
        return Err(format!("is larger than {LARGEST_FILE} bytes"));
    }
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    let values = objects(&text)?;
    let has_namespace = |value: &Value| value.pointer("/metadata/namespace").is_some();
    let note = values.iter().any(has_namespace).then(|| {
        let why = "metadata.namespace is ignored: without Kubernetes there is one namespace";
        Document::Foreign(why.to_owned())
    });
    Ok(values.iter().map(document).chain(note).collect())
}

/// Reads the objects of a text, unchecked.
///
/// # Errors
/// When the text as a whole cannot be used; text for people.
pub(crate) fn objects(text: &str) -> Result<Vec<Value>, String> {
    let values: Vec<Value> = documents(text)?.into_iter().flat_map(items).collect();
    if values.len() > MAX_DOCUMENTS {
        return Err(format!("holds more than {MAX_DOCUMENTS} objects"));
    }
    Ok(values)
}

/// The objects of a list, as `kubectl get -o yaml` prints one; else the object itself.
fn items(mut manifest: Value) -> Vec<Value> {
    let is_list = manifest["kind"] == "List";
    match manifest.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) if is_list => items,
        Some(other) => {
            manifest["items"] = other;
            vec![manifest]
        }
        None => vec![manifest],
    }
}

/// Reads the documents of a file. `---` at the start of any line separates them.
fn documents(text: &str) -> Result<Vec<Value>, String> {
    let mut values = Vec::new();
    let mut line = 1;
    let parts = split_documents(text);
    if parts.len() > MAX_DOCUMENTS {
        return Err(format!("holds more than {MAX_DOCUMENTS} documents"));
    }
    for part in parts {
        // Without snippets of the source, which could show a Secret.
        let options = serde_saphyr::options! { with_snippet: false };
        let parsed: Vec<Value> =
            serde_saphyr::from_multiple_with_options(part, options).map_err(|error| {
                format!(
                    "document at line {line} is not valid YAML: {}",
                    error.render_with_formatter(&serde_saphyr::UserMessageFormatter)
                )
            })?;
        values.extend(parsed);
        if values.len() > MAX_DOCUMENTS {
            return Err(format!("holds more than {MAX_DOCUMENTS} documents"));
        }
        line += part.lines().count();
    }
    Ok(values)
}

fn split_documents(text: &str) -> Vec<&str> {
    let mut starts = vec![0];
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if at > 0 && line.trim_end() == "---" {
            starts.push(at);
        }
        at += line.len();
    }
    starts.push(text.len());
    starts
        .windows(2)
        .map(|pair| &text[pair[0]..pair[1]])
        .collect()
}

/// Checks one object.
pub(crate) fn document(manifest: &Value) -> Document {
    let text = |pointer: &str| {
        manifest
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    if crds::check::is_ours(manifest) {
        return resource(manifest, text("/metadata/name"));
    }
    if text("/kind") == "Secret" && text("/apiVersion") == "v1" {
        let name = text("/metadata/name").to_owned();
        return if name.is_empty() {
            Document::Unusable("a Secret has no metadata.name".to_owned())
        } else {
            Document::Secret(name, secret::read(manifest))
        };
    }
    let kind = text("/kind");
    if kind.is_empty() && !manifest.is_null() {
        let why = "a document has no kind: TickerAccount, InstrumentSet and Secret are read";
        return Document::Unusable(why.to_owned());
    }
    Document::Foreign(format!(
        "kind {kind:?} is ignored: only TickerAccount, InstrumentSet and Secret are read"
    ))
}

fn resource(manifest: &Value, name: &str) -> Document {
    match crds::check(manifest) {
        Ok(Resource::TickerAccount(account)) => {
            let spec = Ok(Arc::new(account.spec));
            Document::Account(name.to_owned(), object(account.metadata, spec))
        }
        Ok(Resource::InstrumentSet(set)) => {
            let spec = Ok(Arc::new(set.spec));
            Document::Set(name.to_owned(), object(set.metadata, spec))
        }
        Err(violations) => invalid(manifest, name, &violations),
    }
}

fn invalid(manifest: &Value, name: &str, violations: &[Violation]) -> Document {
    let why = invalid_spec(violations);
    let kind = manifest.get("kind").and_then(Value::as_str);
    match kind.unwrap_or_default() {
        "TickerAccount" if !name.is_empty() => {
            Document::Account(name.to_owned(), object(ObjectMeta::default(), Err(why)))
        }
        "InstrumentSet" if !name.is_empty() => {
            Document::Set(name.to_owned(), object(ObjectMeta::default(), Err(why)))
        }
        kind => Document::Unusable(format!("kind {kind:?}: {why}")),
    }
}

fn object<S>(metadata: ObjectMeta, spec: Result<Arc<S>, InvalidSpec>) -> ManifestObject<S> {
    let mut annotations = metadata.annotations.unwrap_or_default();
    ManifestObject {
        labels: metadata.labels.unwrap_or_default(),
        rebalance: annotations.remove(ANNOTATION_REBALANCE),
        spec,
    }
}

/// The maximum number of violations in a message.
const SHOWN: usize = 5;

/// The first violations, and the number of further ones.
fn invalid_spec(violations: &[Violation]) -> InvalidSpec {
    let Some((first, others)) = violations.split_first() else {
        return InvalidSpec {
            field: String::new(),
            problem: "cannot be read".to_owned(),
        };
    };
    let mut problem = first.message.clone();
    for other in others.iter().take(SHOWN - 1) {
        problem.push_str(&format!("; {other}"));
    }
    if violations.len() > SHOWN {
        problem.push_str(&format!(" (and {} more)", violations.len() - SHOWN));
    }
    InvalidSpec {
        field: first.field.clone(),
        problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_five_violations_are_said() {
        let of = |count: usize| {
            let violations = (1..=count).map(|at| Violation {
                field: format!("spec.f{at}"),
                message: format!("m{at}"),
            });
            invalid_spec(&violations.collect::<Vec<_>>()).to_string()
        };
        assert_eq!(of(1), "spec.f1: m1");
        assert_eq!(of(2), "spec.f1: m1; spec.f2: m2");
        assert!(of(7).ends_with("; spec.f5: m5 (and 2 more)"), "{}", of(7));
    }
}
