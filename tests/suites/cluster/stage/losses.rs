//! Whether ticks of the account's pod were lost. A tick that a newer one replaced before Redis took it is none that was
//! lost: on a busy machine there are some, and the pod counts each.

use anyhow::{Context, Result};
use serde_json::Value;
use tests::{Ticks, eventually};

use super::{ACCOUNT, Stage};

/// What was counted before.
pub(crate) struct Losses<'t> {
    ticks: &'t Ticks,
    /// Where the pod's report is, also while the API server is away.
    report: String,
    replaced: u64,
}

impl Stage {
    /// Counts from now on.
    pub(crate) async fn watch_losses<'t>(&self, ticks: &'t Ticks) -> Result<Losses<'t>> {
        let pod = self
            .cluster
            .get(&["pod", &format!("kt-{ACCOUNT}-0")])
            .await?;
        let ip = pod["status"]["podIP"].as_str();
        let report = format!("http://{}:9400/v1/report", ip.context("no address")?);
        let replaced = replaced(&report).await?;
        ticks.clear();
        Ok(Losses {
            ticks,
            report,
            replaced,
        })
    }
}

impl Losses<'_> {
    /// Every number that is missing is that of a tick that was replaced, and none came twice. A report may be a second
    /// older than the ticks.
    pub(crate) async fn check(&self) {
        eventually("missing ticks were replaced by newer ones", async || {
            let skipped = self.ticks.skipped();
            let replaced = replaced(&self.report)
                .await
                .map_err(|it| format!("{it:#}"))?;
            let replaced = replaced - self.replaced;
            let counted = skipped <= replaced;
            let why = format!("{skipped} ticks are missing, {replaced} were replaced");
            counted.then_some(()).ok_or(why)
        })
        .await;
    }
}

async fn replaced(report: &str) -> Result<u64> {
    let client = tests::simulator::client()?;
    let answer = client.get(report).send().await?.error_for_status()?;
    let report: Value = answer.json().await?;
    report["redis"]["conflated"]
        .as_u64()
        .context("no count of replaced ticks")
}
