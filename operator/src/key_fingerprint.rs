//! Distinguishes API keys without keeping them.
//!
//! Owns a salted hash that is only valid inside this process. Must not hold or print a key.

use std::hash::{BuildHasher, RandomState};

/// Makes fingerprints; each instance has its own salt, from the operating system.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyFingerprints(RandomState);

/// Equal for equal API keys, if the same [`KeyFingerprints`] made both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyFingerprint(u64);

impl KeyFingerprints {
    /// The fingerprint of a key as it is in a Secret; `None` if it is empty.
    pub(crate) fn of(&self, api_key: &[u8]) -> Option<KeyFingerprint> {
        // The ingest process ignores white space around it, too.
        let key = api_key.trim_ascii();
        (!key.is_empty()).then(|| KeyFingerprint(self.0.hash_one(key)))
    }
}

#[cfg(test)]
impl KeyFingerprint {
    /// A fingerprint in place of a key.
    pub(crate) const fn sample(key: u64) -> Self {
        Self(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_keys_have_equal_prints_under_one_salt_only() {
        let prints = KeyFingerprints::default();
        assert_eq!(prints.of(b"fake-key\n"), prints.of(b" fake-key"));
        assert_ne!(prints.of(b"fake-key"), prints.of(b"fake-kez"));
        assert_ne!(
            prints.of(b"fake-key"),
            KeyFingerprints::default().of(b"fake-key"),
            "another salt gives another print"
        );
        assert_eq!(prints.of(b" \n"), None);
    }
}
