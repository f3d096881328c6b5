//! Runs the documented Python reader on what `local` publishes.

use std::collections::BTreeSet;
use std::process::Stdio;

use anyhow::Result;
use tests::documents;
use tests::{Local, RedisServer, Simulator};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

#[tokio::test]
async fn the_reader_of_the_documents_prints_ticks() -> Result<()> {
    let blocks = documents::all_blocks()?;
    let mut readers = blocks.iter().filter(|block| block.language == "python");
    let code = &readers.next().expect("a reader").text;
    assert!(readers.all(|other| other.text == *code), "two readers");
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let port = redis.address().port();
    let code = code.replace("redis.Redis()", &format!("redis.Redis(port={port})"));
    let mut local = Local::new(&redis)?;
    local.write_account("demo", &simulator, "")?;
    local.write_set("mixed", "full", &["NSE:INFY", "NSE:NIFTY 50"], "")?;
    let mut reader = Command::new(documents::root().join(".state/python/bin/python"))
        .args(["-c", &code])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    local.start()?;
    local.shows("mixed", "True", "Streaming").await;
    let mut lines = BufReader::new(reader.stdout.take().expect("its output")).lines();
    let mut missing = BTreeSet::from(["INFY", "NIFTY 50"]);
    let reading = async {
        while !missing.is_empty() {
            let line = lines.next_line().await?.expect("the reader reads on");
            let (name, price) = line.rsplit_once(' ').expect("a name and a price");
            assert!(
                price.parse::<f64>().is_ok_and(|price| price > 0.0),
                "{line}"
            );
            missing.remove(name);
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(tests::condition::PATIENCE, reading).await?
}
