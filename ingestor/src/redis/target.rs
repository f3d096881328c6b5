//! Which Redis: the address in an assignment. Owns its spelling.

use crate::stream::Address;

const PORT: u16 = 6379;

/// A single Redis server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where it is.
    pub address: Address,
    /// The database to select; 0 is what a connection starts with.
    pub database: u32,
}

/// A text that names no Redis. It is not repeated in the message: it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTarget {
    /// Another scheme, or no host.
    #[error("redis address must be redis://HOST[:PORT][/DATABASE] or rediss://…")]
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
        Ok(Self { address, database })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let plain = Target::parse("redis://redis.default.svc:6380/2").unwrap();
        assert_eq!(
            (plain.address.host.as_str(), plain.address.port),
            ("redis.default.svc", 6380)
        );
        assert_eq!((plain.address.tls, plain.database), (false, 2));
        let tls = Target::parse("rediss://[::1]/").unwrap();
        assert_eq!((tls.address.host.as_str(), tls.address.port), ("::1", 6379));
        assert_eq!((tls.address.tls, tls.database), (true, 0));
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
