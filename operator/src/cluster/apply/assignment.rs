//! Writes the assignment of an account, and recognises one that another operator wrote.
//!
//! Owns what was written last. Must not decide what an account streams.

use std::time::Instant;

use contract::{Assignment, Sealed};

use super::contest::Contest;
use super::object::{PlannedAccount, WATCH_LAG, owner};
use super::{Applier, ApplyError};
use crate::cluster::owned_objects::AccountObjects;
use crate::cluster::workload;

/// What was written for one account, so that it is not written again.
#[derive(Clone, Debug, Default)]
pub(super) struct AssignmentWrites {
    written: Option<WrittenAssignment>,
    /// The hash of the assignment that was sent last: it may be stored although no answer came.
    tried: Option<String>,
    /// Assignments that another operator wrote.
    pub(super) contest: Contest,
}

/// An assignment that was written.
#[derive(Clone, Debug)]
struct WrittenAssignment {
    generation: u64,
    sha256: String,
    /// The ConfigMap's version since then.
    version: Option<String>,
    at: Instant,
}

impl AssignmentWrites {
    /// Notes what is stored, and returns whether it may be written over now.
    pub(super) fn note_stored(&mut self, owned: &AccountObjects, now: Instant) -> bool {
        let Some(change) = by_another_operator(owned, self) else {
            self.contest.end();
            return true;
        };
        self.contest.note_change(change, now)
    }
}

impl Applier {
    pub(super) async fn write_assignment(
        &self,
        account: PlannedAccount<'_>,
        assignment: &Assignment,
        cache: &mut AssignmentWrites,
    ) -> Result<String, ApplyError> {
        let PlannedAccount { plan, owned, now } = account;
        let fresh = |file: &&WrittenAssignment| now.saturating_duration_since(file.at) < WATCH_LAG;
        let last = cache.written.as_ref().filter(fresh);
        if let Some(last) = last.filter(|last| last.generation == assignment.generation) {
            return Ok(last.sha256.clone());
        }
        let put_back = by_another_operator(owned, cache).is_some();
        let sealed = Sealed::new(assignment);
        let sha256 = sealed.sha256.clone();
        cache.tried = Some(sha256.clone());
        let live = owned.config_map.as_ref();
        // The watch may still show the state before the last write.
        let watch_shows = |last: &&WrittenAssignment| {
            let shown = owned.assignment.as_ref().map(|shown| shown.0);
            shown.is_some_and(|shown| shown >= last.generation)
        };
        let version = match last.filter(|last| !watch_shows(last)) {
            Some(last) => last.version.clone(),
            None => live.and_then(|live| live.resource_version.clone()),
        };
        let object = workload::assignment(owner(plan), assignment, sealed, version);
        let written = self.server_side_apply(&object, live).await?;
        if put_back {
            cache.contest.note_put_back();
        }
        cache.written = Some(WrittenAssignment {
            generation: assignment.generation,
            sha256: sha256.clone(),
            version: written.resource_version,
            at: now,
        });
        tracing::info!(
            account = %plan.key,
            generation = assignment.generation,
            instruments = assignment.instruments.len(),
            "assignment written"
        );
        Ok(sha256)
    }
}

/// The generation of the assignment in the ConfigMap if another operator wrote it: nobody else counts
/// generations upwards.
fn by_another_operator(owned: &AccountObjects, cache: &AssignmentWrites) -> Option<u64> {
    let written = cache.written.as_ref()?;
    let (shown, sha256) = owned.assignment.as_ref()?;
    let ours = cache.tried.as_ref() == Some(sha256);
    (*shown > written.generation && !ours).then_some(*shown)
}

/// Generation and hash of the assignment in the ConfigMap, or of the one just written to it.
pub(super) fn content(owned: &AccountObjects, cache: &AssignmentWrites) -> Option<(u64, String)> {
    let written = cache.written.as_ref();
    let written = written.map(|file| (file.generation, file.sha256.clone()));
    [written, owned.assignment.clone()]
        .into_iter()
        .flatten()
        .max_by_key(|(generation, _)| *generation)
}
