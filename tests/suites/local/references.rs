//! The price of a reference equals what the simulator sent, for every segment, and Redis has none of it.
//! The ingest process runs alone: no set selects anything.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, ensure};
use contract::assignment::Account;
use contract::report::ReferencePrice;
use contract::sealed::{ASSIGNMENT_FILE, SHA256_FILE};
use contract::{Assignment, Egress, Report, Row, Sealed, mount};
use kite::{Detail, Mode, Packet};
use tests::process::binary;
use tests::simulator::client;
use tests::{Program, RedisServer, Simulator, Ticks, eventually};
use tokio::process::Command;

use crate::digits::{recorded, rupees};

/// A row of each segment and kind, in quote and full mode by turns.
async fn rows(simulator: &Simulator) -> Result<Vec<Row>> {
    let dump = simulator.instruments().await?;
    let mut chosen = BTreeMap::new();
    for row in dump.instruments {
        let kind = (row.token.segment().byte(), row.segment.to_string());
        chosen.entry(kind).or_insert(row);
    }
    let modes = [Mode::Quote, Mode::Full].into_iter().cycle();
    let rows = chosen.into_values().zip(modes).map(|(row, mode)| Row {
        token: row.token,
        mode,
        symbol: row.name,
        tradingsymbol: row.tradingsymbol,
        exchange: row.exchange,
        segment: row.segment,
        instrument_type: row.instrument_type,
        strike: None,
        expiry: row.expiry,
        lot_size: None,
        tick_size: None,
        sets: Vec::new(),
        outputs: Vec::new(),
        class: None,
        chain: None,
        reference: true,
        handover: false,
        move_at: None,
        retained: None,
        former: None,
    });
    let mut rows: Vec<Row> = rows.collect();
    rows.sort_by_key(|row| row.token);
    Ok(rows)
}

fn write(folder: &Path, simulator: &Simulator, redis: &RedisServer, rows: Vec<Row>) -> Result<()> {
    let sealed = Sealed::new(&Assignment {
        version: 1,
        generation: 1,
        account: Account {
            name: "demo".to_owned(),
            namespace: None,
            uid: "uid-1".to_owned(),
            mock: true,
        },
        websocket: format!("ws://{}", simulator.address()),
        credentials: contract::CredentialChoice::default(),
        egress: Egress::default(),
        redis_url: redis.url(),
        connections: 1,
        tokens_per_connection: 3_000,
        order_updates: false,
        standby: false,
        events: true,
        quiet_prefixes: Vec::new(),
        moves: Vec::new(),
        sets: Vec::new(),
        channels: Vec::new(),
        keeps: Vec::new(),
        sessions: Vec::new(),
        chains: Vec::new(),
        always_open: false,
        instruments: rows,
    });
    let sha256 = sealed.sha256.into_bytes();
    let files = BTreeMap::from([(ASSIGNMENT_FILE, sealed.gzip), (SHA256_FILE, sha256)]);
    mount::publish(&folder.join("assignment"), &files)?;
    let key = (mount::API_KEY_FILE, b"demo-fake-key".to_vec());
    let token = (mount::ACCESS_TOKEN_FILE, b"demo-fake-token".to_vec());
    Ok(mount::publish(
        &folder.join("credentials"),
        &BTreeMap::from([key, token]),
    )?)
}

/// What is to be reported after this packet.
fn expected(packet: &Packet) -> (u32, Option<String>, Option<String>) {
    let text = |raw| rupees(raw, packet.token.segment());
    let close = match packet.detail {
        Detail::Ltp => None,
        Detail::IndexQuote(day) | Detail::IndexFull(day, _) => Some(text(day.close)),
        Detail::Quote(day) | Detail::Full(day, _) => Some(text(day.close)),
    };
    (packet.token.0, Some(text(packet.last_price)), close)
}

/// An ingest process that runs alone.
struct Process {
    _program: Program,
    url: String,
    client: reqwest::Client,
}

impl Process {
    async fn start(folder: &Path) -> Result<Self> {
        let port_file = folder.join("port");
        let mut command = Command::new(binary("kite-ingestor"));
        for name in ["assignment", "credentials"] {
            command.arg(format!("--{name}-dir")).arg(folder.join(name));
        }
        command.args(["--exit-on-stdin-close", "--listen", "127.0.0.1:0"]);
        command.arg("--port-file").arg(&port_file);
        let mut program = Program::start(&mut command, &folder.join("ingestor.log"))?;
        let address = program.address(&port_file).await;
        Ok(Self {
            _program: program,
            url: format!("http://{address}{}", contract::REPORT_PATH),
            client: client()?,
        })
    }

    async fn references(&self) -> Result<Vec<ReferencePrice>> {
        let answer = self.client.get(&self.url).send().await?;
        let text = answer.error_for_status()?.text().await?;
        Ok(serde_json::from_str::<Report>(&text)?.references)
    }
}

async fn keys(redis: &RedisServer) -> Result<Vec<String>> {
    let mut connection = redis.connection().await?;
    let mut keys = redis::cmd("KEYS");
    Ok(keys.arg("*").query_async(&mut connection).await?)
}

#[tokio::test]
async fn every_digit_of_the_price_of_a_reference() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    simulator.control("record", serde_json::json!({})).await?;
    let ticks = Ticks::subscribe(&redis.url(), "*").await?;
    let (folder, rows) = (tempfile::tempdir()?, rows(&simulator).await?);
    let count = rows.len();
    write(folder.path(), &simulator, &redis, rows)?;
    let process = Process::start(folder.path()).await?;
    eventually("all have ticked today", async || {
        let references = process.references().await?;
        let ticked = |price: &ReferencePrice| !price.first && price.age_ms.is_some();
        let all = references.len() == count && references.iter().all(ticked);
        ensure!(all, "{references:#?}");
        Ok(())
    })
    .await;
    simulator.pause(true).await?;
    eventually("the newest prices", async || {
        let sent = recorded(&simulator).await?;
        let sent = sent.values().filter_map(|packets| packets.back());
        let sent: Vec<_> = sent.map(expected).collect();
        let references = process.references().await?.into_iter();
        let told = references.map(|one| (one.token, one.price, one.close));
        let told: Vec<_> = told.collect();
        ensure!(told == sent, "{told:#?} after {sent:#?}");
        Ok(())
    })
    .await;
    assert_eq!(ticks.count(), 0);
    let keys = keys(&redis).await?;
    let of_the_account = ["mock:ticker:alive:demo", "mock:ticker:events:log"];
    let known = |key: &String| of_the_account.contains(&key.as_str());
    assert!(keys.iter().all(known), "{keys:?}");
    Ok(())
}
