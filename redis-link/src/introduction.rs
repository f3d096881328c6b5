//! What is said on a new link before it is open: the login, the end of the previous link, and the
//! question whether this is the master.
//!
//! The link counts as open only when the server has executed a command. This distinguishes a server
//! that is loading its data, one that requires a password, a replica, and one that is not Redis. Must
//! not know Sentinels.

use secrecy::ExposeSecret;
use service::stream::{Address, Stream};

use super::access::{LinkCredentials, Login};
use super::error::HandshakeError;
use super::resp_stream::{OwnedReply, RespStream};
use super::role::{Role, RoleQuestion};
use super::target::ServerTarget;

/// A link that accepts commands.
#[derive(Debug)]
pub struct Established {
    /// The stream, at the start of a reply.
    pub stream: Stream,
    /// The server's client id for it, if the server reports one.
    pub id: Option<i64>,
    /// The server.
    pub address: Address,
    /// How its role can be asked for later.
    pub(crate) role: RoleQuestion,
    /// What it does not let its user do, with the consequence; known only if there was a previous
    /// link to end.
    pub remark: Option<String>,
}

/// What is said to a server before a link to it is open.
pub(super) struct Introduction<'a> {
    target: &'a ServerTarget,
    pub(super) keys: &'a LinkCredentials,
    name: &'a str,
    previous: Option<i64>,
}

impl<'a> Introduction<'a> {
    pub(super) const fn new(
        target: &'a ServerTarget,
        keys: &'a LinkCredentials,
        name: &'a str,
        previous: Option<i64>,
    ) -> Self {
        Self {
            target,
            keys,
            name,
            previous,
        }
    }

    /// Opens a link to the server at `address`.
    pub(super) async fn open(&self, address: &Address) -> Result<Established, HandshakeError> {
        let opened = async {
            let (mut redis, id) = self.greet(address).await?;
            let remark = match self.previous {
                Some(previous) => end(&mut redis, previous, self.name).await?,
                None => None,
            };
            let role = self.check_role(&mut redis).await?;
            Ok(Established {
                stream: redis.stream,
                id,
                address: address.clone(),
                role,
                remark,
            })
        };
        let opened: Result<_, HandshakeError> = opened.await;
        opened.map_err(|error| error.explained(self.keys))
    }

    /// Connects and logs in. Returns the server's id of the connection, if the server reports it.
    pub(super) async fn greet(
        &self,
        at: &Address,
    ) -> Result<(RespStream, Option<i64>), HandshakeError> {
        let mut redis = RespStream::connect(at, &self.keys.tls).await?;
        match self.log_in(&mut redis).await {
            Ok(id) => Ok((redis, id)),
            Err(HandshakeError::Io(_)) if redis.is_unanswered() => {
                let at = format!("{}:{}", at.host, at.port);
                Err(HandshakeError::Unanswered(at))
            }
            Err(error) => Err(error),
        }
    }

    async fn log_in(&self, redis: &mut RespStream) -> Result<Option<i64>, HandshakeError> {
        if let Some(login) = &self.keys.login {
            log_in(redis, login).await?;
        }
        // Names are for people who read CLIENT LIST; a server may forbid them.
        let name = self.name.as_bytes();
        redis.ask(&[b"CLIENT", b"SETNAME", name]).await?;
        if self.target.database != 0 {
            let database = self.target.database.to_string();
            let answer = redis.ask(&[b"SELECT", database.as_bytes()]).await?;
            answer.accepted()?;
        }
        let id = redis.ask(&[b"CLIENT", b"ID"]).await?.integer();
        match redis.ask(&[b"PING"]).await? {
            // Its disk is full: it rejects keys, which is reported for them, but still carries
            // messages.
            OwnedReply::Refusal(text) if text.starts_with("MISCONF") => {}
            answer => answer.accepted()?,
        }
        Ok(id)
    }

    /// # Errors
    /// When the server is a replica. One of a cluster passes messages on to every node.
    async fn check_role(&self, redis: &mut RespStream) -> Result<RoleQuestion, HandshakeError> {
        let mut question = RoleQuestion::default();
        if self.target.is_node {
            return Ok(RoleQuestion::None);
        }
        while let Some(command) = question.command() {
            let asked = question;
            let answer = redis.ask(command).await?;
            match question.read((&answer).into()) {
                Role::Replica => return Err(HandshakeError::Replica),
                Role::Master => break,
                // It cannot say it at present, and is asked again on the open link: a master that
                // accepts no writes still carries messages.
                Role::Unknown if question == asked => break,
                Role::Unknown => {}
            }
        }
        Ok(question)
    }
}

/// Logs in. A user without a name is the default one.
///
/// # Errors
/// When the server refuses it, or is not Redis.
pub(super) async fn log_in(redis: &mut RespStream, login: &Login) -> Result<(), HandshakeError> {
    let (user, password) = (login.user.as_bytes(), login.password.expose_secret());
    let answer = if user.is_empty() {
        redis.ask(&[b"AUTH", password]).await?
    } else {
        redis.ask(&[b"AUTH", user, password]).await?
    };
    match answer {
        OwnedReply::Refusal(text) => Err(HandshakeError::Login(without_arguments(&text))),
        OwnedReply::Text(_) | OwnedReply::Number(_) | OwnedReply::List(_) => Ok(()),
    }
}

/// Beginnings of answers to a login that never repeat its arguments.
const QUOTABLE: [&str; 8] = [
    "BUSY ",
    "DENIED ",
    "ERR max number of clients",
    "ERR AUTH <password> called without any password",
    "ERR Client sent AUTH, but no password is set",
    "ERR wrong number of arguments for 'auth'",
    "LOADING ",
    "MASTERDOWN ",
];

/// Only the code of another refusal is kept: a server that does not know the command repeats its
/// arguments.
fn without_arguments(text: &str) -> String {
    let is_quotable = QUOTABLE.iter().any(|start| text.starts_with(start));
    let code = text.split(' ').next().unwrap_or_default();
    if is_quotable { text } else { code }.to_owned()
}

/// No server gives this id to a client: who may end it may end any.
pub(super) const NOBODY: i64 = i64::MAX;

/// Ends the former link. Client ids restart with the server, so the id alone does not prove that it
/// is ours. Returns what is to be said if the server does not let its user do so, which is found out
/// too when there is nothing to end.
async fn end(
    redis: &mut RespStream,
    previous: i64,
    name: &str,
) -> Result<Option<String>, HandshakeError> {
    let id = previous.to_string();
    let ours = format!(" name={name} ");
    let listed = redis
        .ask(&[b"CLIENT", b"LIST", b"ID", id.as_bytes()])
        .await?;
    let refusal = match listed {
        OwnedReply::Refusal(text) => text,
        listed => {
            let is_there = matches!(listed, OwnedReply::Text(line) if line.contains(&ours));
            let victim = if is_there { id } else { NOBODY.to_string() };
            let kill = [b"CLIENT", &b"KILL"[..], b"ID", victim.as_bytes()];
            match redis.ask(&kill).await? {
                // It may have ended meanwhile.
                OwnedReply::Refusal(text) if !text.starts_with("ERR No such client") => text,
                _ => return Ok(None),
            }
        }
    };
    Ok(Some(format!(
        "redis does not let its user end a broken connection (CLIENT LIST, CLIENT KILL: {refusal}): \
         what it had received on one may be carried out after newer commands"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_may_repeat_a_password_are_not_quoted() {
        let unknown = "ERR unknown command 'AUTH', with args beginning with: 'u' 'hunter2'";
        assert_eq!(without_arguments(unknown), "ERR");
        let full = "ERR max number of clients reached";
        assert_eq!(without_arguments(full), full);
        let none = "ERR Client sent AUTH, but no password is set";
        assert_eq!(without_arguments(none), none);
    }
}
