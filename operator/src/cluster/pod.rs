//! Converts a pod into the planner's type. Pure.

use contract::INGESTOR_PORT;
use k8s_openapi::api::core::v1::Pod;

use crate::plan::Process;

/// What is known of a pod. The stores are complete: a pod that is not in them does not exist.
pub(crate) fn process(pod: Option<&Pod>) -> Process {
    let Some(pod) = pod else {
        return Process::Absent;
    };
    let status = pod.status.as_ref();
    let running = status.and_then(|status| status.phase.as_deref()) == Some("Running");
    let address = status
        .filter(|_| running)
        .and_then(|status| status.pod_ip.as_deref()?.parse().ok())
        .map(|ip: std::net::IpAddr| (ip, INGESTOR_PORT).into());
    let conditions = status
        .and_then(|status| status.conditions.as_deref())
        .unwrap_or_default();
    Process::Present {
        name: pod.metadata.name.clone().unwrap_or_default(),
        address,
        ready: pod.metadata.deletion_timestamp.is_none()
            && conditions
                .iter()
                .any(|it| it.type_ == "Ready" && it.status == "True"),
        trouble: not_running_reason(pod),
    }
}

/// Why a pod does not run, in Kubernetes' own words.
fn not_running_reason(pod: &Pod) -> Option<String> {
    if pod.metadata.deletion_timestamp.is_some() {
        return Some("Terminating".to_owned());
    }
    let status = pod.status.as_ref()?;
    let containers = status.container_statuses.as_deref().unwrap_or_default();
    let waiting = containers
        .iter()
        .find_map(|it| it.state.as_ref()?.waiting.as_ref()?.reason.clone());
    let unscheduled = || {
        let conditions = status.conditions.as_deref().unwrap_or_default();
        let scheduled = conditions
            .iter()
            .find(|it| it.type_ == "PodScheduled" && it.status == "False")?;
        scheduled
            .message
            .clone()
            .or_else(|| scheduled.reason.clone())
    };
    waiting
        // The normal first moments are not an error.
        .filter(|reason| reason != "ContainerCreating" && reason != "PodInitializing")
        .or_else(unscheduled)
        .or_else(|| status.reason.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(value: serde_json::Value) -> Pod {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_running_pod_has_an_address_before_it_is_ready() {
        let starting = pod(json!({
            "metadata": {"name": "kt-a-0"},
            "status": {"phase": "Running", "podIP": "10.0.0.7",
                "conditions": [{"type": "Ready", "status": "False"}]},
        }));
        assert_eq!(
            process(Some(&starting)),
            Process::Present {
                name: "kt-a-0".to_owned(),
                address: Some("10.0.0.7:9400".parse().unwrap()),
                ready: false,
                trouble: None,
            }
        );
        assert_eq!(process(None), Process::Absent);
    }

    #[test]
    fn why_a_pod_does_not_run_is_told() {
        let reason_of = |value| not_running_reason(&pod(value));
        let waiting = |reason| {
            reason_of(json!({"metadata": {}, "status": {"containerStatuses": [{
                "name": "ingestor", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                "state": {"waiting": {"reason": reason}}}]}}))
        };
        assert_eq!(
            waiting("ImagePullBackOff").as_deref(),
            Some("ImagePullBackOff")
        );
        assert_eq!(waiting("ContainerCreating"), None);
        let unscheduled = json!({"metadata": {}, "status": {"conditions": [
            {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}]}});
        assert_eq!(
            reason_of(unscheduled).as_deref(),
            Some("0/1 nodes are available")
        );
        let leaving = json!({"metadata": {"deletionTimestamp": "2026-11-24T03:45:00Z"}});
        assert_eq!(reason_of(leaving).as_deref(), Some("Terminating"));
    }
}
