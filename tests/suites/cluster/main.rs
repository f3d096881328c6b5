//! On a real cluster: from `helm install` and `kubectl apply` to ticks in Redis, and to the removal
//! of everything.
//!
//! The steps build on each other, so they are one test.

mod fail_static;
mod faults;
mod health;
mod images;
mod kubectl;
mod login;
mod lost_node;
mod manifests;
mod many_accounts;
mod many_sets;
mod moves;
mod plugin;
mod pods;
mod reasons;
mod rights;
mod scale;
mod sleep;
mod stage;
mod two_operators;

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::time::{Duration, Instant};

use anyhow::Result;
use futures::FutureExt;
use serde_json::json;
use service::clock::Clock;
use tests::condition::{eventually, within};
use tests::{Cluster, Ticks};

use stage::{ACCOUNT, Stage};

/// Size of the big set.
const BIG: usize = 3000;

/// Size of the small one.
const SMALL: usize = 10;

/// Pods have to start, or a back-off to pass.
const LONG: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_streams_what_is_applied() {
    let cluster = Cluster::start().await.unwrap();
    let mut stage = Stage::new(cluster);
    // Waiting panics without success; the cluster has to be cleaned up all the same.
    let outcome = AssertUnwindSafe(play(&mut stage)).catch_unwind().await;
    if !matches!(outcome, Ok(Ok(_))) {
        println!("{}", stage.evidence().await);
    }
    let cleared = stage.clear().await;
    match outcome {
        Ok(Ok(figures)) => println!("{figures}"),
        Ok(Err(error)) => panic!("{error:#}"),
        Err(panic) => resume_unwind(panic),
    }
    cleared.unwrap();
}

async fn play(stage: &mut Stage) -> Result<String> {
    stage.install_definitions().await?;
    manifests::check(stage.cluster()).await?;
    images::check(stage).await?;
    stage.install_operator().await?;

    let ticks = Ticks::subscribe(&stage.redis_url(), "*").await?;
    from_nothing_to_ticks(stage, &ticks).await?;
    let added = one_more_and_one_fewer(stage, &ticks).await?;
    kubectl::check(stage).await?;
    health::check(stage).await?;
    fail_static::lost_and_old_assignments(stage, &ticks).await?;
    fail_static::a_service_that_cannot_be_written(stage).await?;
    let faults = faults::check(stage, &ticks).await?;
    let renewed = another_token(stage).await?;
    stage.check_name_taken().await?;
    fail_static::another_account_of_the_name(stage).await?;
    fail_static::kept_by_its_user(stage).await?;
    two_operators::check(stage).await?;
    plugin::check(stage).await?;
    kubectl::restarted(stage).await?;
    stage.check_operator_log().await?;
    stage.check_secrets().await?;
    let repaired = pods::check(stage).await?;
    let rights = stage.check_rights().await?;
    let many = many_accounts::check(stage).await?;
    let moved = moves::check(stage).await?;
    reasons::check(stage).await?;
    let scale = scale::check(stage).await?;
    let outage = fail_static::no_api_server(stage, &ticks).await?;
    lost_node::check(stage).await?;
    let sets = many_sets::check(stage).await?;
    let slept = sleep::check(stage).await?;
    let login = login::check(stage).await?;
    // Gone means gone.
    stage.delete_everything().await?;
    within(LONG, "owned objects are gone", async || {
        stage.nothing_is_owned().await
    })
    .await;
    login::gone(stage).await?;
    Ok([
        rights, faults, outage, scale, added, renewed, repaired, many, moved, sets, slept, login,
    ]
    .join("\n"))
}

async fn from_nothing_to_ticks(stage: &Stage, ticks: &Ticks) -> Result<()> {
    stage.apply_account("fake-token-1").await?;
    stage.apply_set("small", &stage.equities(SMALL)?).await?;
    ticks.next(50).await;
    stage.wait_ready("tka", ACCOUNT).await?;
    stage.wait_ready("iset", "small").await?;

    stage.apply_set("big", &stage.options(BIG)?).await?;
    stage.simulator().subscribed((BIG + SMALL) as u64).await;
    stage.wait_ready("iset", "big").await
}

/// Adding or removing an instrument does not disturb the others.
async fn one_more_and_one_fewer(stage: &Stage, ticks: &Ticks) -> Result<String> {
    let clock = Clock::system();
    let options = stage.options(BIG + 1)?;
    let added = options.last().unwrap_or_else(|| panic!("no options"));
    let sockets = stage.sockets().await?;
    ticks.forget_published().await;
    let start = clock.now();
    let patch =
        json!([{"op": "add", "path": "/spec/instruments/symbols/-", "value": added.symbol}]);
    stage.patch_set("big", &patch).await?;
    let patched = clock.now();
    stage.simulator().subscribed((BIG + SMALL + 1) as u64).await;
    let on_the_wire = clock.now();
    ticks.tick_of(added.token).await;
    let in_redis = clock.now();

    let index = format!("/spec/instruments/symbols/{BIG}");
    stage
        .patch_set("big", &json!([{"op": "remove", "path": index}]))
        .await?;
    stage.simulator().subscribed((BIG + SMALL) as u64).await;
    anyhow::ensure!(
        stage.sockets().await? == sockets,
        "a socket was opened anew"
    );
    ticks.assert_gapless();
    Ok(format!(
        "cluster: an instrument added to a set of {BIG} is on the wire {} ms and in Redis {} ms after kubectl starts ({} \
         and {} ms after it ends)",
        millis(start, on_the_wire),
        millis(start, in_redis),
        millis(patched, on_the_wire),
        millis(patched, in_redis),
    ))
}

/// A token expires, another one replaces it, and the pod stays.
async fn another_token(stage: &Stage) -> Result<String> {
    let clock = Clock::system();
    let pod = stage.pod().await?;
    stage.revoke("fake-token-1").await?;
    stage
        .wait_reason("tka", ACCOUNT, "False", "TokenExpired")
        .await;
    let renewed = clock.now();
    stage.apply_secret("fake-token-2").await?;
    stage.wait_reason("tka", ACCOUNT, "True", "Streaming").await;
    let took = millis(renewed, clock.now());
    anyhow::ensure!(stage.pod().await? == pod, "the pod was restarted");
    verified(stage, "Verified").await;
    // The open sockets do not mind a bad one.
    let bad = json!({"access_token": "fake-token-bad"});
    stage.simulator().control("tokens/revoke", bad).await?;
    stage.apply_secret("fake-token-bad").await?;
    verified(stage, "RunningOnDeadToken").await;
    stage.wait_reason("tka", ACCOUNT, "True", "Streaming").await;
    stage.apply_secret("fake-token-2").await?;
    verified(stage, "Verified").await;
    let metrics = stage.operator_metrics().await?;
    let left = metrics.sum("kite_access_token_expiry_seconds");
    anyhow::ensure!(left > 0.0, "the token ends in {left} s");
    anyhow::ensure!(stage.pod().await? == pod, "the pod was restarted");
    Ok(format!("cluster: renewed token to Ready {took} ms"))
}

/// Waits for this reason of the account's CredentialsValid.
async fn verified(stage: &Stage, reason: &str) {
    eventually(&format!("CredentialsValid {reason}"), async || {
        let account = stage.cluster().get(&["tka", ACCOUNT]).await?;
        let conditions = account["status"]["conditions"].as_array();
        let mut conditions = conditions.into_iter().flatten();
        let valid = conditions.find(|it| it["type"] == "CredentialsValid");
        let found = valid.map(|it| it["reason"].clone()).unwrap_or_default();
        anyhow::ensure!(found == reason, "{found}");
        Ok(())
    })
    .await;
}

fn millis(from: Instant, to: Instant) -> u128 {
    to.saturating_duration_since(from).as_millis()
}
