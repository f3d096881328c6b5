//! Requests and limits of the ingest pod: a small subset of Kubernetes' resource requirements.

use crate::rule::rule;
use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::KubeSchema;
use kube::core::Rule;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Requests and limits of the ingest container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = within_limit("cpu"), validation = within_limit("memory"))]
pub struct Resources {
    /// What the node must reserve for the pod.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub requests: Amounts,
    /// What the pod may use at most. A memory limit should leave room for 9,000 instruments: 128Mi is plenty.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub limits: Amounts,
}

/// An amount of processor time and of memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct Amounts {
    /// Processor time, in cores: `250m` is a quarter of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantity")]
    pub cpu: Option<Quantity>,
    /// Memory, in bytes or with a unit: `64Mi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantity")]
    pub memory: Option<Quantity>,
}

impl Resources {
    /// The same as the container type of Kubernetes.
    #[must_use]
    pub fn to_requirements(&self) -> ResourceRequirements {
        ResourceRequirements {
            requests: self.requests.to_map(),
            limits: self.limits.to_map(),
            ..ResourceRequirements::default()
        }
    }
}

impl Amounts {
    fn to_map(&self) -> Option<BTreeMap<String, Quantity>> {
        let named = [("cpu", &self.cpu), ("memory", &self.memory)];
        let map: BTreeMap<_, _> = named
            .into_iter()
            .filter_map(|(name, amount)| Some((name.to_owned(), amount.clone()?)))
            .collect();
        (!map.is_empty()).then_some(map)
    }
}

/// Otherwise the API server would reject the pod, and only the StatefulSet would show it.
fn within_limit(name: &str) -> Rule {
    let has = |side: &str| format!("has(self.{side}) && has(self.{side}.{name})");
    rule(
        format!(
            "!({} && {}) || !quantity(string(self.requests.{name})).isGreaterThan(quantity(string(self.limits.{name})))",
            has("requests"),
            has("limits")
        ),
        format!(
            "requests.{name} must not exceed limits.{name}: lower the request or raise the limit"
        ),
    )
}

/// A non-negative quantity, written as a number or as text with a unit.
fn quantity(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "x-kubernetes-int-or-string": true,
        "minimum": 0,
        "maxLength": 24,
        "pattern": r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_and_text_become_requirements() {
        let given =
            json!({"requests": {"cpu": 1, "memory": "64Mi"}, "limits": {"memory": "128Mi"}});
        let resources: Resources = serde_json::from_value(given).unwrap();
        assert_eq!(
            serde_json::to_value(resources.to_requirements()).unwrap(),
            json!({"requests": {"cpu": "1", "memory": "64Mi"}, "limits": {"memory": "128Mi"}})
        );
        assert_eq!(
            Resources::default().to_requirements(),
            ResourceRequirements::default()
        );
    }
}
