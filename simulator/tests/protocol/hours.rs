//! A market that keeps the hours of the exchanges.

use std::collections::BTreeMap;

use kite::{Command, Mode, Token};
use serde_json::json;

use crate::harness::{Client, Simulator, within};

const INDEX: Token = Token(256_265);
const SHARE: Token = Token(408_065);

/// A time of 1 December 2026 in India, Unix seconds. `date -d 2026-12-01T00:00:00+05:30 +%s`
fn at(hour: i64, minute: i64) -> i64 {
    1_796_063_400 + hour * 3_600 + minute * 60
}

/// A client in full mode, and every exchange time that it saw.
struct Watch {
    client: Client,
    seen: BTreeMap<Token, Vec<i64>>,
}

impl Watch {
    async fn new(simulator: &Simulator, tokens: Vec<Token>) -> Self {
        let mut client = simulator.connect("api_key=a&access_token=t").await;
        client.command(&Command::Subscribe(tokens.clone())).await;
        client.command(&Command::SetMode(Mode::Full, tokens)).await;
        let seen = BTreeMap::new();
        Self { client, seen }
    }

    /// Reads until an instrument has shown this time.
    async fn until(&mut self, token: Token, time: i64) {
        let shown = |seen: &BTreeMap<Token, Vec<i64>>| {
            let mut times = seen.get(&token).into_iter().flatten();
            times.any(|shown| *shown >= time)
        };
        while !shown(&self.seen) {
            for packet in self.client.packets(1).await {
                let time = packet.exchange_time();
                self.seen.entry(packet.token).or_default().extend(time);
            }
        }
    }

    /// Whether an instrument has shown a time from one up to another.
    fn saw(&self, token: Token, from: i64, until: i64) -> bool {
        let mut times = self.seen.get(&token).into_iter().flatten();
        times.any(|time| (from..until).contains(time))
    }
}

#[tokio::test]
async fn each_kind_ticks_in_its_own_hours_of_a_day() {
    let simulator = Simulator::start(&[
        "--rate",
        "20",
        "--market-hours",
        "exchange",
        "--wall-clock",
        "2026-12-01T08:59:30+05:30,60",
    ])
    .await;
    let dump = simulator.get("/instruments").send().await.unwrap();
    let dump = kite::instruments::read(&dump.bytes().await.unwrap()[..]).unwrap();
    let token = |symbol: &str| {
        let mut rows = dump.instruments.iter();
        rows.find(|row| &*row.tradingsymbol == symbol)
            .unwrap()
            .token
    };
    let future = token("NIFTY26DECFUT");
    let option = token("NIFTY26DEC24000CE");
    let oil = token("CRUDEOIL26DECFUT");
    let all = vec![INDEX, SHARE, future, option, oil];
    let mut watch = Watch::new(&simulator, all.clone()).await;
    let jump = async |to: &str| {
        let clock = json!({"wall_clock": format!("2026-12-01T{to}+05:30,60")});
        simulator.control("/sim/clock", clock).await;
    };
    within(async {
        // Before the open: of NSE, futures alone. What else there is are snapshots, from Monday's close.
        watch.until(future, at(9, 2)).await;
        for still in [INDEX, SHARE, option] {
            assert!(watch.saw(still, at(9, 0) - 86_400, at(9, 0)), "{still}");
            assert!(!watch.saw(still, at(9, 0), at(9, 15)), "{still}");
        }
        jump("09:14:30").await;
        for token in &all {
            watch.until(*token, at(9, 15)).await;
        }
        for still in [INDEX, SHARE, option] {
            assert!(!watch.saw(still, at(9, 0), at(9, 15)), "{still}");
        }
        // The closing auction.
        jump("15:14:30").await;
        for token in [option, future] {
            watch.until(token, at(15, 17)).await;
        }
        for still in [INDEX, SHARE] {
            assert!(!watch.saw(still, at(15, 15), i64::MAX), "{still}");
        }
        // After the close: commodities alone.
        jump("15:39:30").await;
        watch.until(oil, at(15, 42)).await;
        jump("15:55:00").await;
        watch.until(oil, at(15, 57)).await;
        for still in [INDEX, SHARE, future, option] {
            assert!(!watch.saw(still, at(15, 40), i64::MAX), "{still}");
        }
    })
    .await;
    // Who subscribes now sees how it closed.
    let mut late = Watch::new(&simulator, vec![option]).await;
    within(late.until(option, at(15, 40))).await;
    assert_eq!(late.seen[&option], [at(15, 40)]);
    // A tick on demand comes all the same.
    let forced = simulator
        .control("/sim/tick", json!({"tokens": [INDEX]}))
        .await;
    assert_eq!(forced, json!({"ticked": 1}));
    within(watch.until(INDEX, at(15, 55))).await;
}

#[tokio::test]
async fn a_file_decides_which_day_has_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sunday.yaml");
    let rows = "version: 1\nspecial:\n  - { date: 2026-12-06, exchanges: [NSE], open: \"18:00-19:00\", name: Muhurat }\n";
    std::fs::write(&file, rows).unwrap();
    let simulator = Simulator::start(&[
        "--rate",
        "20",
        "--market-hours",
        "exchange",
        "--calendar",
        file.to_str().unwrap(),
        "--wall-clock",
        "2026-12-06T17:59:30+05:30,60",
    ])
    .await;
    let sensex = Token(265);
    let mut watch = Watch::new(&simulator, vec![INDEX, sensex]).await;
    let (open, minute) = (at(5 * 24 + 18, 0), 60);
    within(watch.until(INDEX, open + 2 * minute)).await;
    assert!(!watch.saw(INDEX, open - minute, open));
    // BSE is closed on a Sunday.
    assert!(!watch.saw(sensex, open - minute, i64::MAX));
}
