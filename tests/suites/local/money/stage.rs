//! The programs of the day, their clock, and waiting for what they have to become.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contract::report::ReferencePrice;
use jiff::Timestamp;
use jiff::civil::Date;
use kite::Instrument;
use serde_json::json;
use service::clock::{Clock, WallClock};
use tests::{Local, RedisServer, Simulator, Ticks, eventually};

use super::expected::{Assigned, Expected};
use super::seen::{Seen, subscription_events};

const ACCOUNT: &str = "demo";

/// Simulated seconds in a real one: half a minute, which a price has to stay away, is longer than the second between two
/// reports of prices, so that a price that is followed at once shows.
const RATE: f64 = 20.0;

pub(super) struct Stage {
    pub(super) simulator: Simulator,
    pub(super) ticks: Ticks,
    redis: RedisServer,
    local: Local,
    clock: Clock,
    /// Those that were open when the programs had become what was expected first.
    sockets: BTreeSet<u64>,
    /// What was there after the last step, and how many events had been told.
    directory: BTreeMap<u32, String>,
    assigned: BTreeMap<u32, Assigned>,
    told: usize,
}

impl Stage {
    /// Redis, a simulator whose clock stands still, and an account without sets.
    pub(super) async fn new(start: Timestamp) -> Result<Self> {
        let clock = format!("--wall-clock={start},0");
        let redis = RedisServer::start().await?;
        let simulator = Simulator::start_with(&[&clock, "--rate=5"]).await?;
        let ticks = Ticks::subscribe(&redis.url(), "*").await?;
        let local = Local::new(&redis)?;
        local.write_real_account(ACCOUNT, &simulator, "")?;
        Ok(Self {
            simulator,
            ticks,
            redis,
            local,
            clock: Clock::system(),
            sockets: BTreeSet::new(),
            directory: BTreeMap::new(),
            assigned: BTreeMap::new(),
            told: 0,
        })
    }

    /// Writes a set of NIFTY's options two strikes around the money, with more of its selector and its spec.
    pub(super) fn write(&self, name: &str, selector: &str, spec: &str) -> Result<()> {
        let text = format!(
            "apiVersion: kiteticker.dev/v1alpha1\nkind: InstrumentSet\nmetadata: {{name: {name}}}\nspec:\n  {spec}\n  \
             options:\n    - {{underlying: NIFTY, strikes: {{aroundATM: 2}}, {selector}}}\n"
        );
        self.local.write(&format!("set-{name}.yaml"), &text)
    }

    /// Plays on from this time. The programs start anew, on what those before have left behind.
    pub(super) async fn play_from(&mut self, start: Timestamp) -> Result<()> {
        self.sockets.clear();
        let wall = WallClock {
            start,
            rate: RATE,
            origin: Some(Clock::system().wall()),
        };
        self.set_simulator_clock(&wall).await?;
        self.clock = Clock::accelerated(wall);
        self.local.start_with(&[&format!("--wall-clock={wall}")])
    }

    /// Ends the programs. They have opened no further socket for what they subscribed to and left.
    pub(super) async fn stop(&mut self) -> Result<()> {
        let report = self.local.report(ACCOUNT).await?;
        let mut connections = report.connections.iter();
        ensure!(connections.all(|it| it.reconnects == 0), "{report:?}");
        ensure!(self.open_sockets().await? == self.sockets, "other sockets");
        self.local.stop().await
    }

    /// Lets it be this time, at which a list is made, and waits for that list: options of the day before have ended.
    pub(super) async fn next_list(&self, at: Timestamp, ended: Date) -> Result<Vec<Instrument>> {
        let wall = WallClock {
            start: at,
            rate: 0.0,
            origin: None,
        };
        self.set_simulator_clock(&wall).await?;
        let list = eventually("the list of another day", async || {
            let list = self.simulator.instruments().await?.instruments;
            let has_ended = list.iter().any(|row| row.expiry == Some(ended));
            ensure!(!has_ended, "the list of the day before");
            Ok(list)
        });
        Ok(list.await)
    }

    async fn set_simulator_clock(&self, wall: &WallClock) -> Result<()> {
        let wall = json!({"wall_clock": wall.to_string()});
        self.simulator.control("clock", wall).await.map(drop)
    }

    /// Gives an instrument a price that stays. Returns a time at which it did not have it yet.
    pub(super) async fn set_price(&self, token: u32, price: f64) -> Result<Timestamp> {
        let now = self.clock.wall();
        let prices = json!({"prices": [{"token": token, "price": price}], "hold": true});
        self.simulator.control("prices", prices).await?;
        Ok(now)
    }

    /// Waits until the operator has a list that was fetched at this time or later.
    pub(super) async fn has_list_of(&self, time: Timestamp) {
        eventually("the list of the morning", async || {
            let printed = self.local.printed();
            let lines = printed.lines();
            let lines = lines.filter(|line| line.contains(": instruments fetched "));
            // Logs have real times.
            let last = lines.filter_map(|line| line.split(' ').next()).next_back();
            let last: Timestamp = last.context("no list")?.parse()?;
            let ago = Clock::system().wall().duration_since(last);
            let fetched = self.clock.wall().checked_sub(ago.mul_f64(RATE))?;
            ensure!(fetched >= time, "the newest list is of {fetched}");
            Ok(())
        })
        .await;
    }

    /// Waits until an instrument that is needed for its price alone has had this one for so long on the simulated clock.
    pub(super) async fn has_price_for(&self, token: u32, price: f64, stretch: Duration) {
        let has_price = |reference: &ReferencePrice| {
            let found = reference.price.as_deref().and_then(|it| it.parse().ok());
            reference.token == token && found.is_some_and(|it: f64| (it - price).abs() < 0.1)
        };
        let mut since = None;
        eventually("the price for a while", async || {
            let references = self.local.report(ACCOUNT).await?.references;
            ensure!(references.iter().any(has_price), "{references:?}");
            let now = self.clock.wall();
            let passed = now.duration_since(*since.get_or_insert(now));
            ensure!(passed >= stretch.try_into()?, "{passed:?}");
            Ok(())
        })
        .await;
    }

    /// Waits until all is as expected, and nothing of it before this time.
    pub(super) async fn becomes(
        &mut self,
        what: &str,
        expected: &Expected,
        not_before: Timestamp,
    ) -> Result<()> {
        let wanted = Seen::wanted(expected);
        eventually(what, async || {
            let seen = Seen::now(&self.redis, &self.local, ACCOUNT).await?;
            let early = self.clock.wall() < not_before && seen.assigned != self.assigned;
            let differs = seen.unlike(&wanted);
            assert!(!early, "{what}: before {not_before}: {differs}");
            ensure!(seen == wanted, "{differs}");
            anyhow::Ok(())
        })
        .await;
        if self.sockets.is_empty() {
            self.sockets = self.open_sockets().await?;
        }
        self.tells(what, &wanted.directory, not_before).await?;
        (self.directory, self.assigned) = (wanted.directory, wanted.assigned);
        Ok(())
    }

    /// Exactly the difference from the directory before is told, each change once.
    async fn tells(
        &mut self,
        what: &str,
        directory: &BTreeMap<u32, String>,
        not_before: Timestamp,
    ) -> Result<()> {
        let [before, after] = [&self.directory, directory];
        let new = |kind: &str, from: &BTreeMap<u32, String>, to: &BTreeMap<u32, String>| {
            let tokens = to.keys().filter(|token| !from.contains_key(token));
            let changes = tokens.map(|token| (kind.to_owned(), *token));
            changes.collect::<Vec<_>>()
        };
        let mut changes = new("created", before, after);
        changes.extend(new("deleted", after, before));
        changes.sort();
        let count = self.told + changes.len();
        let all = eventually("the events of all changes", async || {
            let all = subscription_events(&self.redis).await?;
            ensure!(all.len() >= count, "{what}: {} of {count}", all.len());
            anyhow::Ok(all)
        })
        .await;
        let events = &all[self.told..];
        self.told = all.len();
        let mut told: Vec<_> = events.iter().map(|event| event.change.clone()).collect();
        told.sort();
        ensure!(told == changes, "{what}: {told:?}, not {changes:?}");
        let early = events.iter().find(|it| it.at < not_before.as_second());
        ensure!(early.is_none(), "{what}: {early:?} before {not_before}");
        Ok(())
    }

    /// Readers of Redis have got no tick and no price of these.
    pub(super) async fn never_published(&self, instruments: &[(u32, &str)]) -> Result<()> {
        let mut connection = self.redis.connection().await?;
        for (token, name) in instruments {
            let keys = [format!("ltp:{name}"), format!("ticker:{token}:ltp")];
            let mut exists = redis::cmd("EXISTS");
            let keys: u32 = exists.arg(&keys).query_async(&mut connection).await?;
            let ticks = self.ticks.count_of(u64::from(*token));
            ensure!(keys == 0, "{name} has {keys} keys");
            ensure!(ticks == 0, "{name} has {ticks} ticks");
        }
        Ok(())
    }

    /// The next ticks of an instrument come.
    pub(super) async fn goes_on(&self, token: u32) {
        let token = u64::from(token);
        let goal = self.ticks.count_of(token) + 2;
        eventually("ticks of what stays", async || {
            let count = self.ticks.count_of(token);
            (count >= goal).then_some(()).ok_or(count)
        })
        .await;
    }

    async fn open_sockets(&self) -> Result<BTreeSet<u64>> {
        let open = self.simulator.connections().await?;
        let ids = open.iter().map(|it| it["id"].as_u64().context("no id"));
        ids.collect()
    }
}
