//! Every published digit equals what the simulator sent, for every segment and mode.

use std::collections::{BTreeMap, VecDeque};

use anyhow::Result;
use kite::{Detail, Packet, Segment};
use serde_json::{Value, json};
use tests::simulator::from_hex;
use tests::ticks::Message;
use tests::{Local, RedisServer, Simulator, Ticks, eventually};

/// A decimal number as its text, so that no binary float stands between the two sides: 2 decimals
/// for most segments, 4 for BCD, up to 7 without trailing zeros for CDS.
pub(crate) fn rupees(raw: i32, segment: Segment) -> String {
    let decimals = usize::from(segment.decimals());
    let digits = format!("{:0>width$}", raw.unsigned_abs(), width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    let fraction = if segment == Segment::Cds {
        fraction.trim_end_matches('0')
    } else {
        fraction
    };
    let sign = if raw < 0 { "-" } else { "" };
    if fraction.is_empty() {
        format!("{sign}{whole}.0")
    } else {
        format!("{sign}{whole}.{fraction}")
    }
}

/// The raw text of a top-level number in a tick; its value has no object inside before it.
fn number<'a>(text: &'a str, key: &str) -> &'a str {
    let marker = format!("\"{key}\":");
    let at = text
        .find(&marker)
        .unwrap_or_else(|| panic!("no {key} in {text}"))
        + marker.len();
    let end = text[at..]
        .find([',', '}', ']'])
        .unwrap_or_else(|| panic!("{text}"));
    &text[at..at + end]
}

fn same_number(text: &str, key: &str, expected: &str) {
    assert_eq!(number(text, key), expected, "{key} in {text}");
}

fn compare(packet: &Packet, text: &str, tick: &Value) {
    let segment = packet.token.segment();
    let price = |raw| rupees(raw, segment);
    same_number(text, "price", &price(packet.last_price));
    match &packet.detail {
        Detail::Ltp => {}
        Detail::IndexQuote(index) | Detail::IndexFull(index, _) => {
            same_number(text, "open", &price(index.open));
            same_number(text, "high", &price(index.high));
            same_number(text, "low", &price(index.low));
            same_number(text, "prev_close", &price(index.close));
            same_number(text, "close", &price(packet.last_price));
        }
        Detail::Quote(quote) | Detail::Full(quote, _) => {
            same_number(text, "last_qty", &quote.last_quantity.to_string());
            same_number(text, "avg_price", &price(quote.average_price));
            same_number(text, "volume", &quote.volume.to_string());
            same_number(text, "total_buy_quantity", &quote.total_buy.to_string());
            same_number(text, "total_sell_quantity", &quote.total_sell.to_string());
            same_number(text, "open", &price(quote.open));
            same_number(text, "high", &price(quote.high));
            same_number(text, "low", &price(quote.low));
            same_number(text, "prev_close", &price(quote.close));
        }
    }
    if let Detail::Full(_, full) = &packet.detail {
        same_number(text, "oi", &full.oi.to_string());
        same_number(text, "oi_high", &full.oi_day_high.to_string());
        same_number(text, "oi_low", &full.oi_day_low.to_string());
        assert_eq!(
            tick["exchange_ts"].as_i64(),
            packet.exchange_time(),
            "{text}"
        );
        assert_eq!(
            tick["last_trade_ts"].as_i64(),
            packet.last_trade_time(),
            "{text}"
        );
        compare_depth(full, text, segment);
    }
}

fn compare_depth(full: &kite::Full, text: &str, segment: Segment) {
    if full.depth.is_absent() {
        assert!(!text.contains("\"depth\""), "{text}");
        return;
    }
    let depth = &text[text
        .find("\"depth\":")
        .unwrap_or_else(|| panic!("no depth: {text}"))..];
    let (buy, sell) = depth.split_at(depth.find("\"sell\"").unwrap_or_else(|| panic!("{text}")));
    for (side, levels) in [(buy, &full.depth.buy), (sell, &full.depth.sell)] {
        let entries: Vec<&str> = side.split("\"quantity\"").skip(1).collect();
        assert_eq!(entries.len(), 5, "{text}");
        for (entry, level) in entries.iter().zip(levels) {
            let entry = format!("\"quantity\"{entry}");
            same_number(&entry, "quantity", &level.quantity.to_string());
            same_number(&entry, "price", &rupees(level.price, segment));
            same_number(&entry, "orders", &level.orders.to_string());
        }
    }
}

/// Options, and what is none: in one set a future would be on the channel of its options too.
async fn symbols_of_every_segment(simulator: &Simulator) -> Result<[Vec<String>; 2]> {
    let dump = simulator.instruments().await?;
    let mut chosen: BTreeMap<(u8, String), Vec<(bool, String)>> = BTreeMap::new();
    for row in &dump.instruments {
        let kind = (row.token.segment().byte(), row.segment.to_string());
        let symbols = chosen.entry(kind).or_default();
        if symbols.len() < 3 {
            let symbol = format!("{}:{}", row.exchange, row.tradingsymbol);
            symbols.push((row.instrument_type.is_option(), symbol));
        }
    }
    let segments: std::collections::BTreeSet<u8> = chosen.keys().map(|kind| kind.0).collect();
    assert_eq!(
        segments.into_iter().collect::<Vec<_>>(),
        [1, 2, 3, 4, 5, 6, 7, 9]
    );
    let chosen: Vec<(bool, String)> = chosen.into_values().flatten().collect();
    Ok([true, false].map(|options| {
        let of_kind = chosen.iter().filter(|(is_option, _)| *is_option == options);
        of_kind.map(|(_, symbol)| symbol.clone()).collect()
    }))
}

#[tokio::test]
async fn every_digit_of_every_segment_in_every_mode() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let symbols = symbols_of_every_segment(&simulator).await?;
    let count: usize = symbols.iter().map(Vec::len).sum();
    for mode in ["full", "quote", "ltp"] {
        simulator.control("record", json!({})).await?;
        let ticks = Ticks::subscribe_and_keep(&redis.url(), "digits:*").await?;
        let mut local = Local::new(&redis)?;
        local.write_account("demo", &simulator, "")?;
        for (name, symbols) in ["options", "others"].iter().zip(&symbols) {
            let symbols: Vec<&str> = symbols.iter().map(String::as_str).collect();
            let publish = "  publish: {channelPrefix: digits, greeks: false}\n";
            local.write_set(name, mode, &symbols, publish)?;
        }
        local.start()?;
        ticks.next(count * 3).await;
        simulator.pause(true).await?;
        let sent = eventually("all that was sent is published or kept", async || {
            let sent = recorded(&simulator).await;
            let sent = sent.map_err(|error| error.to_string())?;
            let kept = local.undated_snapshots("demo").await;
            let kept = kept.map_err(|error| error.to_string())?;
            let published = ticks.count();
            let sent_count = sent.values().map(VecDeque::len).sum::<usize>();
            if published + kept as usize == sent_count {
                Ok(sent)
            } else {
                Err(format!("{published} and {kept} of {sent_count}"))
            }
        })
        .await;
        compare_all(sent, &ticks, mode);
        simulator.pause(false).await?;
        local.program().signal("TERM").await?;
        assert!(local.program().ended().await?.success());
    }
    Ok(())
}

/// What the simulator has sent since it was told to record it, by token.
pub(crate) async fn recorded(simulator: &Simulator) -> Result<BTreeMap<u64, VecDeque<Packet>>> {
    let page = simulator.read("record").await?;
    assert_eq!(page["dropped"], 0);
    let mut sent: BTreeMap<u64, VecDeque<Packet>> = BTreeMap::new();
    for entry in page["entries"].as_array().unwrap() {
        let packet = Packet::decode(&from_hex(entry["hex"].as_str().unwrap()))?;
        sent.entry(u64::from(packet.token.0))
            .or_default()
            .push_back(packet);
    }
    Ok(sent)
}

fn compare_all(mut sent: BTreeMap<u64, VecDeque<Packet>>, ticks: &Ticks, mode: &str) {
    let all = ticks.all();
    let mut published: BTreeMap<u64, usize> = BTreeMap::new();
    for message in &all {
        *published
            .entry(message.tick["token"].as_u64().unwrap())
            .or_default() += 1;
    }
    // First packets that say nothing about their age are kept; they come before all others.
    for (token, packets) in &mut sent {
        let published = published.get(token).copied().unwrap_or_default();
        for kept in packets.drain(..packets.len() - published) {
            assert_eq!(kept.exchange_time(), None, "{kept:?}");
        }
    }
    for message in &all {
        let token = message.tick["token"].as_u64().unwrap();
        let packet = sent.get_mut(&token).and_then(VecDeque::pop_front);
        let packet = packet.unwrap_or_else(|| panic!("nobody sent {}", message.text));
        compare(&packet, &message.text, &message.tick);
    }
    assert!(
        sent.values().all(VecDeque::is_empty),
        "some packets were not published"
    );
    // Before its mode was set an instrument streamed as quote; the last tick of each tells.
    let last: BTreeMap<u64, Message> = all
        .into_iter()
        .map(|message| (message.tick["token"].as_u64().unwrap(), message))
        .collect();
    assert!(last.values().all(|message| message.tick["mode"] == mode));
}
