//! A subscriber that gathers while the test does something else.
//!
//! Messages are stored with their times and parsed later: on a busy processor, parsing JSON must
//! not delay what is measured.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;
use service::clock::Clock;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::redis_server::{RedisServer, Subscriber};
use super::{LOOK, within};

/// What it remembers of a tick.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub token: u64,
    pub seq: u64,
    /// The number of the round, as the tests send them.
    pub volume: u64,
    /// From the socket of the ingestor to here.
    pub age: Duration,
    pub at: Instant,
}

pub struct Witness {
    gathered: Arc<Mutex<Gathered>>,
    gathering: JoinHandle<()>,
}

#[derive(Default)]
struct Gathered {
    /// Received ticks that are not parsed yet.
    raw: VecDeque<Raw>,
    seen: Vec<Seen>,
}

/// The JSON of a tick, and the two times at which it came.
struct Raw {
    json: String,
    at: Instant,
    at_us: i64,
}

impl Witness {
    /// Of everything that is published from now on.
    pub async fn of(redis: &RedisServer) -> Self {
        let gathered = Arc::default();
        let subscriber = redis.subscribe().await;
        let gathering = tokio::spawn(gather(subscriber, Arc::clone(&gathered)));
        Self {
            gathered,
            gathering,
        }
    }

    /// Ticks so far.
    pub fn count(&self) -> u64 {
        let gathered = self.gathered.lock().unwrap();
        (gathered.seen.len() + gathered.raw.len()) as u64
    }

    /// Completes when it has so many; waits as long as more come.
    pub async fn has(&self, count: u64) {
        loop {
            let seen = self.count();
            if seen >= count {
                return;
            }
            self.more_than(seen, "ticks").await;
        }
    }

    async fn more_than(&self, seen: u64, what: &str) {
        let mut look = tokio::time::interval(LOOK);
        let more = async {
            while self.count() == seen {
                look.tick().await;
            }
        };
        within(what, more).await;
    }

    /// Everything so far.
    pub fn all(&self) -> Vec<Seen> {
        self.read().seen.clone()
    }

    /// Reads what came since the last time.
    fn read(&self) -> MutexGuard<'_, Gathered> {
        let mut gathered = self.gathered.lock().unwrap();
        let Gathered { raw, seen } = &mut *gathered;
        seen.extend(raw.drain(..).map(|raw| raw.read()));
        gathered
    }

    /// When each of `tokens` instruments had come with `volume`; waits as long as more come.
    pub async fn until(&self, tokens: usize, volume: u64) -> Instant {
        loop {
            let seen = self.count();
            let (newest, last) = self.newest();
            if newest.len() == tokens && newest.values().all(|it| *it == volume) {
                return last;
            }
            self.more_than(seen, "the newest of every instrument").await;
        }
    }

    /// The last volume of each token, and when the last of all came.
    fn newest(&self) -> (HashMap<u64, u64>, Instant) {
        let seen = &self.read().seen;
        let newest = seen.iter().map(|seen| (seen.token, seen.volume)).collect();
        let last = seen.last().map_or_else(Instant::now, |seen| seen.at);
        (newest, last)
    }

    /// Nothing arrived twice or in another order: one channel counts everything.
    pub fn is_in_order(&self) {
        for pair in self.all().windows(2) {
            assert!(
                pair[0].seq < pair[1].seq,
                "{:?} before {:?}",
                pair[0],
                pair[1]
            );
        }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.gathering.abort();
    }
}

async fn gather(mut subscriber: Subscriber, gathered: Arc<Mutex<Gathered>>) {
    let clock = Clock::system();
    loop {
        let (channel, json) = subscriber.raw().await;
        if !channel.ends_with(":events") {
            let (at, at_us) = (Instant::now(), clock.wall_micros());
            let raw = Raw { json, at, at_us };
            gathered.lock().unwrap().raw.push_back(raw);
        }
    }
}

impl Raw {
    fn read(&self) -> Seen {
        let tick: Value = serde_json::from_str(&self.json).unwrap();
        let number = |key: &str| tick[key].as_u64().unwrap();
        let age = self.at_us - tick["recv_us"].as_i64().unwrap();
        Seen {
            token: number("token"),
            seq: number("seq"),
            volume: number("volume"),
            age: Duration::from_micros(u64::try_from(age).unwrap_or_default()),
            at: self.at,
        }
    }
}
