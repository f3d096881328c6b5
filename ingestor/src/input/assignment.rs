//! An assignment made ready for the data plane.
//!
//! Owns opening, checking and preparing: all that takes time, away from the thread that carries
//! ticks. Also decides whether a document may follow the one in force.

use std::sync::Arc;

use contract::assignment::Account;
use contract::report::AppliedAssignment;
use contract::sealed::UnsealError;
use contract::{Assignment, Sealed};

use crate::directory::listing::DirectoryListing;
use crate::pipeline::instruments::AssignedInstruments;
use redis_link::target::{InvalidTarget, Target};

/// A checked assignment with everything prepared.
#[derive(Debug)]
pub(crate) struct PreparedAssignment {
    /// Which one it is.
    pub(crate) applied: AppliedAssignment,
    /// For whom.
    pub(crate) account: Account,
    /// The WebSocket origin.
    pub(crate) websocket: String,
    /// Where ticks go.
    pub(crate) target: Target,
    /// Connections that may be open.
    pub(crate) connections: u8,
    /// Tokens that one of them may carry.
    pub(crate) tokens_per_connection: u16,
    /// Whether updates of the account's orders are told.
    pub(crate) order_updates: bool,
    /// The instruments.
    pub(crate) instruments: AssignedInstruments,
    /// What the directory has to say of them.
    pub(crate) listing: Arc<DirectoryListing>,
}

/// A document that is not taken. The one in force stays.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AssignmentError {
    /// It cannot be opened.
    #[error("assignment in the folder is not usable")]
    Open(#[from] UnsealError),
    /// It names no Redis.
    #[error("assignment in the folder is not usable")]
    Target(#[from] InvalidTarget),
    /// It is older than the one in force.
    #[error("assignment in the folder has generation {found}, older than {in_force} in force")]
    Older {
        /// Its generation.
        found: u64,
        /// The one in force.
        in_force: u64,
    },
}

/// Opens, checks and prepares. `epoch` names this process in every tick.
///
/// # Errors
/// When the document is broken, or older than the one `in_force`.
pub(crate) fn prepare(
    sealed: &Sealed,
    in_force: Option<&AppliedAssignment>,
    epoch: &str,
) -> Result<PreparedAssignment, AssignmentError> {
    let assignment = sealed.open()?;
    check_age(&assignment, in_force)?;
    let target = Target::parse(&assignment.redis_url)?;
    Ok(PreparedAssignment {
        applied: AppliedAssignment {
            account_uid: assignment.account.uid.clone(),
            generation: assignment.generation,
            sha256: sealed.sha256.trim().to_owned(),
        },
        listing: Arc::new(DirectoryListing::new(&assignment, target.clone())),
        order_updates: assignment.order_updates,
        instruments: AssignedInstruments::build(&assignment, epoch, target.is_sharded()),
        account: assignment.account,
        websocket: assignment.websocket,
        connections: assignment.connections,
        tokens_per_connection: assignment.tokens_per_connection,
        target,
    })
}

/// Generations order the assignments of one account; another account's say nothing.
fn check_age(
    assignment: &Assignment,
    in_force: Option<&AppliedAssignment>,
) -> Result<(), AssignmentError> {
    match in_force {
        Some(in_force)
            if in_force.account_uid == assignment.account.uid
                && assignment.generation < in_force.generation =>
        {
            Err(AssignmentError::Older {
                found: assignment.generation,
                in_force: in_force.generation,
            })
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::instruments::tests::sample;

    fn applied(generation: u64, uid: &str) -> AppliedAssignment {
        AppliedAssignment {
            account_uid: uid.to_owned(),
            generation,
            sha256: String::new(),
        }
    }

    #[test]
    fn an_older_generation_of_the_same_account_is_refused() {
        let mut assignment = sample();
        assignment.generation = 5;
        let sealed = Sealed::new(&assignment);
        let uid = assignment.account.uid.as_str();
        let judged = |in_force: Option<AppliedAssignment>| {
            prepare(&sealed, in_force.as_ref(), "1").map(|assigned| assigned.applied.generation)
        };
        assert!(matches!(
            judged(Some(applied(6, uid))),
            Err(AssignmentError::Older {
                found: 5,
                in_force: 6
            })
        ));
        assert_eq!(judged(Some(applied(5, uid))).unwrap(), 5);
        assert_eq!(judged(Some(applied(6, "another"))).unwrap(), 5);
        assert_eq!(judged(None).unwrap(), 5);
    }

    #[test]
    fn a_redis_address_that_leads_nowhere_is_refused() {
        let mut assignment = sample();
        assignment.redis_url = "http://x".to_owned();
        let refused = prepare(&Sealed::new(&assignment), None, "1").unwrap_err();
        assert!(matches!(refused, AssignmentError::Target(_)));
    }
}
