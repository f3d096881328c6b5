//! A node that no longer answers: its kubelet is stopped, and the ingest process ends.

use std::time::Duration;

use anyhow::Result;

use crate::fail_static::kill_container;
use crate::pods::{says, says_within};
use crate::stage::{ACCOUNT, Stage};

/// Kubernetes marks a node after 40 to 50 s without a word of it.
const MARKED: Duration = Duration::from_secs(180);

/// What happened is told, and what to do once the pod cannot be replaced.
pub(crate) async fn check(stage: &Stage) -> Result<()> {
    let cluster = stage.cluster();
    let (pod, _) = stage.pod().await?;
    let Some(()) = cluster.component("kubelet", "stop").await? else {
        return Ok(());
    };
    kill_container(&pod).await?;
    let silent = ["node node0 does not answer"];
    says_within(MARKED, stage, ACCOUNT, "PodNotReady", &silent).await;
    // As the taint manager does; it spares the last node of a cluster.
    let pod = format!("pod/kt-{ACCOUNT}-0");
    cluster.kubectl(&["delete", &pod, "--wait=false"]).await?;
    let cures = ["kubectl delete node node0", "out-of-service"];
    says(stage, ACCOUNT, "PodNotReady", &cures).await;
    cluster.component("kubelet", "start").await?;
    stage.wait_ready("tka", ACCOUNT).await?;
    stage.wait_ready("iset", "small").await
}
