//! The scene of most tests: one ingestor between a Kite and a Redis.

use contract::Assignment;
use tokio::sync::mpsc::UnboundedSender;
use tokio_tungstenite::tungstenite::Message;

use super::kite_server::KiteServer;
use super::redis_server::RedisServer;
use super::{Folders, Ingestor, assignment, is_live, option, servers};

pub struct Scene {
    pub kite: KiteServer,
    pub redis: RedisServer,
    pub folders: Folders,
    /// What was assigned last.
    pub assigned: Assignment,
    pub ingestor: Ingestor,
}

impl Scene {
    /// The options of these numbers are to be streamed.
    pub async fn of(numbers: impl IntoIterator<Item = u32>) -> Self {
        Self::with(numbers, |_assigned| {}).await
    }

    /// The same with a changed assignment.
    pub async fn with(
        numbers: impl IntoIterator<Item = u32>,
        change: impl FnOnce(&mut Assignment),
    ) -> Self {
        let (kite, redis, folders) = servers().await;
        let mut assigned = assignment(&kite, redis.port());
        assigned.instruments = numbers.into_iter().map(option).collect();
        change(&mut assigned);
        Self::between(kite, redis, folders, assigned).await
    }

    /// With servers and folders that the test has prepared.
    pub async fn between(
        kite: KiteServer,
        redis: RedisServer,
        folders: Folders,
        assigned: Assignment,
    ) -> Self {
        folders.assign(&assigned);
        Self {
            ingestor: Ingestor::start(&folders).await,
            kite,
            redis,
            folders,
            assigned,
        }
    }

    /// Assigns the same with a change, as the next generation.
    pub fn reassign(&mut self, change: impl FnOnce(&mut Assignment)) {
        self.assigned.generation += 1;
        change(&mut self.assigned);
        self.folders.assign(&self.assigned);
    }

    /// The next socket, when it and Redis are up.
    pub async fn live_socket(&mut self) -> UnboundedSender<Message> {
        let socket = self.kite.socket().await;
        self.ingestor.until("live", is_live).await;
        socket
    }
}
