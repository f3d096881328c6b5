//! Checks a manifest the way the API server would, for runs without one.
//!
//! One source of truth: the generated definitions' own schema and CEL rules are evaluated. Must not read files;
//! manifests come in parsed.

mod metadata;
mod structure;

use crate::names::{GROUP, VERSION};
use crate::{InstrumentSet, TickerAccount, crd};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube_cel::{CompiledSchema, Validator, compile_schema};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;
use std::sync::LazyLock;

/// A checked object, with defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub enum Resource {
    /// A Kite account.
    TickerAccount(Box<TickerAccount>),
    /// A set of instruments.
    InstrumentSet(Box<InstrumentSet>),
}

/// One thing that is wrong with a manifest, in the API server's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field, as `spec.instruments.symbols[3]`; empty for the whole object.
    pub field: String,
    /// What is wrong with it. Values of fields that might hold a secret are not repeated.
    pub message: String,
}

/// Whether a manifest is of one of the two kinds, in any version, so that [`check`] can check it.
#[must_use]
pub fn is_ours(manifest: &Value) -> bool {
    let group = text(manifest, "apiVersion")
        .split('/')
        .next()
        .unwrap_or_default();
    group == GROUP
        || DEFINITIONS
            .iter()
            .any(|definition| definition.kind == text(manifest, "kind"))
}

/// Checks a manifest and returns the typed object, defaults included.
///
/// # Errors
/// Everything that is wrong: unknown and missing fields, wrong types, values out of bounds, broken rules. The rules are
/// evaluated only when types and lengths are right, as the API server does.
pub fn check(manifest: &Value) -> Result<Resource, Vec<Violation>> {
    let (kind, version) = (text(manifest, "kind"), text(manifest, "apiVersion"));
    let known = DEFINITIONS
        .iter()
        .find(|definition| definition.kind == kind);
    let Some(definition) = known.filter(|_| version == format!("{GROUP}/{VERSION}")) else {
        let kinds: Vec<&str> = DEFINITIONS.iter().map(|it| it.kind.as_str()).collect();
        let message = format!(
            "no matches for kind {kind:?} in version {version:?}: the kinds of {GROUP}/{VERSION} are {}",
            kinds.join(" and ")
        );
        return Err(vec![Violation {
            field: String::new(),
            message,
        }]);
    };
    let mut object = manifest.clone();
    let mut violations = metadata::check(&object);
    violations.extend(structure::check(&definition.schema, &mut object));
    if !violations.iter().any(|violation| violation.blocks_rules) {
        violations.extend(definition.broken_rules(&object));
    }
    if !violations.is_empty() {
        return Err(violations
            .into_iter()
            .map(|found| found.violation)
            .collect());
    }
    let made = match kind {
        "TickerAccount" => typed(object).map(|account| Resource::TickerAccount(Box::new(account))),
        _ => typed(object).map(|set| Resource::InstrumentSet(Box::new(set))),
    };
    made.map_err(|error| {
        vec![Violation {
            field: String::new(),
            message: error.to_string(),
        }]
    })
}

/// A violation, and whether the API server evaluates the rules despite it.
struct ClassifiedViolation {
    violation: Violation,
    blocks_rules: bool,
}

struct Definition {
    kind: String,
    schema: Value,
    rules: CompiledSchema,
}

static DEFINITIONS: LazyLock<Vec<Definition>> =
    LazyLock::new(|| crd::all().into_iter().map(Definition::from).collect());

impl From<CustomResourceDefinition> for Definition {
    fn from(crd: CustomResourceDefinition) -> Self {
        let schema = crd::schema(&crd);
        Self {
            kind: crd.spec.names.kind,
            rules: compile_schema(&schema),
            schema,
        }
    }
}

impl Definition {
    fn broken_rules(&self, object: &Value) -> Vec<ClassifiedViolation> {
        let Err(errors) = Validator::new().validate_compiled(&self.rules, object, None) else {
            return Vec::new();
        };
        let found = errors.into_iter().map(|error| ClassifiedViolation {
            violation: Violation {
                field: error.field_path,
                message: format!("Invalid value: {}", error.message),
            },
            blocks_rules: false,
        });
        found.collect()
    }
}

impl ClassifiedViolation {
    fn new(field: &str, message: String) -> Self {
        Self {
            violation: Violation {
                field: field.to_owned(),
                message,
            },
            blocks_rules: false,
        }
    }

    fn blocking(field: &str, message: String) -> Self {
        Self {
            blocks_rules: true,
            ..Self::new(field, message)
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.field.is_empty() { "" } else { ": " };
        write!(f, "{}{separator}{}", self.field, self.message)
    }
}

impl std::error::Error for Violation {}

fn text<'a>(manifest: &'a Value, key: &str) -> &'a str {
    manifest
        .get(key)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn typed<T: DeserializeOwned>(object: Value) -> serde_json::Result<T> {
    serde_json::from_value(object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{KITE_API, KITE_WEBSOCKET};
    use crate::set::{MAX_SYMBOLS, MAX_TOKENS, SetMode};
    use proptest::prelude::*;
    use serde_json::json;
    use std::fs;
    use std::path::{Path, PathBuf};

    fn manifests(folder: &str) -> Vec<(PathBuf, String)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../tests/manifests")
            .join(folder);
        let files = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        files
            .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
            .collect()
    }

    fn violations(manifest: &Value) -> String {
        let found = check(manifest).err().unwrap_or_default();
        found
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn account(spec: &Value) -> Value {
        json!({"apiVersion": "kiteticker.dev/v1alpha1", "kind": "TickerAccount", "metadata": {"name": "acct-a"}, "spec": spec})
    }

    fn set(spec: &Value) -> Value {
        json!({"apiVersion": "kiteticker.dev/v1alpha1", "kind": "InstrumentSet", "metadata": {"name": "nifty"}, "spec": spec})
    }

    #[test]
    fn good_manifests_pass() {
        let files = manifests("good");
        assert!(files.len() >= 10, "{} files", files.len());
        for (path, text) in files {
            let manifest: Value = serde_saphyr::from_str(&text).unwrap();
            assert_eq!(violations(&manifest), "", "{}", path.display());
        }
    }

    #[test]
    fn bad_manifests_are_refused_with_the_expected_words() {
        let files = manifests("bad");
        assert!(files.len() >= 30, "{} files", files.len());
        for (path, text) in files {
            let first = text.lines().next().unwrap_or_default();
            let expected = first
                .strip_prefix("# expect: ")
                .unwrap_or_else(|| panic!("{}: {first}", path.display()));
            let manifest: Value = serde_saphyr::from_str(&text).unwrap();
            let found = violations(&manifest);
            assert!(
                found.contains(expected),
                "{}: expected {expected:?} in {found:?}",
                path.display()
            );
        }
    }

    #[test]
    fn lists_end_where_the_schema_says() {
        let tokens = |count: usize| set(&json!({"instruments": {"tokens": vec![256_265; count]}}));
        assert_eq!(violations(&tokens(MAX_TOKENS)), "");
        let expected = "spec.instruments.tokens: Too many: 20001: must have at most 20000 items";
        assert_eq!(violations(&tokens(MAX_TOKENS + 1)), expected);
        let symbols =
            |count: usize| set(&json!({"instruments": {"symbols": vec!["NSE:INFY"; count]}}));
        assert_eq!(violations(&symbols(MAX_SYMBOLS)), "");
        let expected = "spec.instruments.symbols: Too many: 8001: must have at most 8000 items";
        assert_eq!(violations(&symbols(MAX_SYMBOLS + 1)), expected);
    }

    #[test]
    fn defaults_are_filled_in() {
        let minimal = json!({"credentialsSecretRef": {"name": "kite"}, "endpoint": {"websocket": "ws://127.0.0.1:7070"}});
        let Ok(Resource::TickerAccount(account)) = check(&account(&minimal)) else {
            panic!("refused")
        };
        assert_eq!(
            (
                account.spec.connections,
                account.spec.tokens_per_connection,
                account.spec.mock
            ),
            (3, 3000, false)
        );
        assert_eq!(account.spec.endpoint.websocket, "ws://127.0.0.1:7070");
        assert_eq!(account.spec.endpoint.api, KITE_API);
        assert_ne!(account.spec.endpoint.websocket, KITE_WEBSOCKET);
        let Ok(Resource::InstrumentSet(set)) =
            check(&set(&json!({"instruments": {"tokens": [1]}, "mode": null})))
        else {
            panic!("refused")
        };
        assert_eq!(
            (set.spec.mode, set.spec.publish.depth),
            (SetMode::Full, true)
        );
        assert_eq!(set.spec.account_ref, None);
    }

    #[test]
    fn a_checked_object_is_what_serde_makes_of_it_without_the_schema() {
        let spec = json!({"credentialsSecretRef": {"name": "kite"}});
        let Ok(Resource::TickerAccount(checked)) = check(&account(&spec)) else {
            panic!("refused")
        };
        assert_eq!(*checked, serde_json::from_value(account(&spec)).unwrap());
        let spec = json!({"instruments": {"symbols": ["NSE:INFY"]}});
        let Ok(Resource::InstrumentSet(checked)) = check(&set(&spec)) else {
            panic!("refused")
        };
        assert_eq!(*checked, serde_json::from_value(set(&spec)).unwrap());
    }

    #[test]
    fn everything_wrong_is_said_at_once_and_rules_wait_for_types() {
        let found = violations(&account(
            &json!({"connections": "3", "tokensPerConnection": 0, "redis": {"url": "http://x"}}),
        ));
        assert_eq!(
            found.lines().collect::<Vec<_>>(),
            [
                "spec.credentialsSecretRef: Required value",
                "spec.connections: Invalid value: \"string\": spec.connections in body must be of type integer: \"string\"",
                "spec.tokensPerConnection: Invalid value: 0: spec.tokensPerConnection in body should be greater than or equal to 1",
            ]
        );
    }

    #[test]
    fn patterns_are_said_in_words_and_near_fields_are_named() {
        let found = violations(&set(&json!({"instruments": {"symbols": ["INFY"]}})));
        assert!(found.ends_with("such as NSE:INFY"), "{found}");
        let found = violations(&set(
            &json!({"instruments": {"tokens": [1]}, "staleafter": "x", "y": 1}),
        ));
        let lines: Vec<&str> = found.lines().collect();
        assert_eq!(
            lines,
            [
                "spec.staleafter: unknown field \"spec.staleafter\": did you mean staleAfter?",
                "spec.y: unknown field \"spec.y\"",
            ]
        );
    }

    #[test]
    fn other_kinds_are_not_ours() {
        assert!(!is_ours(&json!({"apiVersion": "v1", "kind": "Secret"})));
        assert!(is_ours(
            &json!({"apiVersion": "kiteticker.dev/v1", "kind": "Ticker"})
        ));
        assert!(is_ours(
            &json!({"apiVersion": "v1", "kind": "TickerAccount"})
        ));
        for nothing in [Value::Null, json!([]), json!("x"), json!({})] {
            assert!(!is_ours(&nothing));
            assert!(check(&nothing).is_err());
        }
    }

    #[test]
    fn passwords_are_not_repeated() {
        let found = violations(&account(&json!({
            "credentialsSecretRef": {"name": "kite"}, "redis": {"url": "redis://user:hunter2@host/x"}
        })));
        assert!(found.contains("remove the user and password"), "{found}");
        assert!(!found.contains("hunter2"), "{found}");
    }

    /// Anything that can stand in a manifest, with the names of fields that mean something.
    fn anything() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (0..5_i64).prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
            prop::sample::select(vec![
                "full", "NSE:INFY", "ticker:x", "kite", "ws://h", "http://h", "1Gi"
            ])
            .prop_map(Value::from),
        ];
        let names = vec![
            "mode",
            "instruments",
            "tokens",
            "symbols",
            "accountRef",
            "name",
            "accountSelector",
            "matchLabels",
            "publish",
            "channelPrefix",
            "depth",
            "credentialsSecretRef",
            "connections",
            "endpoint",
            "websocket",
            "api",
            "redis",
            "url",
            "pod",
            "resources",
            "requests",
            "cpu",
        ];
        leaf.prop_recursive(4, 40, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(prop::sample::select(names.clone()), inner, 0..6)
                    .prop_map(|map| json!(map)),
            ]
        })
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic_and_what_passes_passes_again(
            spec in anything(),
            field in prop::sample::select(vec!["mode", "connections", "publish", "mock", "pod", "accountSelector"]),
            value in anything(),
        ) {
            let mut spare = json!({"credentialsSecretRef": {"name": "kite"}});
            let mut small = json!({"instruments": {"tokens": [1]}});
            spare[field] = value.clone();
            small[field] = value;
            for manifest in [account(&spec), set(&spec), account(&spare), set(&small)] {
                if let Ok(resource) = check(&manifest) {
                    let again = match &resource {
                        Resource::TickerAccount(account) => serde_json::to_value(account),
                        Resource::InstrumentSet(set) => serde_json::to_value(set),
                    };
                    prop_assert_eq!(check(&again.unwrap()), Ok(resource));
                }
            }
        }
    }
}
