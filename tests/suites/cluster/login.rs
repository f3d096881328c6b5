//! Logging in on a cluster: through the Service, by the documented commands, with rights for two Secrets alone.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use reqwest::StatusCode;
use service::clock::Clock;
use tests::condition::within;
use tests::login_page::{browser, location, log_in};
use tests::process::binary;
use tests::{documents, eventually};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::LONG;
use crate::stage::{ACCOUNT, Stage};

const LOGIN: &str = "docs/login.md";

/// Who logs in.
const USER: &str = "AB1234";

/// Whether nobody can log in, or no longer before this test ends: from a quarter of an hour before 06:00 in India to 07:35.
fn is_morning() -> bool {
    let now = kite::ist::civil(Clock::system().wall()).time();
    let (from, to) = (
        jiff::civil::time(5, 45, 0, 0),
        jiff::civil::time(7, 36, 0, 0),
    );
    (from..to).contains(&now)
}

pub(crate) async fn check(stage: &Stage) -> Result<String> {
    let cluster = stage.cluster();
    let Some(kubeconfig) = cluster.own_kubeconfig() else {
        return Ok("login: not tried, the simulator's page is out of reach".to_owned());
    };
    if is_morning() {
        return Ok(
            "login: not tried, in India it is the hour in which Kite ends tokens".to_owned(),
        );
    }
    let upgrade = documents::command(LOGIN, "helm upgrade kite-ticker ")?;
    cluster
        .documented(&format!("{upgrade} --wait --timeout=60s"))
        .await?;
    stage.apply_set("small", &stage.equities(3)?).await?;
    stage.apply_app("fake-token-evening").await?;
    stage.wait_ready("iset", "small").await?;
    let pod = stage.pod().await?;
    rights(stage).await?;
    // The pod may dial with the token before it until it has this one.
    within(LONG, "a login is needed", async || {
        stage.revoke("fake-token-evening").await?;
        let account = cluster.get(&["tka", ACCOUNT]).await?;
        let ready = account["status"]["conditions"].as_array();
        let mut ready = ready.into_iter().flatten();
        let is_needed = ready.any(|it| it["type"] == "Ready" && it["reason"] == "LoginRequired");
        ensure!(is_needed, "{}", account["status"]["conditions"]);
        Ok::<(), anyhow::Error>(())
    })
    .await;

    let folder = tempfile::tempdir()?;
    std::os::unix::fs::symlink(
        std::path::absolute(binary("kubectl-kiteticker"))?,
        folder.path().join("kubectl-kiteticker"),
    )?;
    let line = documents::command(LOGIN, "kubectl kiteticker login ")?;
    let mut waiting = plugin(stage, kubeconfig, folder.path(), &line)?;
    let mut lines = BufReader::new(waiting.stdout.take().context("no output")?).lines();
    ensure!(lines.next_line().await?.as_deref() == Some("log in at"));
    let link = lines.next_line().await?.context("no link")?;
    let said = cluster.get(&["tka", ACCOUNT]).await?;
    ensure!(said["status"]["loginURL"] == link.as_str(), "{said}");

    let browser = browser()?;
    let back = log_in(&browser, &link, USER).await?;
    let clock = Clock::system();
    let mut done = String::new();
    let mut came_back = clock.now();
    // The port-forward may not be there yet.
    eventually("the operator takes the browser back", async || {
        came_back = clock.now();
        let answer = browser.get(&back).send().await?;
        ensure!(answer.status() == StatusCode::SEE_OTHER, "{answer:?}");
        done = location(&answer)?;
        Ok(())
    })
    .await;
    used_by_pod(stage, "session").await;
    let took = clock.now().saturating_duration_since(came_back);
    let page = format!("http://127.0.0.1:9402{done}");
    eventually("the page says that it is ready", async || {
        let text = browser.get(&page).send().await?.text().await?;
        ensure!(text.contains("acct-a is ready: Streaming"), "{text}");
        Ok(())
    })
    .await;
    let mut rest = String::new();
    while let Some(line) = lines.next_line().await? {
        rest.push_str(&line);
    }
    ensure!(waiting.wait().await?.success(), "{rest}");
    ensure!(stage.pod().await? == pod, "the pod was restarted");

    let account = cluster.get(&["tka", ACCOUNT]).await?;
    let status = &account["status"];
    ensure!(status["session"]["userID"] == USER, "{status}");
    ensure!(status["loginURL"].is_null(), "{status}");
    let metrics = stage.operator_metrics().await?;
    ensure!(metrics.sum("kite_operator_logins_total") == 1.0);
    stage.check_secrets().await?;
    survives(stage).await?;

    let set = documents::command(LOGIN, "echo TOKEN | kubectl kiteticker token set ")?;
    let set = set.replace("TOKEN", "fake-token-elsewhere");
    let output = plugin(stage, kubeconfig, folder.path(), &set)?;
    let output = output.wait_with_output().await?;
    ensure!(output.status.success(), "{output:?}");
    eventually("the token from elsewhere", async || {
        let account = cluster.get(&["tka", ACCOUNT]).await?;
        let status = &account["status"];
        ensure!(status["session"].is_null(), "{status}");
        Ok(())
    })
    .await;
    stage.wait_reason("tka", ACCOUNT, "True", "Streaming").await;
    Ok(format!(
        "cluster: from the browser's return to the session in use {} ms",
        took.as_millis()
    ))
}

/// Runs a documented command line of the plugin, as `kubectl kiteticker`.
fn plugin(stage: &Stage, kubeconfig: &Path, folder: &Path, line: &str) -> Result<Child> {
    let line = format!("{line} --namespace {}", stage.cluster().namespace());
    let tools = kubeconfig.with_file_name("bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = format!(
        "{}:{}:{}",
        folder.display(),
        std::path::absolute(tools)?.display(),
        path.to_string_lossy()
    );
    let mut command = Command::new("bash");
    command
        .args(["-euo", "pipefail", "-c", &line])
        .env("PATH", path)
        .env("KUBECONFIG", std::path::absolute(kubeconfig)?)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    Ok(command.spawn()?)
}

/// What the operator may do with Secrets: read them, and write the two of a login.
async fn rights(stage: &Stage) -> Result<()> {
    let cluster = stage.cluster();
    let user = format!(
        "--as=system:serviceaccount:{}:kite-ticker-operator",
        cluster.namespace()
    );
    for (verb, object, may) in [
        ("patch", "secret/kt-acct-a-session", true),
        ("patch", "secret/kt-login-key", true),
        ("patch", "secret/acct-a", false),
        ("patch", "secret/kt-acct-b-session", false),
        ("create", "secret", false),
        ("list", "secret", false),
        ("delete", "secret/kt-acct-a-session", false),
    ] {
        // It fails to say no.
        let arguments = ["auth", "can-i", verb, object, &user];
        let asked = cluster.kubectl(&arguments).await;
        let found = asked.is_ok_and(|said| said.trim() == "yes");
        ensure!(found == may, "{verb} {object}: {found}");
    }
    Ok(())
}

/// Waits until the pod reports the token of this source, and streams.
async fn used_by_pod(stage: &Stage, source: &str) {
    let path = format!(
        "/api/v1/namespaces/{}/pods/kt-{ACCOUNT}-0:9400/proxy/v1/report",
        stage.cluster().namespace()
    );
    eventually(&format!("the token of the {source}"), async || {
        let report = stage.cluster().kubectl(&["get", "--raw", &path]).await?;
        let report: serde_json::Value = serde_json::from_str(&report)?;
        let streams = report["streaming"].as_u64() > Some(0);
        ensure!(report["token_source"] == source && streams, "{report}");
        Ok(())
    })
    .await;
}

/// Neither the operator nor the pod needs another login after a restart.
async fn survives(stage: &Stage) -> Result<()> {
    stage.scale_operator(0).await?;
    stage.scale_operator(1).await?;
    let pod = format!("pod/kt-{ACCOUNT}-0");
    stage.cluster().kubectl(&["delete", &pod]).await?;
    within(LONG, "the pod is back", async || {
        let ready = stage.cluster().get(&["tka", ACCOUNT]).await?;
        let status = &ready["status"];
        ensure!(status["session"]["userID"] == USER, "{status}");
        Ok::<(), anyhow::Error>(())
    })
    .await;
    used_by_pod(stage, "session").await;
    stage.wait_reason("tka", ACCOUNT, "True", "Streaming").await;
    Ok(())
}

/// The session goes with its account.
pub(crate) async fn gone(stage: &Stage) -> Result<()> {
    if stage.cluster().own_kubeconfig().is_none() {
        return Ok(());
    }
    within(LONG, "the session is gone", async || {
        let found = stage
            .cluster()
            .kubectl(&["get", "secrets", "-o", "name"])
            .await?;
        ensure!(!found.contains("kt-acct-a-session"), "{found}");
        Ok::<(), anyhow::Error>(())
    })
    .await;
    Ok(())
}
