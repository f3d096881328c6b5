//! Messages about Secrets that are missing or incomplete.
//!
//! Owns texts for people, with names of Secrets and of their keys, never with their values.

use contract::mount::{REDIS_FILES, SENTINEL_FILES};
use contract::report::CredentialRemark;

use crate::plan::input::{Immutable, Secret};

/// How the ingest process names a key whose value it cannot use.
const UNUSABLE: &str = "a usable ";

/// The message if the ingest process reports that it has no value for these keys of a Secret:
/// `access_token`, or `a usable access_token (not UTF-8 text)`. Its files may be older than the
/// Secret.
pub(super) fn lacking(name: &str, secret: &Secret, keys: &[String]) -> String {
    let names = match secret {
        Secret::Present { names, .. } => names,
        Secret::Unknown | Secret::Unreadable | Secret::Missing => {
            let (lacks, them) = (keys.join(" and "), them(keys.len()));
            return format!(
                "Secret {name} does not exist, or lacks {lacks}: create it, or add {them}"
            );
        }
    };
    if names.is_empty() {
        return format!("Secret {name} is empty: add {}", keys.join(" and "));
    }
    let (hollow, absent): (Vec<&str>, Vec<&str>) = keys
        .iter()
        .map(String::as_str)
        .filter(|key| !key.starts_with(UNUSABLE))
        .partition(|key| names.iter().any(|name| name == key));
    let unusable = keys.iter().filter_map(|key| key.strip_prefix(UNUSABLE));
    let unusable: Vec<&str> = unusable.collect();
    let unusable = (!unusable.is_empty()).then(|| {
        format!(
            "Secret {name} has no usable {}: replace {}",
            unusable.join(" and no usable "),
            them(unusable.len())
        )
    });
    let absent = (!absent.is_empty()).then(|| {
        format!(
            "Secret {name} has the keys {} but not {}: add {}",
            names.join(", "),
            absent.join(" and "),
            them(absent.len())
        )
    });
    let hollow = (!hollow.is_empty()).then(|| {
        format!(
            "the ingest pod finds no value for {} in Secret {name}: set {}; a change arrives within a minute",
            hollow.join(" and "),
            them(hollow.len())
        )
    });
    let parts = absent.into_iter().chain(hollow).chain(unusable);
    let parts: Vec<String> = parts.collect();
    parts.join("; ")
}

const fn them(count: usize) -> &'static str {
    if count == 1 { "it" } else { "them" }
}

/// What can be seen in credentials, and what to do.
pub(super) fn remark(remark: CredentialRemark) -> Option<&'static str> {
    Some(match remark {
        CredentialRemark::Base64 => {
            "a value is base64 once more after it was decoded: encode it once, or use stringData"
        }
        CredentialRemark::LineBreak => "a value has a line break or a space inside: remove it",
        CredentialRemark::Quotes => "a value stands in quotes: remove them",
        CredentialRemark::KeyAndToken => {
            "access_token looks like KEY:TOKEN, as in a header: put only what is behind the colon"
        }
        CredentialRemark::Exchanged => {
            "api_key has the length of a token and access_token that of a key: they may be exchanged"
        }
        CredentialRemark::SecretForKey => {
            "api_key has 32 letters, as the API secret: put the API key, which has 16"
        }
        CredentialRemark::NeverAccepted => {
            "if it never worked, it may be a request token, which has to be exchanged for an access token"
        }
        CredentialRemark::Other => return None,
    })
}

/// The message about a Secret that kubelets do not read again. `field` is the one that names it.
/// Made anew under its name, it may still never reach the pod.
pub(super) fn immutable(name: &str, secret: &Secret, field: &str) -> Option<String> {
    let Secret::Present { immutable, .. } = secret else {
        return None;
    };
    let what = match immutable {
        Immutable::No => return None,
        Immutable::Yes => "has immutable: true",
        Immutable::Before => "had immutable: true before it was made anew",
    };
    Some(format!(
        "Secret {name} {what}, so a node may never read it again: put the values into a Secret of another name, \
         without immutable, and name that one in {field}"
    ))
}

/// Every key that a Secret for Redis may have.
fn all_of_redis() -> impl Iterator<Item = &'static str> {
    REDIS_FILES.into_iter().chain(SENTINEL_FILES)
}

/// The message if the Secret for Redis does not exist.
pub(super) fn missing_for_redis(secret: Option<(&str, &Secret)>) -> Option<String> {
    let (name, _) = secret.filter(|(_, secret)| **secret == Secret::Missing)?;
    Some(format!(
        "Secret {name} of spec.redis.secretRef does not exist: create it"
    ))
}

/// The Secret that is used for Redis, to be added to a message about Redis.
pub(super) fn of_redis(secret: Option<(&str, &Secret)>) -> String {
    let Some((name, secret)) = secret else {
        return String::new();
    };
    match secret {
        Secret::Present { names, .. }
            if !names
                .iter()
                .any(|name| all_of_redis().any(|file| file == name)) =>
        {
            let keys = if names.is_empty() {
                "is empty".to_owned()
            } else {
                format!("has only {}", names.join(", "))
            };
            format!(
                "; Secret {name} of spec.redis.secretRef {keys}: only the keys {} are read",
                all_of_redis().collect::<Vec<_>>().join(", ")
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
            token: None,
            immutable: Immutable::No,
            login: None,
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
            "Secret kite has the keys api_key, acess_token but not access_token: add it"
        );
        let hollow = lacks(&with(&["api_key", "access_token"]), &["access_token"]);
        assert!(
            hollow.contains("finds no value for access_token in Secret kite: set it"),
            "{hollow}"
        );
        let both = lacks(&with(&["api_key"]), &["api_key", "access_token"]);
        assert!(
            both.contains(
                "but not access_token: add it; the ingest pod finds no value for api_key"
            )
        );
        let phrase = "a usable access_token (not UTF-8 text)";
        let unusable = lacks(&with(&["api_key", "access_token"]), &[phrase]);
        assert!(
            unusable.contains("kite has no usable access_token (not UTF-8 text): replace it"),
            "{unusable}"
        );
        let none = lacks(&with(&[]), &["api_key", "access_token"]);
        assert_eq!(none, "Secret kite is empty: add api_key and access_token");
        let unseen = lacks(&Secret::Unreadable, &["api_key", "access_token"]);
        assert!(unseen.ends_with("create it, or add them"), "{unseen}");
    }

    #[test]
    fn a_secret_for_redis_without_any_key_of_use_is_named() {
        let message = of_redis(Some(("login", &with(&["passwd"]))));
        assert!(
            message.contains("login of spec.redis.secretRef has only passwd"),
            "{message}"
        );
        assert!(message.contains("username, password"), "{message}");
        let message = of_redis(Some(("login", &with(&["a", "password"]))));
        assert_eq!(message, " (spec.redis.secretRef is login)");
        assert_eq!(of_redis(None), "");
    }

    #[test]
    fn the_cure_for_an_immutable_secret_is_another_name() {
        let of = |immutable| {
            let secret = Secret::Present {
                version: "1".to_owned(),
                key: None,
                names: Vec::new(),
                token: None,
                immutable,
                login: None,
            };
            super::immutable("kite", &secret, "spec.credentialsSecretRef")
        };
        let message = of(Immutable::Yes).unwrap();
        assert!(
            message.contains("kite has immutable: true")
                && message.contains("a Secret of another name"),
            "{message}"
        );
        let message = of(Immutable::Before).unwrap();
        assert!(message.contains("before it was made anew"), "{message}");
        assert_eq!(of(Immutable::No), None);
    }

    #[test]
    fn names_of_keys_are_few_and_known_ones_come_first() {
        let many: Vec<String> = (0..1000).map(|at| format!("a{at}")).collect();
        let names = many.iter().map(String::as_str).chain(["password"]);
        let names = Secret::key_names(names);
        assert_eq!(
            (names.len(), names[0].as_str(), names[1].as_str()),
            (9, "password", "a0")
        );
    }
}
