//! Decides from answers whether a server is a master or a replica.
//!
//! A replica accepts messages, but gives them to its own subscribers only, and readers are at the
//! master. Owns which command asks for the role: HELLO, which every user may send who may connect;
//! where a server does not know it, a write without effect. Pure.

use super::replies::Reply;
use super::resp_stream::OwnedReply;
use super::temporary::{READ_ONLY, Temporary};

/// Writes nothing, because the key does not exist.
pub(crate) const WRITE: &[&[u8]] = &[b"HDEL", b"ticker:probe", b"0"];

const HELLO: &[&[u8]] = &[b"HELLO", b"2"];

/// How a server is asked for its role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum RoleQuestion {
    /// By what it says of itself.
    #[default]
    Hello,
    /// By a write without effect.
    Write,
    /// Not at all: the user may send neither, or the server knows neither.
    None,
}

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Master,
    Replica,
    Unknown,
}

/// What matters of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RoleAnswer {
    /// To HELLO.
    Told(Role),
    /// A write was carried out.
    Written,
    /// A write was refused, because this is a replica.
    ReadOnly,
    /// The server cannot carry out the question at present.
    NotNow,
    /// Another refusal, or no answer of this kind.
    Other,
}

impl RoleQuestion {
    /// The command, if there is one.
    pub(crate) const fn command(self) -> Option<&'static [&'static [u8]]> {
        match self {
            Self::Hello => Some(HELLO),
            Self::Write => Some(WRITE),
            Self::None => None,
        }
    }

    /// Reads the answer to [`RoleQuestion::command`]; after a refusal, or one that names no role,
    /// another question is asked.
    pub(crate) fn read(&mut self, answer: RoleAnswer) -> Role {
        match (*self, answer) {
            (Self::Hello, RoleAnswer::Told(role)) if role != Role::Unknown => role,
            (_, RoleAnswer::NotNow) => Role::Unknown,
            (Self::Hello, _) => {
                *self = Self::Write;
                Role::Unknown
            }
            (Self::Write, RoleAnswer::Written) => Role::Master,
            (Self::Write, RoleAnswer::ReadOnly) => Role::Replica,
            _ => {
                *self = Self::None;
                Role::Unknown
            }
        }
    }
}

impl From<Reply<'_>> for RoleAnswer {
    fn from(reply: Reply<'_>) -> Self {
        Self::from(&OwnedReply::from(reply))
    }
}

impl From<&OwnedReply> for RoleAnswer {
    fn from(reply: &OwnedReply) -> Self {
        match reply {
            OwnedReply::List(texts) => Self::Told(role_in(texts)),
            OwnedReply::Number(_) => Self::Written,
            OwnedReply::Refusal(text) if text.starts_with(READ_ONLY) => Self::ReadOnly,
            OwnedReply::Refusal(text) if Temporary::of(text.as_bytes()).is_some() => Self::NotNow,
            OwnedReply::Refusal(_) | OwnedReply::Text(_) => Self::Other,
        }
    }
}

/// The role among names and values. Other words than those of a replica are roles that accept
/// writes, such as an active replica's; and a replica of a cluster passes messages on to all nodes.
fn role_in(members: &[String]) -> Role {
    let mut found = Role::Unknown;
    for member in members.chunks_exact(2) {
        match (member[0].as_str(), member[1].as_str()) {
            ("mode", "cluster") => return Role::Master,
            ("role", "replica" | "slave") => found = Role::Replica,
            ("role", _) => found = Role::Master,
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(mode: &str, role: &str) -> RoleAnswer {
        let members = ["server", "redis", "mode", mode, "role", role, "modules", ""];
        RoleAnswer::from(&OwnedReply::List(members.map(str::to_owned).to_vec()))
    }

    #[test]
    fn hello_says_the_role() {
        let mut question = RoleQuestion::default();
        for (mode, role, expected) in [
            ("standalone", "master", Role::Master),
            ("standalone", "replica", Role::Replica),
            ("standalone", "active-replica", Role::Master),
            ("cluster", "replica", Role::Master),
        ] {
            assert_eq!(question.read(hello(mode, role)), expected, "{mode} {role}");
        }
        assert_eq!(question, RoleQuestion::Hello);
    }

    /// Such as Kvrocks and some proxies.
    #[test]
    fn a_server_whose_hello_names_no_role_is_asked_by_a_write() {
        let mut question = RoleQuestion::default();
        let members = ["server", "redis", "proto", "2"].map(str::to_owned);
        let answer = RoleAnswer::from(&OwnedReply::List(members.to_vec()));
        assert_eq!(question.read(answer), Role::Unknown);
        assert_eq!(question.command(), Some(WRITE));
    }

    #[test]
    fn without_hello_a_write_says_it_and_without_both_nothing_is_asked() {
        let refused = |text: &str| RoleAnswer::from(Reply::Error(text.as_bytes()));
        let mut question = RoleQuestion::default();
        assert_eq!(question.read(refused("ERR unknown command")), Role::Unknown);
        assert_eq!(question.command(), Some(WRITE));
        assert_eq!(question.read(Reply::Integer(0).into()), Role::Master);
        let read_only = refused("READONLY You can't write against a read only replica.");
        assert_eq!(question.read(read_only), Role::Replica);
        for passing in ["MISCONF disk", "NOREPLICAS few", "LOADING", "CLUSTERDOWN"] {
            assert_eq!(question.read(refused(passing)), Role::Unknown);
            assert_eq!(question.command(), Some(WRITE), "{passing} is not final");
        }
        assert_eq!(question.read(refused("NOPERM no")), Role::Unknown);
        assert_eq!(question.command(), None);
    }
}
