//! The pod of an account, as its StatefulSet makes it.
//!
//! Pure. Whatever changes here restarts every pod that has it: a field that an account does not set
//! leaves the template as it was.

use std::collections::BTreeMap;

use contract::{INGESTOR_ENVIRONMENT, INGESTOR_PORT};
use crds::quantity::{Amounts, Resources};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EnvVar, HTTPGetAction, LocalObjectReference,
    PodSecurityContext, PodSpec, PodTemplateSpec, Probe, SeccompProfile, SecurityContext,
    Toleration,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::ObjectMeta;

use super::{Owner, PodDefaults, files, labels};
use crate::plan;

/// User and group of the images.
pub(super) const NONROOT_ID: i64 = 65_532;

/// How long a pod stays on a lost node; Kubernetes' default of 300 s would cost many ticks.
const LOST_NODE_SECONDS: i64 = 30;

/// Time to close the sockets and flush to Redis.
const GRACE_SECONDS: i64 = 10;

/// Name of the container and of its port.
const INGESTOR: &str = "ingestor";
pub(super) const HTTP: &str = "http";

/// The pod of an account.
pub(super) fn template(
    owner: Owner<'_>,
    workload: &plan::Workload,
    defaults: &PodDefaults,
) -> PodTemplateSpec {
    let settings = &workload.pod;
    let chosen = settings.labels.iter();
    let mut all: BTreeMap<String, String> = chosen
        .map(|(key, value)| (key.clone(), value.0.clone()))
        .collect();
    // Ours last: the account's pod is found by them.
    all.extend(labels(owner));
    let annotations = settings.annotations.iter();
    let annotations = annotations.map(|(key, value)| (key.clone(), value.0.clone()));
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(all),
            annotations: some(annotations.collect()),
            ..ObjectMeta::default()
        }),
        spec: Some(pod(owner, workload, defaults)),
    }
}

fn pod(owner: Owner<'_>, workload: &plan::Workload, defaults: &PodDefaults) -> PodSpec {
    let settings = &workload.pod;
    let node_selector = settings.node_selector.iter();
    let node_selector = node_selector.map(|(key, value)| (key.clone(), value.0.clone()));
    let spread = &settings.topology_spread_constraints;
    let id = defaults.fixed_ids.then_some(NONROOT_ID);
    PodSpec {
        // The process that parses bytes from the internet holds no cluster token.
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(GRACE_SECONDS),
        image_pull_secrets: pull_secrets(defaults),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: id,
            run_as_group: id,
            fs_group: id,
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                localhost_profile: None,
            }),
            ..PodSecurityContext::default()
        }),
        tolerations: Some(tolerations(&settings.tolerations)),
        node_selector: some(node_selector.collect()),
        affinity: settings.affinity.clone(),
        topology_spread_constraints: (!spread.is_empty()).then(|| spread.clone()),
        priority_class_name: settings.priority_class_name.clone(),
        containers: vec![container(workload, defaults)],
        volumes: Some(files::volumes(owner.name, workload, defaults.fixed_ids)),
        ..PodSpec::default()
    }
}

fn pull_secrets(defaults: &PodDefaults) -> Option<Vec<LocalObjectReference>> {
    let secrets = defaults.pull_secrets.iter();
    let secrets: Vec<_> = secrets
        .map(|name| LocalObjectReference { name: name.clone() })
        .collect();
    (!secrets.is_empty()).then_some(secrets)
}

fn container(workload: &plan::Workload, defaults: &PodDefaults) -> Container {
    let image = workload.pod.image.as_ref().unwrap_or(&defaults.image);
    let listen = format!("--listen=0.0.0.0:{INGESTOR_PORT}");
    let clock = defaults.wall_clock.map(|it| format!("--wall-clock={it}"));
    let own = [Some(listen), clock].into_iter().flatten().collect();
    let resources = workload
        .pod
        .resources
        .clone()
        .unwrap_or_else(default_resources);
    Container {
        name: INGESTOR.to_owned(),
        image: Some(image.clone()),
        image_pull_policy: Some(defaults.pull_policy.clone()),
        args: Some([own, files::arguments(workload)].concat()),
        env: Some(vec![EnvVar {
            name: INGESTOR_ENVIRONMENT.0.to_owned(),
            value: Some(INGESTOR_ENVIRONMENT.1.to_owned()),
            value_from: None,
        }]),
        ports: Some(vec![ContainerPort {
            name: Some(HTTP.to_owned()),
            container_port: i32::from(INGESTOR_PORT),
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        }]),
        liveness_probe: Some(probe("/livez", 10)),
        readiness_probe: Some(probe("/readyz", 2)),
        resources: Some(resources.to_requirements()),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".to_owned()]),
                add: None,
            }),
            ..SecurityContext::default()
        }),
        volume_mounts: Some(files::mounts(workload)),
        ..Container::default()
    }
}

/// Enough for 9,000 instruments at 18,000 ticks a second.
fn default_resources() -> Resources {
    let amount = |text: &str| Some(Quantity(text.to_owned()));
    Resources {
        requests: Amounts {
            cpu: amount("100m"),
            memory: amount("64Mi"),
        },
        limits: Amounts {
            cpu: None,
            memory: amount("128Mi"),
        },
    }
}

fn probe(path: &str, period_seconds: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String(HTTP.to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period_seconds),
        timeout_seconds: Some(2),
        failure_threshold: Some(3),
        ..Probe::default()
    }
}

/// Ours, each unless the account has one for the same taint, and the account's.
fn tolerations(chosen: &[Toleration]) -> Vec<Toleration> {
    // One without an effect is for every effect.
    let same = |ours: &Toleration, theirs: &Toleration| {
        let effect = theirs.effect.as_deref().unwrap_or_default();
        theirs.key == ours.key && ["", "NoExecute"].contains(&effect)
    };
    let ours = [lost_node("not-ready"), lost_node("unreachable")].into_iter();
    let ours = ours.filter(|ours| !chosen.iter().any(|theirs| same(ours, theirs)));
    ours.chain(chosen.iter().cloned()).collect()
}

/// `None` for a map without entries, which must not stand in the template.
fn some(map: BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    (!map.is_empty()).then_some(map)
}

fn lost_node(taint: &str) -> Toleration {
    Toleration {
        key: Some(format!("node.kubernetes.io/{taint}")),
        operator: Some("Exists".to_owned()),
        effect: Some("NoExecute".to_owned()),
        toleration_seconds: Some(LOST_NODE_SECONDS),
        value: None,
    }
}
