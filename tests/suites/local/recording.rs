//! A recording is replayed tick for tick.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;
use tests::process::binary;
use tests::{Local, Program, RedisServer, Simulator, Ticks, eventually};
use tokio::process::Command;

/// Enough that every instrument ticks many times.
const TICKS: usize = 1_000;

/// What does not depend on when and by which process a tick was published, instrument by
/// instrument, in order.
fn content(ticks: &Ticks) -> BTreeMap<u64, Vec<Value>> {
    let mut by_token: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
    for message in ticks.all() {
        let mut tick = message.tick;
        let Some(members) = tick.as_object_mut() else {
            continue;
        };
        // Instruments of one channel may be on several sockets: their order among each other,
        // and with it the number, may be another.
        for key in [
            "seq",
            "epoch",
            "conn",
            "ts",
            "timestamp",
            "recv_us",
            "pub_us",
        ] {
            members.remove(key);
        }
        let token = members["token"].as_u64().unwrap_or_default();
        by_token.entry(token).or_default().push(tick);
    }
    by_token
}

/// Waits until every packet that was sent is published, or kept as a first packet that says nothing about its age.
/// Returns the ticks, and how many are kept.
async fn all(ticks: &Ticks, local: &Local, sent: u64) -> (BTreeMap<u64, Vec<Value>>, u64) {
    let kept = eventually("a tick of each packet", async || {
        let kept = local.undated_snapshots("demo").await;
        let kept = kept.map_err(|error| error.to_string())?;
        let came = ticks.count() as u64;
        let all = came + kept == sent;
        all.then_some(kept)
            .ok_or(format!("{came} and {kept} of {sent}"))
    })
    .await;
    (content(ticks), kept)
}

/// How many packets a simulator that sends no more has sent to those who are connected.
async fn sent(simulator: &Simulator) -> Result<u64> {
    let connections = simulator.connections().await?;
    let packets = connections.iter().map(|it| it["sent"]["packets"].as_u64());
    packets.sum::<Option<u64>>().context("no count of packets")
}

#[tokio::test]
async fn a_recording_played_again_gives_the_same_ticks() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let symbols = ["NSE:INFY", "NSE:TCS", "NSE:NIFTY 50", "NSE:RELIANCE"];

    let simulator = Simulator::start_with(&["--rate", "20"]).await?;
    let csv = folder.path().join("instruments.csv");
    let list = tests::simulator::client()?
        .get(format!("http://{}/instruments", simulator.address()))
        .send()
        .await?
        .text()
        .await?;
    std::fs::write(&csv, list)?;
    let redis = RedisServer::start().await?;
    let ticks = Ticks::subscribe_and_keep(&redis.url(), "ticker:*").await?;
    let mut local = Local::new(&redis)?;
    local.write_account("demo", &simulator, "")?;
    local.write_set("shares", "full", &symbols, "")?;
    local.start_with(&[
        "--record",
        &folder.path().join("recorded").to_string_lossy(),
    ])?;
    local.shows("shares", "True", "Streaming").await;
    ticks.next(TICKS).await;
    simulator.pause(true).await?;
    let packets = sent(&simulator).await?;
    let before = all(&ticks, &local, packets).await;
    let page = local.page("demo", "/metrics").await?;
    assert!(
        page.contains("kiteticker_recorded_frames_lost_total 0"),
        "{page}"
    );
    local.stop().await?;

    let mut command = Command::new(binary("kite-simulator"));
    let port_file = folder.path().join("port");
    command
        .arg("replay")
        .arg(folder.path().join("recorded").join("demo"))
        .args([
            "--speed",
            "20",
            "--wait-for",
            "4",
            "--listen",
            "127.0.0.1:0",
        ])
        .arg("--instruments")
        .arg(&csv)
        .arg("--port-file")
        .arg(&port_file);
    let mut replay = Program::start(&mut command, &folder.path().join("replay.log"))?;
    let player = Simulator::at(replay.address(&port_file).await)?;
    let redis = RedisServer::start().await?;
    let ticks = Ticks::subscribe_and_keep(&redis.url(), "ticker:*").await?;
    let mut local = Local::new(&redis)?;
    local.write_account("demo", &player, "")?;
    local.write_set("shares", "full", &symbols, "")?;
    local.start()?;
    assert!(replay.ended().await?.success(), "{}", replay.log());
    let played = replay.log();
    let sent = format!("sent {packets} packets");
    assert!(played.contains(&sent), "{sent}: {played}");
    let after = all(&ticks, &local, packets).await;
    assert_eq!(before, after);
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_played_is_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let play = async |path: &std::path::Path| -> Result<String> {
        let output = Command::new(binary("kite-simulator"))
            .arg("replay")
            .arg(path)
            .args(["--listen", "127.0.0.1:0"])
            .output()
            .await?;
        assert!(!output.status.success());
        Ok(String::from_utf8(output.stderr)?)
    };
    let missing = play(&folder.path().join("missing")).await?;
    assert!(
        missing.contains("cannot read") && missing.contains("missing"),
        "{missing}"
    );
    let empty = play(folder.path()).await?;
    assert!(empty.contains("holds no recording"), "{empty}");
    let account = folder.path().join("demo");
    std::fs::create_dir(&account)?;
    let file = account.join("x.kiterec.gz");
    std::fs::write(&file, "not gzip")?;
    let parent = play(folder.path()).await?;
    assert!(parent.contains("but its folder demo does"), "{parent}");
    let other = play(&file).await?;
    assert!(other.contains("cannot play"), "{other}");
    Ok(())
}
