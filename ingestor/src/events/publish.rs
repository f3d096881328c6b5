//! Event and events on their way to Redis.
//!
//! Owns the commands that tell them. What they say is made in [`crate::books`].

use super::event::{Event, EventKind};
use super::message::EventMessage;
use crate::books::Books;
use crate::clerk::ways::{WayError, Ways};

/// Events are remembered for this long.
const LOG_MILLIS: i64 = 24 * 3600 * 1000;

/// Tells one piece of event.
pub(crate) async fn publish_event(
    event: &Event,
    books: &Books,
    ways: &mut Ways,
) -> Result<(), WayError> {
    if let EventKind::Order(order) = &event.kind {
        let channel = format!("{}orders:{}", books.key_start(), books.account.name);
        let redis = ways.to(&channel).await?;
        let mut command = redis::cmd("PUBLISH");
        return Ok(command.arg(&channel).arg(order).query_async(redis).await?);
    }
    match event.body(books) {
        Some(body) => publish_message(&body.message(&books.account, event.ts), ways).await,
        None => Ok(()),
    }
}

/// Publishes an event on its channels and adds it to the log.
pub(crate) async fn publish_message(
    message: &EventMessage,
    ways: &mut Ways,
) -> Result<(), WayError> {
    let mut pipe = redis::pipe();
    for channel in &message.channels {
        pipe.cmd("PUBLISH").arg(channel).arg(&message.json).ignore();
    }
    pipe.cmd("XADD")
        .arg(&message.log)
        .arg("MINID")
        .arg("~")
        .arg((message.millis - LOG_MILLIS).max(0))
        .arg("*")
        .arg("d")
        .arg(&message.json)
        .ignore();
    // Plain messages may go to any server, so that they go where the log is.
    let redis = ways.to(&message.log).await?;
    Ok(pipe.query_async(redis).await?)
}
