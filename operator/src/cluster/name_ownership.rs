//! Whether the names that an account needs are free: an object of another owner is never changed.
//!
//! Server-side apply would merge into any object with the name. Objects with our labels are in the
//! stores; for other names the API server is asked until the object is ours.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::api::ObjectMeta;
use kube::{Api, Client, Resource};

use super::api_error::{ApiError, within};
use super::owned_kind::{OwnedKind, OwnedObject};
use super::owned_objects::{OwnedName, OwnedObjects};
use super::workload;
use crate::plan::Key;

/// How long an answer is valid.
const FRESH: Duration = Duration::from_secs(3);

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Concurrent requests.
const IN_FLIGHT: usize = 8;

/// The owner of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum NameHolder {
    /// The name is free.
    Nobody,
    /// An account that may be deleted: its objects go too.
    Account(String),
    /// Another owner.
    Stranger,
}

/// What is known of the names of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NameConflicts {
    /// Objects of others, such as `StatefulSet kt-a`.
    pub(crate) foreign: Vec<String>,
    /// Whether an owner is not known, or an object is being deleted.
    pub(crate) uncertain: bool,
}

/// The cached answers.
pub(crate) struct NameOwnership {
    client: Client,
    answers: BTreeMap<(OwnedKind, Key), (Instant, NameHolder)>,
}

impl NameOwnership {
    /// Starts empty.
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            answers: BTreeMap::new(),
        }
    }

    /// Checks the names of all accounts.
    pub(crate) async fn check(
        &mut self,
        live: &OwnedObjects,
        now: Instant,
    ) -> BTreeMap<Key, NameConflicts> {
        self.answers
            .retain(|_, (at, _)| now.saturating_duration_since(*at) < FRESH);
        let unknown: Vec<_> = live
            .accounts
            .keys()
            .flat_map(|account| live.needed(account))
            .filter(|name| name.labelled.is_none())
            .map(|name| (name.kind, name.key))
            .filter(|name| !self.answers.contains_key(name))
            .collect();
        let client = &self.client;
        let requests = unknown.into_iter().map(|(kind, key)| async move {
            let holder = look_up(client, kind, &key).await;
            ((kind, key), holder)
        });
        let requests: Vec<_> = requests.collect();
        let answers: Vec<_> = stream::iter(requests)
            .buffer_unordered(IN_FLIGHT)
            .collect()
            .await;
        for ((kind, key), holder) in answers {
            match holder {
                Ok(holder) => drop(self.answers.insert((kind, key), (now, holder))),
                Err(error) => {
                    tracing::warn!(kind = kind.as_str(), object = %key, "the owner cannot be read: {error}");
                }
            }
        }
        live.accounts
            .iter()
            .map(|(key, account)| {
                let uid = account.meta().uid.as_deref().unwrap_or_default();
                (key.clone(), self.names(&live.needed(key), uid))
            })
            .collect()
    }

    fn names(&self, needed: &[OwnedName<'_>], uid: &str) -> NameConflicts {
        let mut names = NameConflicts::default();
        for name in needed {
            let holder = match name.labelled {
                Some(metadata) => Some(holder(metadata)),
                None => self
                    .answers
                    .get(&(name.kind, name.key.clone()))
                    .map(|(_, it)| it.clone()),
            };
            match holder {
                Some(NameHolder::Nobody) => {}
                Some(NameHolder::Account(owner)) if owner == uid => {}
                Some(NameHolder::Stranger) => names
                    .foreign
                    .push(format!("{} {}", name.kind, name.key.name)),
                Some(NameHolder::Account(_)) | None => names.uncertain = true,
            }
        }
        names
    }
}

fn holder(metadata: &ObjectMeta) -> NameHolder {
    workload::owner_uid(metadata).map_or(NameHolder::Stranger, |owner| {
        NameHolder::Account(owner.to_owned())
    })
}

async fn look_up(client: &Client, kind: OwnedKind, key: &Key) -> Result<NameHolder, ApiError> {
    let request = async {
        match kind {
            OwnedKind::ConfigMap => metadata::<ConfigMap>(client, key).await,
            OwnedKind::Service => metadata::<Service>(client, key).await,
            OwnedKind::StatefulSet => metadata::<StatefulSet>(client, key).await,
        }
    };
    let metadata = within(TIMEOUT, request).await?;
    Ok(metadata.map_or(NameHolder::Nobody, |metadata| holder(&metadata)))
}

async fn metadata<K: OwnedObject>(
    client: &Client,
    key: &Key,
) -> Result<Option<ObjectMeta>, kube::Error> {
    let api: Api<K> = Api::namespaced(client.clone(), &key.namespace);
    Ok(api
        .get_metadata_opt(&key.name)
        .await?
        .map(|object| object.metadata))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

    use super::*;

    fn owned_by(kind: &str, uid: &str) -> ObjectMeta {
        ObjectMeta {
            owner_references: Some(vec![OwnerReference {
                api_version: "kiteticker.dev/v1alpha1".to_owned(),
                kind: kind.to_owned(),
                name: "a".to_owned(),
                uid: uid.to_owned(),
                controller: Some(true),
                block_owner_deletion: None,
            }]),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn only_what_names_the_account_as_its_controller_is_its_own() {
        assert_eq!(
            holder(&owned_by("TickerAccount", "u")),
            NameHolder::Account("u".to_owned())
        );
        assert_eq!(holder(&owned_by("Deployment", "u")), NameHolder::Stranger);
        assert_eq!(holder(&ObjectMeta::default()), NameHolder::Stranger);
        let mut shared = owned_by("TickerAccount", "u");
        shared.owner_references.as_mut().unwrap()[0].controller = None;
        assert_eq!(holder(&shared), NameHolder::Stranger);
    }
}
