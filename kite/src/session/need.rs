//! What a connection is needed for: instruments, or to stand by until the account works.
//!
//! Owns what a change of it does to a socket, a dial and a wait.

use std::collections::BTreeMap;

use super::standby::StandbyPace;
use super::{Action, Phase, Session};
use crate::{Mode, Token};

impl Session {
    /// What should be streamed; nothing in standby.
    #[must_use]
    pub const fn desired(&self) -> &BTreeMap<Token, Mode> {
        self.subscriptions.desired()
    }

    /// Whether it is in standby: see [`Session::stand_by`].
    #[must_use]
    pub const fn is_standby(&self) -> bool {
        self.standby.is_some()
    }

    /// Whether it needs a socket.
    #[must_use]
    pub fn is_needed(&self) -> bool {
        self.is_standby() || !self.desired().is_empty()
    }

    /// Replaces what should be streamed, and ends standby. A live socket gets the difference as commands; without anything
    /// to stream it is closed.
    pub fn set_desired(&mut self, desired: BTreeMap<Token, Mode>) {
        self.subscriptions.set_desired(desired);
        self.end_longer_wait();
        self.standby = None;
        if !self.is_needed() {
            self.stop();
        }
    }

    /// Streams nothing, and keeps a socket all the same: a live one stays, and without one it dials, as rarely as
    /// credentials that Kite refused are tried.
    pub fn stand_by(&mut self) {
        if !self.is_standby() {
            self.subscriptions.set_desired(BTreeMap::new());
            self.standby = Some(StandbyPace::default());
        }
    }

    /// Ends a wait that standby has made longer when it would end without.
    pub(super) fn end_longer_wait(&mut self) {
        let usual = self.standby.as_mut().and_then(StandbyPace::restart);
        if let (Phase::Waiting { until, .. }, Some(usual)) = (&mut self.phase, usual) {
            *until = usual;
        }
    }

    fn stop(&mut self) {
        self.retries_refused = false;
        match self.phase {
            Phase::Live { .. } | Phase::Dialling { .. } => self.pending = Some(Action::Close),
            // A refusal and a wait survive a new assignment: they concern the key, not the tokens.
            Phase::Idle | Phase::Waiting { .. } | Phase::Refused => return,
        }
        self.failures = 0;
        self.phase = Phase::Idle;
    }
}
