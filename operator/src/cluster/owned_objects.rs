//! What the stores hold at one moment, by account. Does no I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crds::{TickerAccount, names};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use kube::Resource;
use kube::api::{ObjectMeta, PartialObjectMeta};

use super::owned_kind::OwnedKind;
use super::parsed_or_raw::ParsedOrRaw;
use super::pod;
use super::secrets::SecretUse;
use super::stores::{self, Stores};
use super::workload;
use crate::plan::Key;

/// The accounts and their objects, as in the stores at one moment.
pub(crate) struct OwnedObjects {
    pub(crate) accounts: BTreeMap<Key, Arc<ParsedOrRaw<TickerAccount>>>,
    pub(crate) config_maps: BTreeMap<Key, Arc<ConfigMap>>,
    pub(crate) services: BTreeMap<Key, Arc<PartialObjectMeta<Service>>>,
    pub(crate) stateful_sets: BTreeMap<Key, Arc<PartialObjectMeta<StatefulSet>>>,
    pub(crate) pods: BTreeMap<Key, Arc<Pod>>,
}

/// What exists of one account.
#[derive(Clone, Debug, Default)]
pub(crate) struct AccountObjects {
    /// Whether every name that the account needs is free or its own, as far as is known.
    pub(crate) names_are_ours: bool,
    /// Its assignment.
    pub(crate) config_map: Option<ObjectMeta>,
    /// Its Service.
    pub(crate) service: Option<ObjectMeta>,
    /// Its StatefulSet.
    pub(crate) stateful_set: Option<ObjectMeta>,
    /// Its pod.
    pub(crate) pod: Option<ObjectMeta>,
    /// Whether that pod was not ready since it was started.
    pub(crate) pod_never_ready: bool,
    /// Generation and hash of the assignment in its ConfigMap.
    pub(crate) assignment: Option<(u64, String)>,
    /// Versions of its existing Secrets, the one with its credentials first; `None` until all of
    /// them have been read.
    pub(crate) secret_versions: Option<Vec<String>>,
}

/// An object of ours whose account no longer exists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Orphan {
    pub(crate) kind: OwnedKind,
    pub(crate) key: Key,
    pub(crate) uid: String,
    /// Its version when it was seen: a later change may have given it to another owner.
    pub(crate) version: Option<String>,
}

/// One name that an account needs.
#[derive(Clone, Debug)]
pub(crate) struct OwnedName<'a> {
    pub(crate) kind: OwnedKind,
    pub(crate) key: Key,
    /// The object with our labels and this name.
    pub(crate) labelled: Option<&'a ObjectMeta>,
}

impl OwnedObjects {
    /// Reads the stores.
    pub(crate) fn of(stores: &Stores) -> Self {
        Self {
            accounts: stores::by_key(&stores.accounts),
            config_maps: stores::by_key(&stores.config_maps),
            services: stores::by_key(&stores.services),
            stateful_sets: stores::by_key(&stores.stateful_sets),
            pods: stores::by_key(&stores.pods),
        }
    }

    /// The Secrets that accounts refer to, and those with their sessions.
    pub(crate) fn secrets(&self) -> BTreeMap<Key, SecretUse> {
        let sessions = self.accounts.keys();
        let sessions = sessions.map(|key| (session_key(key), SecretUse::Session));
        let named = self.accounts.iter().flat_map(|(key, account)| {
            let spec = account.spec().into_iter();
            let refs = spec.flat_map(|spec| {
                let credentials = [&spec.credentials_secret_ref].into_iter();
                credentials.chain(&spec.redis.secret_ref)
            });
            refs.map(|secret| (Key::new(&key.namespace, &secret.name), SecretUse::Named))
        });
        // One that is named counts as such.
        sessions.chain(named).collect()
    }

    /// The names that an account needs, each with the object with our labels that has it.
    pub(crate) fn needed(&self, account: &Key) -> [OwnedName<'_>; 3] {
        OwnedKind::ALL.map(|kind| {
            let key = kind.key(account);
            let labelled = self.labelled(kind, &key);
            OwnedName {
                kind,
                key,
                labelled,
            }
        })
    }

    /// The object with our labels of this kind and name.
    fn labelled(&self, kind: OwnedKind, key: &Key) -> Option<&ObjectMeta> {
        match kind {
            OwnedKind::ConfigMap => self.config_maps.get(key).map(|it| &it.metadata),
            OwnedKind::Service => self.services.get(key).map(|it| &it.metadata),
            OwnedKind::StatefulSet => self.stateful_sets.get(key).map(|it| &it.metadata),
        }
    }

    /// What exists of one account.
    pub(crate) fn owned(&self, account: &Key, uid: &str) -> AccountObjects {
        let ours = |kind: OwnedKind| {
            let labelled = self.labelled(kind, &kind.key(account));
            let ours = labelled.filter(|metadata| workload::is_owned_by(metadata, uid));
            ours.cloned()
        };
        let pod = self.pods.get(&pod_key(account));
        AccountObjects {
            config_map: ours(OwnedKind::ConfigMap),
            service: ours(OwnedKind::Service),
            stateful_set: ours(OwnedKind::StatefulSet),
            // A pod belongs to the StatefulSet.
            pod: pod.map(|pod| pod.metadata.clone()),
            pod_never_ready: pod.is_some_and(|pod| pod::never_ready(pod)),
            ..AccountObjects::default()
        }
    }

    /// Objects of accounts that no longer exist. The garbage collector would delete them too,
    /// later.
    pub(crate) fn orphans(&self) -> Vec<Orphan> {
        let accounts: BTreeSet<&str> = self
            .accounts
            .values()
            .filter_map(|account| account.meta().uid.as_deref())
            .collect();
        of_kind(OwnedKind::ConfigMap, &self.config_maps)
            .chain(of_kind(OwnedKind::Service, &self.services))
            .chain(of_kind(OwnedKind::StatefulSet, &self.stateful_sets))
            .filter(|(_, _, metadata)| {
                metadata.deletion_timestamp.is_none()
                    && workload::owner_uid(metadata).is_some_and(|owner| !accounts.contains(owner))
            })
            .filter_map(|(kind, key, metadata)| {
                Some(Orphan {
                    kind,
                    key: key.clone(),
                    uid: metadata.uid.clone()?,
                    version: metadata.resource_version.clone(),
                })
            })
            .collect()
    }
}

fn of_kind<K: Resource>(
    kind: OwnedKind,
    objects: &BTreeMap<Key, Arc<K>>,
) -> impl Iterator<Item = (OwnedKind, &Key, &ObjectMeta)> {
    let objects = objects.iter();
    objects.map(move |(key, object)| (kind, key, object.meta()))
}

/// The Secret with an account's session.
pub(crate) fn session_key(account: &Key) -> Key {
    Key::new(&account.namespace, names::session_secret(&account.name))
}

/// The pod of an account.
pub(crate) fn pod_key(account: &Key) -> Key {
    Key::new(&account.namespace, names::pod(&account.name))
}
