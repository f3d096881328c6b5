//! A stream on which each command waits for its reply, as before a link is open.
//!
//! Owns sending one command and reading its reply. Must not know the commands.

use std::io;
use std::sync::Arc;

use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::error::HandshakeError;
use super::replies::{InvalidReply, Replies};
use super::resp::write_command;
use service::stream::{Address, Stream, connect};

const READ_BUFFER: usize = 4 * 1024;

/// What a TLS server may send to a client without TLS before it ends the stream (RFC 8446, 5.1).
const ALERT: u8 = 21;

pub(super) struct RespStream {
    /// Between two replies unless a command is running.
    pub(super) stream: Stream,
    replies: Replies,
    /// Whether the server has sent anything yet.
    answered: bool,
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
        })
    }

    /// Whether a server without TLS has sent nothing yet.
    pub(super) const fn is_unanswered(&self) -> bool {
        matches!(self.stream, Stream::Plain(_)) && !self.answered
    }

    /// Sends a command and reads until `take` finds its reply.
    ///
    /// # Errors
    /// If the stream ends before, or the bytes are not a reply.
    pub(super) async fn ask<T>(
        &mut self,
        arguments: &[&[u8]],
        take: impl Fn(&mut Replies) -> Result<Option<T>, InvalidReply>,
    ) -> Result<T, HandshakeError> {
        let mut command = Vec::new();
        write_command(&mut command, arguments);
        self.stream.write_all(&command).await?;
        self.stream.flush().await?;
        let mut buffer = [0; READ_BUFFER];
        loop {
            if let Some(reply) = take(&mut self.replies)? {
                return Ok(reply);
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
