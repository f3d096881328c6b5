//! Which manifests of a file are sent to the operator.
//!
//! Pure. Owns that nothing else leaves this machine: what is neither a TickerAccount nor an InstrumentSet stays here,
//! whatever it is and however deep in lists, and so do the annotations of other programs, which repeat manifests.

use serde_json::Value;

/// The kinds that are sent.
const SENT: [&str; 2] = ["TickerAccount", "InstrumentSet"];

/// Annotations that are sent begin so.
const OWN_ANNOTATIONS: &str = "kiteticker.dev/";

/// The manifests of some files.
#[derive(Debug, Default, PartialEq)]
pub(super) struct SentManifests {
    /// What is sent.
    pub(super) sent: Vec<Value>,
    /// Kinds and names of the others.
    pub(super) ignored: Vec<String>,
}

impl SentManifests {
    /// Adds the objects of a text.
    pub(super) fn add(&mut self, text: &str) -> Result<(), String> {
        // Without snippets of the source, which could show a Secret.
        let options = serde_saphyr::options! { with_snippet: false };
        let mut rest: Vec<Value> = serde_saphyr::from_multiple_with_options(text, options)
            .map_err(|error| format!("is not valid YAML: {error}"))?;
        rest.reverse();
        while let Some(object) = rest.pop() {
            match items(object) {
                Ok(items) => rest.extend(items.into_iter().rev()),
                Err(Value::Null) => {}
                Err(object) => self.add_object(object)?,
            }
        }
        Ok(())
    }

    fn add_object(&mut self, mut object: Value) -> Result<(), String> {
        if SENT.contains(&kind(&object)) {
            without_foreign_annotations(&mut object);
            self.sent.push(object);
            return Ok(());
        }
        let name = named(&object);
        if crds::check::is_ours(&object) {
            // A slip: the API server would refuse it.
            let group = crds::names::GROUP;
            return Err(format!(
                "holds {name}: {group} has the kinds {} only",
                SENT.join(" and ")
            ));
        }
        self.ignored.push(name);
        Ok(())
    }
}

/// The objects of a list of any kind; else the object itself.
fn items(mut object: Value) -> Result<Vec<Value>, Value> {
    let Some(of) = kind(&object).strip_suffix("List").map(str::to_owned) else {
        return Err(object);
    };
    let version = object["apiVersion"].clone();
    let Some(Value::Array(items)) = object.get_mut("items") else {
        return Err(object);
    };
    let mut items = std::mem::take(items);
    // The API server leaves the kind out of the items of a list of one kind.
    let typed = items.iter_mut().filter_map(Value::as_object_mut);
    for item in typed.filter(|item| !of.is_empty() && !item.contains_key("kind")) {
        item.insert("kind".to_owned(), of.clone().into());
        item.insert("apiVersion".to_owned(), version.clone());
    }
    Ok(items)
}

fn kind(object: &Value) -> &str {
    let kind = object.get("kind").and_then(Value::as_str);
    kind.unwrap_or_default()
}

fn named(object: &Value) -> String {
    let name = object.pointer("/metadata/name").and_then(Value::as_str);
    match (kind(object), name) {
        ("", _) => "a document without a kind".to_owned(),
        (kind, Some(name)) => format!("{kind} {name}"),
        (kind, None) => format!("a {kind}"),
    }
}

/// kubectl keeps the whole manifest that was applied last in one.
fn without_foreign_annotations(object: &mut Value) {
    let annotations = object.pointer_mut("/metadata/annotations");
    if let Some(annotations) = annotations.and_then(Value::as_object_mut) {
        annotations.retain(|name, _| name.starts_with(OWN_ANNOTATIONS));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(text: &str) -> SentManifests {
        let mut manifests = SentManifests::default();
        manifests.add(text).unwrap();
        manifests
    }

    #[test]
    fn only_accounts_and_sets_leave_this_machine() {
        let secret = "{kind: Secret, metadata: {name: s}, stringData: {api_key: hunter2}}";
        let set = "{kind: InstrumentSet}";
        let typed = "{metadata: {name: s}, data: {k: aHVudGVyMg==, hunter2: x}}";
        for (text, ignored) in [
            (secret.to_owned(), "Secret s"),
            (format!("{{kind: List, items: [{secret}]}}"), "Secret s"),
            (
                format!("{{kind: List, items: [{{kind: List, items: [{secret}]}}]}}"),
                "Secret s",
            ),
            (
                format!("{{apiVersion: v1, kind: SecretList, items: [{typed}]}}"),
                "Secret s",
            ),
            (
                format!("{{kind: List, items: [{{kind: SecretList, items: [{typed}]}}]}}"),
                "Secret s",
            ),
            (
                "{kind: SecretList, items: {hunter2: 1}}".to_owned(),
                "a SecretList",
            ),
            (
                "{kind: ConfigMap, metadata: {name: c}, data: {a: hunter2}}".to_owned(),
                "ConfigMap c",
            ),
            (
                "{kind: Deployment, metadata: {name: d}, spec: {env: [{value: hunter2}]}}"
                    .to_owned(),
                "Deployment d",
            ),
            ("{kind: secret, data: {a: hunter2}}".to_owned(), "a secret"),
            (
                "{kind: [InstrumentSet], a: hunter2}".to_owned(),
                "a document without a kind",
            ),
            (
                "{data: {a: hunter2}}".to_owned(),
                "a document without a kind",
            ),
            ("[hunter2]".to_owned(), "a document without a kind"),
            ("hunter2".to_owned(), "a document without a kind"),
        ] {
            let manifests = of(&format!("{text}\n---\n{set}\n"));
            assert_eq!(manifests.sent, [json!({"kind": "InstrumentSet"})], "{text}");
            assert_eq!(manifests.ignored, [ignored], "{text}");
            assert!(!manifests.ignored.concat().contains("hunter2"));
        }
    }

    #[test]
    fn lists_are_opened_in_order() {
        let manifests = of("kind: List\nitems:\n\
             - {kind: InstrumentSet, metadata: {name: a}}\n\
             - {kind: List, items: [{kind: TickerAccount, metadata: {name: b}}, null]}\n\
             - {kind: InstrumentSet, metadata: {name: c}}\n---\n\
             apiVersion: kiteticker.dev/v1alpha1\nkind: InstrumentSetList\n\
             items: [{metadata: {name: d}}]\n---\n");
        let names = manifests.sent.iter().map(named).collect::<Vec<_>>();
        let expected = [
            "InstrumentSet a",
            "TickerAccount b",
            "InstrumentSet c",
            "InstrumentSet d",
        ];
        assert_eq!(names, expected);
        assert_eq!(manifests.sent[3]["apiVersion"], "kiteticker.dev/v1alpha1");
        assert!(manifests.ignored.is_empty());
    }

    #[test]
    fn what_kubectl_notes_on_an_object_stays_here() {
        let manifests = of("kind: TickerAccount\nmetadata:\n  annotations:\n    \
             kubectl.kubernetes.io/last-applied-configuration: hunter2\n    kiteticker.dev/rebalance: '1'\n");
        let annotations = &manifests.sent[0]["metadata"]["annotations"];
        assert_eq!(*annotations, json!({"kiteticker.dev/rebalance": "1"}));
    }

    #[test]
    fn what_is_wrong_is_said_without_what_stands_there() {
        let mut manifests = SentManifests::default();
        let wrong = manifests.add("kind: Secret\nstringData: {api_key: hunter2\n");
        let wrong = wrong.unwrap_err();
        assert!(
            wrong.starts_with("is not valid YAML") && !wrong.contains("hunter2"),
            "{wrong}"
        );
        let slip =
            "apiVersion: kiteticker.dev/v1alpha1\nkind: InstrumentSett\nmetadata: {name: nifty}\n";
        assert_eq!(
            manifests.add(slip).unwrap_err(),
            "holds InstrumentSett nifty: kiteticker.dev has the kinds TickerAccount and InstrumentSet only"
        );
    }
}
