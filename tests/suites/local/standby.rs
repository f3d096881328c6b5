//! An ingest process without instruments that finds out by itself when Kite accepts its account again.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use contract::assignment::Account;
use contract::mount::{self, ACCESS_TOKEN_FILE, API_KEY_FILE};
use contract::report::{ConnectionReport, ConnectionState, CredentialsReport};
use contract::sealed::{ASSIGNMENT_FILE, SHA256_FILE};
use contract::{Assignment, Egress, Output, Report, Row, Sealed, Shape};
use kite::{Instrument, Mode};
use serde_json::json;
use tempfile::TempDir;
use tests::process::binary;
use tests::{Program, RedisServer, Simulator, eventually};
use tokio::process::Command;

/// An ingest process on the folders of this test.
struct Pod {
    folder: TempDir,
    _program: Program,
    url: String,
    client: reqwest::Client,
}

impl Pod {
    async fn start(assigned: &Assignment) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name);
        let credentials = BTreeMap::from([
            (API_KEY_FILE, b"demo-fake-key".to_vec()),
            (ACCESS_TOKEN_FILE, b"demo-fake-token".to_vec()),
        ]);
        mount::publish(&path("credentials"), &credentials)?;
        assign(&path("assignment"), assigned)?;
        let mut command = Command::new(binary("kite-ingestor"));
        command
            .arg("--assignment-dir")
            .arg(path("assignment"))
            .arg("--credentials-dir")
            .arg(path("credentials"))
            .arg("--port-file")
            .arg(path("port"))
            .args(["--listen", "127.0.0.1:0", "--exit-on-stdin-close"]);
        let mut program = Program::start(&mut command, &path("ingestor.log"))?;
        let address = program.address(&path("port")).await;
        Ok(Self {
            url: format!("http://{address}{}", contract::REPORT_PATH),
            client: tests::simulator::client()?,
            _program: program,
            folder,
        })
    }

    fn assign(&self, assigned: &Assignment) -> Result<()> {
        assign(&self.folder.path().join("assignment"), assigned)
    }

    async fn report(&self) -> Result<Report> {
        let answer = self.client.get(&self.url).send().await?;
        Ok(serde_json::from_str(&answer.text().await?)?)
    }

    /// Waits until the only connection fits.
    async fn until(&self, what: &str, fits: impl Fn(&ConnectionReport) -> bool) -> Report {
        eventually(what, async || {
            let report = self.report().await?;
            let fitting = matches!(&report.connections[..], [one] if fits(one));
            fitting
                .then_some(report.clone())
                .with_context(|| format!("{report:#?}"))
        })
        .await
    }
}

fn assign(folder: &Path, assigned: &Assignment) -> Result<()> {
    let Sealed { gzip, sha256 } = Sealed::new(assigned);
    let files = BTreeMap::from([(ASSIGNMENT_FILE, gzip), (SHA256_FILE, sha256.into_bytes())]);
    Ok(mount::publish(folder, &files)?)
}

/// An account in standby.
fn in_standby(simulator: &Simulator, redis: &RedisServer) -> Assignment {
    Assignment {
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
        connections: 3,
        tokens_per_connection: 3_000,
        order_updates: false,
        standby: true,
        events: true,
        quiet_prefixes: Vec::new(),
        moves: Vec::new(),
        sets: vec!["shares".to_owned()],
        channels: vec!["ticker:shares:equities".to_owned()],
        keeps: Vec::new(),
        sessions: Vec::new(),
        chains: Vec::new(),
        always_open: false,
        instruments: Vec::new(),
    }
}

fn row(listed: &Instrument) -> Row {
    Row {
        token: listed.token,
        mode: Mode::Full,
        symbol: listed.tradingsymbol.clone(),
        tradingsymbol: listed.tradingsymbol.clone(),
        exchange: listed.exchange.clone(),
        segment: listed.segment.clone(),
        instrument_type: listed.instrument_type,
        strike: None,
        expiry: None,
        lot_size: Some(listed.lot_size),
        tick_size: Some(listed.tick_size),
        sets: vec![0],
        outputs: vec![Output {
            channel: 0,
            shape: Shape::Underlying,
            depth: false,
            greeks: false,
            keep: None,
        }],
        class: None,
        chain: None,
        reference: false,
        handover: false,
        move_at: None,
        retained: None,
        former: None,
    }
}

#[tokio::test]
async fn an_account_that_kite_refuses_stands_by_until_it_is_accepted_and_streams_again()
-> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    simulator.control("faults", json!({"refuse": 403})).await?;
    let mut assigned = in_standby(&simulator, &redis);
    let pod = Pod::start(&assigned).await?;
    let refused = |one: &ConnectionReport| one.state == ConnectionState::Refused;
    let before = pod.until("a refusal", |one| refused(one)).await;
    let before = before.connections[0].down_ms;
    pod.until("an outage", |one| refused(one) && one.down_ms > before)
        .await;

    // The same credentials are tried again, as every account that is refused does.
    simulator.control("faults", json!({"refuse": null})).await?;
    let live = |one: &ConnectionReport| one.state == ConnectionState::Live;
    let report = pod.until("an acceptance", live).await;
    assert_eq!(report.credentials, CredentialsReport::Accepted);
    let connection = &report.connections[0];
    assert_eq!((connection.down_ms, connection.instruments), (None, 0));
    let open = simulator.connections().await?;
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!(open[0]["subscribed"], json!({}));

    let listed = simulator.instruments().await?.instruments;
    let share = listed.iter().find(|it| it.tradingsymbol.as_ref() == "INFY");
    assigned.generation = 2;
    assigned.instruments = vec![row(share.context("no INFY")?)];
    pod.assign(&assigned)?;
    let report = pod.until("ticks", |one| one.streaming == 1).await;
    assert_eq!(report.connections[0].reconnects, 0);
    let still = simulator.connections().await?;
    assert_eq!(still.len(), 1, "{still:?}");
    assert_eq!(still[0]["id"], open[0]["id"], "the same socket");
    Ok(())
}
