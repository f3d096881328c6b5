//! Why a link cannot be opened, or has ended, with messages that say what to do.
//!
//! Owns the errors of the handshake and of open links. Pure; must not repeat what was sent to the
//! server, which may be a password.

mod explain;

use std::io;
use std::time::Duration;

use service::stream::ConnectError;

use super::access::AccessError;
use super::replies::InvalidReply;

/// Why a link cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The files cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The connection could not be opened.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The certificate of the server is not signed by a trusted authority.
    #[error("{}", untrusted(*.own_authorities))]
    Untrusted {
        /// Whether the trusted authorities come from the Secret.
        own_authorities: bool,
        /// The TLS error.
        source: ConnectError,
    },
    /// The server requires a client certificate, or another one.
    #[error("{}", refused_certificate(*.shown))]
    Certificate {
        /// Whether one was sent.
        shown: bool,
        /// The TLS error.
        source: io::Error,
    },
    /// The server answers in plain text.
    #[error(
        "redis does not use TLS at {0}: use its TLS port, or turn TLS off (redis://, or tls: false)"
    )]
    Plain(String),
    /// The server ended a stream without TLS before it sent anything.
    #[error(
        "redis at {0} closes connections without an answer: if it uses TLS there, set rediss:// or tls: true"
    )]
    Unanswered(String),
    /// The stream failed.
    #[error("redis closed the connection during the handshake")]
    Io(#[from] io::Error),
    /// Not Redis.
    #[error(transparent)]
    InvalidReply(#[from] InvalidReply),
    /// User and password were rejected with this code.
    #[error("redis refuses the login: {0}")]
    Login(String),
    /// User and password are wrong.
    #[error("redis refuses user {user}: check username and password in the Secret for redis")]
    WrongLogin {
        /// The user.
        user: String,
    },
    /// The server requires a login.
    #[error("redis requires a password: name a Secret that holds it in spec.redis.secretRef")]
    NoLogin,
    /// It is Redis, but it returned an error.
    #[error("redis refused: {0}")]
    Refused(String),
    /// No Sentinel answers.
    #[error(
        "no sentinel answers when asked for the master {master}: check nodes and tls of spec.redis.sentinel ({said})"
    )]
    NoSentinel {
        /// Its name.
        master: String,
        /// What is wrong with each.
        said: String,
    },
    /// The Sentinels refuse the login, or require one.
    #[error(
        "the sentinels refuse the login: check sentinel_password, and sentinel_username if they have users, in \
         the Secret for redis ({said})"
    )]
    SentinelLogin {
        /// What each said.
        said: String,
    },
    /// No server that the Sentinels name can be used.
    #[error("no server that the sentinels name as master {master} can be used ({said})")]
    UnusableMaster {
        /// The name of the master.
        master: String,
        /// What is wrong with each.
        said: String,
    },
    /// The server is a replica, and readers are at the master.
    #[error("{}", LinkError::Replica)]
    Replica,
    /// The certificate is for another server than the one that the topology names.
    #[error(
        "the certificate of redis at {host}:{port} is neither for {host}, which the cluster or the sentinels \
         name, nor for {other}: put one of these names into it, or let redis announce a name that it has \
         (cluster-announce-hostname, sentinel announce-hostnames)"
    )]
    Names {
        /// The announced name or address.
        host: String,
        /// Its port.
        port: u16,
        /// The other name that was compared.
        other: String,
        /// The TLS error, which holds the names of the certificate.
        source: io::Error,
    },
    /// The server ended the stream in the middle of the TLS handshake.
    #[error(
        "redis at {0} closes connections before TLS is set up: its maxclients may be reached, or the port does \
         not use TLS"
    )]
    ClosedTls(String),
    /// Sentinels answer, but do not know the master.
    #[error("the sentinels know no master {master}: check spec.redis.sentinel.master ({said})")]
    NoMaster {
        /// Its name.
        master: String,
        /// What each said.
        said: String,
    },
    /// No answer in time.
    #[error("redis did not answer within {} s{}", .after.as_secs(), hint(*.tls))]
    Timeout {
        /// The waiting time.
        after: Duration,
        /// Whether the address of the server was configured, and TLS was used.
        tls: bool,
    },
}

/// A server without TLS waits for the end of what it reads as a command.
const fn hint(tls: bool) -> &'static str {
    if tls {
        ": check that it runs, and that this port uses TLS"
    } else {
        ""
    }
}

const fn untrusted(own_authorities: bool) -> &'static str {
    if own_authorities {
        "the certificate of redis is not signed by an authority in ca.crt of the Secret for redis: replace ca.crt"
    } else {
        "the certificate of redis is signed by an unknown authority: put it into ca.crt of the Secret for redis"
    }
}

const fn refused_certificate(shown: bool) -> &'static str {
    if shown {
        "redis refuses the client certificate: check tls.crt in the Secret for redis"
    } else {
        "redis requires a client certificate: put tls.crt and tls.key into the Secret for redis"
    }
}

/// Why an open link ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("redis closed the connection")]
    Closed,
    #[error("connection to redis broke: {}", .0.kind())]
    Io(#[from] io::Error),
    #[error(transparent)]
    InvalidReply(#[from] InvalidReply),
    #[error("redis answered more commands than were sent")]
    Surplus,
    #[error("redis ends the connection: {0}")]
    Ending(String),
    #[error("the sentinels name another server as the master now")]
    Replaced,
    #[error("the connection to redis is broken: redis answers on a new one, but not on this one")]
    Interrupted,
    #[error("redis accepts no commands at present: {0}")]
    NotNow(String),
    #[error("redis refuses what is published; trying again with a new login")]
    Refusing,
    #[error(
        "redis is a replica: only its own subscribers would get the ticks; set redis.url to the master"
    )]
    Replica,
}
