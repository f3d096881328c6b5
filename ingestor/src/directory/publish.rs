//! Publishes events to Redis.
//!
//! Owns the commands that publish them. Must not decide their content.

use super::listing::DirectoryListing;
use super::pool::{ConnectionPool, PoolError};
use crate::events::event::{AccountEvent, EventKind};
use crate::events::message::EventMessage;

/// Events stay in the log for this long.
const LOG_MILLIS: i64 = 24 * 3600 * 1000;

/// Publishes one event; returns whether anybody is told.
pub(crate) async fn publish_event(
    event: &AccountEvent,
    listing: &DirectoryListing,
    pool: &mut ConnectionPool,
) -> Result<bool, PoolError> {
    if let EventKind::Order(order) = &event.kind {
        let channel = format!("{}orders:{}", listing.key_start(), listing.account.name);
        let redis = pool.to(&channel).await?;
        let mut command = redis::cmd("PUBLISH");
        let () = command.arg(&channel).arg(order).query_async(redis).await?;
        return Ok(true);
    }
    match event.body(&listing.prefixes_of(event.tokens())) {
        Some(body) => {
            let message = body.message(&listing.account, &listing.audience, event.ts);
            publish_message(&message, pool).await
        }
        None => Ok(false),
    }
}

/// Publishes an event on its channels and adds it to the log; returns whether anybody is told.
pub(crate) async fn publish_message(
    message: &EventMessage,
    pool: &mut ConnectionPool,
) -> Result<bool, PoolError> {
    let mut pipe = redis::pipe();
    for channel in &message.channels {
        pipe.cmd("PUBLISH").arg(channel).arg(&message.json).ignore();
    }
    if let Some(log) = &message.log {
        pipe.cmd("XADD")
            .arg(log)
            .arg("MINID")
            .arg("~")
            .arg((message.millis - LOG_MILLIS).max(0))
            .arg("*")
            .arg("d")
            .arg(&message.json)
            .ignore();
    }
    // Plain messages may go to any server: they are sent to the one that has the log.
    let Some(key) = message.log.as_ref().or(message.channels.first()) else {
        return Ok(false);
    };
    let redis = pool.to(key).await?;
    let () = pipe.query_async(redis).await?;
    Ok(true)
}
