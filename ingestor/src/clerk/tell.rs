//! News and events on their way to Redis.
//!
//! Owns the commands that tell them. What they say is made in [`crate::books`].

use super::ways::{WayError, Ways};
use crate::books::Books;
use crate::books::event::Announcement;
use crate::books::news::{News, What};

/// Events are remembered for this long.
const LOG_MILLIS: i64 = 24 * 3600 * 1000;

/// Tells one piece of news.
pub(super) async fn tell(news: &News, books: &Books, ways: &mut Ways) -> Result<(), WayError> {
    if let What::Order(order) = &news.what {
        let channel = format!("{}orders:{}", books.key_start(), books.account.name);
        let redis = ways.to(&channel).await?;
        let mut command = redis::cmd("PUBLISH");
        return Ok(command.arg(&channel).arg(order).query_async(redis).await?);
    }
    match news.event(books) {
        Some(event) => announce(&event.announce(books, news.ts), ways).await,
        None => Ok(()),
    }
}

/// Publishes an event on its channels and adds it to the log.
pub(super) async fn announce(announcement: &Announcement, ways: &mut Ways) -> Result<(), WayError> {
    let mut pipe = redis::pipe();
    for channel in &announcement.channels {
        pipe.cmd("PUBLISH")
            .arg(channel)
            .arg(&announcement.json)
            .ignore();
    }
    pipe.cmd("XADD")
        .arg(&announcement.log)
        .arg("MINID")
        .arg("~")
        .arg((announcement.millis - LOG_MILLIS).max(0))
        .arg("*")
        .arg("d")
        .arg(&announcement.json)
        .ignore();
    // Plain messages may go to any server, so that they go where the log is.
    let redis = ways.to(&announcement.log).await?;
    Ok(pipe.query_async(redis).await?)
}
