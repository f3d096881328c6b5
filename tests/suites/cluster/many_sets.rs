//! Many sets on many accounts of which nothing changes: how long until all are Ready, what a restart writes, what the operator
//! takes at rest, and how soon one change is in a pod's file.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use service::clock::Clock;
use tests::ApiProxy;
use tests::condition::within;

use crate::stage::{Metrics, Named, Stage};

/// So many sets, unless `SCALE_SETS` says otherwise: `make soak` has ten thousand.
const SETS: usize = 1_000;

/// Instruments of a set.
const EACH: usize = 6;

/// Over so many accounts they are spread, each with a pod.
const ACCOUNTS: usize = 10;

/// Strikes on each side of the money that the simulator lists at least for more sets than these: more than 60,000 options.
const STRIKES: usize = 40;

/// From the last set's creation until all are Ready.
const SETTLED: Duration = Duration::from_secs(120);

/// For how long nothing is to be written. An absence cannot be waited for: this is a measured time.
const CALM: Duration = Duration::from_secs(30);

/// A share of a core, and memory, of the operator at rest.
const CORES: f64 = 0.05;
const MEMORY: f64 = 256.0 * MEBIBYTE;
const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// How many changes are timed, and how long all but one in a hundred may take: on a machine that measures, and on any.
const CHANGES: usize = 100;
const CHANGED: Duration = Duration::from_secs(1);
const CHANGED_ANYWHERE: Duration = Duration::from_secs(10);

/// What the simulator has to list for the sets.
pub(crate) fn strikes() -> usize {
    wanted().filter(|sets| *sets > SETS).map_or(0, |_| STRIKES)
}

fn wanted() -> Option<usize> {
    std::env::var_os("SCALE_SETS").and_then(|text| text.to_str()?.parse().ok())
}

pub(crate) async fn check(stage: &Stage) -> Result<String> {
    let cluster = stage.cluster();
    let Some(kubeconfig) = cluster.own_kubeconfig() else {
        return Ok("many sets: not tried, the operator's metrics are out of reach".to_owned());
    };
    let wanted = wanted();
    let sets = wanted.unwrap_or(SETS);
    let api = ApiProxy::start(kubeconfig).await?;
    let clock = Clock::system();
    cluster.kubectl(&["delete", "iset", "--all"]).await?;
    // What streams and does not tick needs no statuses.
    stage.simulator().pause(true).await?;
    for at in 0..ACCOUNTS {
        stage
            .apply_idle(&name(at), &format!("fake-token-{}", name(at)))
            .await?;
    }
    for at in 0..ACCOUNTS {
        stage.wait_ready("tka", &name(at)).await?;
    }

    let options = stage.options(sets * EACH)?;
    let path = format!(
        "/apis/kiteticker.dev/v1alpha1/namespaces/{}/instrumentsets",
        cluster.namespace()
    );
    let objects = (0..sets).map(|number| (path.clone(), set(number, &options)));
    api.create_all(objects).await?;
    let created = clock.now();
    // A list of all is much work for the API server: the last one is asked about first.
    let last = format!("{path}/{}", set_name(sets - 1));
    within(SETTLED, "the last set is Ready", async || {
        let found = api
            .read(&last)
            .await
            .map_err(|error| format!("{error:#}"))?;
        if is_ready(&found) {
            Ok(())
        } else {
            Err(found["status"].to_string())
        }
    })
    .await;
    within(SETTLED, "all sets are Ready", async || {
        let found = api
            .read(&path)
            .await
            .map_err(|error| format!("{error:#}"))?;
        let ready = count_ready(&found);
        if ready == sets {
            Ok(())
        } else {
            Err(format!("{ready} are"))
        }
    })
    .await;
    let ready = clock.now().saturating_duration_since(created);
    ensure!(ready < SETTLED, "{ready:?} after the last one was created");

    let calm = calm(stage, "at rest").await?;
    let restarted = restart(stage, &api, &path).await?;
    let folder = cluster.assignment_folder(&name(0)).await?;
    let mut times = Vec::new();
    for change in 0..CHANGES {
        times.push(one_change(&api, &path, &folder, change * ACCOUNTS % sets, &options).await?);
    }
    times.sort_unstable();
    let slowest = times[CHANGES * 99 / 100 - 1];
    let limit = if wanted.is_some() {
        CHANGED
    } else {
        CHANGED_ANYWHERE
    };
    ensure!(slowest < limit, "a change took {slowest:?} of {times:?}");
    stage.simulator().pause(false).await?;
    let figures = format!(
        "cluster: {sets} sets of {EACH} on {ACCOUNTS} accounts: Ready {:.0} s after the last was created; at rest {calm}; after \
         a restart {restarted}; a change is in the pod's file after {} ms (median), {} ms (99 of 100)",
        ready.as_secs_f64(),
        times[CHANGES / 2].as_millis(),
        slowest.as_millis(),
    );
    // kubectl deletes one after the other.
    let deleted = api.delete_all(&path).await;
    deleted.with_context(|| figures.clone())?;
    Ok(figures)
}

/// Waits until nothing is written any more, and says what the operator takes then.
async fn calm(stage: &Stage, when: &str) -> Result<String> {
    let mut before = stage.operator_metrics().await?;
    let clock = Clock::system();
    let mut since = clock.now();
    within(SETTLED, "statuses are written", async || {
        let now = stage.operator_metrics().await;
        let now = now.map_err(|error| format!("{error:#}"))?;
        if writes(&now) > writes(&before) {
            since = clock.now();
        }
        before = now;
        match clock.now().saturating_duration_since(since) {
            quiet if quiet > Duration::from_secs(5) => Ok(()),
            _ => Err(writes(&before).to_string()),
        }
    })
    .await;
    calm_from(stage, before, when).await
}

async fn calm_from(stage: &Stage, before: Metrics, when: &str) -> Result<String> {
    let clock = Clock::system();
    let start = clock.now();
    tokio::time::sleep(CALM).await;
    let after = stage.operator_metrics().await?;
    let seconds = clock.now().saturating_duration_since(start).as_secs_f64();
    let written = writes(&after) - writes(&before);
    ensure!(written == 0.0, "{when}: {written} statuses are written");
    let applied = "kite_operator_applies_total";
    let applied = after.sum(applied) - before.sum(applied);
    ensure!(applied == 0.0, "{when}: {applied} objects are applied");
    let memory = after.sum("process_resident_memory_bytes");
    ensure!(memory < MEMORY, "{when}: {memory} bytes");
    let spent = "process_cpu_seconds_total";
    let cores = (after.sum(spent) - before.sum(spent)) / seconds;
    ensure!(cores < CORES, "{when}: {cores:.3} cores");
    let mib = memory / MEBIBYTE;
    Ok(format!(
        "0 writes in {seconds:.0} s, {cores:.3} cores, {mib:.0} MiB"
    ))
}

/// An operator that has just started has nothing to say of what it finds as it was.
async fn restart(stage: &Stage, api: &ApiProxy, path: &str) -> Result<String> {
    let paths = [path, &path.replace("instrumentsets", "tickeraccounts")];
    let mut before = Vec::new();
    for path in paths {
        before.push(statuses(&api.read(path).await?));
    }
    stage.scale_operator(0).await?;
    stage.scale_operator(1).await?;
    // It has looked at everything by then; that nothing follows cannot be waited for.
    tokio::time::sleep(CALM).await;
    for (path, before) in paths.into_iter().zip(before) {
        for (name, now) in statuses(&api.read(path).await?) {
            let before = &before[&name];
            ensure!(
                *before == now,
                "a restart changes {name} from {before} to {now}"
            );
        }
    }
    let metrics = stage.operator_metrics().await?;
    let written = writes(&metrics);
    // The rate of an account that stopped ticking may stand until then.
    let rates = (ACCOUNTS + 1) as f64;
    ensure!(
        written <= rates,
        "a restart: {written} statuses are written"
    );
    let memory = metrics.sum("process_resident_memory_bytes") / MEBIBYTE;
    Ok(format!(
        "no set's status and {written} accounts' rates written, {memory:.0} MiB"
    ))
}

/// By name, without what moves while ticks flow.
fn statuses(list: &Value) -> BTreeMap<String, Value> {
    let objects = list["items"].as_array().into_iter().flatten();
    let statuses = objects.map(|it| {
        let mut status = it["status"].clone();
        let connections = status["connectionStatus"].as_array_mut();
        for connection in connections.into_iter().flatten() {
            connection["lastTickTime"].take();
        }
        for flow in ["ticksPerSecond", "lastTickTime"] {
            status[flow].take();
        }
        (it["metadata"]["name"].to_string(), status)
    });
    statuses.collect()
}

fn writes(metrics: &Metrics) -> f64 {
    metrics.sum("kite_operator_status_writes_total")
}

/// Changes one set of the first account; returns after which time its pod has another file.
async fn one_change(
    api: &ApiProxy,
    path: &str,
    folder: &Path,
    number: usize,
    options: &[Named],
) -> Result<Duration> {
    let before = generation(folder)?;
    let symbol = &options[(number * EACH + EACH) % options.len()].symbol;
    let path = format!("{path}/{}", set_name(number));
    let patch = json!([{"op": "add", "path": "/spec/instruments/symbols/-", "value": symbol}]);
    let clock = Clock::system();
    let start = clock.now();
    api.patch(&path, &patch).await?;
    within(SETTLED, "another file", async || {
        let now = generation(folder).map_err(|error| format!("{error:#}"))?;
        if now == before { Err(now) } else { Ok(()) }
    })
    .await;
    let took = clock.now().saturating_duration_since(start);
    settled(folder).await?;
    Ok(took)
}

/// Waits until no further file follows: a change of one set may take two.
async fn settled(folder: &Path) -> Result<()> {
    let clock = Clock::system();
    let mut last: Option<(String, Instant)> = None;
    within(SETTLED, "the last file", async || {
        let now = generation(folder).map_err(|error| format!("{error:#}"))?;
        match &last {
            Some((known, since)) if *known == now => {
                let quiet = clock.now().saturating_duration_since(*since);
                if quiet > Duration::from_millis(200) {
                    Ok(())
                } else {
                    Err(now)
                }
            }
            _ => {
                last = Some((now.clone(), clock.now()));
                Err(now)
            }
        }
    })
    .await;
    Ok(())
}

fn generation(folder: &Path) -> Result<String> {
    let file = folder.join("generation");
    std::fs::read_to_string(&file).with_context(|| file.display().to_string())
}

fn name(at: usize) -> String {
    format!("scale-{at}")
}

fn set_name(number: usize) -> String {
    format!("scale-{number}")
}

fn set(number: usize, options: &[Named]) -> Value {
    let symbols = (0..EACH).map(|at| &*options[(number * EACH + at) % options.len()].symbol);
    json!({
        "apiVersion": "kiteticker.dev/v1alpha1",
        "kind": "InstrumentSet",
        "metadata": {"name": set_name(number)},
        "spec": {
            "instruments": {"symbols": symbols.collect::<Vec<&str>>()},
            "accountRef": {"name": name(number % ACCOUNTS)},
            "publish": {"greeks": false, "channelPrefix": format!("scale:{number}")},
            "staleAfter": "24h",
        },
    })
}

fn count_ready(sets: &Value) -> usize {
    let sets = sets["items"].as_array().into_iter().flatten();
    sets.filter(|set| is_ready(set)).count()
}

fn is_ready(set: &Value) -> bool {
    let conditions = set["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|it| it["type"] == "Ready" && it["status"] == "True")
}
