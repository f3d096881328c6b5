//! What the stores hold at one moment, by account. Does no I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crds::{TickerAccount, names};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::Resource;
use kube::api::ObjectMeta;

use super::owned_kind::OwnedKind;
use super::parsed_or_raw::ParsedOrRaw;
use super::stores::{self, Stores};
use super::workload;
use crate::plan::Key;

/// The accounts and their objects, as in the stores at one moment.
pub(crate) struct OwnedObjects {
    pub(crate) accounts: BTreeMap<Key, Arc<ParsedOrRaw<TickerAccount>>>,
    pub(crate) config_maps: BTreeMap<Key, Arc<ConfigMap>>,
    pub(crate) services: BTreeMap<Key, ObjectMeta>,
    pub(crate) stateful_sets: BTreeMap<Key, ObjectMeta>,
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
        let metadata = |(key, metadata): (Key, &ObjectMeta)| (key, metadata.clone());
        let services = stores::by_key(&stores.services);
        let stateful_sets = stores::by_key(&stores.stateful_sets);
        Self {
            accounts: stores::by_key(&stores.accounts),
            config_maps: stores::by_key(&stores.config_maps),
            services: services
                .iter()
                .map(|(k, it)| metadata((k.clone(), &it.metadata)))
                .collect(),
            stateful_sets: stateful_sets
                .iter()
                .map(|(k, it)| metadata((k.clone(), &it.metadata)))
                .collect(),
            pods: stores::by_key(&stores.pods),
        }
    }

    /// The Secrets that accounts refer to.
    pub(crate) fn secrets(&self) -> BTreeSet<Key> {
        self.accounts
            .iter()
            .filter_map(|(key, account)| Some((&key.namespace, account.spec()?)))
            .flat_map(|(namespace, spec)| {
                let redis = spec.redis.secret_ref.iter();
                [&spec.credentials_secret_ref]
                    .into_iter()
                    .chain(redis)
                    .map(move |secret| Key::new(namespace, &secret.name))
            })
            .collect()
    }

    /// The names that an account needs, each with the object with our labels that has it.
    pub(crate) fn needed(&self, account: &Key) -> [OwnedName<'_>; 3] {
        let name = &account.name;
        let config_map = config_map_key(account);
        let service = Key::new(&account.namespace, names::service(name));
        let stateful_set = Key::new(&account.namespace, names::stateful_set(name));
        [
            OwnedName {
                kind: OwnedKind::ConfigMap,
                labelled: self.config_maps.get(&config_map).map(|it| &it.metadata),
                key: config_map,
            },
            OwnedName {
                kind: OwnedKind::Service,
                labelled: self.services.get(&service),
                key: service,
            },
            OwnedName {
                kind: OwnedKind::StatefulSet,
                labelled: self.stateful_sets.get(&stateful_set),
                key: stateful_set,
            },
        ]
    }

    /// What exists of one account.
    pub(crate) fn owned(&self, account: &Key, uid: &str) -> AccountObjects {
        let name = &account.name;
        let ours = |metadata: Option<&ObjectMeta>| {
            metadata
                .filter(|metadata| workload::is_owned_by(metadata, uid))
                .cloned()
        };
        let key = |name: String| Key::new(&account.namespace, name);
        AccountObjects {
            names_are_ours: false,
            config_map: ours(
                self.config_maps
                    .get(&config_map_key(account))
                    .map(|it| &it.metadata),
            ),
            service: ours(self.services.get(&key(names::service(name)))),
            stateful_set: ours(self.stateful_sets.get(&key(names::stateful_set(name)))),
            // A pod belongs to the StatefulSet.
            pod: self
                .pods
                .get(&pod_key(account))
                .map(|pod| pod.metadata.clone()),
            assignment: None,
            secret_versions: None,
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
        let config_maps = self
            .config_maps
            .iter()
            .map(|(key, it)| (OwnedKind::ConfigMap, key, &it.metadata));
        let services = self
            .services
            .iter()
            .map(|(key, it)| (OwnedKind::Service, key, it));
        let stateful_sets = self
            .stateful_sets
            .iter()
            .map(|(key, it)| (OwnedKind::StatefulSet, key, it));
        config_maps
            .chain(services)
            .chain(stateful_sets)
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

/// The ConfigMap of an account's assignment.
pub(crate) fn config_map_key(account: &Key) -> Key {
    Key::new(
        &account.namespace,
        names::assignment_config_map(&account.name),
    )
}

/// The pod of an account.
pub(crate) fn pod_key(account: &Key) -> Key {
    Key::new(&account.namespace, names::pod(&account.name))
}
