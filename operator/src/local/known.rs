//! An object of the folder, followed over time: its generation, and since when it is known.
//!
//! Owns what an API server would count. Must not read files.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::manifest::Found;
use crate::plan::{Key, Meta, Object};

/// The identity of every object: a folder has no other than the name.
const UID: &str = "local";

/// An object and what was decided about it last.
#[derive(Debug)]
pub(crate) struct Known<Spec, Status> {
    pub(super) found: Found<Spec>,
    generation: i64,
    /// Its status, once planned.
    pub(crate) status: Option<Arc<Status>>,
    /// Since when it has been known.
    pub(crate) since: Timestamp,
}

impl<Spec, Status> Known<Spec, Status> {
    /// Its spec, where that can be read.
    pub(crate) fn spec(&self) -> Option<&Spec> {
        self.found.spec.as_deref().ok()
    }
}

/// Follows what was found: new objects start, changed ones count up, missing ones go.
pub(super) fn adopt<Spec: PartialEq, Status>(
    known: &mut BTreeMap<String, Known<Spec, Status>>,
    found: &BTreeMap<String, Found<Spec>>,
    now: Timestamp,
) where
    Found<Spec>: Clone,
{
    known.retain(|name, _| found.contains_key(name));
    for (name, found) in found {
        match known.get_mut(name) {
            Some(known) if known.found == *found => {}
            Some(known) => {
                known.found = found.clone();
                known.generation += 1;
            }
            None => {
                let found = found.clone();
                known.insert(
                    name.clone(),
                    Known {
                        found,
                        generation: 1,
                        status: None,
                        since: now,
                    },
                );
            }
        }
    }
}

/// As the planner is told of it.
pub(super) fn object<Spec, Status>(
    name: &str,
    known: &Known<Spec, Status>,
) -> Object<Spec, Status> {
    Object {
        meta: Meta {
            created: known.since,
            ..meta(name, known.found.labels.clone(), known.generation)
        },
        spec: known.found.spec.clone(),
        status: known.status.clone(),
    }
}

/// What was there before this run is older than anything that comes later; among these names decide.
pub(super) fn meta(name: &str, labels: BTreeMap<String, String>, generation: i64) -> Meta {
    Meta {
        key: Key::new("", name),
        uid: UID.to_owned(),
        generation: Some(generation),
        created: Timestamp::UNIX_EPOCH,
        labels,
        deleting: false,
    }
}
