//! Ticks that flow into a Redis Cluster of three masters.

use contract::{Report, StreamLength};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use super::kite_server::{KiteServer, frame, full};
use super::redis_cluster::{RedisCluster, last_line};
use super::redis_server::free_port;
use super::{ACCESS_TOKEN, Folders, Ingestor, assignment, is_live, keep_all, option, token};

pub const CHANNEL: &str = "ticker:test:options";
pub const LAST: &str = "mock:ticker:test:last";

/// The stage of a test.
pub struct ClusterScene {
    pub cluster: RedisCluster,
    pub ingestor: Ingestor,
    pub socket: mpsc::UnboundedSender<Message>,
    pub sent: i32,
    _kite: KiteServer,
    _folders: Folders,
}

impl ClusterScene {
    pub async fn start(path: &str) -> Self {
        Self::start_on(path, CHANNEL).await
    }

    pub async fn start_on(path: &str, channel: &str) -> Self {
        let (mut kite, cluster) = (KiteServer::start().await, RedisCluster::start(3).await);
        let folders = Folders::new();
        let mut assigned = assignment(&kite, 1);
        // A node that is away is skipped.
        let nowhere = format!("redis-cluster://127.0.0.1:{},", free_port().await);
        assigned.redis_url = cluster.url(path).replace("redis-cluster://", &nowhere);
        assigned.channels = vec![channel.to_owned()];
        assigned.instruments = vec![option(1), option(2)];
        keep_all(&mut assigned, Some(StreamLength::Entries(1_000)));
        folders.assign(&assigned);
        folders.credentials_of(ACCESS_TOKEN);
        let ingestor = Ingestor::start(&folders).await;
        let socket = kite.socket().await;
        let live = |report: &Report| is_live(report) && report.redis.keys_error.is_none();
        ingestor.until("all masters", live).await;
        Self {
            cluster,
            ingestor,
            socket,
            sent: 0,
            _kite: kite,
            _folders: folders,
        }
    }

    /// Sends the next tick; its price is its number.
    pub fn tick(&mut self) -> i32 {
        self.sent += 1;
        let packet = full(token(1), self.sent);
        self.socket.send(frame(&[packet])).expect("a socket");
        self.sent
    }

    /// Waits until the newest tick is what `last` holds of the instrument.
    pub async fn newest_is_kept(&self) {
        let field = token(1).0.to_string();
        let node = &self.cluster.nodes[1];
        let newest = |tick: &str| {
            let tick: Value = serde_json::from_str(last_line(tick)).unwrap_or_default();
            tick["volume"] == self.sent
        };
        node.answers(&["-c", "HGET", LAST, &field], newest).await;
    }

    pub async fn nothing_was_lost(&self) {
        let report = self
            .ingestor
            .until("all published", |report| {
                report.redis.published == report.ticks_total
            })
            .await;
        assert_eq!((report.redis.conflated, report.redis.unknown), (0, 0));
        assert_eq!(report.connections[0].reconnects, 0);
    }
}
