//! What an account owns in the cluster: ConfigMap, Service and StatefulSet.
//!
//! Pure: takes decisions, returns objects. Must not read the cluster. The pod template depends on
//! the image and the account's pod settings only, because a change of it restarts the pod;
//! everything else reaches the pod in mounted files.

mod files;
mod pod_template;

use std::collections::BTreeMap;

use contract::sealed::{ASSIGNMENT_FILE, SHA256_FILE, Sealed};
use contract::{Assignment, INGESTOR_PORT};
use crds::{TickerAccount, names};
use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec};
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, OwnerReference};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::Resource;
use kube::api::ObjectMeta;
use service::clock::WallClock;

use pod_template::HTTP;

use crate::plan;

/// The account that owns the objects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner<'a> {
    /// Namespace of all of them.
    pub(crate) namespace: &'a str,
    /// The account's name.
    pub(crate) name: &'a str,
    /// The account's identity.
    pub(crate) uid: &'a str,
}

/// Settings of pods whose account sets none.
#[derive(Clone, Debug)]
pub(crate) struct PodDefaults {
    /// The ingest image.
    pub(crate) image: String,
    /// When a node pulls an image: `Always`, `IfNotPresent` or `Never`.
    pub(crate) pull_policy: String,
    /// Names of the Secrets with which nodes pull it.
    pub(crate) pull_secrets: Vec<String>,
    /// Whether the pod names its user and groups. OpenShift chooses them per namespace, and admits
    /// no others.
    pub(crate) fixed_ids: bool,
    /// The simulated wall clock.
    pub(crate) wall_clock: Option<WallClock>,
}

/// Selects everything the operator made, in a list or watch.
pub(crate) fn label_selector() -> String {
    format!(
        "{}={},{}={}",
        names::LABEL_MANAGED_BY,
        names::FIELD_MANAGER,
        names::LABEL_APP,
        names::APP
    )
}

/// The assignment as a mountable object. With `resource_version` it replaces exactly that version.
pub(crate) fn assignment(
    owner: Owner<'_>,
    assignment: &Assignment,
    sealed: Sealed,
    resource_version: Option<String>,
) -> ConfigMap {
    let mut metadata = metadata(owner, names::assignment_config_map(owner.name));
    metadata.resource_version = resource_version;
    let uid = names::ANNOTATION_ACCOUNT_UID.to_owned();
    metadata.annotations = Some([(uid, owner.uid.to_owned())].into());
    // Pods read the hash; generation and version are for people.
    let data = [
        ("generation".to_owned(), assignment.generation.to_string()),
        (SHA256_FILE.to_owned(), sealed.sha256),
        ("version".to_owned(), assignment.version.to_string()),
    ];
    ConfigMap {
        metadata,
        data: Some(data.into()),
        binary_data: Some([(ASSIGNMENT_FILE.to_owned(), ByteString(sealed.gzip))].into()),
        immutable: None,
    }
}

/// The sealed assignment in an object of ours, if it has one.
pub(crate) fn sealed(config_map: &ConfigMap) -> Option<Sealed> {
    let gzip = config_map.binary_data.as_ref()?.get(ASSIGNMENT_FILE)?;
    let sha256 = config_map.data.as_ref()?.get(SHA256_FILE)?;
    Some(Sealed {
        gzip: gzip.0.clone(),
        sha256: sha256.clone(),
    })
}

/// Headless, as a StatefulSet needs; it also names a pod that is not ready.
pub(crate) fn service(owner: Owner<'_>) -> Service {
    Service {
        metadata: metadata(owner, names::service(owner.name)),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            publish_not_ready_addresses: Some(true),
            selector: Some(pod_labels(owner)),
            ports: Some(vec![ServicePort {
                name: Some(HTTP.to_owned()),
                port: i32::from(INGESTOR_PORT),
                target_port: Some(IntOrString::String(HTTP.to_owned())),
                protocol: Some("TCP".to_owned()),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// One pod, and never two at a time: an API key has three sockets in total. None while it rests (`asleep`).
pub(crate) fn stateful_set(
    owner: Owner<'_>,
    (workload, asleep): (&plan::Workload, bool),
    defaults: &PodDefaults,
) -> StatefulSet {
    StatefulSet {
        metadata: metadata(owner, names::stateful_set(owner.name)),
        spec: Some(StatefulSetSpec {
            replicas: Some(i32::from(!asleep)),
            // With ordered management, a pod that is not ready would never be replaced by a
            // repaired one.
            pod_management_policy: Some("Parallel".to_owned()),
            revision_history_limit: Some(2),
            service_name: Some(names::service(owner.name)),
            selector: LabelSelector {
                match_labels: Some(pod_labels(owner)),
                match_expressions: None,
            },
            template: pod_template::template(owner, workload, defaults),
            ..StatefulSetSpec::default()
        }),
        status: None,
    }
}

/// Whether an object belongs to this account.
pub(crate) fn is_owned_by(metadata: &ObjectMeta, uid: &str) -> bool {
    owner_uid(metadata) == Some(uid)
}

/// The account that an object belongs to.
pub(crate) fn owner_uid(metadata: &ObjectMeta) -> Option<&str> {
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    let owner = owners.iter().find(|owner| {
        owner.controller == Some(true)
            && owner.kind == TickerAccount::kind(&())
            && owner.api_version.split('/').next() == Some(names::GROUP)
    })?;
    Some(&owner.uid)
}

fn metadata(owner: Owner<'_>, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(owner.namespace.to_owned()),
        labels: Some(labels(owner)),
        owner_references: Some(vec![OwnerReference {
            api_version: TickerAccount::api_version(&()).into_owned(),
            kind: TickerAccount::kind(&()).into_owned(),
            name: owner.name.to_owned(),
            uid: owner.uid.to_owned(),
            controller: Some(true),
            block_owner_deletion: None,
        }]),
        ..ObjectMeta::default()
    }
}

fn labels(owner: Owner<'_>) -> BTreeMap<String, String> {
    let mut labels = pod_labels(owner);
    labels.insert(
        names::LABEL_MANAGED_BY.to_owned(),
        names::FIELD_MANAGER.to_owned(),
    );
    labels
}

/// The labels that select an account's pod; the selector of a StatefulSet can never be changed.
fn pod_labels(owner: Owner<'_>) -> BTreeMap<String, String> {
    [
        (names::LABEL_APP, names::APP),
        (names::LABEL_COMPONENT, names::COMPONENT_INGESTOR),
        (names::LABEL_ACCOUNT, owner.name),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

#[cfg(test)]
mod tests;
