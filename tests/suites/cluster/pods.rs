//! Pods that may not be created, that are not replaced, that are chosen a place, and that no user is
//! named for.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use service::clock::Clock;
use tests::condition::within;

use crate::LONG;
use crate::stage::{ACCOUNT, Stage};

/// A pod that is not replaced is deleted after a minute and a half, and only then does another start.
const REPAIRED: Duration = Duration::from_secs(180);

/// The account of these tests.
const OTHER: &str = "acct-pods";

/// An image that no node has.
const NO_IMAGE: &str = "localhost/no-such-image:1";

/// Refuses pods that name a user or a group, as OpenShift's restricted-v2 does where they are not
/// those of the namespace.
const POLICY: &str = "kite-ticker-test-no-fixed-ids";

pub(crate) async fn check(stage: &Stage) -> Result<String> {
    a_quota_is_repeated_in_the_servers_words(stage).await?;
    let repaired = a_pod_that_is_not_replaced(stage).await?;
    a_place_and_a_budget(stage).await?;
    let cluster = stage.cluster();
    cluster
        .kubectl(&["delete", "tka", OTHER, "--timeout=60s"])
        .await?;
    no_fixed_ids(stage).await?;
    Ok(repaired)
}

/// Reason and message of the account's Ready.
pub(crate) async fn said(stage: &Stage, account: &str) -> Result<(String, String), String> {
    let object = stage.cluster().get(&["tka", account]).await;
    let object = object.map_err(|error| format!("{error:#}"))?;
    let conditions = object["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    let ready = conditions.find(|it| it["type"] == "Ready");
    let text = |field: &str| {
        let text = ready.and_then(|ready| ready[field].as_str());
        text.unwrap_or_default().to_owned()
    };
    Ok((text("reason"), text("message")))
}

/// Waits until the account's message has these words, with this reason.
pub(crate) async fn says(stage: &Stage, account: &str, reason: &str, words: &[&str]) {
    says_within(LONG, stage, account, reason, words).await;
}

/// As [`says`], with another limit.
pub(crate) async fn says_within(
    limit: Duration,
    stage: &Stage,
    account: &str,
    reason: &str,
    words: &[&str],
) {
    within(limit, &format!("{account} says {words:?}"), async || {
        let said = said(stage, account).await?;
        let all = words.iter().all(|words| said.1.contains(words));
        if said.0 == reason && all {
            Ok(())
        } else {
            Err(format!("{said:?}"))
        }
    })
    .await;
}

async fn patch(stage: &Stage, object: &str, patch: &Value) -> Result<()> {
    let patch = patch.to_string();
    let arguments = ["patch", object, "--type=merge", "-p", &patch];
    stage.cluster().kubectl(&arguments).await.map(drop)
}

async fn a_quota_is_repeated_in_the_servers_words(stage: &Stage) -> Result<()> {
    let cluster = stage.cluster();
    let quota = ["create", "quota", "no-more-pods", "--hard=pods=0"];
    cluster.kubectl(&quota).await?;
    stage.apply_idle(OTHER, "fake-token-pods").await?;
    says(
        stage,
        OTHER,
        "PodNotReady",
        &["exceeded quota: no-more-pods"],
    )
    .await;
    cluster
        .kubectl(&["delete", "quota", "no-more-pods"])
        .await?;
    // The controller waits longer after each failure; a new pod template makes it try at once.
    patch(
        stage,
        &format!("tka/{OTHER}"),
        &json!({"spec": {"pod": {"labels": {"try": "again"}}}}),
    )
    .await?;
    stage.wait_reason("tka", OTHER, "True", "Idle").await;
    Ok(())
}

/// With the strategy OnDelete the controller behaves as the versions that forget such pods.
async fn a_pod_that_is_not_replaced(stage: &Stage) -> Result<String> {
    let (cluster, clock) = (stage.cluster(), Clock::system());
    let set = format!("statefulset/kt-{OTHER}");
    patch(
        stage,
        &format!("tka/{OTHER}"),
        &json!({"spec": {"pod": {"image": NO_IMAGE}}}),
    )
    .await?;
    says(stage, OTHER, "PodNotReady", &["ImagePull"]).await;
    patch(
        stage,
        &set,
        &json!({"spec": {"updateStrategy": {"type": "OnDelete", "rollingUpdate": null}}}),
    )
    .await?;
    let image = stage.ingestor_image();
    patch(
        stage,
        &format!("tka/{OTHER}"),
        &json!({"spec": {"pod": {"image": image}}}),
    )
    .await?;
    let start = clock.now();
    within(REPAIRED, "the pod is replaced", async || {
        let said = said(stage, OTHER).await?;
        if said.0 == "Idle" {
            Ok(())
        } else {
            Err(said.0)
        }
    })
    .await;
    let took = clock.now().saturating_duration_since(start);
    ensure!(
        took >= Duration::from_secs(60),
        "replaced by somebody else: {took:?}"
    );
    // A pod that is ready stays, whatever its StatefulSet wants.
    let pod = cluster.get(&["pod", &format!("kt-{OTHER}-0")]).await?;
    ensure!(pod["metadata"]["deletionTimestamp"].is_null(), "{pod}");
    patch(
        stage,
        &set,
        &json!({"spec": {"updateStrategy": {"type": "RollingUpdate"}}}),
    )
    .await?;
    Ok(format!(
        "cluster: a pod that its StatefulSet does not replace is replaced, and ready, after {} s",
        took.as_secs()
    ))
}

/// The fields of `spec.pod` reach the pod, and with a budget it is not evicted.
async fn a_place_and_a_budget(stage: &Stage) -> Result<()> {
    let cluster = stage.cluster();
    let nowhere = json!({"spec": {"pod": {
        "labels": {"team": "desk"},
        "annotations": {"example.com/note": "kept"},
        "nodeSelector": {"example.com/disk": "fast"},
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
        "priorityClassName": "system-cluster-critical",
    }}});
    let account = format!("tka/{OTHER}");
    // A priority class of the system is for kube-system alone, unless a quota says otherwise.
    patch(stage, &account, &nowhere).await?;
    says(stage, OTHER, "PodNotReady", &["didn't match Pod's node"]).await;
    let placed = cluster.get(&["pod", &format!("kt-{OTHER}-0")]).await?;
    ensure!(
        placed["spec"]["priorityClassName"] == "system-cluster-critical",
        "{placed}"
    );
    let anywhere = json!({"spec": {"pod": {"nodeSelector": null, "priorityClassName": null}}});
    patch(stage, &account, &anywhere).await?;
    stage.wait_reason("tka", OTHER, "True", "Idle").await;
    let name = format!("kt-{OTHER}-0");
    let pod = cluster.get(&["pod", &name]).await?;
    let (metadata, spec) = (&pod["metadata"], &pod["spec"]);
    ensure!(metadata["labels"]["team"] == "desk", "{metadata}");
    ensure!(
        metadata["annotations"]["example.com/note"] == "kept",
        "{metadata}"
    );
    let tolerations = spec["tolerations"].as_array().context("no tolerations")?;
    ensure!(
        tolerations.iter().any(|it| it["key"] == "dedicated"),
        "{spec}"
    );

    stage
        .upgrade_operator("ingestor.podDisruptionBudget.enabled=true")
        .await?;
    let namespace = cluster.namespace();
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace},
    });
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("eviction.json");
    std::fs::write(&file, eviction.to_string())?;
    let path = format!("/api/v1/namespaces/{namespace}/pods/{name}/eviction");
    let file = file.to_string_lossy();
    let evict = ["create", "--raw", path.as_str(), "-f", &file];
    // The budget counts only once its controller has seen it; until then a dry run is refused too.
    within(LONG, "the budget is in force", async || {
        let budgets = cluster
            .get(&["pdb"])
            .await
            .map_err(|error| format!("{error:#}"))?;
        let budget = &budgets["items"][0]["status"];
        if budget["expectedPods"].as_u64() >= Some(2) {
            Ok(())
        } else {
            Err(budget.to_string())
        }
    })
    .await;
    let refused = cluster
        .kubectl(&evict)
        .await
        .err()
        .context("it was evicted")?;
    ensure!(
        format!("{refused:#}").contains("disruption budget"),
        "{refused:#}"
    );
    stage
        .upgrade_operator("ingestor.podDisruptionBudget.enabled=false")
        .await?;
    cluster.kubectl(&evict).await.map(drop)
}

/// Where only the cluster may choose users and groups, pods are refused, in the server's words, until
/// the operator names none; then everything streams.
async fn no_fixed_ids(stage: &Stage) -> Result<()> {
    let cluster = stage.cluster();
    cluster
        .apply(&policy(cluster.namespace()).to_string())
        .await?;
    let pod = format!("kt-{ACCOUNT}-0");
    within(LONG, "the policy is in force", async || {
        let dry = ["run", "probe", "--image=none", "--dry-run=server", "--overrides"];
        let overrides = json!({"spec": {"securityContext": {"runAsUser": 1, "runAsNonRoot": true,
            "seccompProfile": {"type": "RuntimeDefault"}}, "containers": [{"name": "probe", "image": "none",
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}]}});
        match cluster.kubectl(&[&dry[..], &[&overrides.to_string()]].concat()).await {
            Err(error) if format!("{error:#}").contains(POLICY) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    cluster.kubectl(&["delete", "pod", &pod]).await?;
    says(stage, ACCOUNT, "PodNotReady", &[POLICY]).await;
    stage.upgrade_operator("podSecurity.fixedIds=false").await?;
    stage.wait_ready("tka", ACCOUNT).await?;
    let pod = cluster.get(&["pod", &pod]).await?;
    ensure!(pod["spec"]["securityContext"]["fsGroup"].is_null(), "{pod}");
    let policies = [
        "validatingadmissionpolicybinding",
        "validatingadmissionpolicy",
    ];
    for kind in policies {
        cluster.kubectl(&["delete", kind, POLICY]).await?;
    }
    stage.upgrade_operator("podSecurity.fixedIds=true").await?;
    within(LONG, "the pod names its user again", async || {
        let pod = cluster.get(&["pod", &format!("kt-{ACCOUNT}-0")]).await;
        let pod = pod.map_err(|error| format!("{error:#}"))?;
        let group = &pod["spec"]["securityContext"]["fsGroup"];
        if group.is_null() {
            Err(group.to_string())
        } else {
            Ok(())
        }
    })
    .await;
    stage.wait_ready("tka", ACCOUNT).await?;
    stage.wait_ready("iset", "big").await
}

fn policy(namespace: &str) -> Value {
    let fields = ["runAsUser", "runAsGroup", "fsGroup"];
    let fields = fields.map(|field| format!("!has(object.spec.securityContext.{field})"));
    let none = format!(
        "!has(object.spec.securityContext) || ({})",
        fields.join(" && ")
    );
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": POLICY},
            "spec": {
                "matchConstraints": {"resourceRules": [{
                    "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"],
                }]},
                "validations": [{"expression": none, "message": "users and groups are chosen by the namespace"}],
            },
        },
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": POLICY},
            "spec": {
                "policyName": POLICY,
                "validationActions": ["Deny"],
                "matchResources": {"namespaceSelector": {
                    "matchLabels": {"kubernetes.io/metadata.name": namespace},
                }},
            },
        },
    ]})
}
