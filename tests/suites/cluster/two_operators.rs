//! Two operators that manage one namespace: they do not write over each other all the time, and the
//! account says what is wrong.

use anyhow::{Context, Result, ensure};
use tests::condition::within;
use tests::{ApiProxy, Operator};

use crate::LONG;
use crate::pods::says;
use crate::stage::{ACCOUNT, Stage};

/// Writes of one operator until it is told; without a limit there are five in a second.
const MOST: usize = 20;

pub(crate) async fn check(stage: &Stage) -> Result<()> {
    let cluster = stage.cluster();
    let Some(kubeconfig) = cluster.own_kubeconfig() else {
        return Ok(());
    };
    let proxy = ApiProxy::start(kubeconfig).await?;
    // The same Redis by another address, so that the two never agree on an assignment.
    let pods = cluster.get(&["pod", "-l", "app=redis"]).await?;
    let address = pods["items"][0]["status"]["podIP"].as_str();
    let redis = format!("redis://{}:6379", address.context("no address")?);
    let mut second = Operator::new(&proxy, cluster.namespace(), &stage.ingestor_image(), &redis)?;
    second.start()?;
    let told = ["another program keeps changing it"];
    says(stage, ACCOUNT, "Streaming", &told).await;
    second.kill().await?;
    let log = second.log();
    let writes = log.matches("assignment written").count();
    ensure!((1..MOST).contains(&writes), "{writes} writes:\n{log}");
    within(LONG, "one of them is obeyed", async || {
        let account = cluster.get(&["tka", ACCOUNT]).await;
        let account = account.map_err(|error| format!("{error:#}"))?;
        let text = account["status"].to_string();
        if text.contains(told[0]) {
            Err(text)
        } else {
            Ok(())
        }
    })
    .await;
    stage.wait_ready("tka", ACCOUNT).await?;
    stage.wait_ready("iset", "big").await
}
