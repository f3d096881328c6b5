//! Two operators that manage one namespace: they do not write over each other all the time, and the
//! account says what is wrong.

use anyhow::{Context, Result, ensure};
use tests::condition::within;
use tests::{ApiProxy, Operator};

use crate::LONG;
use crate::pods::said;
use crate::stage::{ACCOUNT, Stage};

/// Writes of one operator until it is told; without a limit there are five in a second.
const MOST: usize = 20;

/// What the account says then.
const TOLD: &str = "another program keeps changing it";

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
    let done = told_and_settled(stage, &mut second).await;
    done.with_context(|| format!("the second operator's log ends:\n{}", second.log_end()))
}

async fn told_and_settled(stage: &Stage, second: &mut Operator) -> Result<()> {
    second.start()?;
    within(LONG, "the account says that two change it", async || {
        assert!(!second.has_ended(), "the second operator ended");
        let (reason, message) = said(stage, ACCOUNT).await?;
        if reason == "Streaming" && message.contains(TOLD) {
            Ok(())
        } else {
            Err(format!("{reason}: {message}"))
        }
    })
    .await;
    second.kill().await?;
    let writes = second.log().matches("assignment written").count();
    ensure!((1..MOST).contains(&writes), "{writes} writes");
    let cluster = stage.cluster();
    within(LONG, "one of them is obeyed", async || {
        let account = cluster.get(&["tka", ACCOUNT]).await;
        let account = account.map_err(|error| format!("{error:#}"))?;
        let text = account["status"].to_string();
        if text.contains(TOLD) {
            Err(text)
        } else {
            Ok(())
        }
    })
    .await;
    stage.wait_ready("tka", ACCOUNT).await?;
    stage.wait_ready("iset", "big").await
}
