//! Why an open link ended, in words.

use std::io;

use super::super::resp::Garbage;

/// Why an open link ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error("redis closed the connection")]
    Closed,
    #[error("connection to redis broke: {}", .0.kind())]
    Io(#[from] io::Error),
    #[error(transparent)]
    Garbage(#[from] Garbage),
    #[error("redis answered more commands than were sent")]
    Surplus,
    #[error("the connection to redis was interrupted without a word: redis answers others")]
    Interrupted,
    #[error("redis takes no commands for now: {0}")]
    NotNow(String),
    #[error("redis refuses what is published, another login may do")]
    Refusing,
    #[error(
        "redis is a replica that takes no writes: ticks would reach its own subscribers alone; let redis.url name the \
         master"
    )]
    Replica,
}
