//! The handshake on a new link: the login, and the end of the previous link.
//!
//! The link counts as open only when the server has executed a command. This distinguishes a server
//! that is loading its data, one that requires a password, and one that is not Redis.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::access::{Access, LinkCredentials, Login};
use super::error::HandshakeError;
use super::replies::{Replies, Reply};
use super::resp_stream::RespStream;
use super::sentinel;
use super::target::{ServerAddress, ServerTarget};
use service::stream::Stream;

/// The time limit for connecting and the handshake together.
pub const TIMEOUT: Duration = Duration::from_secs(5);

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
        let (redis, id) = introduce(target, &keys, name, previous)
            .await
            .map_err(|error| error.explained(&keys))?;
        let stream = redis.stream;
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
        let (mut redis, _) = introduce(target, &keys, name, None).await?;
        ask(&mut redis, &HELD_UP_LIKE_PUBLISH).await
    };
    asking.await.is_ok()
}

async fn introduce(
    target: &ServerTarget,
    keys: &LinkCredentials,
    name: &str,
    previous: Option<i64>,
) -> Result<(RespStream, Option<i64>), HandshakeError> {
    let address = match &target.address {
        ServerAddress::Direct(address) => address.clone(),
        ServerAddress::Sentinels(sentinels) => sentinel::master(sentinels, &keys.tls).await?,
    };
    let mut redis = RespStream::connect(&address, &keys.tls).await?;
    match greet(&mut redis, target.database, keys, name, previous).await {
        Ok(id) => Ok((redis, id)),
        Err(HandshakeError::Io(_)) if redis.is_unanswered() => {
            let at = format!("{}:{}", address.host, address.port);
            Err(HandshakeError::Unanswered(at))
        }
        Err(error) => Err(error),
    }
}

/// Returns the server's id of the connection, if the server reports it.
async fn greet(
    redis: &mut RespStream,
    database: u32,
    keys: &LinkCredentials,
    name: &str,
    previous: Option<i64>,
) -> Result<Option<i64>, HandshakeError> {
    if let Some(login) = &keys.login {
        log_in(redis, login).await?;
    }
    // Names are for people who read CLIENT LIST; a server may forbid them.
    ask(redis, &[b"CLIENT", b"SETNAME", name.as_bytes()]).await?;
    if database != 0 {
        let database = database.to_string();
        let answer = ask(redis, &[b"SELECT", database.as_bytes()]).await?;
        answer.accepted()?;
    }
    if let Some(previous) = previous {
        end(redis, previous, name).await?;
    }
    let id = ask(redis, &[b"CLIENT", b"ID"]).await?.integer();
    match ask(redis, &[b"PING"]).await? {
        // Its disk is full: it rejects keys, which is reported for them, but still carries
        // messages.
        OwnedReply::Refusal(text) if text.starts_with("MISCONF") => {}
        answer => answer.accepted()?,
    }
    Ok(id)
}

/// Only the code of an error is kept: a server that does not know the command repeats its
/// arguments.
async fn log_in(redis: &mut RespStream, login: &Login) -> Result<(), HandshakeError> {
    let (user, password) = (login.user.as_bytes(), login.password.expose_secret());
    match ask(redis, &[b"AUTH", user, password]).await? {
        OwnedReply::Refusal(text) => {
            let code = text.split(' ').next().unwrap_or_default();
            Err(HandshakeError::Login(code.to_owned()))
        }
        OwnedReply::Text(_) | OwnedReply::Number(_) => Ok(()),
    }
}

/// Client ids restart with the server, so the id alone does not prove that the link is ours.
async fn end(redis: &mut RespStream, previous: i64, name: &str) -> Result<(), HandshakeError> {
    let id = previous.to_string();
    let listed = ask(redis, &[b"CLIENT", b"LIST", b"ID", id.as_bytes()]).await?;
    let ours = format!(" name={name} ");
    if matches!(listed, OwnedReply::Text(line) if line.contains(&ours)) {
        ask(redis, &[b"CLIENT", b"KILL", b"ID", id.as_bytes()]).await?;
    }
    Ok(())
}

async fn ask(redis: &mut RespStream, arguments: &[&[u8]]) -> Result<OwnedReply, HandshakeError> {
    let answer = |replies: &mut Replies| Ok(replies.next_reply()?.map(OwnedReply::from));
    redis.ask(arguments, answer).await
}

enum OwnedReply {
    Text(String),
    Number(i64),
    Refusal(String),
}

impl From<Reply<'_>> for OwnedReply {
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

impl OwnedReply {
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
