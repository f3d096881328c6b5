//! Greeks from end to end: what is published of options is right by what the simulator says that they are really worth.
//!
//! The market stands still while it is compared: books go on to tick, prices and the time to expiry do not.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use greeks::OptionRight;
use greeks::black76::Black76;
use serde_json::{Value, json};
use service::clock::{Clock, WallClock};
use tests::{Local, RedisServer, Simulator, Ticks, eventually};

/// That of the simulator.
const RATE: f64 = 0.065;

/// A noon on which no contract ends: between the end of a week's options and the next.
const NOON: &str = "2026-12-02T12:00:00+05:30";

const SET: &str = "apiVersion: kiteticker.dev/v1alpha1\nkind: InstrumentSet\nmetadata: {name: chains}\nspec:\n  options:\n    \
                   - {underlying: NIFTY, expiries: {nearest: 1}, strikes: {aroundATM: 10}}\n    \
                   - {underlying: NIFTY, expiries: {monthly: 1}, strikes: {aroundATM: 10}}\n    \
                   - {underlying: CRUDEOIL, expiries: {nearest: 1}, strikes: {aroundATM: 5}}\n";

/// So many options the set has.
const OPTIONS: usize = 2 * (21 + 21 + 11);

/// The newest tick of each option.
fn newest(ticks: &Ticks) -> BTreeMap<u64, Value> {
    let options = ticks.all().into_iter().filter(|it| {
        let kind = it.tick["type"].as_str();
        matches!(kind, Some("CE" | "PE"))
    });
    let by_token = options.filter_map(|it| Some((it.tick["token"].as_u64()?, it.tick)));
    by_token.collect()
}

fn number(tick: &Value, name: &str) -> Result<f64> {
    tick[name]
        .as_f64()
        .with_context(|| format!("{name} of {tick}"))
}

/// Half of what lies between the best prices.
fn half_spread(tick: &Value) -> Result<f64> {
    let best = |side: &str| tick["depth"][side][0]["price"].as_f64();
    let (bid, ask) = best("buy")
        .zip(best("sell"))
        .with_context(|| format!("no book: {tick}"))?;
    Ok((ask - bid) / 2.0)
}

async fn truth(simulator: &Simulator, tokens: &BTreeSet<u64>) -> Result<BTreeMap<u64, Value>> {
    let list: Vec<String> = tokens.iter().map(u64::to_string).collect();
    let page = simulator
        .read(&format!("truth?tokens={}", list.join(",")))
        .await?;
    let all = page["truth"].as_array().context("no truth")?.iter();
    let by_token = all.filter_map(|it| Some((it["token"].as_u64()?, it.clone())));
    Ok(by_token.collect())
}

#[tokio::test]
async fn what_is_published_of_options_is_what_they_are_worth() -> Result<()> {
    let wall = WallClock {
        start: NOON.parse()?,
        rate: 1.0,
        origin: Some(Clock::system().wall()),
    };
    let clock = format!("--wall-clock={wall}");
    let redis = RedisServer::start().await?;
    let simulator = Simulator::start_with(&[&clock]).await?;
    let ticks = Ticks::subscribe_and_keep(&redis.url(), "ticker:*:options").await?;
    let mut local = Local::new(&redis)?;
    local.write_real_account("main", &simulator, "")?;
    local.write("set.yaml", SET)?;
    let rate = format!("--rate-inr={RATE}@2026-12-01");
    local.start_with(&[&clock, &rate])?;
    local.shows("chains", "True", "Streaming").await;
    let report = eventually("all chains have a forward price", async || {
        let report = local.report("main").await?;
        let known = report.chains.iter().filter(|it| it.forward.is_some());
        ensure!(known.count() >= 3, "{:?}", report.chains);
        Ok::<_, anyhow::Error>(report)
    })
    .await;
    let sources: BTreeSet<&str> = report
        .chains
        .iter()
        .filter_map(|it| it.source.as_deref())
        .collect();
    ensure!(
        sources.contains("future") && sources.contains("parity"),
        "{:?}",
        report.chains
    );

    simulator.control("market", json!({"frozen": true})).await?;
    // What was sent before that is published.
    ticks.next(OPTIONS).await;
    ticks.clear();
    let all = eventually("every option has ticked since", async || {
        let all = newest(&ticks);
        ensure!(all.len() >= OPTIONS, "{} of {OPTIONS}", all.len());
        Ok::<_, anyhow::Error>(all)
    })
    .await;
    let truth = truth(&simulator, &all.keys().copied().collect()).await?;
    let mut words: BTreeMap<String, usize> = BTreeMap::new();
    for (token, tick) in &all {
        let word = tick["greeks"].as_str().context("no word")?;
        *words.entry(word.to_owned()).or_default() += 1;
        if word == "ok" {
            is_right(tick, &truth[token])?;
        } else {
            ensure!(tick["iv"].is_null() && tick["rho"].is_null(), "{tick}");
        }
    }
    let ok = words.get("ok").copied().unwrap_or_default();
    ensure!(ok * 10 >= all.len() * 9, "{words:?}");
    local.stop().await
}

/// Repriced at the true forward with the published volatility, an option is worth what it is, within half the spread of its book
/// and what the published forward is off.
fn is_right(tick: &Value, truth: &Value) -> Result<()> {
    let (expiry, now) = (number(tick, "expiry_ts")?, number(tick, "greeks_ts")?);
    let right = match tick["type"].as_str() {
        Some("CE") => OptionRight::Call,
        _ => OptionRight::Put,
    };
    let (forward, published) = (number(truth, "forward")?, number(tick, "fwd")?);
    let priced = Black76 {
        right,
        forward,
        strike: number(tick, "strike")?,
        years: (expiry - now).max(60.0) / 31_536_000.0,
        rate: RATE,
        volatility: number(tick, "iv")?,
    };
    let worth = priced.price().context("no price")?;
    let fair = number(truth, "fair")?;
    let off = (published - forward).abs();
    let delta = number(tick, "delta")?.abs();
    let bound = half_spread(tick)? + delta * off + 1e-6 * fair + gamma_of(tick, off)?;
    ensure!(
        (worth - fair).abs() <= bound,
        "{worth} for {fair}, within {bound}: {tick} {truth}"
    );
    // A hundredth of a per cent, and what is left of an order book's step.
    ensure!(
        off <= forward * 2e-4,
        "the forward is {published}, not {forward}: {tick}"
    );
    Ok(())
}

/// What the curvature adds where the forward is off.
fn gamma_of(tick: &Value, off: f64) -> Result<f64> {
    Ok(number(tick, "gamma")? * off * off)
}
