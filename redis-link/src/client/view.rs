//! What is known of the servers beside whether they accept commands: their time, and what they
//! forbid.
//!
//! Must not change anything.

use std::time::Instant;

use super::RedisClient;
use crate::link::Link;
use crate::send_queue::CommandKind;
use crate::target::Target;
use service::address::Address;

impl RedisClient {
    /// The time at `now`, when a wall clock shows `wall_micros`, of the server that has the keys of
    /// `slot`, in milliseconds since 1970; none before its first answer to an XADD.
    #[inline]
    #[must_use]
    pub fn server_millis(&self, slot: u16, now: Instant, wall_micros: i64) -> Option<i64> {
        let at = self.at(CommandKind::Key, slot)?;
        let clock = self.links.get(at)?.server_clock();
        clock.millis(now, wall_micros)
    }

    /// How far a server's clock is ahead of a wall clock that shows `wall_micros` at `now`, in
    /// milliseconds; of several servers, that of the one that differs most.
    #[must_use]
    pub fn clock_ahead_by(&self, now: Instant, wall_micros: i64) -> Option<i64> {
        let links = self.links.iter();
        links
            .filter_map(|link| link.server_clock().ahead_by(now, wall_micros))
            .max_by_key(|ahead| ahead.unsigned_abs())
    }

    /// The one server, while the link to it is open; none of a cluster.
    #[must_use]
    pub fn server(&self) -> Option<&Address> {
        match &self.target {
            Some(Target::Server(_)) => self.links.first()?.address(),
            Some(Target::Cluster(_)) | None => None,
        }
    }

    /// What a server does not let its user do, with the consequence.
    #[must_use]
    pub fn remark(&self) -> Option<&str> {
        self.links.iter().find_map(Link::remark)
    }
}
