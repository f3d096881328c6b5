//! An assignment as it lies in a mounted folder: gzipped JSON beside the SHA-256 of the JSON.
//!
//! Owns sealing and opening. Opening trusts nothing: size, hash, shape and content are checked.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use crate::assignment::InvalidAssignment;
use crate::{Assignment, version};

/// File of the gzipped JSON.
pub const ASSIGNMENT_FILE: &str = "assignment.json.gz";

/// File of the lower-case hex SHA-256 of the JSON before compression.
pub const SHA256_FILE: &str = "sha256";

/// The largest JSON that is read. 9,000 instruments take about 3 MB.
pub const LARGEST_JSON: u64 = 32 * 1024 * 1024;

/// A sealed assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Gzipped JSON.
    pub gzip: Vec<u8>,
    /// Lower-case hex SHA-256 of the JSON.
    pub sha256: String,
}

/// A sealed assignment that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not gzip, or cut.
    #[error("assignment is not gzip")]
    Gzip(#[source] std::io::Error),
    /// Larger than [`LARGEST_JSON`].
    #[error("assignment is larger than {LARGEST_JSON} bytes")]
    Size,
    /// Not what was sealed.
    #[error("assignment does not match its SHA-256")]
    Hash,
    /// Not the shape of the version that it names, or of none.
    #[error("assignment is not the JSON expected")]
    Json(#[from] serde_json::Error),
    /// An assignment with contradictions.
    #[error("assignment is not valid")]
    Invalid(#[from] InvalidAssignment),
}

impl Sealed {
    /// Seals `assignment`; the same assignment gives the same bytes.
    #[must_use]
    pub fn new(assignment: &Assignment) -> Self {
        #[expect(
            clippy::expect_used,
            reason = "strings, numbers and lists always serialise into memory"
        )]
        let json = version::to_json(assignment).expect("plain data serialises");
        Self::of_json(&json)
    }

    fn of_json(json: &[u8]) -> Self {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        #[expect(clippy::expect_used, reason = "writing to a Vec cannot fail")]
        let gzip = gzip
            .write_all(json)
            .and_then(|()| gzip.finish())
            .expect("a Vec takes every byte");
        Self {
            gzip,
            sha256: hash(json),
        }
    }

    /// Opens and checks.
    ///
    /// # Errors
    /// When size, hash, shape or content are wrong.
    pub fn open(&self) -> Result<Assignment, OpenError> {
        let mut json = Vec::new();
        GzDecoder::new(self.gzip.as_slice())
            .take(LARGEST_JSON + 1)
            .read_to_end(&mut json)
            .map_err(OpenError::Gzip)?;
        if json.len() as u64 > LARGEST_JSON {
            return Err(OpenError::Size);
        }
        if hash(&json) != self.sha256.trim() {
            return Err(OpenError::Hash);
        }
        let assignment = version::from_json(&json)?;
        assignment.check()?;
        Ok(assignment)
    }
}

fn hash(json: &[u8]) -> String {
    Sha256::digest(json)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::assignment::tests::sample;

    #[test]
    fn what_was_sealed_is_opened() {
        let sealed = Sealed::new(&sample());
        assert_eq!(sealed.open().unwrap(), sample());
        assert_eq!(sealed, Sealed::new(&sample()));
    }

    #[test]
    fn a_bomb_is_refused() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        let block = vec![b' '; 1024 * 1024];
        for _ in 0..=LARGEST_JSON / (1024 * 1024) {
            gzip.write_all(&block).unwrap();
        }
        let sealed = Sealed {
            gzip: gzip.finish().unwrap(),
            sha256: String::new(),
        };
        assert!(matches!(sealed.open(), Err(OpenError::Size)));
    }

    proptest! {
        #[test]
        fn any_changed_byte_is_noticed(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let mut sealed = Sealed::new(&sample());
            let at = at.index(sealed.gzip.len());
            sealed.gzip[at] ^= 1 << bit;
            // A flip in the gzip header's unused fields may leave the content whole.
            if let Ok(opened) = sealed.open() {
                prop_assert_eq!(opened, sample());
            }
        }

        #[test]
        fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let sealed = Sealed { gzip: bytes.clone(), sha256: hash(&bytes) };
            prop_assert!(matches!(sealed.open(), Err(OpenError::Gzip(_))));
            let sealed = Sealed::of_json(&bytes);
            prop_assert!(matches!(sealed.open(), Err(OpenError::Json(_))));
        }

        /// The hash is right and one value anywhere is not what it was.
        #[test]
        fn what_is_opened_is_valid(at in any::<prop::sample::Index>(), value in any_value()) {
            let mut json = serde_json::to_value(sample()).unwrap();
            let mut at = at.index(leaves(&json) as usize) as i64;
            replace(&mut json, &mut at, &value);
            if let Ok(opened) = Sealed::of_json(json.to_string().as_bytes()).open() {
                opened.check().unwrap();
                prop_assert_eq!(Sealed::new(&opened).open().unwrap(), opened);
            }
        }
    }

    fn any_value() -> impl Strategy<Value = serde_json::Value> {
        use serde_json::json;
        prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(|it| json!(it)),
            any::<i64>().prop_map(|it| json!(it)),
            (0_u8..9).prop_map(|it| json!(it)),
            any::<f64>().prop_map(|it| json!(it)),
            ".{0,40}".prop_map(|it| json!(it)),
            Just(json!([])),
            Just(json!({})),
        ]
    }

    /// How many values hold no other.
    fn leaves(json: &serde_json::Value) -> i64 {
        match json {
            serde_json::Value::Array(items) => items.iter().map(leaves).sum::<i64>().max(1),
            serde_json::Value::Object(fields) => fields.values().map(leaves).sum::<i64>().max(1),
            _ => 1,
        }
    }

    /// Replaces the `at`th of them; counts `at` down.
    fn replace(json: &mut serde_json::Value, at: &mut i64, value: &serde_json::Value) {
        match json {
            serde_json::Value::Array(items) if !items.is_empty() => {
                items.iter_mut().for_each(|item| replace(item, at, value));
            }
            serde_json::Value::Object(fields) if !fields.is_empty() => {
                fields
                    .values_mut()
                    .for_each(|field| replace(field, at, value));
            }
            leaf => {
                if *at == 0 {
                    leaf.clone_from(value);
                }
                *at -= 1;
            }
        }
    }
}
