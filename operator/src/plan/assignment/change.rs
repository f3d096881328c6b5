//! What is to be done about an account's assignment.

use std::sync::Arc;

use contract::Assignment;

/// What is to be done about an assignment.
#[derive(Clone, Debug, PartialEq)]
pub enum AssignmentChange {
    /// Nothing may be changed, whatever lies there.
    None,
    /// This one lies there already.
    AlreadyWritten(Arc<Assignment>),
    /// This one must be written.
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
