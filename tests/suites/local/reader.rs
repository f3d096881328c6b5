//! Runs the documented readers, each as it is pasted, on what `local` publishes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use futures::StreamExt;
use serde_json::Value;
use tests::documents::{self, root};
use tests::{HalfOpenProxy, Local, Program, RedisServer, Simulator, eventually};
use tokio::process::Command;

const READING: &str = "docs/reading-ticks.md";

/// What only the plain Python reader holds.
const PLAIN: &str = "\nimport redis\n";

/// A documented reader, whose way to Redis can be cut.
struct Reader {
    program: Program,
    way: HalfOpenProxy,
}

impl Reader {
    /// Starts a reader: `command` makes its command from the port of Redis.
    async fn start(
        name: &str,
        redis: &RedisServer,
        folder: &Path,
        command: impl AsyncFnOnce(&str) -> Result<Command>,
    ) -> Result<Self> {
        let way = HalfOpenProxy::start(redis.address()).await?;
        let mut command = command(&way.address().port().to_string()).await?;
        let program = Program::start(&mut command, &folder.join(format!("{name}.log")))?;
        Ok(Self { program, way })
    }

    /// The names of the ticks that it has printed.
    fn printed(&self) -> Vec<String> {
        let log = self.program.log();
        let lines = log.lines().filter_map(|line| line.rsplit_once(' '));
        let ticks = lines.filter(|(_, price)| price.parse::<f64>().is_ok_and(|it| it > 0.0));
        ticks.map(|(name, _)| name.to_owned()).collect()
    }

    /// Waits until it has printed a tick of each instrument after its first `known` ones.
    async fn prints_all(&self, known: usize) {
        let wanted = BTreeSet::from(["INFY", "NIFTY 50"]);
        eventually("ticks of all instruments", async || {
            let printed = self.printed();
            let new: BTreeSet<&str> = printed.iter().skip(known).map(String::as_str).collect();
            ensure!(new == wanted, "{new:?} in {}", self.program.log());
            Ok(())
        })
        .await;
    }
}

/// The only block of this language in the document on reading that holds `word`.
fn block(language: &str, word: &str) -> Result<String> {
    let blocks = documents::blocks(READING)?.into_iter();
    let mut found = blocks.filter(|block| block.language == language && block.text.contains(word));
    let text = found.next().context("no such block")?.text;
    ensure!(found.next().is_none(), "two blocks of {language}");
    Ok(text)
}

/// A text with the one place replaced.
fn with(text: &str, place: &str, instead: &str) -> Result<String> {
    ensure!(text.matches(place).count() == 1, "{place:?} in {text}");
    Ok(text.replace(place, instead))
}

fn python(word: &str, port: &str) -> Result<Command> {
    let port = format!("redis.Redis(port={port}, ");
    let code = with(&block("python", word)?, "redis.Redis(", &port)?;
    let mut command = Command::new(root().join(".state/python/bin/python"));
    command.args(["-c", &code]);
    Ok(command)
}

/// The reader has to lie beside the modules that it imports.
fn node(folder: &Path, port: &str) -> Result<Command> {
    let url = format!("createClient({{ url: \"redis://127.0.0.1:{port}\", ");
    let code = with(&block("js", "")?, "createClient({ ", &url)?;
    let file = folder.join("reader.mjs");
    std::fs::write(&file, code)?;
    let modules = std::path::absolute(root().join(".state/node/node_modules"))?;
    std::os::unix::fs::symlink(modules, folder.join("node_modules"))?;
    let mut command = Command::new("node");
    command.arg(file);
    Ok(command)
}

async fn go(folder: &Path, port: &str) -> Result<Command> {
    let address = format!("127.0.0.1:{port}");
    let code = with(&block("go", "")?, "localhost:6379", &address)?;
    std::fs::write(folder.join("main.go"), code)?;
    for file in ["go.mod", "go.sum"] {
        std::fs::copy(
            root().join("tests/clients/go").join(file),
            folder.join(file),
        )?;
    }
    let mut build = Command::new("go");
    build.args(["build", "-mod=readonly", "-o", "reader", "."]);
    let output = build.current_dir(folder).output().await?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{errors}");
    Ok(Command::new(folder.join("reader")))
}

async fn all_readers(redis: &RedisServer, folder: &Path) -> Result<Vec<Reader>> {
    let folder_of = |name: &str| -> Result<PathBuf> {
        let folder = folder.join(name);
        std::fs::create_dir(&folder)?;
        Ok(folder)
    };
    let (js, module) = (folder_of("js")?, folder_of("go")?);
    let plain = Reader::start("plain", redis, folder, async |port| python(PLAIN, port));
    let asyncio = Reader::start("asyncio", redis, folder, async |port| {
        python("import asyncio", port)
    });
    let js = Reader::start("js", redis, folder, async |port| node(&js, port));
    let go = Reader::start("go", redis, folder, async |port| go(&module, port).await);
    Ok(vec![plain.await?, asyncio.await?, js.await?, go.await?])
}

/// Counts the signs of life that readers of `ticker:events` get.
async fn count_alive(redis: &RedisServer) -> Result<Arc<AtomicUsize>> {
    let mut subscription = redis::Client::open(redis.url())?.get_async_pubsub().await?;
    subscription.subscribe("ticker:events").await?;
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        let mut events = subscription.into_on_message();
        while let Some(event) = events.next().await {
            let json: String = event.get_payload().unwrap_or_default();
            let is_alive = json.contains("\"event_type\":\"alive\"");
            counted.fetch_add(usize::from(is_alive), Ordering::Relaxed);
        }
    });
    Ok(count)
}

/// Waits until so many signs of life were heard.
async fn heard(alive: &AtomicUsize, wanted: usize) {
    eventually("signs of life", async || {
        let heard = alive.load(Ordering::Relaxed);
        (heard >= wanted).then_some(()).ok_or(heard)
    })
    .await;
}

/// In a night nothing ticks, and no reader gives up or connects anew; in the morning each prints
/// ticks; and each finds out that its connection was cut without a sign.
#[tokio::test]
async fn the_readers_of_the_documents_survive_a_night() -> Result<()> {
    let (redis, kite) = (RedisServer::start().await?, Simulator::start().await?);
    let alive = count_alive(&redis).await?;
    let mut local = Local::new(&redis)?;
    // Events of mock accounts have a channel that readers of `ticker:*` do not see.
    local.write_real_account("demo", &kite, "")?;
    local.start()?;
    heard(&alive, 1).await;
    let folder = tempfile::tempdir()?;
    let readers = all_readers(&redis, folder.path()).await?;
    let mut connection = redis.connection().await?;
    eventually("all readers are subscribed", async || {
        let mut list = redis::cmd("CLIENT");
        let list = list.arg("LIST").query_async(&mut connection);
        let list: String = list.await.map_err(|error| error.to_string())?;
        let subscribed = list.matches(" psub=1 ").count();
        (subscribed == readers.len()).then_some(()).ok_or(list)
    })
    .await;
    let accepted = || -> Vec<usize> { readers.iter().map(|it| it.way.accepted()).collect() };
    // Longer than the time-out that a client has by itself.
    let (before, quiet) = (accepted(), alive.load(Ordering::Relaxed) + 3);
    heard(&alive, quiet).await;
    assert_eq!(accepted(), before);
    local.write_set("mixed", "full", &["NSE:INFY", "NSE:NIFTY 50"], "")?;
    local.shows("mixed", "True", "Streaming").await;
    for reader in &readers {
        reader.prints_all(0).await;
        reader.way.cut();
    }
    for (reader, before) in readers.iter().zip(before) {
        let waits = std::time::Duration::from_secs(120);
        tests::condition::within(waits, "another connection", async || {
            let accepted = reader.way.accepted();
            (accepted > before).then_some(()).ok_or(accepted)
        })
        .await;
        reader.prints_all(reader.printed().len()).await;
    }
    Ok(())
}

/// The README shows the first reader of the document.
#[test]
fn the_readme_shows_the_same_reader() -> Result<()> {
    let blocks = documents::all_blocks()?.into_iter();
    let elsewhere = blocks.filter(|block| {
        ["python", "js", "go"].contains(&&*block.language) && block.document != READING
    });
    let elsewhere: Vec<String> = elsewhere.map(|block| block.text).collect();
    assert_eq!(elsewhere, [block("python", PLAIN)?]);
    Ok(())
}

/// The sign of life is as documented, on its channel and in its key, and its sample shows all of it
/// that a reader without a cluster gets.
#[tokio::test]
async fn the_sample_of_a_sign_of_life_has_its_keys() -> Result<()> {
    let (redis, kite) = (RedisServer::start().await?, Simulator::start().await?);
    let mut local = Local::new(&redis)?;
    local.write_real_account("demo", &kite, "")?;
    local.write_set("mixed", "full", &["NSE:INFY"], "")?;
    local.start()?;
    let mut connection = redis.connection().await?;
    let found = eventually("the key", async || {
        let mut get = redis::cmd("GET");
        let text: Option<String> = get
            .arg("ticker:alive:demo")
            .query_async(&mut connection)
            .await?;
        let found: Value = serde_json::from_str(&text.context("no key")?)?;
        // The first one may be of the time before the first tick.
        ensure!(found["last_tick_ts"].is_u64(), "{found}");
        Ok(found)
    })
    .await;
    let sample: Value = serde_json::from_str(&block("json", "\"alive\"")?)?;
    let keys = |json: &Value| -> BTreeSet<String> {
        let members = json.as_object().into_iter().flatten();
        members.map(|(key, _)| key.clone()).collect()
    };
    let mut documented = keys(&sample);
    documented.remove("namespace");
    assert_eq!(keys(&found), documented, "{found}");
    let numbers = ["live", "needed", "assigned"].map(|key| found[key].as_u64());
    assert_eq!(numbers, [Some(1); 3], "{found}");
    let ttl: i64 = redis::cmd("TTL")
        .arg("ticker:alive:demo")
        .query_async(&mut connection)
        .await?;
    assert!((1..=30).contains(&ttl), "{ttl} s");
    Ok(())
}
