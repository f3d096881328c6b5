//! The change of an account's assignment.

use std::sync::Arc;

use contract::Assignment;

/// The change of an assignment.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum AssignmentChange {
    /// Leave the file unchanged, whatever it holds.
    #[default]
    None,
    /// The file already has this content.
    AlreadyWritten(Arc<Assignment>),
    /// Write this content.
    Write(Arc<Assignment>),
}

impl AssignmentChange {
    /// The assignment that should be in force, where that is known.
    #[must_use]
    pub fn assignment(&self) -> Option<&Arc<Assignment>> {
        match self {
            Self::None => None,
            Self::AlreadyWritten(assignment) | Self::Write(assignment) => Some(assignment),
        }
    }
}
