//! An assignment in a mounted folder: gzipped JSON beside the SHA-256 of the JSON.
//!
//! Owns sealing and opening. Opening trusts nothing: size, hash, shape and content are checked.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use crate::Assignment;
use crate::assignment::InvalidAssignment;
use crate::version::{self, ReadError};

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
pub enum UnsealError {
    /// Not gzip, or incomplete.
    #[error("the assignment is not valid gzip")]
    Gzip(#[source] std::io::Error),
    /// Larger than [`LARGEST_JSON`].
    #[error("the assignment is larger than {LARGEST_JSON} bytes")]
    Size,
    /// Not the sealed content.
    #[error("the assignment does not match its SHA-256")]
    Hash,
    /// Not the shape of its version, or without a version.
    #[error("the assignment is not the expected JSON")]
    Json(#[source] serde_json::Error),
    /// An assignment that fails its checks.
    #[error("the assignment is not valid")]
    Invalid(#[from] InvalidAssignment),
}

impl From<ReadError> for UnsealError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Json(error) => Self::Json(error),
            ReadError::Version(error) => Self::Invalid(error),
        }
    }
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
    pub fn open(&self) -> Result<Assignment, UnsealError> {
        let mut json = Vec::new();
        GzDecoder::new(self.gzip.as_slice())
            .take(LARGEST_JSON + 1)
            .read_to_end(&mut json)
            .map_err(UnsealError::Gzip)?;
        if json.len() as u64 > LARGEST_JSON {
            return Err(UnsealError::Size);
        }
        if hash(&json) != self.sha256.trim() {
            return Err(UnsealError::Hash);
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

    use serde_json::Value;

    use super::*;
    use crate::assignment::tests::sample;

    fn seal(document: &Value) -> Sealed {
        Sealed::of_json(&serde_json::to_vec(document).unwrap())
    }

    /// Any JSON, with many numbers of the size that positions and limits have.
    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-1_i64..5).prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,20}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::hash_map("[a-z_]{1,8}", inner, 0..4)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    /// Every place in a document, as JSON pointers.
    fn places(document: &Value, at: &str, found: &mut Vec<String>) {
        found.push(at.to_owned());
        let children: Vec<(String, &Value)> = match document {
            Value::Array(items) => {
                let items = items.iter().enumerate();
                items.map(|(at, item)| (at.to_string(), item)).collect()
            }
            Value::Object(members) => {
                let members = members.iter();
                members.map(|(name, it)| (name.clone(), it)).collect()
            }
            _ => Vec::new(),
        };
        for (name, child) in children {
            places(child, &format!("{at}/{name}"), found);
        }
    }

    /// What later code relies on, in other words than [`Assignment::check`].
    fn is_valid(assignment: &Assignment) -> bool {
        let rows = &assignment.instruments;
        let capacity =
            u64::from(assignment.connections) * u64::from(assignment.tokens_per_connection);
        let alone = |at: usize| rows[..at].iter().all(|row| row.token != rows[at].token);
        assignment.version == 1
            && (1..=3).contains(&assignment.connections)
            && (1..=3000).contains(&assignment.tokens_per_connection)
            && rows.len() as u64 <= capacity
            && (0..rows.len()).all(alone)
            && rows.iter().all(|row| {
                let outputs = row.outputs.iter();
                let channels = outputs.map(|it| assignment.channels.get(usize::from(it.channel)));
                let sets = row
                    .sets
                    .iter()
                    .map(|it| assignment.sets.get(usize::from(*it)));
                channels.chain(sets).all(|name| name.is_some())
            })
    }

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
        assert!(matches!(sealed.open(), Err(UnsealError::Size)));
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
        fn any_bytes_are_refused(gzip in proptest::collection::vec(any::<u8>(), 0..300)) {
            let opened = Sealed { gzip, sha256: hash(b"") }.open();
            prop_assert!(opened.is_err());
        }

        #[test]
        fn any_bytes_within_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let opened = Sealed::of_json(&bytes).open();
            prop_assert!(matches!(opened, Err(UnsealError::Json(_))), "{opened:?}");
        }

        #[test]
        fn any_json_is_refused_by_its_shape(document in any_json()) {
            let opened = seal(&document).open();
            let refused = matches!(opened, Err(UnsealError::Json(_) | UnsealError::Invalid(_)));
            prop_assert!(refused, "{opened:?}");
        }

        /// One member of a good assignment is replaced: it is opened only if nothing depends on it.
        #[test]
        fn what_is_opened_is_sound(at in any::<prop::sample::Index>(), instead in any_json()) {
            let mut document = serde_json::to_value(sample()).unwrap();
            let mut found = Vec::new();
            places(&document, "", &mut found);
            *document.pointer_mut(&found[at.index(found.len())]).unwrap() = instead;
            match seal(&document).open() {
                Ok(opened) => prop_assert!(is_valid(&opened), "{opened:?}"),
                Err(UnsealError::Json(_) | UnsealError::Invalid(_)) => {}
                Err(other) => prop_assert!(false, "it was sealed well: {other}"),
            }
        }
    }
}
