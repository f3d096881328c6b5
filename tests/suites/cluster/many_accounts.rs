//! Several accounts: what is spread over two, what a third one takes, what happens when one of them is refused, and two sets
//! that want the last places.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use service::clock::Clock;
use tests::Ticks;
use tests::condition::within;

use crate::stage::{Named, Stage, account};

const FIRST: [&str; 2] = ["many-a", "many-b"];
const THIRD: &str = "many-c";

/// Places of each account: two sockets.
const PLACES: usize = 6_000;

/// The instruments of each of the four big sets, which fill two accounts.
const BIG: usize = 3_000;

/// The instruments of the set for which there is no room at first.
const LATE: usize = 100;

/// From the moment in which Kite refuses an account until others stream what it had.
const FAILED_OVER: Duration = Duration::from_secs(35);

/// How often two sets race.
const RACES: usize = 20;

/// Thousands of instruments have to be placed, subscribed to and seen, by programs of a test build.
const SETTLED: Duration = Duration::from_secs(120);

pub(crate) async fn check(stage: &Stage) -> Result<String> {
    let instruments = stage.options(4 * BIG + LATE)?;
    let (big, late) = instruments.split_at(4 * BIG);
    let names: Vec<String> = (0..4).map(|number| format!("many-{number}")).collect();
    for account in FIRST {
        apply_account(stage, account).await?;
    }
    for ((name, instruments), priority) in names.iter().zip(big.chunks(BIG)).zip([40, 30, 20, 10]) {
        apply_set(stage, name, instruments, priority).await?;
    }
    for name in &names {
        is_placed(stage, name, BIG, 0).await;
    }
    let before = places(stage, &names).await?;
    let mut full: BTreeMap<&str, u64> = BTreeMap::new();
    for (account, count) in before.values().flatten() {
        *full.entry(account).or_default() += count;
    }
    let expected: BTreeMap<&str, u64> = FIRST.map(|name| (name, PLACES as u64)).into();
    ensure!(full == expected, "{full:?}");

    // What finds no room waits until there is another account, and nothing else moves to it.
    apply_set(stage, "many-late", late, 0).await?;
    is_placed(stage, "many-late", 0, LATE).await;
    apply_account(stage, THIRD).await?;
    is_placed(stage, "many-late", LATE, 0).await;
    ensure!(places(stage, &names).await? == before, "something moved");

    let took = fails_over(stage, &names, &before).await?;
    let races = races(stage, late).await?;
    let all = ["delete", "iset,tka", "-l", "test=many", "--timeout=60s"];
    stage.cluster().kubectl(&all).await?;
    Ok(format!(
        "cluster: {PLACES} instruments of a refused account are streamed by another one after {:.1} s\n{races}",
        took.as_secs_f64()
    ))
}

/// The token of the first account ends and its sockets are cut: what it had goes to the third account, by priority.
async fn fails_over(
    stage: &Stage,
    names: &[String],
    before: &BTreeMap<String, BTreeMap<String, u64>>,
) -> Result<Duration> {
    let [refused, other] = FIRST;
    let on = |account: &str| {
        let names = names.iter();
        let names = names.filter(|name| before[*name].contains_key(account));
        names.map(String::as_str).collect::<Vec<&str>>()
    };
    let (lost, stay) = (on(refused), on(other));
    let (first, last) = (lost[0], lost[lost.len() - 1]);
    let undisturbed = Ticks::subscribe(&stage.redis_url(), &format!("many:{}:*", stay[0])).await?;
    let moved = Ticks::subscribe(&stage.redis_url(), &format!("many:{first}:*")).await?;
    // An outage counts from the end of the last socket that was up for ten seconds.
    undisturbed.next(3 * BIG).await;
    undisturbed.forget_published().await;
    let clock = Clock::system();
    let start = clock.now();
    stage
        .simulator()
        .control("tokens/revoke", json!({"access_token": token_of(refused)}))
        .await?;
    stage
        .simulator()
        .control("connections/drop", json!({"api_key": key_of(refused)}))
        .await?;
    within(SETTLED, "another account streams it", async || {
        let sources = moved.newest_sources();
        match sources.get(THIRD) {
            Some(count) if *count > 0 => Ok(()),
            _ => Err(format!("{sources:?}")),
        }
    })
    .await;
    let took = clock.now().saturating_duration_since(start);
    ensure!(took < FAILED_OVER, "it took {took:?}");
    // The third account has room for all but what the late set took; the rest stays where it is, of the lowest priority.
    is_placed(stage, first, BIG, 0).await;
    is_placed(stage, last, BIG - LATE, 0).await;
    undisturbed.assert_gapless();

    // It works again, streams what it still has, and nothing comes back.
    let elsewhere = places(stage, &[first.to_owned()]).await?;
    apply_secret(stage, refused, "fake-token-many-again").await?;
    is_placed(stage, last, BIG, 0).await;
    stage.wait_ready("tka", refused).await?;
    let moves = stage.operator_metrics().await?;
    undisturbed.next(BIG).await;
    let name = "kite_operator_placements_moved_total";
    let later = stage.operator_metrics().await?.sum(name);
    ensure!(later == moves.sum(name), "instruments move to and fro");
    ensure!(places(stage, &[first.to_owned()]).await? == elsewhere);
    undisturbed.assert_gapless();
    Ok(took)
}

/// Two sets that are made at once want the last places.
async fn races(stage: &Stage, instruments: &[Named]) -> Result<String> {
    let cluster = stage.cluster();
    let name = "many-race";
    cluster
        .kubectl(&["delete", "iset", "many-late", "--timeout=60s"])
        .await?;
    let mut small = manifest(name, stage);
    small["spec"]["connections"] = json!(1);
    small["spec"]["tokensPerConnection"] = json!(LATE);
    small["metadata"]["labels"]["group"] = json!("race");
    apply_secret(stage, name, &token_of(name)).await?;
    cluster.apply(&small.to_string()).await?;
    for race in 0..RACES {
        let sets = [0, 1].map(|number| {
            let mut set = set(&format!("race-{race}-{number}"), instruments, 0);
            set["spec"]["accountSelector"]["matchLabels"]["group"] = json!("race");
            set
        });
        let list = json!({"apiVersion": "v1", "kind": "List", "items": sets});
        cluster.apply(&list.to_string()).await?;
        within(SETTLED, "both sets have their places", async || {
            let mut scheduled = 0;
            for set in &sets {
                let name = set["metadata"]["name"].as_str().unwrap_or_default();
                let status = status(stage, "iset", name).await?;
                let counts = ["scheduled", "waiting"].map(|it| status[it].as_u64());
                let [Some(placed), Some(waiting)] = counts else {
                    return Err(format!("{status}"));
                };
                if placed + waiting != LATE as u64 {
                    return Err(format!("{status}"));
                }
                scheduled += placed;
            }
            let account = status(stage, "tka", name).await?;
            let over = account["instruments"].as_str().unwrap_or_default();
            // Streaming of assigned: both sets want the same instruments on channels of their own.
            let fits = over.rsplit('/').next().and_then(|it| it.parse().ok());
            if scheduled > 2 * LATE as u64 || fits.is_some_and(|it: usize| it > LATE) {
                return Err(format!("{scheduled} are placed: {over}"));
            }
            Ok(())
        })
        .await;
        let label = format!("race={race}");
        cluster
            .kubectl(&["delete", "iset", "-l", &label, "--timeout=60s"])
            .await?;
    }
    Ok(format!(
        "cluster: {RACES} races of two sets for {LATE} places: never over"
    ))
}

fn key_of(account: &str) -> String {
    format!("fake-key-{account}")
}

fn token_of(account: &str) -> String {
    format!("fake-token-{account}")
}

fn manifest(name: &str, stage: &Stage) -> Value {
    let mut manifest = account(name, stage.origin());
    manifest["metadata"]["labels"] = json!({"test": "many", "group": "many"});
    manifest["spec"]["connections"] = json!(2);
    manifest
}

async fn apply_secret(stage: &Stage, account: &str, access_token: &str) -> Result<()> {
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": account},
        "stringData": {"api_key": key_of(account), "access_token": access_token},
    });
    stage.cluster().apply(&secret.to_string()).await.map(drop)
}

async fn apply_account(stage: &Stage, name: &str) -> Result<()> {
    apply_secret(stage, name, &token_of(name)).await?;
    let manifest = manifest(name, stage).to_string();
    stage.cluster().apply(&manifest).await.map(drop)
}

fn set(name: &str, instruments: &[Named], priority: i32) -> Value {
    let symbols: Vec<&str> = instruments.iter().map(|it| it.symbol.as_str()).collect();
    let race = name.split('-').nth(1).unwrap_or_default();
    json!({
        "apiVersion": "kiteticker.dev/v1alpha1",
        "kind": "InstrumentSet",
        "metadata": {"name": name, "labels": {"test": "many", "race": race}},
        "spec": {
            "priority": priority,
            "instruments": {"symbols": symbols},
            "accountSelector": {"matchLabels": {"group": "many"}},
            "publish": {"greeks": false, "channelPrefix": format!("many:{name}")},
            "staleAfter": "10m",
        },
    })
}

async fn apply_set(stage: &Stage, name: &str, instruments: &[Named], priority: i32) -> Result<()> {
    let set = set(name, instruments, priority).to_string();
    stage.cluster().apply(&set).await.map(drop)
}

async fn status(stage: &Stage, kind: &str, name: &str) -> Result<Value, String> {
    let object = stage.cluster().get(&[kind, name]).await;
    let object = object.map_err(|error| format!("{error:#}"))?;
    Ok(object["status"].clone())
}

/// Waits until so many instruments of a set stream, and so many wait.
async fn is_placed(stage: &Stage, set: &str, streaming: usize, waiting: usize) {
    let what = format!("{streaming} of {set} stream and {waiting} wait");
    within(SETTLED, &what, async || {
        let status = status(stage, "iset", set).await?;
        let counts = ["streaming", "waiting"].map(|it| status[it].as_u64());
        if counts == [Some(streaming as u64), Some(waiting as u64)] {
            Ok(())
        } else {
            Err(format!("{counts:?} {}", status["conditions"][0]["message"]))
        }
    })
    .await;
}

/// How many instruments of each set are on which account.
async fn places(stage: &Stage, sets: &[String]) -> Result<BTreeMap<String, BTreeMap<String, u64>>> {
    let mut places = BTreeMap::new();
    for set in sets {
        let status = status(stage, "iset", set)
            .await
            .map_err(anyhow::Error::msg)?;
        let all = status["assignments"].as_array().context("no assignments")?;
        let of = all.iter().filter_map(|it| {
            let account = it["account"].as_str()?.to_owned();
            Some((account, it["instruments"].as_u64()?))
        });
        places.insert(set.clone(), of.collect());
    }
    Ok(places)
}
