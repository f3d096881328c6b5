//! Resources of our kinds as they are read: an object that cannot be parsed is kept with its
//! metadata.
//!
//! One malformed object would otherwise stall the watch of all of them. kube's `DeserializeGuard`
//! does the same but loses the path of the field that is wrong, and gives up on the spec when only
//! the status is malformed.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use kube::Resource;
use kube::api::ObjectMeta;
use kube::core::object::{HasSpec, HasStatus};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::fingerprint;
use crate::plan::{InvalidSpec, Key, Meta, Object};

/// An object of kind `K`, at least the metadata of which could be read.
#[derive(Clone)]
pub(crate) struct ParsedOrRaw<K: HasSpec + HasStatus> {
    metadata: ObjectMeta,
    spec: Result<Arc<K::Spec>, InvalidSpec>,
    status: Option<Arc<K::Status>>,
}

impl<K: HasSpec + HasStatus> ParsedOrRaw<K> {
    /// The object as the planner's type.
    pub(crate) fn observed(&self) -> Object<K::Spec, K::Status> {
        let metadata = &self.metadata;
        Object {
            meta: Meta {
                key: key(metadata),
                uid: metadata.uid.clone().unwrap_or_default(),
                generation: metadata.generation,
                created: metadata
                    .creation_timestamp
                    .as_ref()
                    .map(|time| time.0)
                    .unwrap_or_default(),
                labels: metadata.labels.clone().unwrap_or_default(),
                deleting: metadata.deletion_timestamp.is_some(),
                rebalance: fingerprint::rebalance(metadata).cloned(),
            },
            spec: self.spec.clone(),
            status: self.status.clone(),
        }
    }

    /// The spec, if it can be read.
    pub(crate) fn spec(&self) -> Option<&K::Spec> {
        self.spec.as_deref().ok()
    }
}

/// Namespace and name of an object.
pub(crate) fn key(metadata: &ObjectMeta) -> Key {
    Key::new(
        metadata.namespace.clone().unwrap_or_default(),
        metadata.name.clone().unwrap_or_default(),
    )
}

/// Parses one part of an object and names the field that is wrong.
fn read<T: DeserializeOwned>(part: &'static str, value: Value) -> Result<Arc<T>, InvalidSpec> {
    serde_path_to_error::deserialize(value)
        .map(Arc::new)
        .map_err(|error| {
            let path = error.path().to_string();
            let field = if path == "." {
                part.to_owned()
            } else {
                format!("{part}.{path}")
            };
            InvalidSpec {
                field,
                problem: error.into_inner().to_string(),
            }
        })
}

impl<'de, K> Deserialize<'de> for ParsedOrRaw<K>
where
    K: HasSpec + HasStatus,
    K::Spec: DeserializeOwned,
    K::Status: DeserializeOwned,
{
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Parts {
            metadata: ObjectMeta,
            #[serde(default)]
            spec: Value,
            #[serde(default)]
            status: Option<Value>,
        }
        let Parts {
            metadata,
            spec,
            status,
        } = Parts::deserialize(deserializer)?;
        Ok(Self {
            metadata,
            spec: read("spec", spec),
            // A status that cannot be read is overwritten by the next one.
            status: status.and_then(|status| read("status", status).ok()),
        })
    }
}

impl<K> Resource for ParsedOrRaw<K>
where
    K: HasSpec + HasStatus + Resource<DynamicType = ()>,
{
    type DynamicType = ();
    type Scope = K::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        K::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        K::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        K::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        K::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl<K: HasSpec + HasStatus> fmt::Debug for ParsedOrRaw<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParsedOrRaw")
            .field("name", &self.metadata.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crds::TickerAccount;
    use serde_json::json;

    use super::*;

    fn account(
        spec: &Value,
        status: &Value,
    ) -> Object<crds::TickerAccountSpec, crds::TickerAccountStatus> {
        let object = json!({
            "apiVersion": "kiteticker.dev/v1alpha1",
            "kind": "TickerAccount",
            "metadata": {
                "name": "a", "namespace": "n", "uid": "u", "generation": 3,
                "annotations": {"kiteticker.dev/rebalance": "monday", "another": "tuesday"},
            },
            "spec": spec,
            "status": status,
        });
        serde_json::from_value::<ParsedOrRaw<TickerAccount>>(object)
            .unwrap()
            .observed()
    }

    #[test]
    fn a_wrong_field_is_named_and_the_object_is_still_there() {
        let object = account(
            &json!({"credentialsSecretRef": {"name": "s"}, "connections": "three"}),
            &json!({"capacity": 9000}),
        );
        assert_eq!(object.meta.key, Key::new("n", "a"));
        assert_eq!(object.meta.generation, Some(3));
        assert_eq!(object.meta.rebalance.as_deref(), Some("monday"));
        let invalid = object.spec.unwrap_err();
        assert_eq!(invalid.field, "spec.connections");
        assert!(invalid.problem.contains("three"), "{invalid}");
        assert_eq!(object.status.unwrap().capacity, Some(9000));
    }

    #[test]
    fn a_missing_spec_is_unreadable_and_a_wrong_status_is_none() {
        assert_eq!(
            account(&json!(null), &json!(null)).spec.unwrap_err().field,
            "spec"
        );
        let object = account(
            &json!({"credentialsSecretRef": {"name": "s"}}),
            &json!({"capacity": "x"}),
        );
        assert_eq!(object.spec.unwrap().credentials_secret_ref.name, "s");
        assert!(object.status.is_none());
    }
}
