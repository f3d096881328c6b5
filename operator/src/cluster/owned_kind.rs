//! The kinds of object that an account owns in the cluster.
//!
//! Owns their names, and those of their objects. Must not read or write any object.

use std::fmt;

use crds::names;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::Resource;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::plan::Key;

/// Kind of an object that the operator makes for an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum OwnedKind {
    /// Holds the assignment.
    ConfigMap,
    /// Names the pod.
    Service,
    /// Runs the pod.
    StatefulSet,
}

impl OwnedKind {
    /// Each of them.
    pub(crate) const ALL: [Self; 3] = [Self::ConfigMap, Self::Service, Self::StatefulSet];

    /// The name that Kubernetes gives the kind.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Service => "Service",
            Self::StatefulSet => "StatefulSet",
        }
    }

    /// The object of this kind that an account needs.
    pub(crate) fn key(self, account: &Key) -> Key {
        let name = match self {
            Self::ConfigMap => names::assignment_config_map(&account.name),
            Self::Service => names::service(&account.name),
            Self::StatefulSet => names::stateful_set(&account.name),
        };
        Key::new(&account.namespace, name)
    }
}

impl fmt::Display for OwnedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An object that the operator makes for an account.
pub(crate) trait OwnedObject:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + fmt::Debug
    + DeserializeOwned
    + Serialize
{
    /// Its kind.
    const KIND: OwnedKind;
}

impl OwnedObject for ConfigMap {
    const KIND: OwnedKind = OwnedKind::ConfigMap;
}

impl OwnedObject for Service {
    const KIND: OwnedKind = OwnedKind::Service;
}

impl OwnedObject for StatefulSet {
    const KIND: OwnedKind = OwnedKind::StatefulSet;
}
