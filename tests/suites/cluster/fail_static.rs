//! Temporary losses of the operator and its pods, and what must not change meanwhile.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use base64::Engine;
use serde_json::{Value, json};
use service::clock::Clock;
use tests::Ticks;
use tests::condition::within;

use crate::LONG;
use crate::stage::{ACCOUNT, Stage};

/// For how long the API server is away; `OUTAGE_SECONDS` says otherwise.
const OUTAGE: Duration = Duration::from_secs(30);

/// The ConfigMap with the account's assignment.
fn config_map() -> String {
    format!("kt-{ACCOUNT}-assignment")
}

/// An assignment that is deleted, or restored from a backup, is written again; no socket is
/// affected.
pub(crate) async fn lost_and_old_assignments(stage: &Stage, ticks: &Ticks) -> Result<()> {
    let cluster = stage.cluster();
    let before = (stage.sockets().await?, stage.pod().await?);
    ticks.forget_published().await;
    let backup = cluster.get(&["configmap", &config_map()]).await?;
    stage.apply_set("small", &stage.equities(11)?).await?;
    converges(stage, generation(&backup)? + 1).await;

    let newer = generation(&cluster.get(&["configmap", &config_map()]).await?)?;
    let restored = json!([
        {"op": "replace", "path": "/binaryData", "value": backup["binaryData"]},
        {"op": "replace", "path": "/data", "value": backup["data"]},
    ]);
    cluster
        .kubectl(&[
            "patch",
            "configmap",
            &config_map(),
            "--type=json",
            "-p",
            &restored.to_string(),
        ])
        .await?;
    converges(stage, newer).await;

    let newest = generation(&cluster.get(&["configmap", &config_map()]).await?)?;
    cluster
        .kubectl(&["delete", "configmap", &config_map()])
        .await?;
    converges(stage, newest).await;
    stage.apply_set("small", &stage.equities(10)?).await?;
    stage.wait_ready("iset", "small").await?;
    ensure!(
        (stage.sockets().await?, stage.pod().await?) == before,
        "a socket or the pod is another"
    );
    ticks.assert_gapless();
    Ok(())
}

/// Ticks do not need the Service: if it cannot be written, the StatefulSet is created again without
/// it, and the status says what is wrong.
pub(crate) async fn a_service_that_cannot_be_written(stage: &Stage) -> Result<()> {
    let (cluster, name) = (stage.cluster(), format!("kt-{ACCOUNT}"));
    let pod = stage.pod().await?;
    // Our own port, under our name for it.
    let ports = json!({"spec": {"ports": [{"name": "http", "port": 1}]}}).to_string();
    let patch = ["patch", "service", &name, "--type=merge", "-p", &ports];
    cluster.kubectl(&patch).await?;
    cluster
        .kubectl(&["delete", "statefulset", &name, "--cascade=orphan"])
        .await?;
    within(
        LONG,
        "the StatefulSet is back, the Service is not",
        async || {
            let made = cluster.get(&["statefulset", &name]).await;
            made.map_err(|error| format!("{error:#}"))?;
            let account = cluster.get(&["tka", ACCOUNT]).await;
            let account = account.map_err(|error| format!("{error:#}"))?.to_string();
            if account.contains("Duplicate value") {
                Ok(())
            } else {
                Err(account)
            }
        },
    )
    .await;
    cluster.kubectl(&["delete", "service", &name]).await?;
    within(LONG, "the Service is back", async || {
        let service = cluster.get(&["service", &name]).await;
        service.map(drop).map_err(|error| format!("{error:#}"))
    })
    .await;
    ensure!(stage.pod().await? == pod, "the pod is another");
    stage.wait_ready("tka", ACCOUNT).await
}

/// The generation in the ConfigMap is at least `least`, and in force.
async fn converges(stage: &Stage, least: u64) {
    let looked = async || -> Result<(u64, Value)> {
        let lies = stage.cluster().get(&["configmap", &config_map()]).await?;
        let account = stage.cluster().get(&["tka", ACCOUNT]).await?;
        let said = account["status"]["assignmentGeneration"].clone();
        Ok((generation(&lies)?, said))
    };
    within(
        LONG,
        "the assignment lies there and is in force",
        async || {
            let (lies, said) = looked().await.map_err(|error| format!("{error:#}"))?;
            if lies >= least && said == json!({"desired": lies, "acknowledged": lies}) {
                Ok(())
            } else {
                Err(format!(
                    "{lies} lies there, {said} is said, {least} is the least"
                ))
            }
        },
    )
    .await;
}

/// Generation of the assignment in a ConfigMap.
fn generation(config_map: &Value) -> Result<u64> {
    let file = |field: &str, name: &str| {
        let text = config_map[field][name].as_str();
        text.with_context(|| format!("the ConfigMap has no {name} in {field}"))
    };
    let gzip = file("binaryData", contract::sealed::ASSIGNMENT_FILE)?;
    let sealed = contract::Sealed {
        gzip: base64::engine::general_purpose::STANDARD.decode(gzip)?,
        sha256: file("data", contract::sealed::SHA256_FILE)?.to_owned(),
    };
    Ok(sealed.open()?.generation)
}

/// Takes ticks until then, and some in any case; returns how many.
async fn stream_until(ticks: &Ticks, clock: &Clock, end: Instant) -> usize {
    let mut counted = 0;
    loop {
        ticks.next(100).await;
        counted += 100;
        if clock.now() >= end {
            return counted;
        }
    }
}

/// Without an API server everything streams on, and a container that dies comes back.
pub(crate) async fn no_api_server(stage: &Stage, ticks: &Ticks) -> Result<String> {
    let (pod, restarted) = stage.pod().await?;
    let Some(()) = stage.cluster().component("kube-apiserver", "stop").await? else {
        return Ok("an API server that is away: not tried, it is not ours to stop".to_owned());
    };
    let clock = Clock::system();
    let sockets = stage.sockets().await?;
    let start = clock.now();
    let outage = std::env::var_os("OUTAGE_SECONDS").and_then(|text| text.to_str()?.parse().ok());
    let outage = outage.map_or(OUTAGE, Duration::from_secs);
    ticks.forget_published().await;
    let counted = stream_until(ticks, &clock, start + outage / 2).await;
    ensure!(
        stage.sockets().await? == sockets,
        "a socket was opened anew"
    );
    ticks.assert_gapless();

    // The pod's container ends: its kubelet starts another one with the mounted files.
    kill_container(&pod).await?;
    within(LONG, "another process streams", async || {
        let now = stage.sockets().await.map_err(|error| error.to_string())?;
        if !now.is_empty() && now.is_disjoint(&sockets) {
            Ok(())
        } else {
            Err(format!("{now:?}"))
        }
    })
    .await;
    let later = stream_until(ticks, &clock, start + outage).await;
    stage.cluster().component("kube-apiserver", "start").await?;
    // These would watch again only after their own back-off, in about a minute.
    for component in ["kubelet", "kube-controller-manager"] {
        stage.cluster().component(component, "stop").await?;
        stage.cluster().component(component, "start").await?;
    }
    within(LONG, "the restart is on record", async || {
        let (now, restarts) = stage.pod().await.map_err(|error| error.to_string())?;
        if now == pod && restarts > restarted {
            Ok(())
        } else {
            Err(format!("{restarts} restarts"))
        }
    })
    .await;
    stage.wait_ready("tka", ACCOUNT).await?;
    stage.wait_ready("iset", "small").await?;
    stage.wait_ready("iset", "big").await?;
    Ok(format!(
        "an API server that was away for {} s: {counted} ticks without a gap, then a killed container came back and {later} more came",
        outage.as_secs()
    ))
}

/// Kills the process of a pod's container, found by the pod's control group.
pub(crate) async fn kill_container(pod_uid: &str) -> Result<()> {
    let uid = pod_uid.trim_matches('"');
    let marks = [format!("pod{uid}"), format!("pod{}", uid.replace('-', "_"))];
    for process in std::fs::read_dir("/proc")? {
        let folder = process?.path();
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        let in_pod = marks.iter().any(|mark| read("cgroup").contains(mark));
        if in_pod && read("cmdline").starts_with("/kite-ingestor") {
            let pid = folder
                .file_name()
                .and_then(|name| name.to_str()?.parse().ok());
            return tests::process::signal(pid.context("no process id")?, "KILL").await;
        }
    }
    anyhow::bail!("pod {uid} has no process")
}

/// A new account of an old name is another account: nothing of the old one is taken over.
pub(crate) async fn another_account_of_the_name(stage: &Stage) -> Result<()> {
    let cluster = stage.cluster();
    let (old, _) = stage.pod().await?;
    cluster
        .kubectl(&["delete", "tka", ACCOUNT, "--wait=false"])
        .await?;
    stage.apply_account("fake-token-2").await?;
    within(LONG, "a pod of the new account streams", async || {
        let (new, _) = stage.pod().await.map_err(|error| error.to_string())?;
        if new == old { Err(new) } else { Ok(()) }
    })
    .await;
    stage.wait_ready("tka", ACCOUNT).await?;
    stage.wait_ready("iset", "big").await?;
    Ok(())
}

/// Objects that a user keeps of a deleted account stay, although they look like leftovers; a new
/// account of the name does not use them.
pub(crate) async fn kept_by_its_user(stage: &Stage) -> Result<()> {
    let cluster = stage.cluster();
    let owned = stage.owned(ACCOUNT).await?;
    cluster
        .kubectl(&["delete", "tka", ACCOUNT, "--cascade=orphan"])
        .await?;
    stage.apply_account("fake-token-2").await?;
    stage
        .wait_reason("tka", ACCOUNT, "False", "NameTaken")
        .await;
    ensure!(
        stage.owned(ACCOUNT).await? == owned,
        "{owned:?} were to be kept"
    );
    let label = format!("kiteticker.dev/account={ACCOUNT}");
    cluster
        .kubectl(&["delete", "sts,svc,cm", "-l", &label, "--wait=false"])
        .await?;
    stage.wait_reason("tka", ACCOUNT, "True", "Streaming").await;
    Ok(())
}
