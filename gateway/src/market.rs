//! What each class of instruments does now, as the accounts write it.
//!
//! Owns reading it from time to time. What was read stays while Redis is away.

use std::sync::Arc;
use std::time::Duration;

use redis_link::reader::{ReadError, RedisReader};
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Accounts write it every ten seconds, and at each change.
const EVERY: Duration = Duration::from_secs(5);

const KEY: &str = "ticker:market";

/// Classes that are read; there are about twenty.
const MOST: usize = 200;

/// By class.
pub(crate) type Market = Arc<Map<String, Value>>;

/// Reads until `shutdown`.
pub(crate) async fn run(
    reader: Arc<RedisReader>,
    market: watch::Sender<Market>,
    shutdown: CancellationToken,
) {
    let reading = async {
        loop {
            if let Ok(read) = read(&reader).await {
                market.send_replace(Arc::new(read));
            }
            tokio::time::sleep(EVERY).await;
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = reading => {}
    }
}

async fn read(reader: &RedisReader) -> Result<Map<String, Value>, ReadError> {
    let (mut classes, mut cursor) = (Map::new(), 0);
    loop {
        let (next, fields) = reader.hash_page(KEY, cursor, MOST).await?;
        for (class, text) in fields {
            let class = String::from_utf8(class).ok();
            let value = serde_json::from_slice::<Value>(&text).ok();
            if let (Some(class), Some(value)) = (class, value)
                && classes.len() < MOST
            {
                classes.insert(class, shown(&value));
            }
        }
        if next == 0 {
            return Ok(classes);
        }
        cursor = next;
    }
}

/// The members that clients are told.
fn shown(value: &Value) -> Value {
    serde_json::json!({"session": value["session"], "until": value["until"]})
}
