//! The address of a Redis in an assignment. Owns its spelling.
//!
//! ```text
//! redis://HOST[:PORT][/DATABASE]                     rediss://… for TLS
//! redis-sentinel://HOST[:PORT],HOST[:PORT]…/MASTER   rediss-sentinel://… for TLS, to Sentinels too
//! redis-cluster://HOST[:PORT],HOST[:PORT]…[/sharded] rediss-cluster://… for TLS
//! ```

use service::address::Address;

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26_379;

/// A Redis to publish to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A single server.
    Server(ServerTarget),
    /// A cluster.
    Cluster(ClusterTarget),
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTarget {
    /// Its address.
    pub address: ServerAddress,
    /// The database to select; 0 is the default of a connection.
    pub database: u32,
    /// Whether it is a node of a cluster: such a one passes messages on to all others, a replica
    /// too.
    pub is_node: bool,
}

/// The address of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerAddress {
    /// A fixed address.
    Direct(Address),
    /// The master that these Sentinels report.
    Sentinels(Sentinels),
}

/// A Redis Cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterTarget {
    /// Nodes through which the others are found; at least one, all with TLS or all without.
    pub nodes: Vec<Address>,
    /// Whether messages go to the subscribers of sharded channels.
    pub sharded: bool,
}

/// Redis Sentinels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentinels {
    /// The name under which they know the master.
    pub master: String,
    /// Their addresses; at least one, all with TLS or all without.
    pub nodes: Vec<Address>,
}

/// A text that is not the address of a Redis. The message does not repeat it, because it may hold a
/// password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTarget {
    /// Another scheme, or no host.
    #[error(
        "redis address must be redis://HOST[:PORT][/DATABASE], redis-sentinel://HOST[:PORT],…/MASTER, \
         redis-cluster://HOST[:PORT],…, or the same with rediss"
    )]
    Form,
    /// User or password, which belong in a Secret.
    #[error("redis address must not hold user or password")]
    UserInfo,
}

impl Target {
    /// Reads an address in one of the spellings of this module.
    ///
    /// # Errors
    /// When it has none of these spellings.
    pub fn parse(url: &str) -> Result<Self, InvalidTarget> {
        let (scheme, rest) = url.split_once("://").ok_or(InvalidTarget::Form)?;
        if rest.contains('@') {
            return Err(InvalidTarget::UserInfo);
        }
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let tls = scheme.starts_with("rediss");
        match scheme {
            "redis" | "rediss" => server(hosts, path, tls),
            "redis-sentinel" | "rediss-sentinel" => sentinels(hosts, path, tls),
            "redis-cluster" | "rediss-cluster" => cluster(hosts, path, tls),
            _ => None,
        }
        .ok_or(InvalidTarget::Form)
    }

    /// Whether messages go to the subscribers of sharded channels.
    #[must_use]
    pub const fn is_sharded(&self) -> bool {
        matches!(self, Self::Cluster(ClusterTarget { sharded: true, .. }))
    }
}

impl ServerTarget {
    /// The node of a cluster at `address`.
    #[must_use]
    pub const fn node(address: Address) -> Self {
        Self {
            address: ServerAddress::Direct(address),
            database: 0,
            is_node: true,
        }
    }

    /// Whether TLS is used.
    #[must_use]
    pub fn tls(&self) -> bool {
        match &self.address {
            ServerAddress::Direct(address) => address.tls,
            ServerAddress::Sentinels(sentinels) => sentinels.nodes.iter().any(|node| node.tls),
        }
    }
}

fn server(authority: &str, database: &str, tls: bool) -> Option<Target> {
    let database = match database {
        "" => 0,
        number => number.parse().ok()?,
    };
    let address = ServerAddress::Direct(Address::parse(authority, PORT, tls)?);
    Some(Target::Server(ServerTarget {
        address,
        database,
        is_node: false,
    }))
}

fn sentinels(nodes: &str, master: &str, tls: bool) -> Option<Target> {
    if master.is_empty() {
        return None;
    }
    let address = ServerAddress::Sentinels(Sentinels {
        master: master.to_owned(),
        nodes: addresses(nodes, SENTINEL_PORT, tls)?,
    });
    Some(Target::Server(ServerTarget {
        address,
        database: 0,
        is_node: false,
    }))
}

fn cluster(nodes: &str, path: &str, tls: bool) -> Option<Target> {
    let nodes = addresses(nodes, PORT, tls)?;
    let sharded = match path {
        "" => false,
        "sharded" => true,
        _ => return None,
    };
    Some(Target::Cluster(ClusterTarget { nodes, sharded }))
}

fn addresses(list: &str, default_port: u16, tls: bool) -> Option<Vec<Address>> {
    let nodes = list.split(',');
    nodes
        .map(|node| Address::parse(node, default_port, tls))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let server = |url: &str| {
            let target = Target::parse(url).unwrap();
            let Target::Server(server) = &target else {
                panic!("{target:?}")
            };
            let ServerAddress::Direct(address) = &server.address else {
                panic!("{target:?}")
            };
            (
                address.host.clone(),
                address.port,
                server.tls(),
                server.database,
            )
        };
        let plain = server("redis://redis.default.svc:6380/2");
        assert_eq!(plain, ("redis.default.svc".to_owned(), 6380, false, 2));
        assert_eq!(server("rediss://[::1]/"), ("::1".to_owned(), 6379, true, 0));
    }

    #[test]
    fn sentinels_are_read() {
        let target = Target::parse("rediss-sentinel://a,b:1/mymaster").unwrap();
        let Target::Server(server) = &target else {
            panic!("{target:?}")
        };
        let ServerAddress::Sentinels(sentinels) = &server.address else {
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
        assert!(server.tls());
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
    fn clusters_are_read() {
        let read = |url: &str| match Target::parse(url) {
            Ok(Target::Cluster(cluster)) => {
                let nodes = cluster.nodes.iter();
                let nodes = nodes.map(|node| format!("{}:{} {}", node.host, node.port, node.tls));
                (nodes.collect::<Vec<_>>().join(","), cluster.sharded)
            }
            other => panic!("{other:?}"),
        };
        let plain = read("redis-cluster://a,b:1");
        assert_eq!(plain, ("a:6379 false,b:1 false".to_owned(), false));
        let sharded = read("rediss-cluster://[::1]:7/sharded");
        assert_eq!(sharded, ("::1:7 true".to_owned(), true));
        for bad in [
            "redis-cluster://",
            "redis-cluster://a/1",
            "redis-cluster://a,",
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
