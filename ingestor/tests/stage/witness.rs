//! A subscriber that gathers while the test does something else.
//!
//! Messages are stored with their times and parsed later, without the lock that storing needs: on a
//! busy processor, parsing JSON must not delay what is measured.

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
    /// Received ticks that are not parsed yet.
    raw: Arc<Mutex<VecDeque<Raw>>>,
    parsed: Mutex<Parsed>,
    gathering: JoinHandle<()>,
}

#[derive(Default)]
struct Parsed {
    seen: Vec<Seen>,
    /// The last volume of each token.
    newest: HashMap<u64, u64>,
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
        let raw = Arc::default();
        let subscriber = redis.subscribe().await;
        let gathering = tokio::spawn(gather(subscriber, Arc::clone(&raw)));
        Self {
            raw,
            parsed: Mutex::default(),
            gathering,
        }
    }

    /// Ticks so far.
    pub fn count(&self) -> u64 {
        let parsed = self.parsed.lock().unwrap().seen.len();
        (parsed + self.raw.lock().unwrap().len()) as u64
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

    /// Parses what came so far, so that little is left to do when something is measured.
    pub fn catch_up(&self) {
        drop(self.read());
    }

    /// Parses what came since the last time.
    fn read(&self) -> MutexGuard<'_, Parsed> {
        let mut parsed = self.parsed.lock().unwrap();
        let raw = std::mem::take(&mut *self.raw.lock().unwrap());
        for seen in raw.into_iter().map(Raw::read) {
            parsed.newest.insert(seen.token, seen.volume);
            parsed.seen.push(seen);
        }
        parsed
    }

    /// When each of `tokens` instruments had come with `volume`; waits as long as more come.
    pub async fn until(&self, tokens: usize, volume: u64) -> Instant {
        loop {
            let seen = self.count();
            let arrived = {
                let parsed = self.read();
                let newest = &parsed.newest;
                let all = newest.len() == tokens && newest.values().all(|it| *it == volume);
                all.then(|| parsed.seen.last().map_or_else(Instant::now, |seen| seen.at))
            };
            if let Some(arrived) = arrived {
                return arrived;
            }
            self.more_than(seen, "the newest of every instrument").await;
        }
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

async fn gather(mut subscriber: Subscriber, gathered: Arc<Mutex<VecDeque<Raw>>>) {
    let clock = Clock::system();
    loop {
        let (channel, json) = subscriber.raw().await;
        if !channel.ends_with(":events") {
            let (at, at_us) = (Instant::now(), clock.wall_micros());
            let raw = Raw { json, at, at_us };
            gathered.lock().unwrap().push_back(raw);
        }
    }
}

impl Raw {
    fn read(self) -> Seen {
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
