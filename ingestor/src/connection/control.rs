//! What a connection is told by the data plane.
//!
//! It passes everything on to the session. Must not touch the socket.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kite::session::Unconfirmed;
use kite::{Mode, Token};

use super::Connection;

impl Connection {
    /// Replaces what should be streamed, and ends standby.
    pub(crate) fn set_desired(&mut self, desired: BTreeMap<Token, Mode>) {
        if *self.session.desired() != desired || self.session.is_standby() {
            self.session.set_desired(desired);
        }
    }

    /// Streams nothing, and keeps a socket; see [`stand_by`](kite::session::Session::stand_by).
    pub(crate) fn stand_by(&mut self) {
        self.session.stand_by();
    }

    /// Sets whether there are credentials that may be used.
    pub(crate) fn set_credentials(&mut self, present: bool) {
        self.session.set_credentials(present);
    }

    /// There are other credentials than before, and they may be used.
    pub(crate) fn on_credentials_changed(&mut self) {
        self.session.on_credentials_changed();
    }

    /// Tries the credentials that Kite refused once more; see [`retry_refused`](kite::session::Session::retry_refused).
    pub(crate) fn retry_refused(&mut self, now: Instant) {
        self.session.retry_refused(now);
    }

    /// Ticks arrived that are not first packets.
    pub(crate) fn on_ticks(&mut self, now: Instant) {
        self.session.on_ticks(now);
    }

    /// Answers [`Confirm`](super::ConnectionEvent::Confirm).
    pub(crate) fn on_unconfirmed(&mut self, tokens: &Unconfirmed, now: Instant) {
        self.session.on_unconfirmed(tokens, now);
    }

    /// Sets how long its tokens together may be without a tick before the socket is mute.
    pub(crate) fn set_mute_limit(&mut self, limit: Option<Duration>) {
        self.session.set_mute_limit(limit);
    }
}
