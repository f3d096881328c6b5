//! Converts a pod into the planner's type. Pure.

use contract::INGESTOR_PORT;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Pod, PodCondition};
use service::text::printable;

use crate::plan::Process;

/// How long after the end of its grace time a pod that is still there counts as stuck: the kubelet
/// confirms the end of a pod within a second or two.
const UNCONFIRMED: SignedDuration = SignedDuration::from_secs(10);

/// How long after its start a kubelet may take to say for the first time that a pod is not ready.
const FIRST_STATUS: SignedDuration = SignedDuration::from_secs(5);

/// Why a container cannot be started, if the kubelet's message says it and never changes. Others
/// count seconds in theirs.
const EXPLAINED: [&str; 3] = [
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];

/// The longest message of Kubernetes that is repeated, in characters.
const LONGEST: usize = 300;

/// What is known of a pod. The stores are complete: a pod that is not in them does not exist.
pub(crate) fn process(pod: Option<&Pod>, now: Timestamp) -> Process {
    let Some(pod) = pod else {
        return Process::Absent;
    };
    let status = pod.status.as_ref();
    let address = status
        .filter(|_| is_running(pod))
        .and_then(|status| status.pod_ip.as_deref()?.parse().ok())
        .map(|ip: std::net::IpAddr| (ip, INGESTOR_PORT).into());
    Process::Present {
        name: pod.metadata.name.clone().unwrap_or_default(),
        address,
        ready: pod.metadata.deletion_timestamp.is_none() && is(pod, "Ready", "True"),
        stopped: is_stopped(pod),
        trouble: not_running_reason(pod, now),
    }
}

/// Whether a pod was not ready since its kubelet took it up, as far as it shows. One that was ready
/// before has a later transition.
pub(crate) fn never_ready(pod: &Pod) -> bool {
    let Some(ready) = condition(pod, "Ready") else {
        return true;
    };
    let began = pod.status.as_ref().and_then(|it| it.start_time.as_ref());
    let turned = ready.last_transition_time.as_ref();
    let turned_late = match (began, turned) {
        (Some(began), Some(turned)) => turned.0.duration_since(began.0) > FIRST_STATUS,
        _ => false,
    };
    ready.status != "True" && !turned_late
}

/// Whether the ingest process is known not to run: its container does not, or its node does not answer.
fn is_stopped(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    let containers = status.and_then(|it| it.container_statuses.as_deref());
    let mut states = containers.into_iter().flatten();
    let runs = states.any(|it| it.state.as_ref().is_some_and(|it| it.running.is_some()));
    !runs || silent_node(pod).is_some()
}

fn is_running(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    status.and_then(|status| status.phase.as_deref()) == Some("Running")
}

fn condition<'a>(pod: &'a Pod, type_: &str) -> Option<&'a PodCondition> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|it| it.type_ == type_)
}

fn is(pod: &Pod, type_: &str, status: &str) -> bool {
    condition(pod, type_).is_some_and(|it| it.status == status)
}

/// Why a pod does not run, in Kubernetes' own words where it has some.
fn not_running_reason(pod: &Pod, now: Timestamp) -> Option<String> {
    if let Some(end) = &pod.metadata.deletion_timestamp {
        return Some(ending(pod, end.0, now));
    }
    let status = pod.status.as_ref()?;
    let containers = status.container_statuses.as_deref().unwrap_or_default();
    let waiting = containers
        .iter()
        .find_map(|it| it.state.as_ref()?.waiting.as_ref());
    let waiting = waiting.and_then(|it| {
        let reason = it.reason.as_deref()?;
        let said = it.message.as_deref();
        let said = said.filter(|_| EXPLAINED.contains(&reason));
        Some(explained(reason, said))
    });
    let unscheduled = || {
        let scheduled = condition(pod, "PodScheduled").filter(|it| it.status == "False")?;
        scheduled
            .message
            .clone()
            .or_else(|| scheduled.reason.clone())
    };
    let failed = || {
        let reason = status.reason.as_deref()?;
        Some(explained(reason, status.message.as_deref()))
    };
    let silent = || {
        Some(format!(
            "node {} does not answer; if that lasts, Kubernetes replaces the pod on another node",
            silent_node(pod)?
        ))
    };
    waiting
        // The normal first moments are not an error.
        .filter(|reason| reason != "ContainerCreating" && reason != "PodInitializing")
        .or_else(unscheduled)
        .or_else(silent)
        .or_else(failed)
}

fn explained(reason: &str, message: Option<&str>) -> String {
    match message {
        Some(message) => printable(&format!("{reason}: {message}"), LONGEST),
        None => reason.to_owned(),
    }
}

/// Why a pod is being deleted, and what to do if its end is never confirmed. `end` is when its grace
/// time ends. A StatefulSet starts no other pod before.
fn ending(pod: &Pod, end: Timestamp, now: Timestamp) -> String {
    if now.duration_since(end) > UNCONFIRMED {
        // Time alone does not say so of the node: a container or a finalizer may hold the pod.
        let Some(node) = silent_node(pod) else {
            return "Terminating for longer than its grace time, and no other pod may start before it is gone: \
                    kubectl describe shows what holds the pod, and the state of its node"
                .to_owned();
        };
        return format!(
            "node {node} does not answer, and no other pod may start before it confirms the end of this one: if it \
             is off for good, kubectl delete node {node}; else taint it \
             node.kubernetes.io/out-of-service=nodeshutdown:NoExecute until it is back"
        );
    }
    match condition(pod, "DisruptionTarget").filter(|it| it.status == "True") {
        Some(disruption) => {
            let reason = disruption.reason.as_deref().unwrap_or("Terminating");
            let message = disruption.message.as_deref();
            format!("Terminating, {}", explained(reason, message))
        }
        None => "Terminating".to_owned(),
    }
}

/// The pod's node, if the node controller marked the pod, as it does with those of a node that no longer
/// answers: not ready, although the last that its kubelet said is that the containers are.
fn silent_node(pod: &Pod) -> Option<&str> {
    // A kubelet gives a reason, such as a readiness gate that is not passed.
    let unexplained = condition(pod, "Ready").is_some_and(|it| {
        let unsaid = it.reason.as_deref().unwrap_or_default().is_empty();
        it.status == "Unknown" || it.status == "False" && unsaid
    });
    let status = pod.status.as_ref();
    let lost = status.and_then(|status| status.reason.as_deref()) == Some("NodeLost");
    let marked = lost || is_running(pod) && unexplained && is(pod, "ContainersReady", "True");
    pod.spec.as_ref()?.node_name.as_deref().filter(|_| marked)
}

#[cfg(test)]
mod tests;
