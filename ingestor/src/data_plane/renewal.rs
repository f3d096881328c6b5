//! Another socket for a connection in the middle of the day: opened beside the one that has an older access token, and put into
//! its place once it shows everything.
//!
//! Owns the second socket and when it is tried. Which packet of which socket is published is
//! [`takeover`](crate::connection::takeover)'s. Must not make one instrument wait: whatever goes wrong, the older socket goes on.

use std::collections::BTreeMap;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use kite::frame::raw_packets;
use kite::limits::CONNECTIONS_PER_API_KEY;
use kite::session::Unconfirmed;
use kite::{Command, FrameBuilder, Packet, Token};

use super::{DataPlane, FRAMES_PER_TURN};
use crate::connection::socket::Frame;
use crate::connection::takeover::{Side, SocketTakeover};
use crate::connection::{Connection, ConnectionEvent};

/// After an attempt that came to nothing, the next one waits so long: other programs may have the connection that was free.
const RETRY: Duration = Duration::from_secs(600);

/// The second socket of a connection.
#[derive(Debug)]
pub(super) struct Renewal {
    connection: Connection,
    takeover: SocketTakeover,
}

impl DataPlane {
    /// Opens a second socket beside one with an older access token, if a connection of the API key is free for it.
    pub(super) fn start_renewal(&mut self, now: Instant) {
        if self.renewal.is_some() || self.renewal_after.is_some_and(|after| now < after) {
            return;
        }
        let Some(usable) = self.credential_state.usable() else {
            return;
        };
        let needed = self.connections.iter().filter(|one| one.is_needed());
        let free = needed.clone().count() < usize::from(CONNECTIONS_PER_API_KEY);
        let unsettled = |one: &Connection| !one.is_live() || one.is_leaving();
        if !free || needed.clone().any(unsettled) {
            return;
        }
        let Some(older) = needed
            .clone()
            .find(|one| one.desired() > 0 && one.has_others_than(usable))
        else {
            return;
        };
        let index = older.index();
        let rows = self.pipeline.instruments.carried_by(index);
        let desired: BTreeMap<Token, kite::Mode> = rows.map(|row| (row.token, row.mode)).collect();
        let takeover = SocketTakeover::new(desired.len());
        let mut connection = Connection::new(index, self.random.u64(..));
        connection.set_desired(desired);
        connection.set_credentials(true);
        tracing::info!(
            connection = index,
            "a second socket is opened with the access token of now, to take over from the first one"
        );
        self.renewal = Some(Renewal {
            connection,
            takeover,
        });
    }

    /// Gives the second socket up; the first one goes on.
    pub(super) fn end_renewal(&mut self, now: Instant) {
        if self.renewal.take().is_some() {
            self.renewal_after = Some(now + RETRY);
        }
    }

    /// Reads the second socket; returns whether it has more.
    pub(super) fn read_renewal(&mut self, cx: &mut Context<'_>) -> bool {
        for _ in 0..FRAMES_PER_TURN {
            let now = self.setup.clock.now();
            let Some(renewal) = &mut self.renewal else {
                return false;
            };
            let Poll::Ready(Some(frame)) = renewal.connection.poll_frame(cx, now) else {
                return false;
            };
            // What Kite says in words, it says on the first one as well.
            if let Frame::Binary(bytes) = frame
                && let Some(frame) = filtered(&mut renewal.takeover, Side::Newer, &bytes, now)
            {
                renewal.connection.on_ticks(now);
                let index = renewal.connection.index();
                if self.pipeline.on_frame(&frame, now) {
                    self.on_ticks(index);
                }
            }
        }
        true
    }

    /// What is published of a frame of this connection: all of it, unless a second socket takes over.
    pub(super) fn published_part(
        &mut self,
        index: usize,
        frame: &[u8],
        now: Instant,
    ) -> Option<Vec<u8>> {
        let renewal = self.renewal.as_mut();
        let renewal = renewal.filter(|it| usize::from(it.connection.index()) == index)?;
        let empty = || FrameBuilder::default().finish();
        Some(filtered(&mut renewal.takeover, Side::Older, frame, now).unwrap_or_else(empty))
    }

    /// Carries the second socket on, and puts it into the place of the first one when that is not needed any more.
    pub(super) fn poll_renewal(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let Some(renewal) = &mut self.renewal else {
            return false;
        };
        renewal.connection.poll(cx, now, self.dialler.as_ref());
        let index = renewal.connection.index();
        let (mut checked, mut ended) = (None, false);
        while let Some(event) = renewal.connection.take_event() {
            match event {
                ConnectionEvent::Sent(Command::Subscribe(_)) => renewal.takeover.on_subscribed(now),
                ConnectionEvent::Confirm => {
                    renewal
                        .connection
                        .on_unconfirmed(&Unconfirmed::default(), now);
                }
                ConnectionEvent::Checked(credentials, accepted) => {
                    checked = Some((credentials, accepted));
                }
                ConnectionEvent::Ended | ConnectionEvent::Mute | ConnectionEvent::Renewed => {
                    ended = true;
                }
                ConnectionEvent::Opened | ConnectionEvent::Sent(_) => {}
            }
        }
        if let Some((credentials, accepted)) = checked {
            self.on_checked(credentials, accepted, now);
        }
        if ended || !self.connections[usize::from(index)].is_live() {
            self.end_renewal(now);
        }
        self.finish_renewal(now)
    }

    /// The first socket of a connection is lost while the second one publishes already: that takes its place at once, and
    /// nobody has to know.
    pub(super) fn take_over_lost(&mut self, index: usize) {
        let ready = |it: &Renewal| {
            usize::from(it.connection.index()) == index
                && it.connection.is_live()
                && it.takeover.is_reached()
        };
        if !self.connections[index].is_live()
            && let Some(renewal) = self.renewal.take_if(|it| ready(it))
        {
            self.connections[index].take_over(renewal.connection);
        }
    }

    fn finish_renewal(&mut self, now: Instant) -> bool {
        let over = |it: &mut Renewal| it.takeover.is_over(now);
        if !self.renewal.as_mut().is_some_and(over) {
            return false;
        }
        let Some(renewal) = self.renewal.take() else {
            return false;
        };
        let index = renewal.connection.index();
        tracing::info!(connection = index, "the second socket has taken over");
        self.connections[usize::from(index)].take_over(renewal.connection);
        true
    }

    /// When the second socket has to be looked at.
    pub(super) fn renewal_deadline(&self) -> Option<Instant> {
        self.renewal.as_ref()?.connection.deadline()
    }
}

/// A frame of those packets that pass; `None` if none does. What cannot be read passes on the older side, where it is counted.
fn filtered(
    takeover: &mut SocketTakeover,
    side: Side,
    frame: &[u8],
    now: Instant,
) -> Option<Vec<u8>> {
    let mut kept = FrameBuilder::default();
    let mut any = false;
    for raw in raw_packets(frame) {
        let passes = match Packet::decode(raw) {
            Ok(packet) => takeover.passes(side, packet.token.0, packet.exchange_time(), now),
            Err(_) => side == Side::Older,
        };
        if passes {
            any |= kept.push_raw(raw);
        }
    }
    any.then(|| kept.finish())
}
