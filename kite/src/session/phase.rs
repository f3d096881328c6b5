//! Where a connection is, and what it asks its caller to do. Types only.

use std::time::{Duration, Instant};

use super::Failure;
use crate::Command;

/// What the caller has to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read the credentials and dial.
    Dial,
    /// Send a command on the live socket.
    Send(Command),
    /// End a socket with a Close frame, or a dial: nothing is to be streamed.
    Close,
    /// End a dial or a socket that was silent for too long, without a Close frame.
    Abandon,
    /// End a socket with a Close frame: it sends heartbeats, but has sent no tick for this long.
    Replace(Duration),
    /// Send a ping on the live socket.
    Ping,
    /// Call [`super::Session::on_unconfirmed`] with the tokens that no packet has confirmed.
    Confirm,
}

/// The state of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing to stream, or no credentials that may be used: no socket.
    Idle,
    /// A dial is under way.
    Dialling {
        /// Since when.
        since: Instant,
    },
    /// The socket is up.
    Live {
        /// Since when.
        since: Instant,
        /// The last frame of any kind.
        last_frame: Instant,
        /// The last tick other than a first packet; before that, the start of the socket.
        last_tick: Instant,
    },
    /// The next dial has to wait.
    Waiting {
        /// Until when.
        until: Instant,
        /// Why.
        after: Failure,
    },
    /// Kite refused the credentials; new ones end this state, or another try of the same.
    Refused,
}
