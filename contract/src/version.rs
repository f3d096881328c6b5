//! The JSON of an assignment in each of its versions.
//!
//! Owns which shape belongs to which version, in both directions. Every shape has `version` at the
//! top level, so that a reader recognises a version that it cannot read. Must not check the
//! content.

use serde::Deserialize;

use crate::Assignment;
use crate::assignment::InvalidAssignment;

/// JSON that is not an assignment.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// Not the shape of its version, or without a version.
    Json(serde_json::Error),
    /// A version that this build does not know.
    Version(InvalidAssignment),
}

impl From<serde_json::Error> for ReadError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}

#[derive(Deserialize)]
struct VersionHeader {
    version: u32,
}

/// Writes an assignment in the shape of its version.
pub(crate) fn to_json(assignment: &Assignment) -> serde_json::Result<Vec<u8>> {
    match assignment.version {
        #[cfg(feature = "next")]
        next::VERSION => next::to_json(assignment),
        _ => serde_json::to_vec(assignment),
    }
}

/// Reads an assignment in the shape of the version that it names.
pub(crate) fn from_json(json: &[u8]) -> Result<Assignment, ReadError> {
    let VersionHeader { version } = serde_json::from_slice(json)?;
    match version {
        1 => Ok(serde_json::from_slice(json)?),
        #[cfg(feature = "next")]
        next::VERSION => Ok(next::from_json(json)?),
        found => Err(ReadError::Version(InvalidAssignment::Version { found })),
    }
}

/// A version for tests of operators and ingest processes that are upgraded apart. It has the
/// content of version 1, nested, so that no reader confuses the two.
#[cfg(feature = "next")]
mod next {
    use serde::{Deserialize, Serialize};

    use crate::Assignment;

    pub(super) use crate::assignment::NEXT_VERSION as VERSION;

    #[derive(Serialize, Deserialize)]
    struct Nested<A> {
        version: u32,
        assignment: A,
    }

    pub(super) fn to_json(assignment: &Assignment) -> serde_json::Result<Vec<u8>> {
        let version = VERSION;
        serde_json::to_vec(&Nested {
            version,
            assignment,
        })
    }

    pub(super) fn from_json(json: &[u8]) -> serde_json::Result<Assignment> {
        let nested: Nested<Assignment> = serde_json::from_slice(json)?;
        Ok(Assignment {
            version: VERSION,
            ..nested.assignment
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assignment::ASSIGNMENT_VERSIONS;
    use crate::assignment::tests::sample;

    #[test]
    fn every_version_is_read_as_it_was_written() {
        for version in ASSIGNMENT_VERSIONS {
            let assignment = Assignment {
                version: *version,
                ..sample()
            };
            let json = to_json(&assignment).unwrap();
            assert_eq!(from_json(&json).unwrap(), assignment);
        }
    }

    #[test]
    fn a_version_that_is_not_known_is_named_whatever_its_shape() {
        let refused = from_json(br#"{"version": 9, "assignment": {"version": 1}}"#).unwrap_err();
        let ReadError::Version(refused) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(refused, InvalidAssignment::Version { found: 9 });
        assert!(refused.to_string().contains("version 9 is not one of"));
    }

    #[test]
    fn the_shape_of_another_version_is_refused() {
        let nested = serde_json::json!({"version": 1, "assignment": sample()});
        let refused = from_json(&serde_json::to_vec(&nested).unwrap());
        assert!(matches!(refused, Err(ReadError::Json(_))), "{refused:?}");
    }
}
