//! Which Redis: the address in an assignment. Owns its spelling.
//!
//! ```text
//! redis://HOST[:PORT][/DATABASE]                     rediss://… for TLS
//! redis-sentinel://HOST[:PORT],HOST[:PORT]…/MASTER   rediss-sentinel://… for TLS, to Sentinels too
//! ```

use crate::stream::Address;

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26_379;

/// A Redis to publish to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where it is.
    pub place: Place,
    /// The database to select; 0 is what a connection starts with.
    pub database: u32,
}

/// Where a Redis is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// There.
    Server(Address),
    /// Where these say.
    Sentinels(Sentinels),
}

/// Redis Sentinels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentinels {
    /// What they call the master.
    pub master: String,
    /// Where they are; one at least, and all alike with or without TLS.
    pub nodes: Vec<Address>,
}

/// A text that names no Redis. It is not repeated in the message: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTarget {
    /// Another scheme, or no host.
    #[error(
        "redis address must be redis://HOST[:PORT][/DATABASE], redis-sentinel://HOST[:PORT],…/MASTER, or the same with \
         rediss"
    )]
    Form,
    /// User or password, which belong into a Secret.
    #[error("redis address must not hold user or password")]
    UserInfo,
}

impl Target {
    /// Reads `redis://HOST[:PORT][/DATABASE]`, or `rediss://…` for TLS.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(url: &str) -> Result<Self, InvalidTarget> {
        for (scheme, tls) in [("redis-sentinel://", false), ("rediss-sentinel://", true)] {
            if let Some(rest) = url.strip_prefix(scheme) {
                return Self::sentinels(rest, tls);
            }
        }
        let (rest, tls) = match url.strip_prefix("rediss://") {
            Some(rest) => (rest, true),
            None => (
                url.strip_prefix("redis://").ok_or(InvalidTarget::Form)?,
                false,
            ),
        };
        if rest.contains('@') {
            return Err(InvalidTarget::UserInfo);
        }
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let database = match database {
            "" => 0,
            number => number.parse().map_err(|_| InvalidTarget::Form)?,
        };
        let address = Address::parse(authority, PORT, tls).ok_or(InvalidTarget::Form)?;
        Ok(Self {
            place: Place::Server(address),
            database,
        })
    }

    fn sentinels(rest: &str, tls: bool) -> Result<Self, InvalidTarget> {
        if rest.contains('@') {
            return Err(InvalidTarget::UserInfo);
        }
        let (nodes, master) = rest.split_once('/').ok_or(InvalidTarget::Form)?;
        let nodes = nodes
            .split(',')
            .map(|node| Address::parse(node, SENTINEL_PORT, tls));
        let nodes: Option<Vec<Address>> = nodes.collect();
        match nodes {
            Some(nodes) if !master.is_empty() => Ok(Self {
                place: Place::Sentinels(Sentinels {
                    master: master.to_owned(),
                    nodes,
                }),
                database: 0,
            }),
            _ => Err(InvalidTarget::Form),
        }
    }

    /// Whether TLS is spoken.
    #[must_use]
    pub fn tls(&self) -> bool {
        match &self.place {
            Place::Server(address) => address.tls,
            Place::Sentinels(sentinels) => sentinels.nodes.iter().any(|node| node.tls),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let server = |url: &str| {
            let target = Target::parse(url).unwrap();
            let Place::Server(address) = &target.place else {
                panic!("{target:?}")
            };
            (
                address.host.clone(),
                address.port,
                target.tls(),
                target.database,
            )
        };
        let plain = server("redis://redis.default.svc:6380/2");
        assert_eq!(plain, ("redis.default.svc".to_owned(), 6380, false, 2));
        assert_eq!(server("rediss://[::1]/"), ("::1".to_owned(), 6379, true, 0));
    }

    #[test]
    fn sentinels_are_read() {
        let target = Target::parse("rediss-sentinel://a,b:1/mymaster").unwrap();
        let Place::Sentinels(sentinels) = &target.place else {
            panic!("{target:?}")
        };
        let nodes = sentinels
            .nodes
            .iter()
            .map(|node| (node.host.as_str(), node.port));
        let nodes: Vec<_> = nodes.collect();
        assert_eq!(
            (nodes, sentinels.master.as_str()),
            (vec![("a", 26_379), ("b", 1)], "mymaster")
        );
        assert!(target.tls());
        for bad in [
            "redis-sentinel://a",
            "redis-sentinel://a/",
            "redis-sentinel://a,/m",
            "redis-sentinel:///m",
        ] {
            assert_eq!(Target::parse(bad), Err(InvalidTarget::Form), "{bad}");
        }
    }

    #[test]
    fn others_are_refused_without_repeating_a_password() {
        for bad in [
            "",
            "redis://",
            "http://h",
            "redis://h/x",
            "redis://h:p",
            "h:6379",
        ] {
            assert_eq!(Target::parse(bad), Err(InvalidTarget::Form), "{bad}");
        }
        let error = Target::parse("redis://:hunter2@h").unwrap_err();
        assert_eq!(error, InvalidTarget::UserInfo);
        assert!(!error.to_string().contains("hunter2"));
    }
}
