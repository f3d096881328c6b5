//! Whether the names an account needs are free: a stranger's object is never touched.
//!
//! Server-side apply would merge into whatever has the name. What carries our labels is in the
//! stores; for the rest the API server is asked, until the object is ours.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::api::ObjectMeta;
use kube::{Api, Client, Resource};

use super::live::Live;
use super::trouble::Trouble;
use super::workload;
use crate::plan::Key;

/// How long an answer counts.
const FRESH: Duration = Duration::from_secs(3);

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Requests at a time.
const IN_FLIGHT: usize = 8;

/// Who holds a name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Holder {
    /// Nobody.
    Nobody,
    /// An account that may be gone: its objects go too.
    Account(String),
    /// Something else.
    Stranger,
}

/// One name that an account needs.
#[derive(Clone, Debug)]
pub(crate) struct Need<'a> {
    kind: &'static str,
    key: Key,
    labelled: Option<&'a ObjectMeta>,
}

/// What is known of all names of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    /// Objects of others, such as `StatefulSet kt-a`.
    pub(crate) foreign: Vec<String>,
    /// Whether something could not be found out, or is on its way out.
    pub(crate) uncertain: bool,
}

/// The answers so far.
pub(crate) struct Claims {
    client: Client,
    answers: BTreeMap<(&'static str, Key), (Instant, Holder)>,
}

impl<'a> Need<'a> {
    /// A name, and the object with our labels that has it.
    pub(crate) fn new(kind: &'static str, labelled: Option<&'a ObjectMeta>, key: Key) -> Self {
        Self {
            kind,
            key,
            labelled,
        }
    }
}

impl Claims {
    /// Knows nothing yet.
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            answers: BTreeMap::new(),
        }
    }

    /// Checks the names of all accounts.
    pub(crate) async fn check(&mut self, live: &Live, now: Instant) -> BTreeMap<Key, Names> {
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
        let asking = unknown.into_iter().map(|(kind, key)| async move {
            let holder = ask(client, kind, &key).await;
            ((kind, key), holder)
        });
        let asking: Vec<_> = asking.collect();
        let asked: Vec<_> = stream::iter(asking)
            .buffer_unordered(IN_FLIGHT)
            .collect()
            .await;
        for ((kind, key), holder) in asked {
            match holder {
                Ok(holder) => drop(self.answers.insert((kind, key), (now, holder))),
                Err(trouble) => {
                    tracing::warn!(kind, object = %key, "it cannot be found out who holds a name: {trouble}");
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

    fn names(&self, needed: &[Need<'_>], uid: &str) -> Names {
        let mut names = Names::default();
        for name in needed {
            let holder = match name.labelled {
                Some(metadata) => Some(holder(metadata)),
                None => self
                    .answers
                    .get(&(name.kind, name.key.clone()))
                    .map(|(_, it)| it.clone()),
            };
            match holder {
                Some(Holder::Nobody) => {}
                Some(Holder::Account(owner)) if owner == uid => {}
                Some(Holder::Stranger) => names
                    .foreign
                    .push(format!("{} {}", name.kind, name.key.name)),
                Some(Holder::Account(_)) | None => names.uncertain = true,
            }
        }
        names
    }
}

fn holder(metadata: &ObjectMeta) -> Holder {
    workload::owner_uid(metadata)
        .map_or(Holder::Stranger, |owner| Holder::Account(owner.to_owned()))
}

async fn ask(client: &Client, kind: &str, key: &Key) -> Result<Holder, Trouble> {
    let asking = async {
        match kind {
            "ConfigMap" => metadata::<ConfigMap>(client, key).await,
            "Service" => metadata::<Service>(client, key).await,
            _ => metadata::<StatefulSet>(client, key).await,
        }
    };
    let metadata = tokio::time::timeout(TIMEOUT, asking)
        .await
        .map_err(|_| Trouble::Silent)??;
    Ok(metadata.map_or(Holder::Nobody, |metadata| holder(&metadata)))
}

async fn metadata<K>(client: &Client, key: &Key) -> Result<Option<ObjectMeta>, kube::Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
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
            Holder::Account("u".to_owned())
        );
        assert_eq!(holder(&owned_by("Deployment", "u")), Holder::Stranger);
        assert_eq!(holder(&ObjectMeta::default()), Holder::Stranger);
        let mut shared = owned_by("TickerAccount", "u");
        shared.owner_references.as_mut().unwrap()[0].controller = None;
        assert_eq!(holder(&shared), Holder::Stranger);
    }
}
