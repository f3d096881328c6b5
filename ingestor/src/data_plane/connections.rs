//! Handles the events of connections: updates rows and the state of credentials, and publishes the
//! events that back ends read.

use std::sync::atomic::Ordering;
use std::task::Context;
use std::time::Instant;

use kite::{Command, ServerText};

use super::DataPlane;
use crate::connection::{Connection, ConnectionEvent};
use crate::input::credential_state::ObservedAt;
use crate::input::credentials::Credentials;

/// So many seconds before the next session no socket is opened again.
const RESTS_FOR: i64 = 600;

impl DataPlane {
    pub(super) fn on_text(&mut self, index: usize, text: &str, now: Instant) {
        match ServerText::parse(text) {
            ServerText::Error(message) => {
                self.pipeline.stats.errors.server_error += 1;
                self.connections[index].on_server_error(&message, now);
            }
            ServerText::Order(order) if self.order_updates => {
                let now_us = self.setup.clock.wall_micros();
                self.detector.on_order(order, now_us);
            }
            ServerText::Unknown { .. } | ServerText::Malformed => {
                self.pipeline.stats.errors.unknown_text += 1;
            }
            ServerText::Order(_) | ServerText::Message(_) => {}
        }
    }

    pub(super) fn poll_connections(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut changed = false;
        self.retry_refused(now);
        for index in 0..self.connections.len() {
            self.take_over_lost(index);
            self.connections[index].poll(cx, now, self.dialler.as_ref());
            self.take_over_lost(index);
            while let Some(event) = self.connections[index].take_event() {
                changed = true;
                self.on_event(index as u8, event, now);
            }
        }
        changed | self.poll_renewal(cx, now)
    }

    /// Opens a socket again that was opened with an older access token: Kite has ended that, or will. While the markets rest it
    /// costs nothing: one at a time, and only while all others are up. In the day another one is opened beside it.
    pub(super) fn renew_sockets(&mut self, now: Instant) {
        let second = self.setup.clock.wall_micros().div_euclid(1_000_000);
        if !self.pipeline.instruments.market.rests(second, RESTS_FOR) {
            self.start_renewal(now);
            return;
        }
        self.renewal = None;
        let Some(usable) = self.credential_state.usable() else {
            return;
        };
        let is_down = |one: &Connection| one.is_needed() && !one.is_live();
        if self.connections.iter().any(is_down) {
            return;
        }
        let mut connections = self.connections.iter_mut();
        if let Some(one) = connections.find(|one| one.has_others_than(usable)) {
            one.renew(now);
        }
    }

    /// Lets one connection try credentials that Kite refused, when it is time.
    fn retry_refused(&mut self, now: Instant) {
        if self.next_try().is_some_and(|at| now >= at) {
            let mut connections = self.connections.iter_mut();
            if let Some(one) = connections.find(|one| one.can_retry_refused()) {
                one.retry_refused(now);
            }
        }
    }

    /// When a connection tries credentials that Kite refused, unless one does so already, or none
    /// needs a socket.
    pub(super) fn next_try(&self) -> Option<Instant> {
        let mut connections = self.connections.iter();
        let next = self.credential_state.next_try()?;
        let needed = connections.clone().any(Connection::can_retry_refused);
        let under_way = connections.any(Connection::retries_refused);
        (needed && !under_way).then_some(next.at)
    }

    fn on_event(&mut self, index: u8, event: ConnectionEvent, now: Instant) {
        let instruments = &mut self.pipeline.instruments;
        let now_us = self.setup.clock.wall_micros();
        match event {
            ConnectionEvent::Opened => {
                instruments.on_socket_end(index);
                self.detector.on_opened(index, now_us);
            }
            ConnectionEvent::Ended => {
                instruments.on_socket_end(index);
                let connection = &self.connections[usize::from(index)];
                let reason = connection.last_error().filter(|_| connection.is_needed());
                let reason = reason.unwrap_or("closed on purpose");
                let streams = connection.desired() > 0;
                self.detector.on_ended(index, reason, streams, now_us);
            }
            ConnectionEvent::Renewed => {
                instruments.on_socket_end(index);
                self.detector.on_renewed(index);
            }
            ConnectionEvent::Mute => self.detector.on_mute(index, now_us),
            ConnectionEvent::Checked(credentials, accepted) => {
                self.on_checked(credentials, accepted, now);
            }
            ConnectionEvent::Sent(Command::Subscribe(tokens)) => {
                tokens
                    .iter()
                    .for_each(|token| instruments.on_subscribe(*token, now));
            }
            ConnectionEvent::Sent(Command::SetMode(_, tokens)) => {
                tokens
                    .iter()
                    .for_each(|token| instruments.on_mode_change(*token));
            }
            ConnectionEvent::Sent(Command::Unsubscribe(_)) => {}
            ConnectionEvent::Confirm => {
                let unconfirmed = instruments.unconfirmed(index);
                self.connections[usize::from(index)].on_unconfirmed(&unconfirmed, now);
            }
        }
    }

    /// Kite accepted or refused credentials.
    pub(super) fn on_checked(&mut self, credentials: Credentials, accepted: bool, now: Instant) {
        if !accepted {
            self.setup.credentials.on_refused(&credentials);
        }
        let now_us = self.setup.clock.wall_micros();
        let others = self.credential_state.has_checked_others(&credentials);
        let time = self.observed_at(now);
        let worthwhile = self
            .credential_state
            .on_checked(credentials, accepted, time);
        self.set_credentials(worthwhile);
        let state = self.credential_state.report();
        self.detector.on_credentials_checked(&state, others, now_us);
    }

    pub(super) fn observed_at(&mut self, now: Instant) -> ObservedAt {
        ObservedAt {
            at: now,
            us: self.setup.clock.wall_micros(),
            random: self.random.f64(),
        }
    }

    /// Queues events. A full queue means that Redis has been away for long: lost events are
    /// counted.
    pub(super) fn send_events(&mut self) {
        let changes = self.pipeline.take_session_changes();
        if !changes.is_empty() {
            self.tell_market();
        }
        for change in changes {
            let now_us = self.setup.clock.wall_micros();
            self.detector.on_session(change, now_us);
        }
        for event in self.detector.take() {
            if self.setup.events.try_send(event).is_err() {
                self.setup.event_counts.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}
