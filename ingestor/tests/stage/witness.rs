//! A subscriber that gathers while the test does something else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

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
    seen: Arc<Mutex<Vec<Seen>>>,
    gathering: JoinHandle<()>,
}

impl Witness {
    /// Of everything that is published from now on.
    pub async fn of(redis: &RedisServer) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let subscriber = redis.subscribe().await;
        let gathering = tokio::spawn(gather(subscriber, Arc::clone(&seen)));
        Self { seen, gathering }
    }

    /// Ticks so far.
    pub fn count(&self) -> u64 {
        self.seen.lock().unwrap().len() as u64
    }

    /// Completes when it has so many.
    pub async fn has(&self, count: u64) {
        let mut look = tokio::time::interval(LOOK);
        let all = async {
            while self.count() < count {
                look.tick().await;
            }
        };
        within("ticks", all).await;
    }

    /// Everything so far.
    pub fn all(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// When each of `tokens` instruments had come with `volume`.
    pub async fn until(&self, tokens: usize, volume: u64) -> Instant {
        let mut look = tokio::time::interval(LOOK);
        let all = async {
            loop {
                look.tick().await;
                let (newest, last) = self.newest();
                if newest.len() == tokens && newest.values().all(|it| *it == volume) {
                    return last;
                }
            }
        };
        within("the newest of every instrument", all).await
    }

    /// The last volume of each token, and when the last of all came.
    fn newest(&self) -> (HashMap<u64, u64>, Instant) {
        let seen = self.seen.lock().unwrap();
        let newest = seen.iter().map(|seen| (seen.token, seen.volume)).collect();
        let last = seen.last().map_or_else(Instant::now, |seen| seen.at);
        (newest, last)
    }

    /// Nothing came twice or in another order: one channel counts all of it.
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

async fn gather(mut subscriber: Subscriber, seen: Arc<Mutex<Vec<Seen>>>) {
    let clock = Clock::system();
    loop {
        let (channel, tick) = subscriber.next().await;
        if channel.ends_with(":events") {
            continue;
        }
        let received = tick["recv_us"].as_i64().unwrap();
        let age = clock.wall_micros().saturating_sub(received);
        let number = |key: &str| tick[key].as_u64().unwrap();
        let one = Seen {
            token: number("token"),
            seq: number("seq"),
            volume: number("volume"),
            age: Duration::from_micros(u64::try_from(age).unwrap_or_default()),
            at: Instant::now(),
        };
        seen.lock().unwrap().push(one);
    }
}
