//! Why there is no link, or no longer, in words that say what to do.
//!
//! Owns the errors of the handshake and of open links. Pure; must not repeat
//! what the server was sent, which may be a password.

mod explain;

use std::io;
use std::time::Duration;

use service::stream::ConnectError;

use super::access::AccessError;
use super::resp::InvalidReply;

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The files are not usable.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// No stream.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The certificate of the server was signed by nobody who is trusted.
    #[error("{}", untrusted(*.own_authorities))]
    Untrusted {
        /// Whether the trusted ones come from the Secret.
        own_authorities: bool,
        /// What TLS said.
        source: ConnectError,
    },
    /// The server wants another certificate of the client, or one at all.
    #[error("{}", refused_certificate(*.shown))]
    Certificate {
        /// Whether it was shown one.
        shown: bool,
        /// What TLS said.
        source: io::Error,
    },
    /// It answers in plain text.
    #[error(
        "redis does not speak TLS at {0}: name its port for TLS, or go without (redis://, or tls: false)"
    )]
    Plain(String),
    /// It ended a stream without TLS before it said anything.
    #[error(
        "redis at {0} closes connections without an answer: if it speaks TLS there, use rediss:// or tls: true"
    )]
    Mute(String),
    /// The stream broke.
    #[error("redis closed the connection during the greeting")]
    Io(#[from] io::Error),
    /// Not Redis.
    #[error(transparent)]
    InvalidReply(#[from] InvalidReply),
    /// User and password were refused with this code.
    #[error("redis refuses the login: {0}")]
    Login(String),
    /// User and password are wrong.
    #[error("redis refuses user {user}: check username and password in the Secret for redis")]
    WrongLogin {
        /// The user.
        user: String,
    },
    /// The server wants a user.
    #[error("redis wants a password: put it into a Secret and name that in spec.redis.secretRef")]
    NoLogin,
    /// Redis, but it refuses.
    #[error("redis refused: {0}")]
    Refused(String),
    /// No Sentinel answers.
    #[error(
        "no sentinel answers that would know the master {master}: check nodes and tls of spec.redis.sentinel"
    )]
    NoSentinel {
        /// Its name.
        master: String,
    },
    /// They answer, and know none.
    #[error("the sentinels know no master {master}: check spec.redis.sentinel.master")]
    NoMaster {
        /// Its name.
        master: String,
    },
    /// Nothing in time.
    #[error("redis did not answer within {} s{}", .after.as_secs(), hint(*.tls))]
    Timeout {
        /// How long was waited.
        after: Duration,
        /// Whether a server that was named was spoken to through TLS.
        tls: bool,
    },
}

/// A server without TLS waits for the end of what it takes for a command.
const fn hint(tls: bool) -> &'static str {
    if tls {
        ": is it there, and does it speak TLS at this port?"
    } else {
        ""
    }
}

const fn untrusted(own_authorities: bool) -> &'static str {
    if own_authorities {
        "the certificate of redis is not signed by ca.crt in the Secret for redis: put its authority there"
    } else {
        "the certificate of redis is signed by nobody known: put its authority into ca.crt in the Secret for redis"
    }
}

const fn refused_certificate(shown: bool) -> &'static str {
    if shown {
        "redis refuses the client certificate: check tls.crt in the Secret for redis"
    } else {
        "redis wants a client certificate: put tls.crt and tls.key into the Secret for redis"
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
    #[error("the connection to redis was interrupted without a word: redis answers others")]
    Interrupted,
    #[error("redis takes no commands for now: {0}")]
    NotNow(String),
    #[error("redis refuses what is published, another login may do")]
    Refusing,
    #[error(
        "redis is a replica that takes no writes: ticks would reach its own subscribers alone; let redis.url name the \
         master"
    )]
    Replica,
}
