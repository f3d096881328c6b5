//! What an account writes to Redis, written by hand.

use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};
use tests::RedisServer;

pub(crate) const CHANNEL: &str = "ticker:nifty:options";

/// An account that streams options of one chain.
pub(crate) struct Publisher {
    redis: MultiplexedConnection,
    seq: u64,
}

impl Publisher {
    pub(crate) async fn new(redis: &RedisServer) -> Self {
        Self {
            redis: redis.connection().await.unwrap(),
            seq: 0,
        }
    }

    /// Lists an option of this token.
    pub(crate) async fn list(&mut self, token: u32) {
        self.list_on(token, CHANNEL).await;
    }

    /// The same on this channel.
    pub(crate) async fn list_on(&mut self, token: u32, channel: &str) {
        let row = json!({
            "symbol": "NIFTY", "tradingsymbol": name(token), "segment": "NFO-OPT", "exchange": "NFO",
            "strike": 25150.0, "expiry": "2026-12-01", "type": "PE", "lot_size": 75, "tick_size": 0.05,
            "channel": channel, "set": "s", "account": "acct-a", "namespace": null, "mode": "full"
        });
        let key = "ticker:instruments";
        self.command(&["HSET", key, &token.to_string(), &row.to_string()])
            .await;
        self.event(&json!({"event_type": "subscription_created", "instrument_token": token}))
            .await;
    }

    /// Takes it from the list.
    pub(crate) async fn unlist(&mut self, token: u32) {
        let key = "ticker:instruments";
        self.command(&["HDEL", key, &token.to_string()]).await;
        self.event(&json!({"event_type": "subscription_deleted", "instrument_token": token}))
            .await;
    }

    pub(crate) async fn event(&mut self, event: &Value) {
        self.command(&["PUBLISH", "ticker:events", &event.to_string()])
            .await;
    }

    /// Publishes the next tick, and keeps it as the newest.
    pub(crate) async fn tick(&mut self, token: u32) -> Value {
        let tick = self.keep(token).await;
        self.command(&["PUBLISH", CHANNEL, &tick.to_string()]).await;
        tick
    }

    /// Keeps the next tick as the newest, without publishing it.
    pub(crate) async fn keep(&mut self, token: u32) -> Value {
        self.seq += 1;
        let tick = json!({
            "symbol": "NIFTY", "token": token, "tradingsymbol": name(token), "segment": "NFO-OPT", "exchange": "NFO",
            "strike": 25150.0, "type": "PE", "price": 0.7, "volume": 1200, "oi": 2_952_525, "iv": null,
            "ts": 1_795_493_167, "is_mock": false, "depth": {"buy": [], "sell": []}, "seq": self.seq,
            "epoch": "1795489200000001", "src": "acct-a", "mode": "full", "recv_us": 1_795_493_167_000_250_u64
        });
        let key = "ticker:nifty:last";
        self.command(&["HSET", key, &token.to_string(), &tick.to_string()])
            .await;
        tick
    }

    pub(crate) async fn command(&mut self, words: &[&str]) {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        let _answer: redis::Value = command.query_async(&mut self.redis).await.unwrap();
    }

    /// Waits until somebody reads the channel.
    pub(crate) async fn is_read(&mut self) {
        self.has_readers(CHANNEL, 1).await;
    }

    /// Waits until so many connections read a channel.
    pub(crate) async fn has_readers(&mut self, channel: &str, readers: u64) {
        tests::eventually("the channel is read, or is not", async || {
            let mut command = redis::cmd("PUBSUB");
            command.arg("NUMSUB").arg(channel);
            let (_, count): (String, u64) = command.query_async(&mut self.redis.clone()).await?;
            anyhow::ensure!(count == readers, "{count} subscribers");
            anyhow::Ok(())
        })
        .await;
    }
}

pub(crate) fn name(token: u32) -> String {
    format!("NIFTY{token}PE")
}
