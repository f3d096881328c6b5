//! `kubectl kiteticker` on a cluster: with the rights of its Role, without them, and without an operator.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::process::binary;
use tokio::process::Command;

use crate::stage::{ACCOUNT, Stage};

/// A user of the cluster that has nothing but the Role.
const USER: &str = "trader";

const ROLE: &str = "kiteticker-plugin";

pub(crate) async fn check(stage: &Stage) -> Result<()> {
    let Some(kubeconfig) = stage.cluster().own_kubeconfig() else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let own = folder.path().join("kubeconfig");
    kubeconfig_of_user(stage, kubeconfig, &own).await?;
    let plugin = |arguments: &'static [&'static str]| run(stage, &own, folder.path(), arguments);

    let refused = plugin(&["status"]).await?;
    ensure!(refused.is_err(), "without a right: {refused:?}");
    let binding = format!("--serviceaccount={}:{USER}", stage.cluster().namespace());
    let role = format!("--role={ROLE}");
    let arguments = ["create", "rolebinding", USER, &role, &binding];
    stage.cluster().kubectl(&arguments).await?;

    let said = plugin(&["status"]).await?.map_err(anyhow::Error::msg)?;
    let line = said.lines().find(|line| line.starts_with(ACCOUNT));
    let line = line.with_context(|| format!("no account in {said}"))?;
    ensure!(line.contains("Streaming"), "{line}");
    let said = plugin(&["-o", "json", "top"])
        .await?
        .map_err(anyhow::Error::msg)?;
    let top: Value = serde_json::from_str(&said)?;
    ensure!(top.is_object(), "{top}");
    let said = plugin(&["explain", "iset/big"]).await?;
    let said = said.map_err(anyhow::Error::msg)?;
    ensure!(said.contains(ACCOUNT) && said.contains("3000"), "{said}");
    let wrong = plugin(&["explain", "iset/bigg"]).await?;
    let hint = wrong.err().context("there is no such set")?;
    ensure!(hint.contains("did you mean big"), "{hint}");

    plugin(&["report", "--file", "report.json"])
        .await?
        .map_err(anyhow::Error::msg)?;
    let report = std::fs::read_to_string(folder.path().join("report.json"))?;
    ensure!(report.contains(ACCOUNT), "an empty report");
    for secret in ["fake-key", "fake-token", "ZmFrZS1rZX", "ZmFrZS10b2tlb"] {
        ensure!(!report.contains(secret), "a secret in the report");
    }

    stage.scale_operator(0).await?;
    let said = plugin(&["status"]).await?;
    stage.scale_operator(1).await?;
    let said = said.map_err(anyhow::Error::msg)?;
    ensure!(said.contains(ACCOUNT), "without an operator: {said}");
    stage.wait_ready("tka", ACCOUNT).await?;
    stage
        .cluster()
        .kubectl(&[
            "delete",
            &format!("rolebinding/{USER}"),
            &format!("serviceaccount/{USER}"),
        ])
        .await
        .map(drop)
}

/// A kubeconfig like `from`, for a user without any right.
async fn kubeconfig_of_user(stage: &Stage, from: &Path, to: &Path) -> Result<()> {
    let cluster = stage.cluster();
    cluster.kubectl(&["create", "serviceaccount", USER]).await?;
    let token = cluster.kubectl(&["create", "token", USER]).await?;
    let view = ["config", "view", "--raw", "-o", "json", "--kubeconfig"];
    let from = from.to_string_lossy();
    let text = cluster.kubectl(&[&view[..], &[&from]].concat()).await?;
    let mut config: Value = serde_json::from_str(&text)?;
    for user in config["users"].as_array_mut().context("no users")? {
        user["user"] = json!({"token": token.trim()});
    }
    std::fs::write(to, config.to_string())?;
    Ok(())
}

/// What it prints, or what it says when it fails.
async fn run(
    stage: &Stage,
    kubeconfig: &Path,
    folder: &Path,
    arguments: &[&str],
) -> Result<Result<String, String>> {
    let output = Command::new(binary("kubectl-kiteticker"))
        .args(arguments)
        .args(["--namespace", stage.cluster().namespace()])
        .env("KUBECONFIG", kubeconfig)
        .current_dir(folder)
        .kill_on_drop(true)
        .output()
        .await?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    })
}
