use serde_json::json;

use super::*;

const NOW: &str = "2026-11-24T03:45:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn pod(value: serde_json::Value) -> Pod {
    serde_json::from_value(value).unwrap()
}

#[test]
fn a_running_pod_has_an_address_before_it_is_ready() {
    let starting = pod(json!({
        "metadata": {"name": "kt-a-0"},
        "status": {"phase": "Running", "podIP": "10.0.0.7",
            "conditions": [{"type": "Ready", "status": "False"}],
            "containerStatuses": [{"name": "ingestor", "image": "", "imageID": "", "ready": false,
                "restartCount": 0, "state": {"running": {}}}]},
    }));
    assert_eq!(
        process(Some(&starting), now()),
        Process::Present {
            name: "kt-a-0".to_owned(),
            address: Some("10.0.0.7:9400".parse().unwrap()),
            ready: false,
            stopped: false,
            trouble: None,
        }
    );
    assert_eq!(process(None, now()), Process::Absent);
}

#[test]
fn a_process_is_known_not_to_run_by_its_container_or_its_node() {
    let stopped = |status: serde_json::Value| {
        let pod = pod(
            json!({"metadata": {}, "spec": {"nodeName": "n1", "containers": []}, "status": status}),
        );
        is_stopped(&pod)
    };
    let container = |state: serde_json::Value| json!([{"name": "ingestor", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state}]);
    let running = || container(json!({"running": {}}));
    assert!(!stopped(
        json!({"phase": "Running", "containerStatuses": running()})
    ));
    assert!(stopped(json!({"phase": "Pending"})));
    for state in [
        json!({"waiting": {"reason": "CrashLoopBackOff"}}),
        json!({"terminated": {"exitCode": 1}}),
    ] {
        assert!(stopped(
            json!({"phase": "Running", "containerStatuses": container(state)})
        ));
    }
    // What the node controller sets when a node no longer answers.
    let lost = json!([{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"}]);
    assert!(stopped(
        json!({"phase": "Running", "containerStatuses": running(), "conditions": lost})
    ));
}

#[test]
fn a_pod_that_was_ready_before_is_told_from_one_that_never_was() {
    let of = |ready: serde_json::Value| {
        let conditions = if ready.is_null() {
            json!([])
        } else {
            json!([ready])
        };
        never_ready(&pod(json!({"metadata": {}, "status": {"phase": "Running",
            "startTime": "2026-11-24T03:40:00Z", "conditions": conditions}})))
    };
    let ready = |status: &str, since: &str| {
        of(json!({"type": "Ready", "status": status, "lastTransitionTime": since}))
    };
    assert!(of(serde_json::Value::Null), "not scheduled yet");
    assert!(ready("False", "2026-11-24T03:40:01Z"));
    assert!(!ready("False", "2026-11-24T03:41:00Z"));
    assert!(!ready("True", "2026-11-24T03:40:01Z"));
}

#[test]
fn why_a_pod_does_not_run_is_told() {
    let reason_of = |value| not_running_reason(&pod(value), now());
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
    let evicted = json!({"metadata": {}, "status": {"phase": "Failed", "reason": "Evicted",
        "message": "The node was low on resource: memory."}});
    assert_eq!(
        reason_of(evicted).as_deref(),
        Some("Evicted: The node was low on resource: memory.")
    );
}

#[test]
fn messages_that_never_change_are_repeated_and_others_are_not() {
    let waiting = |reason, message| {
        let state = json!({"waiting": {"reason": reason, "message": message}});
        let container = json!({"name": "ingestor", "image": "", "imageID": "", "ready": false,
            "restartCount": 0, "state": state});
        let pod = pod(json!({"metadata": {}, "status": {"containerStatuses": [container]}}));
        not_running_reason(&pod, now()).unwrap()
    };
    let said = waiting(
        "CreateContainerConfigError",
        "runAsUser breaks non-root policy",
    );
    assert_eq!(
        said,
        "CreateContainerConfigError: runAsUser breaks non-root policy"
    );
    assert_eq!(
        waiting("CrashLoopBackOff", "back-off 40s"),
        "CrashLoopBackOff"
    );
}

/// As the node controller leaves it after 40 s without a word of the kubelet.
#[test]
fn a_node_that_does_not_answer_is_named() {
    let of = |reason: Option<&str>, containers: &str| {
        pod(json!({
            "metadata": {"name": "kt-a-0"}, "spec": {"nodeName": "n1", "containers": []},
            "status": {"phase": "Running", "conditions": [
                {"type": "Ready", "status": "False", "reason": reason},
                {"type": "ContainersReady", "status": containers}]},
        }))
    };
    let said = not_running_reason(&of(None, "True"), now()).unwrap();
    assert!(said.starts_with("node n1 does not answer"), "{said}");
    assert_eq!(
        not_running_reason(&of(Some("ContainersNotReady"), "False"), now()),
        None,
        "its own probe fails"
    );
    let gate = of(Some("ReadinessGatesNotReady"), "True");
    assert_eq!(not_running_reason(&gate, now()), None, "somebody's gate");
}

#[test]
fn a_pod_whose_end_nobody_confirms_says_what_to_do() {
    let leaving = |until: &str, ready: &str, node: Option<&str>| {
        let pod = pod(json!({
            "metadata": {"name": "kt-a-0", "deletionTimestamp": until},
            "spec": {"nodeName": node, "containers": []},
            "status": {"phase": "Running", "conditions": [{"type": "DisruptionTarget", "status": "True",
                "reason": "DeletionByTaintManager", "message": "Taint manager: deleting due to NoExecute taint"},
                {"type": "Ready", "status": ready}, {"type": "ContainersReady", "status": "True"}]},
        }));
        not_running_reason(&pod, now()).unwrap()
    };
    let said = leaving("2026-11-24T03:44:55Z", "False", Some("n1"));
    assert!(
        said.starts_with("Terminating, DeletionByTaintManager: Taint manager"),
        "{said}"
    );
    let late = "2026-11-24T03:44:49Z";
    let said = leaving(late, "False", Some("n1"));
    assert!(said.contains("kubectl delete node n1"), "{said}");
    assert!(said.contains("node.kubernetes.io/out-of-service"), "{said}");
    // Nobody says that the node is silent, and without a node there is none to delete.
    let held = [
        leaving(late, "True", Some("n1")),
        leaving(late, "False", None),
    ];
    for said in held {
        assert!(said.starts_with("Terminating for longer"), "{said}");
        assert!(!said.contains("delete node"), "{said}");
    }
}

#[test]
fn a_node_that_kubernetes_calls_lost_does_not_answer() {
    let said = |status: serde_json::Value| {
        let spec = json!({"nodeName": "n1", "containers": []});
        let pod = pod(json!({"metadata": {}, "spec": spec, "status": status}));
        not_running_reason(&pod, now())
    };
    let unknown = json!({"phase": "Running", "conditions": [
        {"type": "Ready", "status": "Unknown"}, {"type": "ContainersReady", "status": "True"}]});
    for lost in [json!({"reason": "NodeLost"}), unknown] {
        assert!(said(lost).is_some_and(|it| it.starts_with("node n1 does not")));
    }
    assert_eq!(said(json!({"phase": "Running"})), None);
}
