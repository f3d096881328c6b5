//! A thousand unchanged sets, among ten thousand objects of other owners.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use service::clock::Clock;
use tests::ApiProxy;
use tests::condition::within;

use crate::stage::{ACCOUNT, Metrics, Stage};

/// Sets of one instrument each.
const SETS: usize = 1_000;

/// ConfigMaps of others, and as many Secrets.
const UNRELATED: usize = 5_000;

/// For how long nothing changes, unless `CALM_SECONDS` sets it.
const CALM: Duration = Duration::from_secs(60);

/// Refreshes a second in all, and those that may come at once.
const REFRESHES: f64 = 5.0;
const BURST: f64 = 10.0;

const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// The maximum memory of the operator among the objects of others, and with the sets in addition.
const MEMORY: f64 = 64.0 * MEBIBYTE;
const MEMORY_WITH_SETS: f64 = 96.0 * MEBIBYTE;

/// The maximum processor share for a thousand unchanged sets, in a test build on a shared machine.
const CORES: f64 = 0.05;

/// All sets have to be placed, streamed and written: a hundred a second after the first 500.
const SETTLED: Duration = Duration::from_secs(120);

pub(crate) async fn check(stage: &Stage) -> Result<String> {
    let Some(kubeconfig) = stage.cluster().own_kubeconfig() else {
        return Ok(
            "a thousand sets: not tried, the operator's metrics are out of reach".to_owned(),
        );
    };
    let api = ApiProxy::start(kubeconfig).await?;
    let namespace = stage.cluster().namespace();
    let unrelated = (0..UNRELATED).flat_map(|number| unrelated(namespace, number));
    api.create_all(unrelated).await?;
    let alone = memory(&stage.operator_metrics().await?);
    ensure!(
        alone > 0.0 && alone < MEMORY,
        "the operator has {alone} bytes among objects of others"
    );
    let options = stage.options(SETS)?;
    let sets = options.iter().enumerate().map(|(number, option)| {
        let path = format!("/apis/kiteticker.dev/v1alpha1/namespaces/{namespace}/instrumentsets");
        (path, set(number, &option.symbol))
    });
    let clock = Clock::system();
    let start = clock.now();
    api.create_all(sets).await?;
    within(SETTLED, "a thousand sets are Ready", async || {
        let sets = stage.cluster().get(&["iset"]).await;
        let ready = sets
            .map_err(|error| error.to_string())
            .map(|sets| count_ready(&sets))?;
        if ready == SETS {
            Ok(())
        } else {
            Err(format!("{ready} are"))
        }
    })
    .await;
    let settled = clock.now().saturating_duration_since(start);

    let before = stage.operator_metrics().await?;
    let start = clock.now();
    let calm = std::env::var_os("CALM_SECONDS").and_then(|text| text.to_str()?.parse().ok());
    // An absence cannot be waited for: this is the measured time.
    tokio::time::sleep(calm.map_or(CALM, Duration::from_secs)).await;
    let after = stage.operator_metrics().await?;
    let seconds = clock.now().saturating_duration_since(start).as_secs_f64();
    let grown = |name: &str| after.sum(name) - before.sum(name);
    let writes = grown("kite_operator_status_writes_total");
    ensure!(
        writes <= REFRESHES * seconds + BURST,
        "{writes} statuses were written in {seconds:.0} s"
    );
    // An object has its turn once in so many seconds: a calm that is longer sees nearly all of them.
    let turn = SETS as f64 / REFRESHES;
    ensure!(
        seconds < turn * 1.5 || writes > SETS as f64 / 2.0,
        "only {writes} last ticks were written anew in {seconds:.0} s"
    );
    ensure!(
        grown("kite_operator_applies_total") == 0.0,
        "something was applied"
    );
    let cores = grown("process_cpu_seconds_total") / seconds;
    ensure!(cores < CORES, "the operator takes {cores:.3} cores");
    let with_sets = memory(&after);
    ensure!(
        with_sets < MEMORY_WITH_SETS,
        "the operator has {with_sets} bytes"
    );
    Ok(format!(
        "{SETS} sets, {UNRELATED} ConfigMaps and Secrets of others: Ready after {:.0} s; then in {seconds:.0} s {writes} \
         statuses written, operator {:.3} cores and {:.0} MiB, {:.0} MiB before the sets",
        settled.as_secs_f64(),
        cores,
        with_sets / MEBIBYTE,
        alone / MEBIBYTE,
    ))
}

/// What the operator has, in bytes.
fn memory(metrics: &Metrics) -> f64 {
    metrics.sum("process_resident_memory_bytes")
}

fn unrelated(namespace: &str, number: usize) -> [(String, Value); 2] {
    let metadata = json!({"name": format!("unrelated-{number}")});
    let text = "x".repeat(1_000);
    [
        (
            format!("/api/v1/namespaces/{namespace}/configmaps"),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"text": text}}),
        ),
        (
            format!("/api/v1/namespaces/{namespace}/secrets"),
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"text": text}}),
        ),
    ]
}

fn set(number: usize, symbol: &str) -> Value {
    json!({
        "apiVersion": "kiteticker.dev/v1alpha1",
        "kind": "InstrumentSet",
        "metadata": {"name": format!("one-{number}")},
        "spec": {
            "instruments": {"symbols": [symbol]},
            "accountRef": {"name": ACCOUNT},
            "publish": {"channelPrefix": format!("test:one-{number}")},
            "staleAfter": "10m",
        },
    })
}

fn count_ready(sets: &Value) -> usize {
    let ready = |set: &&Value| {
        let conditions = set["status"]["conditions"].as_array().into_iter().flatten();
        conditions
            .into_iter()
            .any(|it| it["type"] == "Ready" && it["status"] == "True")
    };
    let ours = |set: &&Value| {
        let name = set["metadata"]["name"].as_str();
        name.is_some_and(|name| name.starts_with("one-"))
    };
    let sets = sets["items"].as_array().into_iter().flatten();
    sets.filter(ours).filter(ready).count()
}
