//! The address of a server, as it is written.
//!
//! Must not resolve a name.

/// The address of a server. Two with the same host, port and TLS are of the same server.
#[derive(Clone, Debug)]
pub struct Address {
    /// Name or IP address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whether to use TLS.
    pub tls: bool,
    /// Another name that its certificate may carry instead of `host`: one that a trusted server gave
    /// it, or that server's own.
    pub other_name: Option<String>,
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        (self.port, self.tls) == (other.port, other.tls) && self.host == other.host
    }
}

impl Eq for Address {}

impl Address {
    /// Reads `host`, `host:port` or `[v6]:port`.
    #[must_use]
    pub fn parse(authority: &str, default_port: u16, tls: bool) -> Option<Self> {
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?,
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().ok()?,
            None if port.is_empty() => default_port,
            None => return None,
        };
        (!host.is_empty()).then(|| Self {
            host: host.to_owned(),
            port,
            tls,
            other_name: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_are_read() {
        let parsed = |text| Address::parse(text, 6379, false).map(|found| (found.host, found.port));
        assert_eq!(parsed("redis"), Some(("redis".to_owned(), 6379)));
        assert_eq!(parsed("redis:1"), Some(("redis".to_owned(), 1)));
        assert_eq!(parsed("[::1]:7"), Some(("::1".to_owned(), 7)));
        assert_eq!(parsed("[::1]"), Some(("::1".to_owned(), 6379)));
        for bad in [
            "",
            ":1",
            "host:",
            "host:x",
            "host:70000",
            "[::1",
            "[::1]x",
            "::1",
        ] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }
}
