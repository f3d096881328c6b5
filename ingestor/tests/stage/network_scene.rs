//! Ticks that flow through a network that can fail, and the counters of them.

use std::sync::Arc;
use std::time::Duration;

use contract::Report;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::kite_server::{KiteServer, frame, full};
use super::network::Network;
use super::redis_server::{RedisServer, free_port};
use super::witness::Witness;
use super::{ACCESS_TOKEN, Folders, Ingestor, assignment, is_live, option, token};

const INSTRUMENTS: u32 = 100;

/// Between two ticks of an instrument, and how many of them go by between two looks at the report.
const BEAT: Duration = Duration::from_millis(10);
const LOOK_EVERY: u32 = 20;

/// Ticks that may be sent and not counted when more are sent: those of two seconds, because a report is
/// as old as one.
const BEHIND: u64 = 2 * 100 * INSTRUMENTS as u64;

/// The stage of a test in which Redis is reached over the path that fails.
pub struct NetworkScene {
    pub witness: Witness,
    pub socket: UnboundedSender<Message>,
    pub ingestor: Ingestor,
    pub redis: RedisServer,
    pub network: Arc<Network>,
    _kite: KiteServer,
    _folders: Folders,
    pub rounds: u32,
}

impl NetworkScene {
    pub async fn start() -> Self {
        let network = Network::new();
        let port = free_port().await;
        let everywhere = ["--bind", "0.0.0.0", "--protected-mode", "no"];
        let redis = RedisServer::start_with(port, &everywhere).await;
        let mut kite = KiteServer::start_at(&network.here_aside()).await;
        let folders = Folders::new();
        folders.credentials_of(ACCESS_TOKEN);
        let mut assigned = assignment(&kite, port);
        assigned.redis_url = format!("redis://{}:{port}", network.here());
        assigned.instruments = (1..=INSTRUMENTS).map(option).collect();
        folders.assign(&assigned);
        let witness = Witness::of(&redis).await;
        let ingestor = Ingestor::start_behind(&network, &folders).await;
        let socket = kite.socket().await;
        ingestor.until("live", is_live).await;
        Self {
            witness,
            socket,
            ingestor,
            redis,
            network: Arc::new(network),
            _kite: kite,
            _folders: folders,
            rounds: 0,
        }
    }

    /// Sends a tick of every instrument.
    pub fn round(&mut self) {
        self.rounds += 1;
        let price = i32::try_from(self.rounds).unwrap();
        let packets: Vec<_> = (1..=INSTRUMENTS)
            .map(|number| full(token(number), price))
            .collect();
        self.socket.send(frame(&packets)).unwrap();
    }

    pub const fn total(&self) -> u64 {
        self.rounds as u64 * INSTRUMENTS as u64
    }

    /// Sends for this time, which is the load, and returns when everything is counted. Waits for the
    /// socket to be read all the while.
    pub async fn rounds_for(&mut self, length: Duration) -> Report {
        self.send_for(length).await;
        let total = self.total();
        let counted = |report: &Report| report.ticks_total == total;
        self.ingestor.until("all rounds", counted).await
    }

    /// Sends for this time, and waits only for a socket that is far behind.
    pub async fn send_for(&mut self, length: Duration) {
        let (start, mut beat) = (Instant::now(), tokio::time::interval(BEAT));
        while start.elapsed() < length {
            for _ in 0..LOOK_EVERY {
                beat.tick().await;
                self.round();
            }
            let total = self.total();
            let near = |report: &Report| total - report.ticks_total < BEHIND;
            self.ingestor.until("the socket is read", near).await;
        }
    }

    /// When the newest tick of each instrument arrived.
    pub async fn newest(&self) -> Instant {
        let tokens = INSTRUMENTS as usize;
        self.witness.until(tokens, self.rounds.into()).await
    }

    /// Redis's numbers of the links that carry ticks.
    pub async fn links(&self) -> Vec<u64> {
        let list = self.redis.command(&["CLIENT", "LIST"]).await;
        let ours = list
            .lines()
            .filter(|line| line.contains("name=kite-") && !line.contains(":directory "));
        let ids = ours.map(|line| line.strip_prefix("id=").unwrap());
        ids.map(|rest| rest.split(' ').next().unwrap().parse().unwrap())
            .collect()
    }

    /// Every tick is accounted for, and what Redis answered is what the subscriber has.
    pub async fn is_accounted_for(&self) -> Report {
        let total = self.total();
        let report = self
            .ingestor
            .until("everything", |report| {
                let redis = &report.redis;
                redis.published + redis.conflated + redis.unknown == total
            })
            .await;
        self.witness.is_in_order();
        let (seen, redis) = (self.witness.count(), &report.redis);
        let published = redis.published..=redis.published + redis.unknown;
        assert!(published.contains(&seen), "{seen} were seen of {redis:?}");
        assert_eq!(report.connections[0].reconnects, 0);
        assert_eq!((report.ticks_total, redis.refused), (total, 0));
        report
    }
}
