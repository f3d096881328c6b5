//! Whether an object has changed, in a number: what is kept of a large object to compare it later.
//!
//! Must not be stored beyond this process: the numbers differ from build to build.

use std::hash::{DefaultHasher, Hash, Hasher};

use crds::names::ANNOTATION_REBALANCE;
use kube::api::ObjectMeta;

/// The fingerprint of what is compared.
pub(crate) fn fingerprint(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// The only annotation that asks for something.
pub(crate) fn rebalance(metadata: &ObjectMeta) -> Option<&String> {
    metadata.annotations.as_ref()?.get(ANNOTATION_REBALANCE)
}

/// What of an object's owners is compared: who they are, and who of them is in charge.
pub(crate) fn owners(metadata: &ObjectMeta) -> Vec<(&str, Option<bool>)> {
    let owners = metadata.owner_references.iter().flatten();
    owners
        .map(|owner| (owner.uid.as_str(), owner.controller))
        .collect()
}
