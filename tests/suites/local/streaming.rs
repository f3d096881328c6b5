//! Ticks flow, changes disturb no other instrument, and the program ends cleanly.

use anyhow::Result;
use serde_json::json;
use tests::{Local, RedisServer, Simulator, Ticks, eventually};

const NIFTY: u64 = 256_265;

#[tokio::test]
async fn ticks_reach_a_plain_subscriber_and_the_table_says_so() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let ticks = Ticks::subscribe(&redis.url(), "ticker:*").await?;
    let mut local = Local::new(&redis)?;
    local.write_account("demo", &simulator, "")?;
    local.write_set("indices", "full", &["NSE:NIFTY 50"], "")?;
    local.write_set("shares", "quote", &["NSE:INFY", "NSE:RELIANCE"], "")?;
    local.start()?;
    let tick = ticks.tick_of(NIFTY).await;
    assert_eq!(tick.channel, "ticker:nifty:underlying");
    assert_eq!(tick.tick["is_mock"], json!(true));
    assert_eq!(tick.tick["src"], "demo");
    ticks.tick_of(408_065).await;
    local.shows("demo", "True", "Streaming").await;
    local.shows("indices", "True", "Streaming").await;
    local.shows("shares", "True", "Streaming").await;
    ticks.next(20).await;
    ticks.assert_gapless();
    Ok(())
}

#[tokio::test]
async fn a_change_is_a_difference_on_the_live_socket() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let ticks = Ticks::subscribe(&redis.url(), "ticker:*").await?;
    let mut local = Local::new(&redis)?;
    local.write_account("demo", &simulator, "")?;
    local.write_set("shares", "full", &["NSE:INFY", "NSE:RELIANCE"], "")?;
    local.start()?;
    local.shows("shares", "True", "Streaming").await;
    let before = simulator.connections().await?;
    assert_eq!(before.len(), 1);

    local.write_set("shares", "full", &["NSE:INFY", "NSE:TCS"], "")?;
    // Kite's first packet is a quote, before it has the mode.
    newest_tick_has_mode(&ticks, "TCS", "full").await;
    simulator.subscribed(2).await;
    let after = simulator.connections().await?;
    assert_eq!(after.len(), 1);
    assert_eq!(after[0]["id"], before[0]["id"], "the socket was replaced");
    ticks.assert_gapless();
    Ok(())
}

/// The first packets of thousands of instruments come in one burst, larger than what Redis may have
/// unanswered. Every lost tick is counted.
#[tokio::test]
async fn what_a_burst_leaves_out_is_counted_exactly() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let ticks = Ticks::subscribe(&redis.url(), "ticker:*").await?;
    let mut local = Local::new(&redis)?;
    local.write_account("demo", &simulator, "")?;
    let options = Simulator::symbols(3_000, "option").await?;
    local.write(
        "large.yaml",
        &format!("{options}  publish: {{greeks: false}}\n"),
    )?;
    local.start()?;
    simulator.subscribed(3_000).await;
    local.shows("demo", "True", "Streaming").await;
    simulator.pause(true).await?;
    eventually("what is missing was counted", async || {
        let report = local
            .report("demo")
            .await
            .map_err(|error| format!("{error:#}"))?;
        let (missing, counted) = (ticks.missing(), report.redis.conflated);
        let arrived = report.redis.published == ticks.count() as u64;
        if arrived && missing == counted && report.redis.unknown == 0 {
            Ok(())
        } else {
            Err(format!(
                "{missing} missing, {counted} counted, {:?}",
                report.redis
            ))
        }
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn once_waits_for_ready_and_says_whether_it_came() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let local = Local::new(&redis)?;
    local.write_account("demo", &simulator, "")?;
    local.write_set("shares", "full", &["NSE:INFY"], "")?;
    let output = local.once().await?;
    let printed = String::from_utf8(output.stdout)?;
    assert!(output.status.success(), "{printed}");
    assert!(printed.contains("Streaming"), "{printed}");
    eventually("the child is gone", async || {
        let connections = simulator
            .connections()
            .await
            .map_err(|error| error.to_string())?;
        if connections.is_empty() {
            Ok(())
        } else {
            Err(format!("{connections:?}"))
        }
    })
    .await;

    local.write_set("none", "full", &["NSE:NO SUCH SHARE"], "")?;
    let output = local.once().await?;
    assert_eq!(output.status.code(), Some(1));
    Ok(())
}

#[tokio::test]
async fn a_second_instance_is_refused() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let mut local = Local::new(&redis)?;
    local.write_account("demo", &simulator, "")?;
    local.start()?;
    local.shows("demo", "True", "Idle").await;
    let second = local.once().await?;
    let said = String::from_utf8(second.stderr)?;
    assert!(
        !second.status.success() && said.contains("already runs on"),
        "{said}"
    );
    Ok(())
}

#[tokio::test]
async fn an_ingest_process_that_dies_is_started_again() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let ticks = Ticks::subscribe(&redis.url(), "ticker:*").await?;
    let mut local = Local::new(&redis)?;
    local.write_account("demo", &simulator, "")?;
    local.write_set("shares", "full", &["NSE:INFY"], "")?;
    local.start()?;
    let first = ticks.tick_of(408_065).await.tick["epoch"].clone();
    let [child] = local.children()?[..] else {
        panic!("one child expected")
    };
    tests::process::signal(child, "KILL").await?;
    eventually("a tick of the new process", async || {
        let newest = ticks
            .newest(408_065)
            .map(|message| message.tick["epoch"].clone());
        if newest.as_ref() != Some(&first) {
            Ok(())
        } else {
            Err(newest)
        }
    })
    .await;
    ticks.assert_gapless();
    Ok(())
}

/// A stopped terminal, or a pager that is not scrolled.
#[tokio::test]
async fn an_output_that_nobody_reads_holds_up_nothing() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let local = Local::new(&redis)?;
    local.write_account("demo", &simulator, "")?;
    local.write_set("shares", "full", &["NSE:INFY"], "")?;
    let (_out, out) = full_pipe()?;
    let (_err, err) = full_pipe()?;
    let mut command = local.command();
    command.env("LOG_LEVEL", "trace").stdout(out).stderr(err);
    let mut child = command.kill_on_drop(true).spawn()?;
    simulator.subscribed(1).await;
    local.write_set("shares", "full", &["NSE:INFY", "NSE:TCS"], "")?;
    simulator.subscribed(2).await;
    let pid = child.id().unwrap();
    tests::process::signal(pid, "TERM").await?;
    let ended = tokio::time::timeout(tests::condition::PATIENCE, child.wait()).await;
    assert!(ended??.success());
    simulator.subscribed(0).await;
    Ok(())
}

/// Both ends of a full pipe.
fn full_pipe() -> Result<(std::io::PipeReader, std::io::PipeWriter)> {
    use std::io::Write;
    let (reader, mut writer) = std::io::pipe()?;
    // The capacity of a pipe on Linux.
    writer.write_all(&[b'x'; 64 * 1024])?;
    Ok((reader, writer))
}

#[tokio::test]
async fn a_killed_parent_leaves_no_child() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let mut local = Local::new(&redis)?;
    local.write_account("demo", &simulator, "")?;
    local.write_set("shares", "full", &["NSE:INFY"], "")?;
    local.start()?;
    simulator.subscribed(1).await;
    local.program().signal("KILL").await?;
    simulator.subscribed(0).await;
    Ok(())
}

/// Waits until the newest tick of the symbol has the mode.
async fn newest_tick_has_mode(ticks: &Ticks, symbol: &str, mode: &str) {
    eventually("a tick of the symbol in its mode", async || {
        match ticks.newest_of_symbol(symbol) {
            Some(message) if message.tick["mode"] == mode => Ok(()),
            other => Err(format!("{symbol}: {other:?}")),
        }
    })
    .await;
}
