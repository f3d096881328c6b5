//! A stream on which each command waits for its reply, as before a link is open.
//!
//! Owns sending one command and reading its reply, and what a server said before it closed the
//! stream. Must not know the commands.

use std::io;
use std::sync::Arc;

use rustls::ClientConfig;
use service::stream::{Address, Stream, connect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::error::HandshakeError;
use super::replies::{Replies, Reply};
use super::resp::write_command;

const READ_BUFFER: usize = 4 * 1024;

/// What a TLS server may send to a client without TLS before it ends the stream (RFC 8446, 5.1).
const ALERT: u8 = 21;

pub(super) struct RespStream {
    /// Between two replies unless a command is running.
    pub(super) stream: Stream,
    replies: Replies,
    /// Whether the server has sent anything yet.
    answered: bool,
    /// The text of the last reply, if it was an error.
    refusal: Option<String>,
}

/// A reply that was received whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum OwnedReply {
    Text(String),
    Number(i64),
    List(Vec<String>),
    Refusal(String),
}

impl RespStream {
    pub(super) async fn connect(
        address: &Address,
        tls: &Arc<ClientConfig>,
    ) -> Result<Self, HandshakeError> {
        Ok(Self {
            stream: connect(address, tls).await?,
            replies: Replies::default(),
            answered: false,
            refusal: None,
        })
    }

    /// Whether a server without TLS has sent nothing yet.
    pub(super) const fn is_unanswered(&self) -> bool {
        matches!(self.stream, Stream::Plain(_)) && !self.answered
    }

    /// Sends a command and reads until its reply is there.
    ///
    /// # Errors
    /// If the stream ends before, or the bytes are not a reply.
    pub(super) async fn ask(&mut self, arguments: &[&[u8]]) -> Result<OwnedReply, HandshakeError> {
        let mut command = Vec::new();
        write_command(&mut command, arguments);
        // A server that closes the stream may have said why before it read anything.
        let sent = self.send(&command).await;
        let failed = match self.receive().await {
            Ok(reply) => {
                self.refusal = match &reply {
                    OwnedReply::Refusal(text) => Some(text.clone()),
                    _ => None,
                };
                return Ok(reply);
            }
            Err(HandshakeError::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                sent.err().unwrap_or(error)
            }
            Err(HandshakeError::Io(error)) => error,
            Err(error) => return Err(error),
        };
        // What it said instead of the former reply is more than that it closed the stream.
        let said = self.refusal.take();
        Err(said.map_or_else(|| failed.into(), HandshakeError::Refused))
    }

    async fn send(&mut self, command: &[u8]) -> io::Result<()> {
        self.stream.write_all(command).await?;
        self.stream.flush().await
    }

    async fn receive(&mut self) -> Result<OwnedReply, HandshakeError> {
        let mut buffer = [0; READ_BUFFER];
        loop {
            if let Some(reply) = self.replies.next_reply()? {
                return Ok(reply.into());
            }
            let count = self.stream.read(&mut buffer).await?;
            if count == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            self.answered |= buffer[0] != ALERT;
            self.replies.extend(&buffer[..count]);
        }
    }
}

impl From<Reply<'_>> for OwnedReply {
    fn from(reply: Reply<'_>) -> Self {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        match reply {
            Reply::Simple(bytes) => Self::Text(text(bytes)),
            Reply::Bulk(bytes) => Self::Text(text(bytes.unwrap_or_default())),
            Reply::Integer(number) => Self::Number(number),
            Reply::List(list) => Self::List(list.texts()),
            Reply::Error(bytes) => Self::Refusal(text(bytes)),
        }
    }
}

impl OwnedReply {
    pub(super) const fn integer(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(_) | Self::List(_) | Self::Refusal(_) => None,
        }
    }

    /// # Errors
    /// When it is an error.
    pub(super) fn accepted(self) -> Result<(), HandshakeError> {
        match self {
            Self::Refusal(text) => Err(HandshakeError::Refused(text)),
            Self::Text(_) | Self::Number(_) | Self::List(_) => Ok(()),
        }
    }
}
