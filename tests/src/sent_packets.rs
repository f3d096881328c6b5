//! What the simulator wrote to sockets, and what was published of it, packet by packet.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use kite::{Detail, Packet};
use serde_json::Value;

use crate::simulator::from_hex;
use crate::{Simulator, Ticks};

/// What distinguishes the packets of an instrument: its token, the exchange's second, volume, and both sides of the book.
pub type Content = (u64, i64, u64, u64, u64);

/// How often each packet came.
pub type Counts = BTreeMap<Content, usize>;

/// The API key of each connection, by its number.
pub type Keys = BTreeMap<u64, String>;

fn sent(packet: &Packet) -> Option<Content> {
    let Detail::Full(quote, _) = &packet.detail else {
        return None;
    };
    let totals = (quote.total_buy, quote.total_sell);
    let token = u64::from(packet.token.0);
    let [volume, buy, sell] = [quote.volume, totals.0, totals.1].map(u64::from);
    Some((token, packet.exchange_time()?, volume, buy, sell))
}

fn published(tick: &Value) -> Option<Content> {
    let number = |name: &str| tick[name].as_u64();
    Some((
        number("token")?,
        tick["exchange_ts"].as_i64()?,
        number("volume")?,
        number("total_buy_quantity")?,
        number("total_sell_quantity")?,
    ))
}

/// The API keys of the connections that are open now.
///
/// # Errors
/// When the simulator does not answer.
pub async fn keys(simulator: &Simulator) -> Result<Keys> {
    let open = simulator.connections().await?;
    let keys = open.iter().filter_map(|it| {
        let key = it["api_key"].as_str()?.to_owned();
        Some((it["id"].as_u64()?, key))
    });
    Ok(keys.collect())
}

/// The packets with depth that were recorded, by the API key of their connection.
///
/// # Errors
/// When the recording is not complete, or a connection has no key in `keys`.
pub async fn sent_to(simulator: &Simulator, keys: &Keys) -> Result<BTreeMap<String, Counts>> {
    let page = simulator.read("record").await?;
    ensure!(page["dropped"] == 0, "the recording is full");
    let mut all: BTreeMap<String, Counts> = BTreeMap::new();
    for entry in page["entries"].as_array().context("no entries")? {
        let conn = entry["conn"].as_u64().context("no connection")?;
        let key = keys.get(&conn).context("an unknown connection")?;
        let packet = Packet::decode(&from_hex(entry["hex"].as_str().context("no hex")?))?;
        if let Some(content) = sent(&packet) {
            let counts = all.entry(key.clone()).or_default();
            *counts.entry(content).or_default() += 1;
        }
    }
    Ok(all)
}

/// What an account published of packets with depth.
#[must_use]
pub fn published_by(ticks: &Ticks, account: &str) -> Counts {
    let mut counts = Counts::new();
    for message in ticks.all() {
        if message.tick["src"] == account
            && let Some(content) = published(&message.tick)
        {
            *counts.entry(content).or_default() += 1;
        }
    }
    counts
}

/// Those packets of `sent` in a second that `counts` that were not published, or less often.
pub fn lost(sent: &Counts, published: &Counts, counts: impl Fn(i64) -> bool) -> Vec<Content> {
    let sent = sent.iter().filter(|((_, second, ..), _)| counts(*second));
    let lost = sent.filter(|(content, times)| published.get(content) < Some(times));
    lost.map(|(content, _)| *content).collect()
}
