//! The rights that an ACL user needs in Redis, by what needs them: docs/resources.md holds this table,
//! and tests log in as a user with exactly these.
//!
//! Owns the list of every command that the programs may send. One more command there, here or in a
//! crate that uses this one, needs a line here.

/// Rules of an ACL, and what needs them.
#[derive(Clone, Copy, Debug)]
pub struct AclRight {
    /// Rules as in ACL SETUSER; `PREFIX` stands for the channel prefix of a set.
    pub rules: &'static str,
    /// What for.
    pub purpose: &'static str,
}

/// All of them. AUTH, CLIENT, HELLO, PING and SELECT are of the category connection.
pub const RIGHTS: [AclRight; 8] = [
    right("+publish +@connection", "to publish at all"),
    right("+cluster|slots", "in a Redis Cluster"),
    right("+spublish", "with shardedPubSub"),
    right(
        "&ticker:* &PREFIX:*",
        "the channels that its sets publish on",
    ),
    right("&orders:*", "with orderUpdates"),
    right(
        "+set +hset +hmget +hdel +hscan +xadd +expireat",
        "to keep last values, streams, the directory and ticker:alive",
    ),
    right("~ticker:* ~ltp:* ~PREFIX:*", "the keys of those"),
    right("~mock:* &mock:*", "for mock accounts"),
];

/// What a user needs who only reads: channels, the directory and last values. `%R~`, which lets a user
/// read a key and not write it, needs Redis 7 or Valkey.
pub const READER_RIGHTS: [AclRight; 6] = [
    right(
        "+subscribe +unsubscribe +@connection",
        "to read channels at all",
    ),
    right("+cluster|slots", "in a Redis Cluster"),
    right("+ssubscribe +sunsubscribe", "with shardedPubSub"),
    right("&ticker:* &PREFIX:* &mock:*", "ticks and events"),
    right("&orders:*", "order updates"),
    right(
        "+hmget +hscan +mget +exists %R~ticker:* %R~PREFIX:* %R~mock:* %R~revoked_*",
        "the directory, last values, revoked tokens",
    ),
];

const fn right(rules: &'static str, purpose: &'static str) -> AclRight {
    AclRight { rules, purpose }
}

/// The rules for a user whose sets publish on channels of `prefix`.
#[must_use]
pub fn rules(prefix: &str) -> Vec<String> {
    rules_of(&RIGHTS, prefix)
}

/// The rules for a user who reads what sets publish on channels of `prefix`.
#[must_use]
pub fn reader_rules(prefix: &str) -> Vec<String> {
    rules_of(&READER_RIGHTS, prefix)
}

fn rules_of(rights: &[AclRight], prefix: &str) -> Vec<String> {
    let rules = rights.iter().flat_map(|right| right.rules.split(' '));
    rules.map(|rule| rule.replace("PREFIX", prefix)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_of_the_gateway_holds_the_rights_of_readers() {
        let documented = include_str!("../../docs/gateway.md");
        let lines = READER_RIGHTS.map(|right| format!("{:<77}{}\n", right.rules, right.purpose));
        let table = format!("```text\n{}```\n", lines.concat());
        assert!(
            documented.contains(&table),
            "docs/gateway.md lacks\n{table}"
        );
    }

    #[test]
    fn the_documentation_holds_this_table() {
        let documented = include_str!("../../docs/resources.md");
        let lines = RIGHTS.map(|right| format!("{:<47}{}\n", right.rules, right.purpose));
        let table = format!("```text\n{}```\n", lines.concat());
        assert!(
            documented.contains(&table),
            "docs/resources.md lacks\n{table}"
        );
    }
}
