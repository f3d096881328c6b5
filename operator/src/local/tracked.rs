//! An object of the folder, tracked over time: its generation, and since when it exists.
//!
//! Owns what an API server would maintain. Must not read files.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::manifest::ManifestObject;
use crate::plan::{Key, Meta, Object};

/// The identity of every object: in a folder it is only the name.
const UID: &str = "local";

/// An object and the last decisions about it.
#[derive(Debug)]
pub(crate) struct Tracked<Spec, Status> {
    pub(super) manifest: ManifestObject<Spec>,
    generation: i64,
    /// Its status, once planned.
    pub(crate) status: Option<Arc<Status>>,
    /// The warning of a ready object.
    pub(crate) warning: Option<String>,
    /// Since when it has been known.
    pub(crate) since: Timestamp,
}

impl<Spec, Status> Tracked<Spec, Status> {
    /// Its spec, if it can be read.
    pub(crate) fn spec(&self) -> Option<&Spec> {
        self.manifest.spec.as_deref().ok()
    }
}

/// Follows what was found: new objects are added, changed ones get a new generation, missing ones
/// are removed.
pub(super) fn update_tracked<Spec: PartialEq, Status>(
    tracked: &mut BTreeMap<String, Tracked<Spec, Status>>,
    found: &BTreeMap<String, ManifestObject<Spec>>,
    now: Timestamp,
) where
    ManifestObject<Spec>: Clone,
{
    tracked.retain(|name, _| found.contains_key(name));
    for (name, found) in found {
        match tracked.get_mut(name) {
            Some(tracked) if tracked.manifest == *found => {}
            Some(tracked) => {
                tracked.manifest = found.clone();
                tracked.generation += 1;
            }
            None => {
                let found = found.clone();
                tracked.insert(
                    name.clone(),
                    Tracked {
                        manifest: found,
                        generation: 1,
                        status: None,
                        warning: None,
                        since: now,
                    },
                );
            }
        }
    }
}

/// The object as the planner's type.
pub(super) fn observed_object<Spec, Status>(
    name: &str,
    tracked: &Tracked<Spec, Status>,
) -> Object<Spec, Status> {
    Object {
        meta: Meta {
            created: tracked.since,
            rebalance: tracked.manifest.rebalance.clone(),
            ..meta(name, tracked.manifest.labels.clone(), tracked.generation)
        },
        spec: tracked.manifest.spec.clone(),
        status: tracked.status.clone(),
    }
}

/// Objects that existed before this run are older than later ones; among them names decide.
pub(super) fn meta(name: &str, labels: BTreeMap<String, String>, generation: i64) -> Meta {
    Meta {
        key: Key::new("", name),
        uid: UID.to_owned(),
        generation: Some(generation),
        created: Timestamp::UNIX_EPOCH,
        labels,
        deleting: false,
        rebalance: None,
    }
}
