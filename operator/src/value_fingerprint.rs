//! Distinguishes API keys without keeping them.
//!
//! Owns a salted hash that is only valid inside this process. Must not hold or print a key.

use std::hash::{BuildHasher, RandomState};

/// Makes fingerprints; each instance has its own salt, from the operating system.
#[derive(Clone, Debug, Default)]
pub(crate) struct ValueFingerprints(RandomState);

/// Equal for equal API keys, if the same [`ValueFingerprints`] made both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueFingerprint(u64);

impl ValueFingerprints {
    /// The fingerprint of a key as it is in a Secret; `None` if it is empty.
    pub(crate) fn of(&self, api_key: &[u8]) -> Option<ValueFingerprint> {
        // The ingest process ignores white space around it, too.
        let key = api_key.trim_ascii();
        (!key.is_empty()).then(|| ValueFingerprint(self.0.hash_one(key)))
    }
}

#[cfg(test)]
impl ValueFingerprint {
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
        let prints = ValueFingerprints::default();
        assert_eq!(prints.of(b"fake-key\n"), prints.of(b" fake-key"));
        assert_ne!(prints.of(b"fake-key"), prints.of(b"fake-kez"));
        assert_ne!(
            prints.of(b"fake-key"),
            ValueFingerprints::default().of(b"fake-key"),
            "another salt gives another print"
        );
        assert_eq!(prints.of(b" \n"), None);
    }
}
