//! Answers about the present state of a server: the same command may be accepted a moment later, or
//! on another connection.
//!
//! Owns the one list of their codes. With every other code it is the command that is refused. Pure.

/// The answer of a replica to a command that writes.
pub const READ_ONLY: &str = "READONLY";

/// What a server cannot do at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Temporary {
    /// Carry out any command.
    NotReady,
    /// Carry out commands about a key that another node of the cluster has, or none.
    Elsewhere,
    /// Serve this connection: it leads to a replica, or its login no longer counts.
    Connection,
    /// Write, until somebody does this; messages may pass all the same.
    NoWrites(&'static str),
}

impl Temporary {
    /// The state that an error text begins with the code of.
    #[must_use]
    pub fn of(text: &[u8]) -> Option<Self> {
        let code = text.split(|byte| *byte == b' ').next().unwrap_or_default();
        Some(match code {
            b"BUSY" | b"LOADING" | b"MASTERDOWN" => Self::NotReady,
            b"ASK" | b"CLUSTERDOWN" | b"MOVED" | b"TRYAGAIN" => Self::Elsewhere,
            b"NOAUTH" | b"READONLY" => Self::Connection,
            b"MISCONF" => Self::NoWrites(
                "it cannot save to its disk: fix the disk, or set stop-writes-on-bgsave-error to no",
            ),
            b"NOREPLICAS" => Self::NoWrites(
                "too few of its replicas are connected: bring them back, or lower min-replicas-to-write",
            ),
            b"OOM" => Self::NoWrites(
                "its memory is full: raise maxmemory, or set a maxmemory-policy that evicts keys",
            ),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_codes_are_compared() {
        let of = |text: &str| Temporary::of(text.as_bytes());
        assert_eq!(of("BUSY Redis is busy"), Some(Temporary::NotReady));
        assert_eq!(of(READ_ONLY), Some(Temporary::Connection));
        // A name that is taken is something else.
        assert_eq!(of("BUSYGROUP Consumer Group name already exists"), None);
        assert_eq!(of("ERR unknown command"), None);
        assert_eq!(of(""), None);
    }
}
