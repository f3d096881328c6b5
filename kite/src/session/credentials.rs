//! What a session knows of its credentials: whether it may dial with them, and whether it tries again those that Kite
//! refused.
//!
//! It never sees them, and must not decide when refused ones are tried: that is for the whole account.

use std::time::Instant;

use super::{Phase, Session};

impl Session {
    /// There are credentials that Kite has not refused, or none: with them a refusal is forgotten, and a wait for
    /// another try of those that were refused. A live socket stays, because Kite authenticates only at the handshake.
    pub fn set_credentials(&mut self, present: bool) {
        self.has_credentials = present;
        let retry_waits = self.retries_refused && matches!(self.phase, Phase::Waiting { .. });
        if present && (self.phase == Phase::Refused || retry_waits) {
            self.retries_refused = false;
            self.failures = 0;
            self.phase = Phase::Idle;
        }
    }

    /// There are other credentials than before, and they may be used: a wait that standby has made longer ends with the
    /// usual one.
    pub fn on_credentials_changed(&mut self) {
        self.end_longer_wait();
    }

    /// Tries the credentials that Kite refused once more: dials until Kite answers. Only one
    /// connection of an account does so, after [`after_refusal`](super::backoff::after_refusal).
    pub fn retry_refused(&mut self, now: Instant) {
        if self.can_retry_refused() {
            self.retries_refused = true;
            self.phase = Phase::Idle;
            self.dial_at = Some(now);
        }
    }

    /// The caller ends the live socket, to open another one with other credentials: it is dialled without a wait.
    pub fn renew(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Live { .. }) {
            self.phase = Phase::Idle;
            self.dial_at = Some(now);
        }
    }

    /// Whether it needs a socket, and has neither one nor a dial nor a wait for one.
    #[must_use]
    pub fn can_retry_refused(&self) -> bool {
        matches!(self.phase, Phase::Idle | Phase::Refused) && self.is_needed()
    }

    /// Whether it tries credentials that Kite refused, and Kite has not answered yet.
    #[must_use]
    pub const fn retries_refused(&self) -> bool {
        self.retries_refused
    }
}
