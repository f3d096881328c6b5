//! Unmodified official clients read from the simulator exactly what was sent.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::process::Output;

use anyhow::Result;
use kite::{Detail, Packet};
use serde_json::{Value, json};
use tests::Simulator;
use tests::simulator::from_hex;
use tokio::process::Command;

const NIFTY: &str = "256265";
const INFY: &str = "408065";

async fn python_client(arguments: &[&str], simulator: &Simulator) -> Result<Output> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let python = root.join(".state/python/bin/python");
    assert!(
        python.exists(),
        "the Python client is not installed: run `tests/install suites`"
    );
    let mut command = Command::new(python);
    command.arg(root.join("tests/clients/python_ticker.py"));
    command
        .args(["--root", &format!("ws://{}", simulator.address())])
        .args(arguments);
    Ok(command.output().await?)
}

#[tokio::test]
async fn the_official_python_client_connects_subscribes_and_reads() -> Result<()> {
    let simulator = Simulator::start().await?;
    let dump = simulator.instruments().await?;
    let currency = dump
        .instruments
        .iter()
        .find(|row| &*row.exchange == "CDS")
        .map(|row| row.token.0);
    let currency = currency.unwrap_or_default().to_string();
    simulator.control("record", json!({})).await?;
    let arguments = [
        format!("{NIFTY}=full"),
        format!("{INFY}=full"),
        format!("{currency}=quote"),
    ];
    let mut all = vec!["--ticks", "30", "--timeout", "30"];
    all.extend(arguments.iter().map(String::as_str));
    let output = python_client(&all, &simulator).await?;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );

    let mut sent = sent_packets(&simulator).await?;
    let mut read: BTreeMap<u64, usize> = BTreeMap::new();
    for tick in ticks(&output) {
        let token = tick["instrument_token"].as_u64().unwrap_or_default();
        *read.entry(token).or_default() += 1;
        let packet = sent.get_mut(&token).and_then(VecDeque::pop_front);
        assert_same(
            &packet.unwrap_or_else(|| panic!("nobody sent {tick}")),
            &tick,
        );
    }
    assert_eq!(read.len(), 3, "{read:?}");
    assert!(read.values().sum::<usize>() >= 30);
    Ok(())
}

/// The ticks that the client printed, in order.
fn ticks(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines
        .filter_map(|line| line["ticks"].as_array().cloned())
        .flatten()
        .collect()
}

async fn sent_packets(simulator: &Simulator) -> Result<BTreeMap<u64, VecDeque<Packet>>> {
    let page = simulator.read("record").await?;
    let mut sent: BTreeMap<u64, VecDeque<Packet>> = BTreeMap::new();
    for entry in page["entries"].as_array().into_iter().flatten() {
        let packet = Packet::decode(&from_hex(entry["hex"].as_str().unwrap_or_default()))?;
        sent.entry(u64::from(packet.token.0))
            .or_default()
            .push_back(packet);
    }
    Ok(sent)
}

fn assert_same(packet: &Packet, tick: &Value) {
    let raw = |price: &Value| {
        let rupees = price
            .as_f64()
            .unwrap_or_else(|| panic!("no price in {tick}"));
        (rupees * f64::from(packet.token.segment().divisor())).round() as i32
    };
    assert_eq!(packet.last_price, raw(&tick["last_price"]), "{tick}");
    match &packet.detail {
        Detail::Ltp => {}
        Detail::IndexQuote(index) | Detail::IndexFull(index, _) => {
            assert_eq!(index.high, raw(&tick["ohlc"]["high"]), "{tick}");
            assert_eq!(index.close, raw(&tick["ohlc"]["close"]), "{tick}");
        }
        Detail::Quote(quote) | Detail::Full(quote, _) => {
            assert_eq!(u64::from(quote.volume), tick["volume_traded"], "{tick}");
            assert_eq!(
                quote.average_price,
                raw(&tick["average_traded_price"]),
                "{tick}"
            );
            assert_eq!(quote.low, raw(&tick["ohlc"]["low"]), "{tick}");
        }
    }
    if let Detail::Full(_, full) = &packet.detail {
        let (best, read) = (&full.depth.sell[0], &tick["depth"]["sell"][0]);
        assert_eq!(u64::from(full.oi), tick["oi"], "{tick}");
        assert_eq!(best.price, raw(&read["price"]), "{tick}");
        assert_eq!(u64::from(best.orders), read["orders"], "{tick}");
    }
}
