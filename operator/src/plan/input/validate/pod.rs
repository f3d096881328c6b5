//! Checks `spec.pod`: what rules in the definition cannot say, because their cost grows with the
//! length of a key, which nothing bounds.

use crds::pod::{PodSettings, RESERVED_KEYS};

use super::{InvalidSpec, invalid};

/// The longest prefix and the longest name of a key.
const LONGEST_PREFIX: usize = 253;
const LONGEST_NAME: usize = 63;

/// Checks the keys: with a wrong one the StatefulSet could not be written, and the message would be
/// about an object that the user has not made.
pub(super) fn check(pod: &PodSettings) -> Result<(), InvalidSpec> {
    let (labels, annotations) = (pod.labels.keys(), pod.annotations.keys());
    keys("spec.pod.labels", labels, true)?;
    keys("spec.pod.annotations", annotations, true)?;
    // A node has labels that begin like ours.
    keys("spec.pod.nodeSelector", pod.node_selector.keys(), false)
}

fn keys<'a>(
    field: &str,
    mut keys: impl Iterator<Item = &'a String>,
    ours_are_refused: bool,
) -> Result<(), InvalidSpec> {
    let ours = |key: &&String| RESERVED_KEYS.iter().any(|ours| key.starts_with(ours));
    let wrong = |key: &&String| !is_key(key) || (ours_are_refused && ours(key));
    let Some(key) = keys.find(wrong) else {
        return Ok(());
    };
    let problem = if is_key(key) {
        format!(
            "must not have the key {key}: {} and {} are the operator's",
            RESERVED_KEYS[0], RESERVED_KEYS[1]
        )
    } else {
        let shown: String = key.chars().take(LONGEST_NAME).collect();
        format!(
            "has a key that is none, {shown:?}: write NAME or DOMAIN/NAME with at most 63 characters of a-z, A-Z, \
             0-9, '-', '_' and '.' in the name, beginning and ending with a letter or digit"
        )
    };
    Err(invalid(field, &problem))
}

/// Whether this is a key of a label or of an annotation.
fn is_key(key: &str) -> bool {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let domain = |part: &str| {
        let lower = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        part.split('.').all(|label| framed(label, lower, b"-"))
    };
    prefix.is_none_or(|prefix| prefix.len() <= LONGEST_PREFIX && domain(prefix))
        && name.len() <= LONGEST_NAME
        && framed(name, |c| c.is_ascii_alphanumeric(), b"-_.")
}

/// Whether a text begins and ends with an `outer` character, with some `inner` ones between.
fn framed(text: &str, outer: impl Fn(u8) -> bool, inner: &[u8]) -> bool {
    let bytes = text.as_bytes();
    let ends = bytes.first().is_some_and(|c| outer(*c)) && bytes.last().is_some_and(|c| outer(*c));
    ends && bytes.iter().all(|c| outer(*c) || inner.contains(c))
}

#[cfg(test)]
mod tests {
    use crds::account_selector::LabelValue;

    use super::*;

    #[test]
    fn keys_are_those_of_kubernetes() {
        let long = "a".repeat(63);
        for good in ["team", "a.b_c-D", "example.com/team", "a-b.c/x", &long] {
            assert!(is_key(good), "{good}");
        }
        let longer = format!("{long}a");
        let prefix = format!("{}/a", "a".repeat(254));
        for bad in [
            "", "/a", "a/", "a/b/c", "-a", "a-", "a b", "Ex.com/a", "é", "a..b/c", &longer, &prefix,
        ] {
            assert!(!is_key(bad), "{bad}");
        }
    }

    #[test]
    fn a_wrong_key_is_named_with_its_field() {
        let with = |key: &str| {
            let mut pod = PodSettings::default();
            pod.labels.insert(key.to_owned(), LabelValue::default());
            check(&pod).map_err(|error| error.to_string())
        };
        assert_eq!(with("team"), Ok(()));
        let message = with("a b").unwrap_err();
        assert!(
            message.starts_with("spec.pod.labels") && message.contains(r#""a b""#),
            "{message}"
        );
        let message = with("app.kubernetes.io/name").unwrap_err();
        assert!(message.contains("the operator's"), "{message}");
    }

    #[test]
    fn a_node_may_be_chosen_by_any_label() {
        let mut pod = PodSettings::default();
        let key = "kiteticker.dev/pool".to_owned();
        pod.node_selector.insert(key, LabelValue::default());
        assert_eq!(check(&pod), Ok(()));
    }
}
