//! An account that rests while its market is closed: its StatefulSet has no replica then.
//!
//! The hours are those of a calendar of this test: an operator with the other one starts each time.

use anyhow::{Context, Result, ensure};
use jiff::ToSpan;
use jiff::civil::Date;
use serde_json::{Value, json};
use service::clock::Clock;
use tests::condition::within;

use crate::LONG;
use crate::stage::{Stage, account};

const SLEEPER: &str = "acct-sleeper";

pub(crate) async fn check(stage: &Stage) -> Result<String> {
    let cluster = stage.cluster();
    let today = kite::ist::date(Clock::system().wall());
    for (name, open) in [("calendar-open", true), ("calendar-closed", false)] {
        let object = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name},
            "data": {"calendar.yaml": calendar(today, open)?},
        });
        cluster.apply(&object.to_string()).await?;
    }
    stage
        .upgrade_operator("calendar.configMap=calendar-open")
        .await?;
    stage.apply_idle(SLEEPER, "fake-token-sleeper").await?;
    let mut object = account(SLEEPER, stage.origin());
    object["spec"]["marketHours"] = "Exchange".into();
    object["spec"]["schedule"] = json!({"sleepWhenClosed": true});
    cluster.apply(&object.to_string()).await?;
    let symbols: Vec<String> = stage.equities(3)?.into_iter().map(|it| it.symbol).collect();
    let set = json!({
        "apiVersion": "kiteticker.dev/v1alpha1",
        "kind": "InstrumentSet",
        "metadata": {"name": "sleeper"},
        "spec": {
            "instruments": {"symbols": symbols},
            "accountRef": {"name": SLEEPER},
            "publish": {"channelPrefix": "test:sleeper"},
        },
    });
    cluster.apply(&set.to_string()).await?;
    stage
        .wait_reason("iset", "sleeper", "True", "Streaming")
        .await;

    let clock = Clock::system();
    stage
        .upgrade_operator("calendar.configMap=calendar-closed")
        .await?;
    has_replicas(stage, 0).await;
    says_closed(stage).await;
    // A restart of the operator starts nothing, and neither does a change of the set.
    stage.scale_operator(0).await?;
    stage.scale_operator(1).await?;
    let patch = json!([{"op": "remove", "path": format!("/spec/instruments/symbols/{}", symbols.len() - 1)}]);
    stage.patch_set("sleeper", &patch).await?;
    within(LONG, "the set is planned anew", async || {
        let set = cluster.get(&["iset", "sleeper"]).await?;
        ensure!(set["status"]["selected"] == 2, "{}", set["status"]);
        Ok::<(), anyhow::Error>(())
    })
    .await;
    says_closed(stage).await;
    ensure!(replicas(stage).await? == (0, 0), "it was started");
    let slept = clock.now();

    stage
        .upgrade_operator("calendar.configMap=calendar-open")
        .await?;
    stage.wait_reason("tka", SLEEPER, "True", "Streaming").await;
    let woke = clock.now().saturating_duration_since(slept);
    ensure!(replicas(stage).await?.0 == 1);
    stage
        .wait_reason("iset", "sleeper", "True", "Streaming")
        .await;
    cluster.kubectl(&["delete", "iset", "sleeper"]).await?;
    cluster.kubectl(&["delete", "tka", SLEEPER]).await?;
    stage.upgrade_operator("calendar.configMap=").await?;
    Ok(format!(
        "sleep: no pod while the market is closed; streams {:.0} s after another operator knows that it is open",
        woke.as_secs_f64()
    ))
}

/// Rows for NSE around today: open all day, or not at all.
fn calendar(today: Date, open: bool) -> Result<String> {
    let mut days = Vec::new();
    for day in -1..=4 {
        days.push(today.checked_add(day.days())?);
    }
    let until = today.checked_add(30.days())?;
    let row = |day: &Date| match open {
        true => {
            format!("  - {{ date: {day}, exchanges: [NSE], open: \"00:05-23:55\", name: test }}\n")
        }
        false => format!("  - {{ date: {day}, exchanges: [NSE], name: test }}\n"),
    };
    let rows: String = days.iter().map(row).collect();
    let kind = if open { "special" } else { "closed" };
    Ok(format!("version: 1\nuntil: {until}\n{kind}:\n{rows}"))
}

async fn says_closed(stage: &Stage) {
    stage
        .wait_reason("tka", SLEEPER, "True", "MarketClosed")
        .await;
    stage
        .wait_reason("iset", "sleeper", "True", "MarketClosed")
        .await;
    within(LONG, "no socket is needed", async || {
        let account = stage.cluster().get(&["tka", SLEEPER]).await?;
        let status: &Value = &account["status"];
        ensure!(status["connections"] == "0/0", "{status}");
        Ok::<(), anyhow::Error>(())
    })
    .await;
}

/// The replicas that its StatefulSet should have, and has.
async fn replicas(stage: &Stage) -> Result<(i64, i64)> {
    let name = format!("kt-{SLEEPER}");
    let object = stage.cluster().get(&["sts", &name]).await?;
    let wanted = object["spec"]["replicas"].as_i64();
    Ok((
        wanted.context("no replicas")?,
        object["status"]["replicas"].as_i64().unwrap_or_default(),
    ))
}

async fn has_replicas(stage: &Stage, count: i64) {
    within(LONG, "replicas", async || {
        let found = replicas(stage).await?;
        ensure!(found == (count, count), "{found:?}");
        Ok::<(), anyhow::Error>(())
    })
    .await;
}
