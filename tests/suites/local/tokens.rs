//! Access tokens: a morning on which one ends, and a Secret that gets a bad one.

use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contract::TokenSource;
use serde_json::json;
use service::clock::{Clock, WallClock};
use tests::condition::within;
use tests::process::binary;
use tests::{Local, RedisServer, Simulator, eventually};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// So many seconds in one.
const RATE: f64 = 250.0;

/// Longer than the morning takes.
const MORNING: Duration = Duration::from_secs(180);

/// A token that is refused, while sockets stream.
const REFUSED: &str =
    "Kite refuses the access token in Secret main, and the open connections stream on";

/// What is added once a new one is needed.
const NEEDED: &str = "a connection that is lost now cannot be reopened";

/// Whether the newest table has the text.
fn says(local: &Local, text: &str) -> Result<(), String> {
    let printed = local.printed();
    let newest = printed.rsplit("ACCOUNT").next().unwrap_or_default();
    match newest.contains(text) {
        true => Ok(()),
        false => Err(newest.to_owned()),
    }
}

/// Whether it has it no longer.
fn says_no_more(local: &Local, text: &str) -> Result<(), &'static str> {
    match says(local, text) {
        Ok(()) => Err("it is still told"),
        Err(_) => Ok(()),
    }
}

#[tokio::test]
async fn a_token_that_ends_in_the_morning_is_told_after_the_flush_and_costs_no_tick() -> Result<()>
{
    let clock = WallClock {
        start: "2026-12-01T06:05:00+05:30".parse()?,
        rate: RATE,
        origin: Some(Clock::system().wall()),
    };
    let clock = format!("--wall-clock={clock}");
    let arguments = [&*clock, "--market-hours", "exchange"];
    let (redis, simulator) = (
        RedisServer::start().await?,
        Simulator::start_with(&arguments).await?,
    );
    let mut local = Local::new(&redis)?;
    local.write_real_account("main", &simulator, "  marketHours: Exchange\n")?;
    local.write_set("day", "full", &["NSE:NIFTY 50"], "")?;
    local.start_with(&[&clock])?;
    local.shows("day", "True", "MarketClosed").await;
    local.shows("main", "True", "MarketClosed").await;

    simulator.control("tokens/flush", json!({})).await?;
    within(MORNING, "that a new one is needed", async || {
        says(&local, REFUSED)?;
        says(&local, NEEDED)
    })
    .await;
    // It was never anything but Ready since it first was.
    let printed = local.printed();
    let ready = printed.find("MarketClosed").unwrap_or_default();
    for never in ["TokenExpired", "False"] {
        ensure!(!printed[ready..].contains(never), "{never}: {printed}");
    }
    local.write_secret("main", "main-fake-token-of-today")?;
    within(MORNING, "the new token", async || {
        says_no_more(&local, REFUSED)
    })
    .await;
    within(MORNING, "the open", async || says(&local, "Streaming")).await;
    // While the market was closed the socket was opened again, with the new token.
    let report = local.report("main").await?;
    ensure!(report.connections[0].reconnects == 1, "{report:?}");
    simulator.control("connections/drop", json!({})).await?;
    eventually("another socket", async || {
        let report = local
            .report("main")
            .await
            .map_err(|error| error.to_string())?;
        match (report.connections[0].reconnects, report.streaming) {
            (2.., 1..) => Ok(()),
            _ => Err(format!("{report:?}")),
        }
    })
    .await;
    local.stop().await
}

#[tokio::test]
async fn a_bad_token_in_the_secret_is_noticed_while_the_sockets_stream() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let mut local = Local::new(&redis)?;
    local.write_real_account("main", &simulator, "")?;
    local.write_set("shares", "full", &["NSE:INFY"], "")?;
    local.start()?;
    local.shows("shares", "True", "Streaming").await;

    let bad = json!({"access_token": "main-fake-bad-token"});
    simulator.control("tokens/revoke", bad).await?;
    local.write_secret("main", "main-fake-bad-token")?;
    eventually("that it is refused", async || says(&local, REFUSED)).await;
    local.shows("main", "True", "Streaming").await;

    // Kite's REST fails twice: that says nothing about the next token, which is good.
    let failing = json!({"profile": "html502", "count": 2});
    simulator.control("faults", failing).await?;
    local.write_secret("main", "main-fake-good-token")?;
    eventually("that the failure is logged", async || {
        let printed = local.printed();
        match printed.contains("the access token could not be checked") {
            true => Ok(()),
            false => Err(printed),
        }
    })
    .await;
    eventually("that nothing is refused", async || {
        says_no_more(&local, REFUSED)
    })
    .await;
    local.shows("main", "True", "Streaming").await;
    local.stop().await
}

/// `kubectl kiteticker token set tka/ACCOUNT` with this on its standard input.
async fn set_token(local: &Local, account: &str, input: &str) -> Result<Output> {
    let mut command = Command::new(binary("kubectl-kiteticker"));
    command
        .arg(format!("--local={}", local.state_folder().display()))
        .args(["token", "set", account])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut running = command.spawn()?;
    let mut stdin = running.stdin.take().context("no standard input")?;
    stdin.write_all(input.as_bytes()).await?;
    drop(stdin);
    Ok(running.wait_with_output().await?)
}

/// Waits until the process uses the token of this source, as it is told.
async fn uses(local: &Local, source: TokenSource) {
    eventually(&format!("the token of {source:?}"), async || {
        let failed = |error: anyhow::Error| error.to_string();
        let report = local.report("main").await.map_err(failed)?;
        let assignment = local.sealed("main").map_err(failed)?.open();
        let told = assignment.map_err(|error| error.to_string())?.credentials;
        let is_used = report.token_source == Some(source) && report.streaming > 0;
        match is_used && told.source == source {
            true => Ok(()),
            false => Err(format!("{told:?}: {report:?}")),
        }
    })
    .await;
}

#[tokio::test]
async fn a_token_that_is_set_is_used_until_the_secret_gets_a_newer_one() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let mut local = Local::new(&redis)?;
    local.write_real_account("main", &simulator, "")?;
    local.write_set("shares", "full", &["NSE:INFY"], "")?;
    local.start()?;
    local.shows("shares", "True", "Streaming").await;
    uses(&local, TokenSource::Secret).await;

    for (account, input, said) in [
        ("tka/main", " \n", "the standard input is empty"),
        ("tka/main", "fake token", "more than one word"),
        ("tka/other", "fake-token", "there is no TickerAccount other"),
        ("iset/shares", "fake-token", "tokens are of accounts"),
    ] {
        let refused = set_token(&local, account, input).await?;
        let error = String::from_utf8(refused.stderr)?;
        ensure!(refused.status.code() == Some(1), "{error}");
        ensure!(error.contains(said) && !error.contains("fake"), "{error}");
    }
    let set = set_token(&local, "tka/main", "main-fake-session-token\n").await?;
    ensure!(set.status.success(), "{set:?}");
    let said = String::from_utf8(set.stdout)?;
    ensure!(said.contains("session") && !said.contains("fake"), "{said}");
    uses(&local, TokenSource::Session).await;
    let report = local.report("main").await?;
    ensure!(report.connections[0].reconnects == 0, "{report:?}");

    // Who starts again has no reason to change.
    local.stop().await?;
    local.start()?;
    local.shows("shares", "True", "Streaming").await;
    uses(&local, TokenSource::Session).await;

    // Kite refuses it: the token of the Secret is still good.
    let ended = json!({"access_token": "main-fake-session-token"});
    simulator.control("tokens/revoke", ended).await?;
    simulator.control("connections/drop", json!({})).await?;
    eventually("the token of the Secret", async || {
        let report = local.report("main").await;
        let report = report.map_err(|error| error.to_string())?;
        match (report.token_source, report.streaming) {
            (Some(TokenSource::Secret), 1..) => Ok(()),
            _ => Err(format!("{report:?}")),
        }
    })
    .await;

    set_token(&local, "tka/main", "main-fake-second-session").await?;
    uses(&local, TokenSource::Session).await;
    local.write_secret("main", "main-fake-newest-token")?;
    uses(&local, TokenSource::Secret).await;
    ensure!(!local.printed().contains("fake-session"));
    local.stop().await
}
