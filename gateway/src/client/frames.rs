//! One WebSocket: writing with a time limit, and closing with a code.
//!
//! Owns the codes. Must not know commands.

use std::collections::VecDeque;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use futures::SinkExt as _;
use futures::stream::SplitSink;
use tokio_tungstenite::tungstenite;

use crate::auth::AuthError;

/// How long a client that is closed may take to read what it was sent before.
const CLOSE_PATIENCE: Duration = Duration::from_secs(20);

/// The longest text of a close frame, in bytes.
const LONGEST_TEXT: usize = 123;

/// The half of a socket that writes.
pub(super) type Sink = SplitSink<WebSocket, Message>;

/// Why a connection ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The client closed it, or is gone.
    Client,
    /// It does not answer pings.
    Dead,
    /// The process ends.
    Drain,
    /// A frame that this protocol does not have.
    Binary,
    /// Who it is, or is no longer.
    Policy(String),
    /// A frame that is too large.
    TooLarge,
    /// Bytes that are no WebSocket frames.
    Protocol,
    /// It may come again later.
    Later(String),
}

impl End {
    /// How a client ends that is not let in.
    pub(super) fn refused(error: &AuthError) -> Self {
        if error.is_temporary() {
            Self::Later(error.to_string())
        } else {
            Self::Policy(error.to_string())
        }
    }

    /// The code and the text that the client is told.
    pub(crate) fn frame(&self) -> Option<CloseFrame> {
        let (code, text) = match self {
            Self::Client | Self::Dead => return None,
            Self::Drain => (1001, "going away"),
            Self::Protocol => (1002, "not a valid frame"),
            Self::Binary => (1003, "send text frames"),
            Self::Policy(text) => (1008, text.as_str()),
            Self::TooLarge => (1009, "frame too large"),
            Self::Later(text) => (1013, text.as_str()),
        };
        let mut end = text.len().min(LONGEST_TEXT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Some(CloseFrame {
            code,
            reason: Utf8Bytes::from(&text[..end]),
        })
    }

    /// The word for logs and metrics.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Client => "closed by the client",
            Self::Dead => "no answer to a ping",
            Self::Drain => "the gateway ends",
            Self::Binary => "binary frame",
            Self::Policy(_) => "not allowed",
            Self::TooLarge => "frame too large",
            Self::Protocol => "invalid frame",
            Self::Later(_) => "to come again later",
        }
    }
}

/// Why nothing more can be read.
pub(super) fn end_of(error: axum::Error) -> End {
    let error = error.into_inner();
    match error.downcast_ref::<tungstenite::Error>() {
        Some(tungstenite::Error::Capacity(_)) => End::TooLarge,
        Some(
            tungstenite::Error::Protocol(
                tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            )
            | tungstenite::Error::Io(_)
            | tungstenite::Error::ConnectionClosed
            | tungstenite::Error::AlreadyClosed,
        )
        | None => End::Client,
        Some(_) => End::Protocol,
    }
}

/// Writes messages. The limit is for each of them: a client that takes some goes on. It ends early if after one
/// something else is due; the rest stays.
pub(super) async fn write<S>(
    sink: &mut S,
    messages: &mut VecDeque<Utf8Bytes>,
    limit: Duration,
    is_due: impl Fn() -> bool,
) -> Result<(), End>
where
    S: futures::Sink<Message, Error = axum::Error> + Unpin,
{
    let slow = |_elapsed| End::Later("Slow client".to_owned());
    while let Some(text) = messages.pop_front() {
        let fed = tokio::time::timeout(limit, sink.feed(Message::Text(text)));
        fed.await.map_err(slow)?.map_err(end_of)?;
        if is_due() {
            break;
        }
    }
    let flushed = tokio::time::timeout(limit, sink.flush());
    flushed.await.map_err(slow)?.map_err(end_of)
}

/// Writes one message of another kind.
pub(super) async fn send(sink: &mut Sink, message: Message, limit: Duration) -> Result<(), End> {
    let slow = |_elapsed| End::Later("Slow client".to_owned());
    let sent = tokio::time::timeout(limit, sink.send(message));
    sent.await.map_err(slow)?.map_err(end_of)
}

/// Tells the client why, if it reads that in time.
pub(super) async fn close(mut sink: Sink, end: &End) {
    if let Some(frame) = end.frame() {
        let told = tokio::time::timeout(CLOSE_PATIENCE, sink.send(Message::Close(Some(frame))));
        if !matches!(told.await, Ok(Ok(()))) {
            tracing::debug!("a client could not be told why it was closed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        let frame = End::Policy("€".repeat(100)).frame().unwrap();
        assert_eq!(frame.reason.as_str(), "€".repeat(41));
        assert_eq!(frame.code, 1008);
        assert!(End::Client.frame().is_none());
    }

    #[tokio::test]
    async fn many_messages_do_not_hold_up_what_is_due() {
        let mut sink = Vec::new().sink_map_err(|never: std::convert::Infallible| match never {});
        let mut messages: VecDeque<Utf8Bytes> = ["a", "b", "c"].map(Utf8Bytes::from).into();
        let second = Duration::from_secs(1);
        let written = write(&mut sink, &mut messages, second, || true).await;
        assert_eq!((written, messages.len()), (Ok(()), 2));
        let written = write(&mut sink, &mut messages, second, || false).await;
        assert_eq!((written, messages.len()), (Ok(()), 0));
        assert_eq!(sink.into_inner().len(), 3);
    }
}
