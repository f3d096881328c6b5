//! What docs/operations.md tells GitOps tools, by their own evaluators, on objects of the cluster.

use std::fmt::Debug;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tests::condition::within;
use tests::documents;

use crate::LONG;
use crate::stage::{ACCOUNT, Stage};

/// The document with the expressions.
const OPERATIONS: &str = "docs/operations.md";

/// The expressions and scripts of the document.
struct Documented {
    flux: Value,
    argo: Value,
}

impl Documented {
    fn read() -> Result<Self> {
        let blocks = documents::blocks(OPERATIONS)?;
        let holds = |start: &str| -> Result<Value> {
            let mut blocks = blocks.iter();
            let block = blocks.find(|block| block.text.contains(start));
            let block = block.with_context(|| format!("{OPERATIONS} has no {start}"))?;
            Ok(serde_saphyr::from_str(&block.text)?)
        };
        Ok(Self {
            flux: holds("healthCheckExprs:")?["spec"]["healthCheckExprs"].clone(),
            argo: holds("resource.customizations.health.")?["data"].clone(),
        })
    }

    /// What an evaluator is asked about an object of this kind.
    fn ask(&self, kind: &str, object: &Value) -> Result<Value> {
        let mut all = self.flux.as_array().into_iter().flatten();
        let flux = all.find(|of| of["kind"] == kind);
        let lua = &self.argo[format!("resource.customizations.health.kiteticker.dev_{kind}")];
        Ok(json!({
            "object": object,
            "flux": flux.with_context(|| format!("no expression for {kind}"))?,
            "lua": lua.as_str().with_context(|| format!("no script for {kind}"))?,
        }))
    }
}

pub(crate) async fn check(stage: &Stage) -> Result<()> {
    let documented = Documented::read()?;
    let cluster = stage.cluster();
    if cluster.own_kubeconfig().is_none() {
        // The evaluators are built for the cluster of this repository.
        return Ok(());
    }
    let healthy = ["Current", "Healthy"];
    reads(stage, &documented, "InstrumentSet", "small", healthy).await;
    reads(stage, &documented, "TickerAccount", ACCOUNT, healthy).await;

    // As at night: nothing ticks. What knows only Ready waits for the morning.
    stage.simulator().pause(true).await?;
    stage.wait_reason("iset", "small", "False", "Stale").await;
    let small = cluster.get(&["iset", "small"]).await?;
    let said = cluster
        .health(&documented.ask("InstrumentSet", &small)?)
        .await?;
    anyhow::ensure!(
        said == json!({"flux": "Current", "argo": "Healthy", "kstatus": "InProgress"}),
        "{said}"
    );
    stage.simulator().pause(false).await?;

    let set = |name: &str, more: Value| {
        let mut spec = json!({
            "instruments": {"symbols": ["NSE:INFY"]},
            "accountRef": {"name": ACCOUNT},
            "publish": {"channelPrefix": format!("health:{name}")},
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            spec[key] = value.clone();
        }
        json!({
            "apiVersion": "kiteticker.dev/v1alpha1", "kind": "InstrumentSet", "metadata": {"name": name},
            "spec": spec,
        })
    };
    let sets = [
        (
            "typo",
            json!({"instruments": {"symbols": ["NSE:INFY", "NSE:NOSUCH"]}}),
            ["Failed", "Degraded"],
        ),
        ("asleep", json!({"paused": true}), ["Current", "Suspended"]),
        (
            "homeless",
            json!({"accountRef": {"name": "nobody"}}),
            ["InProgress", "Progressing"],
        ),
    ];
    for (name, more, _) in &sets {
        cluster.apply(&set(name, more.clone()).to_string()).await?;
    }
    for (name, _, expected) in &sets {
        reads(stage, &documented, "InstrumentSet", name, *expected).await;
    }
    for (name, ..) in &sets {
        cluster.kubectl(&["delete", "iset", name]).await?;
    }
    stage.wait_ready("iset", "small").await
}

/// Waits until Flux and Argo CD read an object so.
async fn reads(
    stage: &Stage,
    documented: &Documented,
    kind: &str,
    name: &str,
    expected: [&str; 2],
) {
    within(
        LONG,
        &format!("{kind} {name} is {expected:?}"),
        async || {
            let object = stage.cluster().get(&[kind, name]).await.map_err(text)?;
            let asked = documented.ask(kind, &object).map_err(text)?;
            let said = stage.cluster().health(&asked).await.map_err(text)?;
            if [&said["flux"], &said["argo"]] == expected {
                Ok(())
            } else {
                Err(said.to_string())
            }
        },
    )
    .await;
}

fn text(error: impl Debug) -> String {
    format!("{error:?}")
}
