//! The life of one ticker connection as a state machine without I/O.
//!
//! Owns when to dial, what to send, when to give up a silent or mute socket, and how long to wait.
//! The caller owns the socket, reports what happened (`on_…`) with the monotonic time, and carries
//! out the actions of [`Session::poll_action`]. It must not read a clock or decode ticks.

pub mod backoff;
mod credentials;
pub mod downtime;
mod need;
pub mod phase;
mod standby;
pub mod subscriptions;
pub mod timeouts;

use std::time::{Duration, Instant};

pub use backoff::Failure;
pub use phase::{Action, Phase};
use standby::StandbyPace;
use subscriptions::Subscriptions;
pub use subscriptions::Unconfirmed;
pub use timeouts::{DIAL_TIMEOUT, PING_EVERY, SILENCE_LIMIT};
use timeouts::{MuteTimeout, STABLE_AFTER};

use crate::Command;

/// A first dial waits a random part of this, so that many processes that start together do not dial
/// together. Later dials wait by their back-off.
pub const FIRST_DIAL_SPREAD: Duration = Duration::from_millis(200);

/// One connection.
#[derive(Clone, Debug)]
pub struct Session {
    phase: Phase,
    subscriptions: Subscriptions,
    /// Whether a socket is needed although there is nothing to stream, and how rarely it is dialled.
    standby: Option<StandbyPace>,
    mute_timeout: MuteTimeout,
    ping_at: Option<Instant>,
    has_credentials: bool,
    /// Whether it tries credentials that Kite refused.
    retries_refused: bool,
    failures: u32,
    pending: Option<Action>,
    /// When an idle session dials that is now able to.
    dial_at: Option<Instant>,
    jitter: fastrand::Rng,
}

impl Session {
    /// A connection that has nothing to stream yet. `seed` makes its waits differ from others'.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            phase: Phase::Idle,
            subscriptions: Subscriptions::default(),
            standby: None,
            mute_timeout: MuteTimeout::default(),
            ping_at: None,
            has_credentials: false,
            retries_refused: false,
            failures: 0,
            pending: None,
            dial_at: None,
            jitter: fastrand::Rng::with_seed(seed),
        }
    }

    /// The state of the connection.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Dials and connections that failed in a row.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// The dial succeeded.
    pub fn on_connected(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Dialling { .. }) {
            self.retries_refused = false;
            self.subscriptions.reset_sent();
            self.phase = Phase::Live {
                since: now,
                last_frame: now,
                last_tick: now,
            };
            self.ping_at = Some(now + PING_EVERY);
        }
    }

    /// The dial failed.
    pub fn on_dial_failed(&mut self, failure: Failure, now: Instant) {
        if matches!(self.phase, Phase::Dialling { .. }) {
            self.fail(failure, now);
        }
    }

    /// A frame arrived, of any kind.
    #[inline]
    pub fn on_frame(&mut self, now: Instant) {
        if let Phase::Live { last_frame, .. } = &mut self.phase {
            *last_frame = now;
        }
    }

    /// Ticks other than first packets arrived. First packets are answers to commands and do not
    /// prove that ticks flow.
    #[inline]
    pub fn on_ticks(&mut self, now: Instant) {
        if let Phase::Live { last_tick, .. } = &mut self.phase {
            *last_tick = now;
            self.mute_timeout.on_ticks();
        }
    }

    /// Sets after how long without a tick of any of its tokens the socket is taken for mute; `None` if that is not
    /// known.
    pub fn set_mute_limit(&mut self, limit: Option<Duration>) {
        self.mute_timeout.set_limit(limit);
    }

    /// The answer to [`Action::Confirm`]. Overdue commands are sent again, a few times.
    pub fn on_unconfirmed(&mut self, tokens: &Unconfirmed, now: Instant) {
        self.subscriptions.on_unconfirmed(tokens, now);
    }

    /// Since when the live socket is up, and when its last tick arrived.
    #[must_use]
    pub const fn live(&self) -> Option<(Instant, Instant)> {
        match self.phase {
            Phase::Live {
                since, last_tick, ..
            } => Some((since, last_tick)),
            _ => None,
        }
    }

    /// The live socket ended, closed by the server or by an error.
    pub fn on_lost(&mut self, now: Instant) {
        if let Phase::Live { since, .. } = self.phase {
            if now.saturating_duration_since(since) >= STABLE_AFTER {
                self.failures = 0;
                self.standby = self.standby.map(|_| StandbyPace::default());
            }
            self.fail(Failure::Lost, now);
        }
    }

    /// Handles timeouts; to be called when [`Session::deadline`] is reached.
    pub fn on_timeout(&mut self, now: Instant) {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        match self.phase {
            Phase::Dialling { .. } => {
                self.pending = Some(Action::Abandon);
                self.fail(Failure::Lost, now);
            }
            Phase::Live {
                last_frame,
                last_tick,
                ..
            } => self.on_live_timeout(last_frame, last_tick, now),
            Phase::Waiting { .. } => {
                self.phase = Phase::Idle;
                self.dial_at = Some(now);
            }
            Phase::Idle | Phase::Refused => {}
        }
    }

    fn on_live_timeout(&mut self, last_frame: Instant, last_tick: Instant, now: Instant) {
        if now >= last_frame + SILENCE_LIMIT {
            self.pending = Some(Action::Abandon);
            self.on_lost(now);
        } else if self.mute_at(last_tick).is_some_and(|end| now >= end) {
            self.mute_timeout.on_replaced();
            self.pending = Some(Action::Replace(now.saturating_duration_since(last_tick)));
            self.on_lost(now);
        } else if self.ping_at.is_some_and(|at| now >= at) {
            self.pending = Some(Action::Ping);
            self.ping_at = Some(now + PING_EVERY);
        }
    }

    /// When [`Session::on_timeout`] has to be called next.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Dialling { since } => Some(since + DIAL_TIMEOUT),
            Phase::Live {
                last_frame,
                last_tick,
                ..
            } => [
                Some(last_frame + SILENCE_LIMIT),
                self.mute_at(last_tick),
                self.ping_at,
                self.subscriptions.check_at(),
            ]
            .into_iter()
            .flatten()
            .min(),
            Phase::Waiting { until, .. } => Some(until),
            Phase::Idle => self.dial_at.filter(|_| self.can_dial()),
            Phase::Refused => None,
        }
    }

    /// The next action, until there is none.
    pub fn poll_action(&mut self, now: Instant) -> Option<Action> {
        if let Some(action) = self.pending.take() {
            return Some(action);
        }
        match self.phase {
            Phase::Idle if self.can_dial() => {
                let first = || now + FIRST_DIAL_SPREAD.mul_f64(self.jitter.f64());
                if now < *self.dial_at.get_or_insert_with(first) {
                    return None;
                }
                self.dial_at = None;
                self.phase = Phase::Dialling { since: now };
                Some(Action::Dial)
            }
            Phase::Live { .. } => {
                if self.subscriptions.take_check(now) {
                    return Some(Action::Confirm);
                }
                self.next_command(now).map(Action::Send)
            }
            Phase::Idle | Phase::Dialling { .. } | Phase::Waiting { .. } | Phase::Refused => None,
        }
    }

    /// When the socket counts as mute. One without subscriptions has nothing to say.
    fn mute_at(&self, last_tick: Instant) -> Option<Instant> {
        let streams = self.subscriptions.are_sent() && !self.desired().is_empty();
        self.mute_timeout.deadline(last_tick).filter(|_| streams)
    }

    fn next_command(&mut self, now: Instant) -> Option<Command> {
        let subscribed_before = self.subscriptions.are_sent();
        let command = self.subscriptions.next_command(now)?;
        if let Phase::Live { last_tick, .. } = &mut self.phase
            && !subscribed_before
        {
            // It may have been up for hours, without anything that could tick.
            *last_tick = now;
        }
        Some(command)
    }

    fn can_dial(&self) -> bool {
        (self.has_credentials || self.retries_refused) && self.is_needed()
    }

    fn fail(&mut self, failure: Failure, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.retries_refused &= failure != Failure::Refused;
        let Some(wait) = backoff::delay(failure, self.failures, self.jitter.f64()) else {
            self.phase = Phase::Refused;
            return;
        };
        let usual = now + wait;
        let until = match &mut self.standby {
            Some(pace) => pace.on_failed(usual, now, self.jitter.f64()),
            None => usual,
        };
        self.phase = Phase::Waiting {
            until,
            after: failure,
        };
    }
}

#[cfg(test)]
mod tests;
