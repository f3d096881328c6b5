//! A move between two accounts of a cluster: the operator is killed at two of its steps, and long runs do without `poke`.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use contract::Assignment;
use serde_json::{Value, json};
use tests::Ticks;
use tests::condition::within;
use tests::local::sealed_in;
use tests::sent_packets::{keys, lost, published_by, sent_to};

use crate::stage::{Named, Stage};

const ACCOUNTS: [&str; 2] = ["move-a", "move-b"];
const SET: &str = "move";

/// So many instruments move.
const INSTRUMENTS: usize = 300;

/// How many ticks of a hundred a socket does not get.
const CONFLATED: u8 = 40;

/// Three files, each of which a kubelet may bring by itself, and a boundary.
const MOVED: Duration = Duration::from_secs(600);

pub(crate) async fn check(stage: &Stage) -> Result<String> {
    if stage.cluster().own_kubeconfig().is_none() {
        return Ok("moves: not tried, the files of pods are out of reach".to_owned());
    }
    let [first, second] = ACCOUNTS;
    let instruments = stage.options(INSTRUMENTS)?;
    conflate(stage, CONFLATED).await?;
    for name in ACCOUNTS {
        let token = format!("fake-token-{name}");
        stage.apply_idle(name, &token).await?;
    }
    apply_set(stage, &instruments, first).await?;
    for name in ACCOUNTS {
        stage.wait_ready("tka", name).await?;
    }
    stage.wait_ready("iset", SET).await?;
    let ticks = Ticks::subscribe_and_keep(&stage.redis_url(), "move:*").await?;
    let mut figures = vec![moves(stage, &ticks, &instruments, (first, second), true).await?];
    if std::env::var_os("MOVE_WITHOUT_POKE").is_some() {
        poke(stage, false).await?;
        figures.push(moves(stage, &ticks, &instruments, (second, first), false).await?);
        poke(stage, true).await?;
    }
    conflate(stage, 0).await?;
    let delete = ["delete", "iset/move", "tka/move-a", "tka/move-b"];
    stage.cluster().kubectl(&delete).await?;
    Ok(figures.join("\n"))
}

/// Moves the set from one account to the other: every packet is published by the one whose second it is.
async fn moves(
    stage: &Stage,
    ticks: &Ticks,
    instruments: &[Named],
    (from, to): (&str, &str),
    kills: bool,
) -> Result<String> {
    let simulator = stage.simulator();
    ticks.forget_published().await;
    let tokens: Vec<u64> = instruments.iter().map(|it| it.token).collect();
    simulator
        .control("record", json!({"tokens": tokens}))
        .await?;
    let mut all = keys(simulator).await?;
    apply_set(stage, instruments, to).await?;
    let has_begun = |file: &Assignment| !file.moves.is_empty();
    file_of(stage, to, "a move", has_begun).await;
    if kills {
        kill_operator(stage).await?;
    }
    let bounded = |file: &Assignment| file.moves.iter().any(|it| it.boundary.is_some());
    let boundary = file_of(stage, to, "a boundary", bounded).await;
    let boundary = boundary.moves.first().and_then(|it| it.boundary);
    let boundary = boundary.context("no boundary")?.second;
    if kills {
        kill_operator(stage).await?;
    }
    all.extend(keys(simulator).await?);
    let is_over = |file: &Assignment| file.moves.is_empty();
    file_of(stage, to, "the end of the move", is_over).await;
    let has_left = |file: &Assignment| file.instruments.is_empty();
    file_of(stage, from, "nothing any more", has_left).await;
    simulator.pause(true).await?;
    let sent = sent_to(simulator, &all).await?;
    let of = |account: &str| {
        let key = format!("fake-key-{account}");
        sent.get(&key).with_context(|| format!("nothing for {key}"))
    };
    let (given, taken) = (of(from)?, of(to)?);
    within(MOVED, "everything is published", async || {
        let before = lost(given, &published_by(ticks, from), |second| {
            second < boundary
        });
        let after = lost(taken, &published_by(ticks, to), |second| second >= boundary);
        if before.is_empty() && after.is_empty() {
            return Ok(());
        }
        Err(format!("{boundary}: lost {before:?} and {after:?}"))
    })
    .await;
    let early = published_by(ticks, to);
    let mut early = early.keys().filter(|(_, second, ..)| *second < boundary);
    if let Some(early) = early.next() {
        bail!("{early:?} is published by {to} before {boundary}");
    }
    ticks.assert_gapless();
    simulator.control("record", json!({"stop": true})).await?;
    simulator.pause(false).await?;
    let counts = [
        given.keys().filter(|it| it.1 < boundary).count(),
        taken.keys().filter(|it| it.1 >= boundary).count(),
    ];
    ensure!(counts.iter().all(|it| *it > 0), "{counts:?}");
    let how = match kills {
        true => "with an operator that is killed twice",
        false => "without poke",
    };
    let [before, after] = counts;
    Ok(format!(
        "cluster: a move of {INSTRUMENTS} instruments {how}: {before} packets before the boundary and {after} after it, none lost"
    ))
}

/// Waits for a file of an account's pod.
async fn file_of(
    stage: &Stage,
    account: &str,
    what: &str,
    is: impl Fn(&Assignment) -> bool,
) -> Assignment {
    let mut found = None;
    within(MOVED, &format!("{account} has {what}"), async || {
        let read = async || -> Result<Assignment> {
            let folder = stage.cluster().assignment_folder(account).await?;
            sealed_in(&folder)?
                .context("no file")?
                .open()
                .map_err(Into::into)
        };
        let file = read().await.map_err(|error| format!("{error:#}"))?;
        let seen = format!("{} with {:?}", file.generation, file.moves);
        if !is(&file) {
            return Err(seen);
        }
        found = Some(file);
        Ok(())
    })
    .await;
    found.unwrap_or_else(|| unreachable!("it was waited for"))
}

async fn kill_operator(stage: &Stage) -> Result<()> {
    let selector = "app.kubernetes.io/component=operator";
    let delete = [
        "delete",
        "pod",
        "-l",
        selector,
        "--grace-period=0",
        "--force",
    ];
    stage.cluster().kubectl(&delete).await.map(drop)
}

async fn poke(stage: &Stage, enabled: bool) -> Result<()> {
    let deployment = "deployment/kite-ticker-operator";
    let value = format!("POKE={enabled}");
    let cluster = stage.cluster();
    cluster.kubectl(&["set", "env", deployment, &value]).await?;
    let status = ["rollout", "status", deployment, "--timeout=60s"];
    cluster.kubectl(&status).await.map(drop)
}

async fn conflate(stage: &Stage, percent: u8) -> Result<()> {
    let fault = json!({"conflate": percent});
    stage.simulator().control("faults", fault).await.map(drop)
}

async fn apply_set(stage: &Stage, instruments: &[Named], account: &str) -> Result<()> {
    let symbols: Vec<&str> = instruments.iter().map(|it| it.symbol.as_str()).collect();
    let set: Value = json!({
        "apiVersion": "kiteticker.dev/v1alpha1",
        "kind": "InstrumentSet",
        "metadata": {"name": SET},
        "spec": {
            "instruments": {"symbols": symbols},
            "accountRef": {"name": account},
            "publish": {"greeks": false, "channelPrefix": "move"},
        },
    });
    stage.cluster().apply(&set.to_string()).await.map(drop)
}
