//! The state of a link for others: whether it accepts commands, and why not.
//!
//! Must not change anything.

use std::time::Instant;

use super::{Link, LinkState};
use crate::counts::LinkCounts;
use crate::error::LinkError;
use crate::probe::SILENT_AFTER;
use crate::send_queue::WINDOW;
use crate::server_clock::ServerClock;
use service::address::Address;

impl Link {
    /// Whether one more command may be pushed now.
    #[inline]
    #[must_use]
    pub const fn can_take(&self) -> bool {
        self.is_open() && self.queue.can_take()
    }

    /// Whether it is open and holds less than twice its bound: the limit for commands that are
    /// pushed without [`Link::can_take`].
    #[inline]
    #[must_use]
    pub const fn has_room(&self) -> bool {
        self.is_open() && self.queue.in_flight() < 2 * WINDOW
    }

    /// Whether the server accepts commands.
    #[inline]
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, LinkState::Connected(_))
    }

    /// Whether every command was answered, or can no longer be.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        !self.is_open() || self.queue.is_idle()
    }

    /// Whether it is open and has not answered for so long that it is suspect.
    #[must_use]
    pub fn is_silent(&self, now: Instant) -> bool {
        let silent = |since| now.saturating_duration_since(since) >= SILENT_AFTER;
        self.progress.is_some_and(silent)
    }

    /// How often the server may have lost keys: once for each link, and once for each time that it
    /// rejected keys.
    #[must_use]
    pub const fn forgotten(&self) -> u64 {
        self.opened + self.forgotten
    }

    /// The counts of this link.
    #[must_use]
    pub const fn counts(&self) -> LinkCounts {
        self.answers.counts
    }

    /// Why commands are not accepted at `now`; `None` while they are.
    #[must_use]
    pub fn messages_error(&self, now: Instant) -> Option<String> {
        if !self.is_open() {
            let error = self.error.clone();
            return Some(error.unwrap_or_else(|| "not connected yet".to_owned()));
        }
        if self.answers.is_replica(now) {
            return Some(LinkError::Replica.to_string());
        }
        if self.is_silent(now) {
            return Some("redis does not answer".to_owned());
        }
        self.answers.refused_messages(now)
    }

    /// Why keys are not written at `now`.
    #[must_use]
    pub fn keys_error(&self, now: Instant) -> Option<String> {
        self.answers.refused_keys(now)
    }

    /// When [`Link::poll`] has to be called even if no socket wakes it.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            LinkState::Disconnected { until } => until,
            LinkState::Connecting(_) => None,
            LinkState::Connected(_) => {
                let others = [self.next_question(), self.watch.deadline()];
                let others = others.into_iter().flatten();
                self.next_look().into_iter().chain(others).min()
            }
        }
    }

    /// What the server does not let its user do, with the consequence.
    #[must_use]
    pub fn remark(&self) -> Option<&str> {
        self.remark.as_deref()
    }

    /// The server of the open link.
    #[must_use]
    pub fn address(&self) -> Option<&Address> {
        self.address.as_ref().filter(|_| self.is_open())
    }

    /// The time of the server.
    #[inline]
    #[must_use]
    pub const fn server_clock(&self) -> ServerClock {
        self.answers.clock
    }
}
