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

const fn right(rules: &'static str, purpose: &'static str) -> AclRight {
    AclRight { rules, purpose }
}

/// The rules for a user whose sets publish on channels of `prefix`.
#[must_use]
pub fn rules(prefix: &str) -> Vec<String> {
    let rules = RIGHTS.iter().flat_map(|right| right.rules.split(' '));
    rules.map(|rule| rule.replace("PREFIX", prefix)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
