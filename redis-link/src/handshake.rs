//! The handshake on a new link: the login, and the end of the previous link.
//!
//! The link counts as open only when the server has executed a command. This distinguishes a server
//! that is loading its data, one that requires a password, and one that is not Redis.

use std::io;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::access::{Access, LinkCredentials, Login};
use super::error::HandshakeError;
use super::resp::{Replies, Reply, write_command};
use super::sentinel;
use super::target::{ServerAddress, ServerTarget};
use service::stream::{Stream, connect};

/// The time limit for connecting and the handshake together.
pub const TIMEOUT: Duration = Duration::from_secs(5);

const READ_BUFFER: usize = 4 * 1024;

/// A link that accepts commands.
#[derive(Debug)]
pub struct Established {
    /// The stream, at the start of a reply.
    pub stream: Stream,
    /// The server's client id for it, if the server reports one.
    pub id: Option<i64>,
}

/// Opens a link named `name` with the present data of `access`, and ends the link `previous` of the
/// same name if the server still has it: commands of that link must not be executed after the first
/// command of this one.
///
/// # Errors
/// When the server cannot be reached, is not Redis, or does not accept commands.
pub async fn establish(
    target: &ServerTarget,
    access: &Access,
    name: &str,
    previous: Option<i64>,
) -> Result<Established, HandshakeError> {
    let greeting = async {
        let keys = access.read(target.tls()).await?;
        let (connection, id) = introduce(target, &keys, name, previous)
            .await
            .map_err(|error| error.explained(&keys))?;
        let stream = connection.stream;
        Ok(Established { stream, id })
    };
    let established = tokio::time::timeout(TIMEOUT, greeting).await;
    let tls = matches!(&target.address, ServerAddress::Direct(address) if address.tls);
    established.unwrap_or(Err(HandshakeError::Timeout {
        after: TIMEOUT,
        tls,
    }))
}

/// A command without effect that, like PUBLISH, is delayed while writes are paused (CLIENT PAUSE);
/// other commands are answered meanwhile.
const HELD_UP_LIKE_PUBLISH: [&[u8]; 2] = [b"PFCOUNT", b"ticker:probe"];

/// Whether the server executes commands like those of messages. A rejection is an answer, too.
pub(super) async fn is_serving(target: &ServerTarget, access: &Access, name: &str) -> bool {
    let asking = async {
        let keys = access.read(target.tls()).await?;
        let (mut connection, _) = introduce(target, &keys, name, None).await?;
        connection.ask(&HELD_UP_LIKE_PUBLISH).await
    };
    asking.await.is_ok()
}

async fn introduce(
    target: &ServerTarget,
    keys: &LinkCredentials,
    name: &str,
    previous: Option<i64>,
) -> Result<(HandshakeConnection, Option<i64>), HandshakeError> {
    let address = match &target.address {
        ServerAddress::Direct(address) => address.clone(),
        ServerAddress::Sentinels(sentinels) => sentinel::master(sentinels, &keys.tls).await?,
    };
    let mut connection = HandshakeConnection {
        stream: connect(&address, &keys.tls).await?,
        replies: Replies::default(),
        at: format!("{}:{}", address.host, address.port),
        answered: false,
    };
    if let Some(login) = &keys.login {
        connection.log_in(login).await?;
    }
    connection.introduce(target.database, name).await?;
    if let Some(previous) = previous {
        connection.end(previous, name).await?;
    }
    let id = connection.ask(&[b"CLIENT", b"ID"]).await?.integer();
    match connection.ask(&[b"PING"]).await? {
        // Its disk is full: it rejects keys, which is reported for them, but still carries
        // messages.
        Answer::Refusal(text) if text.starts_with("MISCONF") => {}
        answer => answer.accepted()?,
    }
    Ok((connection, id))
}

struct HandshakeConnection {
    stream: Stream,
    replies: Replies,
    /// Host and port.
    at: String,
    /// Whether the server has sent anything yet.
    answered: bool,
}

/// What a TLS server may send to a client without TLS before it ends the stream (RFC 8446, 5.1).
const ALERT: u8 = 21;

impl HandshakeConnection {
    /// Only the code of an error is kept: a server that does not know the command repeats its
    /// arguments.
    async fn log_in(&mut self, login: &Login) -> Result<(), HandshakeError> {
        let (user, password) = (login.user.as_bytes(), login.password.expose_secret());
        match self.ask(&[b"AUTH", user, password]).await? {
            Answer::Refusal(text) => {
                let code = text.split(' ').next().unwrap_or_default();
                Err(HandshakeError::Login(code.to_owned()))
            }
            Answer::Text(_) | Answer::Number(_) => Ok(()),
        }
    }

    async fn introduce(&mut self, database: u32, name: &str) -> Result<(), HandshakeError> {
        // Names are for people who read CLIENT LIST; a server may forbid them.
        self.ask(&[b"CLIENT", b"SETNAME", name.as_bytes()]).await?;
        if database != 0 {
            let database = database.to_string();
            let answer = self.ask(&[b"SELECT", database.as_bytes()]).await?;
            answer.accepted()?;
        }
        Ok(())
    }

    /// Client ids restart with the server, so the id alone does not prove that the link is ours.
    async fn end(&mut self, previous: i64, name: &str) -> Result<(), HandshakeError> {
        let previous = previous.to_string();
        let listed = self
            .ask(&[b"CLIENT", b"LIST", b"ID", previous.as_bytes()])
            .await?;
        let ours = format!(" name={name} ");
        if matches!(listed, Answer::Text(line) if line.contains(&ours)) {
            self.ask(&[b"CLIENT", b"KILL", b"ID", previous.as_bytes()])
                .await?;
        }
        Ok(())
    }

    async fn ask(&mut self, arguments: &[&[u8]]) -> Result<Answer, HandshakeError> {
        let answer = self.exchange(arguments).await;
        let plain = matches!(self.stream, Stream::Plain(_));
        match answer {
            Err(HandshakeError::Io(_)) if plain && !self.answered => {
                Err(HandshakeError::Mute(self.at.clone()))
            }
            answer => answer,
        }
    }

    async fn exchange(&mut self, arguments: &[&[u8]]) -> Result<Answer, HandshakeError> {
        let mut command = Vec::new();
        write_command(&mut command, arguments);
        self.stream.write_all(&command).await?;
        self.stream.flush().await?;
        let mut buffer = [0; READ_BUFFER];
        loop {
            if let Some(reply) = self.replies.next_reply()? {
                return Ok(Answer::from(reply));
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

enum Answer {
    Text(String),
    Number(i64),
    Refusal(String),
}

impl From<Reply<'_>> for Answer {
    fn from(reply: Reply<'_>) -> Self {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        match reply {
            Reply::Simple(bytes) => Self::Text(text(bytes)),
            Reply::Bulk(bytes) => Self::Text(text(bytes.unwrap_or_default())),
            Reply::Integer(number) => Self::Number(number),
            Reply::Error(bytes) => Self::Refusal(text(bytes)),
        }
    }
}

impl Answer {
    fn integer(self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Text(_) | Self::Refusal(_) => None,
        }
    }

    fn accepted(self) -> Result<(), HandshakeError> {
        match self {
            Self::Refusal(text) => Err(HandshakeError::Refused(text)),
            Self::Text(_) | Self::Number(_) => Ok(()),
        }
    }
}
