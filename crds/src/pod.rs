//! `spec.pod` of an account: the image and the resources of its ingest pod, and where it runs.
//!
//! Owns the bounds of these fields, and which of Kubernetes' own types stand in them. Must not say what the pod holds
//! beside them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Affinity, Toleration, TopologySpreadConstraint};
use kube::KubeSchema;
use kube::core::Rule;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::account_selector::LabelValue;
use crate::quantity::Resources;
use crate::rule::{self, IMAGE, OBJECT_NAME};

/// Fields whose parts are Kubernetes' own: its documentation explains them.
pub(crate) const KUBERNETES_FIELDS: [&str; 3] = [
    "spec.pod.affinity",
    "spec.pod.tolerations",
    "spec.pod.topologySpreadConstraints",
];

/// The beginnings of keys that the operator uses itself: an account's pod is found by such labels.
pub const RESERVED_KEYS: [&str; 2] = ["kiteticker.dev/", "app.kubernetes.io/"];

/// Settings of the ingest pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodSettings {
    /// The ingest image. Default: the operator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = IMAGE))]
    pub image: Option<String>,
    /// Requests and limits of the ingest container. Default: the operator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Further labels of the pod. Keys that begin with kiteticker.dev/ or app.kubernetes.io/ are the operator's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    #[x_kube(validation = free_keys("labels"))]
    pub labels: BTreeMap<String, LabelValue>,
    /// Annotations of the pod. Keys that begin with kiteticker.dev/ or app.kubernetes.io/ are the operator's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    #[x_kube(validation = free_keys("annotations"))]
    pub annotations: BTreeMap<String, AnnotationValue>,
    /// Labels that a node must have to run the pod.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32))]
    pub node_selector: BTreeMap<String, LabelValue>,
    /// Taints of nodes that the pod tolerates, as in a Pod. One with the key node.kubernetes.io/not-ready or
    /// node.kubernetes.io/unreachable replaces the operator's, with which a pod leaves a lost node after 30 s.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "tolerations")]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub tolerations: Vec<Toleration>,
    /// Nodes that the pod prefers or needs, and pods that it stays near to or away from, as in a Pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "affinity")]
    pub affinity: Option<Affinity>,
    /// How pods spread over zones and nodes, as in a Pod. Accounts have a pod each: select them by a label of theirs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "topology_spread_constraints")]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,
    /// The priority class of the pod. A pod without one is among the first to be evicted when a node runs short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME))]
    pub priority_class_name: Option<String>,
}

/// The value of an annotation.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct AnnotationValue(#[schemars(length(max = 4096))] pub String);

/// Otherwise a user could take a pod away from its account.
fn free_keys(what: &str) -> Rule {
    let [own, app] = RESERVED_KEYS;
    rule::rule(
        format!("self.all(key, !key.startsWith('{own}') && !key.startsWith('{app}'))"),
        format!(
            "keys of {what} must not begin with {own} or {app}, which are the operator's: choose another key"
        ),
    )
}

fn tolerations(generator: &mut SchemaGenerator) -> Schema {
    list(&brief::<Toleration>(generator), 16)
}

fn affinity(generator: &mut SchemaGenerator) -> Schema {
    Schema::try_from(brief::<Affinity>(generator)).unwrap_or_default()
}

fn topology_spread_constraints(generator: &mut SchemaGenerator) -> Schema {
    list(&brief::<TopologySpreadConstraint>(generator), 8)
}

fn list(items: &Value, most: usize) -> Schema {
    schemars::json_schema!({"type": "array", "maxItems": most, "items": items})
}

/// The schema of one of Kubernetes' types, of whose explanations only the first sentences stay: whole ones would be most
/// of the definition.
fn brief<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    let mut schema = T::json_schema(generator).to_value();
    shorten(&mut schema);
    schema
}

/// Where the first sentence ends; the point of an abbreviation ends none.
fn first_sentence(text: &str) -> usize {
    let mut points = text.match_indices(". ");
    let ends = |(at, _): &(usize, &str)| text[at + 2..].starts_with(char::is_uppercase);
    points.find(ends).map_or(text.len(), |(at, _)| at + 1)
}

fn shorten(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(text)) = fields.get_mut("description") {
                text.truncate(first_sentence(text));
            }
            fields.values_mut().for_each(shorten);
        }
        Value::Array(items) => items.iter_mut().for_each(shorten),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explanation_ends_with_its_first_sentence() {
        for (text, first) in [
            ("One. Two.", "One."),
            ("One (i.e. a no-op). Two.", "One (i.e. a no-op)."),
            ("One", "One"),
        ] {
            assert_eq!(&text[..first_sentence(text)], first);
        }
    }
}
