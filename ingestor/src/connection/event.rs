//! What happens on a connection.
//!
//! Owns types only.

use kite::Command;

use crate::input::credentials::Credentials;

/// What a connection reports to the data plane by [`Connection::take_event`](super::Connection::take_event).
#[derive(Debug)]
pub(crate) enum ConnectionEvent {
    /// A socket is open.
    Opened,
    /// Kite accepted or refused these credentials.
    Checked(Credentials, bool),
    /// The socket or the dial ended.
    Ended,
    /// The live socket is closed, and another one is opened with other credentials.
    Renewed,
    /// This command was sent.
    Sent(Command),
    /// The socket is replaced because it sends heartbeats and no ticks.
    Mute,
    /// The session asks which tokens have not confirmed a command.
    Confirm,
}
