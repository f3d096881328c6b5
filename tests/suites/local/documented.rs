//! Runs what the documents show: commands of the programs, manifests, a tick, the rights of a Redis
//! user.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::process::binary;
use tests::{Local, Program, RedisServer, Simulator, Ticks, documents, eventually};
use tokio::process::Command;

const INSTALL: &str = "docs/install.md";

/// A documented command of one of the programs, with real values for placeholders.
fn program(line: &str, stand_ins: &[(&str, &str)]) -> Result<Command> {
    let mut words = line.split(' ');
    let name = words
        .next()
        .and_then(|word| word.strip_prefix("target/release/"));
    let mut command = Command::new(binary(name.context("no program")?));
    for word in words {
        let found = stand_ins.iter().find(|(name, _)| *name == word);
        command.arg(found.map_or(word, |(_, instead)| instead));
    }
    Ok(command)
}

/// Starts a documented command of the simulator on a free port.
async fn simulator(folder: &Path, line: &str, stand_ins: &[(&str, &str)]) -> Result<Program> {
    let mut command = program(line, stand_ins)?;
    let port_file = folder.join("port");
    command
        .args(["--listen", "127.0.0.1:0", "--port-file"])
        .arg(&port_file);
    let mut program = Program::start(&mut command, &folder.join("simulator.log"))?;
    program.address(&port_file).await;
    Ok(program)
}

#[tokio::test]
async fn the_simulator_takes_the_documented_arguments() -> Result<()> {
    for serve in documents::commands(INSTALL, "target/release/kite-simulator serve")? {
        let folder = tempfile::tempdir()?;
        simulator(folder.path(), &serve, &[]).await?;
    }
    let symbols = documents::command(INSTALL, "target/release/kite-simulator symbols")?;
    let mut symbols = program(&symbols, &[])?;
    let output = symbols.output().await?;
    let text = String::from_utf8(output.stdout)?;
    assert!(output.status.success() && text.contains("kind: InstrumentSet"));
    Ok(())
}

#[tokio::test]
async fn local_records_and_the_simulator_replays_as_documented() -> Result<()> {
    let (redis, kite) = (RedisServer::start().await?, Simulator::start().await?);
    let local = Local::new(&redis)?;
    local.write_account("demo", &kite, "")?;
    local.write_set("shares", "full", &["NSE:INFY"], "")?;
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let manifests = local.manifests();
    let stand_ins = [
        ("FOLDER", &*manifests.to_string_lossy()),
        ("RECORDINGS", &path("recordings")),
        ("redis://127.0.0.1:6379", &redis.url()),
    ];
    for start in [
        "target/release/kite-operator local -f FOLDER --redis-url ",
        "target/release/kite-operator local -f FOLDER --record ",
    ] {
        let mut command = program(&documents::command(INSTALL, start)?, &stand_ins)?;
        command
            .env("REDIS_URL", redis.url())
            .env("STATE_DIR", folder.path().join("state"));
        let output = command.arg("--once").output().await?;
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{printed}");
        assert!(printed.contains(SAMPLE_HEADER), "{printed}");
    }
    let list = tests::simulator::client()?
        .get(format!("http://{}/instruments", kite.address()))
        .send()
        .await?;
    std::fs::write(path("instruments.csv"), list.text().await?)?;
    let stand_ins = [
        ("RECORDINGS/ACCOUNT", &*path("recordings/demo")),
        ("FILE", &path("instruments.csv")),
    ];
    let replay = documents::command(INSTALL, "target/release/kite-simulator replay ")?;
    simulator(folder.path(), &replay, &stand_ins)
        .await
        .map(drop)
}

/// The first line of the table that the README shows.
const SAMPLE_HEADER: &str =
    "ACCOUNT   READY   REASON      CONNS   INSTRUMENTS   TICKS/S   LAST-TICK   AGE";

#[tokio::test]
async fn every_documented_manifest_is_read() -> Result<()> {
    let (redis, kite) = (RedisServer::start().await?, Simulator::start().await?);
    let addresses = format!(
        "    websocket: ws://{0}\n    api: http://{0}\n",
        kite.address()
    );
    for document in documents::documents()? {
        let blocks = documents::blocks(&document)?.into_iter();
        let manifests: Vec<String> = blocks
            .filter(documents::Block::is_manifest)
            .flat_map(|block| {
                block
                    .text
                    .split("---\n")
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            })
            .collect();
        if manifests.is_empty() {
            continue;
        }
        let mut local = Local::new(&redis)?;
        let mut names = BTreeSet::new();
        for (number, manifest) in manifests.iter().enumerate() {
            // An account of the real Kite would have its list fetched.
            let account = manifest.contains("kind: TickerAccount");
            let endpoint = "  endpoint:\n";
            let text = if !account {
                manifest.clone()
            } else if manifest.contains(endpoint) {
                let mock = format!("  mock: true\n{endpoint}{addresses}");
                manifest.replacen(endpoint, &mock, 1)
            } else {
                let mock = format!("spec:\n  mock: true\n{endpoint}{addresses}");
                manifest.replacen("spec:\n", &mock, 1)
            };
            local.write(&format!("{number}.yaml"), &text)?;
            let name = manifest
                .lines()
                .find_map(|line| line.strip_prefix("  name: "));
            names.insert(name.context("a manifest without a name")?.to_owned());
        }
        assert_eq!(names.len(), manifests.len(), "{document}: two of one name");
        local.start()?;
        for name in &names {
            eventually(&format!("{document}: {name}"), async || {
                match local.row(name) {
                    Some(row) if !["Pending", "Invalid"].contains(&row[2].as_str()) => Ok(()),
                    _ => Err(local.printed()),
                }
            })
            .await;
        }
        local.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_sample_of_a_tick_has_the_keys_of_a_tick() -> Result<()> {
    let blocks = documents::blocks("docs/reading-ticks.md")?;
    let sample = blocks.iter().find(|block| block.language == "json");
    let sample: Value = serde_json::from_str(&sample.context("no sample")?.text)?;
    let (redis, kite) = (RedisServer::start().await?, Simulator::start().await?);
    let ticks = Ticks::subscribe_and_keep(&redis.url(), "ticker:*:options").await?;
    let mut local = Local::new(&redis)?;
    local.write_account("demo", &kite, "")?;
    local.write("options.yaml", &Simulator::symbols(5, "option").await?)?;
    local.start()?;
    let documented = keys(&sample);
    eventually("a tick with the documented keys", async || {
        let all = ticks.all();
        let found = all
            .iter()
            .map(|message| keys(&message.tick))
            .find(|keys| *keys == documented);
        found
            .map(drop)
            .ok_or_else(|| format!("{documented:?}: {:?}", all.last().map(|it| keys(&it.tick))))
    })
    .await;
    Ok(())
}

fn keys(tick: &Value) -> BTreeSet<String> {
    let members = tick.as_object().into_iter().flatten();
    members.map(|(key, _)| key.clone()).collect()
}

/// A user with exactly the documented rights can stream and store everything.
#[tokio::test]
async fn the_documented_rights_are_enough() -> Result<()> {
    let (redis, kite) = (RedisServer::start().await?, Simulator::start().await?);
    let blocks = documents::blocks("docs/resources.md")?;
    let rights = blocks
        .iter()
        .find(|block| block.text.starts_with("+publish "));
    let rights = rights.context("no rights")?.text.replace("PREFIX", "desk");
    let rights: Vec<&str> = rights
        .split_whitespace()
        .filter(|word| word.starts_with(['+', '~', '&']))
        .collect();
    ensure!(rights.len() > 15, "{rights:?}");
    let mut connection = redis.connection().await?;
    let () = redis::cmd("ACL")
        .arg(&["SETUSER", "publisher", "reset", "on", ">pw-of-publisher"])
        .arg(&rights)
        .query_async(&mut connection)
        .await?;
    let mut local = Local::new(&redis)?;
    let login = format!(
        "  orderUpdates: true\n  redis:\n    url: {}\n    secretRef: {{name: redis-login}}\n",
        redis.url()
    );
    local.write_account("demo", &kite, &login)?;
    local.write(
        "login.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: redis-login}\n\
         stringData: {username: publisher, password: pw-of-publisher}\n",
    )?;
    let stream = "  publish: {channelPrefix: 'desk:x', stream: {enabled: true}}\n";
    local.write_set("shares", "full", &["NSE:INFY", "NSE:NIFTY 50"], stream)?;
    local.start()?;
    local.shows("shares", "True", "Streaming").await;
    eventually("what is kept", async || {
        let keys: Vec<String> = redis::cmd("KEYS")
            .arg("*")
            .query_async(&mut redis.connection().await?)
            .await?;
        let is_there = |key: &str| keys.iter().any(|found| found == key);
        let all = [
            "mock:desk:x:last",
            "mock:ticker:instruments",
            "mock:ticker:events:log",
        ];
        ensure!(all.into_iter().all(is_there), "{keys:?}");
        anyhow::Ok(())
    })
    .await;
    let report = local.report("demo").await?;
    assert_eq!((report.redis.error, report.redis.keys_error), (None, None));
    let refused: redis::Value = redis::cmd("ACL")
        .arg("LOG")
        .query_async(&mut connection)
        .await?;
    assert_eq!(refused, redis::Value::Array(Vec::new()));
    Ok(())
}

#[tokio::test]
async fn the_documented_setting_of_redis_is_accepted() -> Result<()> {
    let redis = RedisServer::start().await?;
    let line = documents::command("docs/reading-ticks.md", "redis-cli CONFIG SET ")?;
    let port = format!("redis-cli -p {}", redis.address().port());
    let line = line.replacen("redis-cli", &port, 1);
    let output = Command::new("bash").args(["-euc", &line]).output().await?;
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "OK",
        "{line}"
    );
    Ok(())
}
