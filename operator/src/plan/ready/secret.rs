//! What is said of Secrets that are not what they should be.
//!
//! Owns messages for people: names of Secrets and of their keys, never what they hold.

use contract::mount::REDIS_FILES;

use crate::plan::Secret;

/// A Secret of an account lacks these keys, or has nothing in them.
pub(super) fn lacking(name: &str, secret: &Secret, keys: &[String]) -> String {
    let (lacks, them) = (
        keys.join(" and "),
        if keys.len() == 1 { "it" } else { "them" },
    );
    match secret {
        Secret::Present { names, .. } if names.is_empty() => {
            format!("Secret {name} is empty: add {lacks}")
        }
        Secret::Present { names, .. } if keys.iter().all(|key| names.contains(key)) => {
            format!("Secret {name} has nothing in {lacks}: fill {them} in")
        }
        Secret::Present { names, .. } => {
            format!(
                "Secret {name} lacks {lacks}: add {them}; its keys are {}",
                names.join(", ")
            )
        }
        Secret::Unknown | Secret::Unreadable | Secret::Missing => {
            format!("Secret {name} does not exist, or lacks {lacks}: create it, or add {them}")
        }
    }
}

/// The Secret for Redis does not exist.
pub(super) fn missing_for_redis(secret: Option<(&str, &Secret)>) -> Option<String> {
    let (name, _) = secret.filter(|(_, secret)| **secret == Secret::Missing)?;
    Some(format!(
        "Secret {name} of spec.redis.secretRef does not exist: create it"
    ))
}

/// Which Secret Redis is opened with, to be added to what is wrong with Redis.
pub(super) fn of_redis(secret: Option<(&str, &Secret)>) -> String {
    let Some((name, secret)) = secret else {
        return String::new();
    };
    match secret {
        Secret::Present { names, .. }
            if !names
                .iter()
                .any(|name| REDIS_FILES.contains(&name.as_str())) =>
        {
            let keys = if names.is_empty() {
                "is empty".to_owned()
            } else {
                format!("has only {}", names.join(", "))
            };
            format!(
                "; Secret {name} of spec.redis.secretRef {keys}: what is read are {}",
                REDIS_FILES.join(", ")
            )
        }
        _ => format!(" (spec.redis.secretRef is {name})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(names: &[&str]) -> Secret {
        Secret::Present {
            version: "1".to_owned(),
            key: None,
            names: Secret::key_names(names.iter().copied()),
        }
    }

    #[test]
    fn what_was_mistyped_is_named() {
        let lacks = |secret: &Secret, keys: &[&str]| {
            let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
            lacking("kite", secret, &keys)
        };
        assert_eq!(
            lacks(&with(&["api_key", "acess_token"]), &["access_token"]),
            "Secret kite lacks access_token: add it; its keys are api_key, acess_token"
        );
        let hollow = lacks(&with(&["api_key", "access_token"]), &["access_token"]);
        assert_eq!(
            hollow,
            "Secret kite has nothing in access_token: fill it in"
        );
        let none = lacks(&with(&[]), &["api_key", "access_token"]);
        assert_eq!(none, "Secret kite is empty: add api_key and access_token");
        let unseen = lacks(&Secret::Unreadable, &["api_key", "access_token"]);
        assert!(unseen.ends_with("create it, or add them"), "{unseen}");
    }

    #[test]
    fn a_secret_for_redis_without_any_key_of_use_is_told() {
        let said = of_redis(Some(("login", &with(&["passwd"]))));
        assert!(
            said.contains("login of spec.redis.secretRef has only passwd"),
            "{said}"
        );
        assert!(said.contains("username, password"), "{said}");
        let said = of_redis(Some(("login", &with(&["a", "password"]))));
        assert_eq!(said, " (spec.redis.secretRef is login)");
        assert_eq!(of_redis(None), "");
    }

    #[test]
    fn names_of_keys_are_few_and_known_ones_come_first() {
        let many: Vec<String> = (0..1000).map(|at| format!("a{at}\u{1b}")).collect();
        let names = many.iter().map(String::as_str).chain(["password"]);
        let names = Secret::key_names(names);
        assert_eq!(
            (names.len(), names[0].as_str(), names[1].as_str()),
            (8, "password", "a0 ")
        );
    }
}
