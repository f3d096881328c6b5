//! Reads: everything a plan is made of, in the planner's words.
//!
//! Owns no decision and writes nothing. What cannot be read is handed on as not known.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use contract::INGESTOR_PORT;
use crds::{TickerAccount, names};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::Resource;
use kube::api::ObjectMeta;

use super::claims::{Claims, Need};
use super::guarded::{self, Guarded};
use super::reports::{Reports, Target};
use super::secrets::Secrets;
use super::stores::{self, Stores};
use super::workload;
use crate::plan::{
    Key, LastAssignment, Now, Observed, ObservedAccount, Process, Scrape, Secret, Settings, Table,
};

/// Everything there is to read from.
pub(crate) struct Observer {
    pub(crate) stores: Stores,
    pub(crate) reports: Arc<Reports>,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) tables: BTreeMap<String, Table>,
    pub(crate) claims: Claims,
    pub(crate) settings: Settings,
    pub(crate) opened: Opened,
}

/// What was seen, and the versions that writes have to rest on.
pub(crate) struct Seen {
    /// For the planner.
    pub(crate) observed: Observed,
    /// Owned objects by account.
    pub(crate) owned: BTreeMap<Key, Owned>,
    /// Owned objects whose account is gone.
    pub(crate) orphans: Vec<Orphan>,
}

/// What exists of one account.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owned {
    /// Whether every name the account needs is free or its own, as far as could be found out.
    pub(crate) names_are_ours: bool,
    /// Its assignment.
    pub(crate) config_map: Option<ObjectMeta>,
    /// Its Service.
    pub(crate) service: Option<ObjectMeta>,
    /// Its StatefulSet.
    pub(crate) stateful_set: Option<ObjectMeta>,
    /// Its pod.
    pub(crate) pod: Option<ObjectMeta>,
    /// Generation and hash of the assignment that lies in its ConfigMap.
    pub(crate) assignment: Option<(u64, String)>,
    /// Version of the Secret with its credentials.
    pub(crate) secret_version: Option<String>,
}

/// An object of ours that belongs to an account which does not exist any more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Orphan {
    pub(crate) kind: &'static str,
    pub(crate) key: Key,
    pub(crate) uid: String,
}

impl Observer {
    /// Looks at everything once. May ask the API server who holds a name that is not ours yet.
    pub(crate) async fn observe(&mut self, now: Now) -> Seen {
        let live = Live::of(&self.stores);
        self.secrets.want(live.secrets());
        let standings = self.claims.check(&live, now.monotonic).await;
        let mut accounts = Vec::new();
        let mut owned = BTreeMap::new();
        for account in live.accounts.values() {
            let object = account.observed();
            let standing = standings.get(&object.meta.key).cloned().unwrap_or_default();
            let mut own = live.owned(&object.meta.key, &object.meta.uid);
            own.names_are_ours = standing.foreign.is_empty() && !standing.uncertain;
            let secret = self.secret(account, &object.meta.key);
            if let Secret::Present { version } = &secret {
                own.secret_version = Some(version.clone());
            }
            let assignment = self.assignment(&live, &object.meta.key, &object.meta.uid);
            if let LastAssignment::Readable { assignment, sha256 } = &assignment {
                own.assignment = Some((assignment.generation, sha256.clone()));
            }
            accounts.push(ObservedAccount {
                assignment,
                foreign: standing.foreign,
                process: process(live.pods.get(&pod_key(&object.meta.key)).map(Arc::as_ref)),
                scrape: self.scrape(&object.meta.key, &object.meta.uid),
                secret,
                object,
            });
            owned.insert(guarded::key(account.meta()), own);
        }
        self.opened.forget_all_but(&live.config_maps);
        Seen {
            observed: Observed {
                settings: self.settings.clone(),
                accounts,
                sets: self.stores.sets.state().iter().map(|set| set.observed()).collect(),
                tables: self.tables.clone(),
            },
            orphans: live.orphans(),
            owned,
        }
    }

    /// Says whom to ask for reports: pods with an address. `awaiting` are the accounts of the last
    /// plan that have yet to acknowledge.
    pub(crate) fn aim(&self, seen: &Seen, awaiting: &BTreeSet<Key>) {
        let targets = seen.observed.accounts.iter().filter_map(|account| {
            let meta = &account.object.meta;
            let Process::Present { address: Some(address), .. } = &account.process else {
                return None;
            };
            let awaiting = awaiting.contains(&meta.key);
            Some((meta.key.clone(), Target { uid: meta.uid.clone(), address: *address, awaiting }))
        });
        self.reports.aim(targets.collect());
    }

    fn secret(&self, account: &Guarded<TickerAccount>, key: &Key) -> Secret {
        account.spec().map_or(Secret::Unknown, |spec| {
            self.secrets.of(&Key::new(&key.namespace, &spec.credentials_secret_ref.name))
        })
    }

    fn scrape(&self, key: &Key, uid: &str) -> Scrape {
        self.reports.of(key, uid)
    }

    fn assignment(&mut self, live: &Live, key: &Key, uid: &str) -> LastAssignment {
        let config_map = live.config_maps.get(&config_map_key(key));
        config_map
            .filter(|object| workload::is_owned_by(&object.metadata, uid))
            .map_or(LastAssignment::Absent, |object| self.opened.open(object))
    }
}

/// Assignments that were opened before: three megabytes of JSON are not parsed at every pass.
#[derive(Debug, Default)]
pub(crate) struct Opened(BTreeMap<Key, (Option<String>, LastAssignment)>);

impl Opened {
    fn open(&mut self, object: &ConfigMap) -> LastAssignment {
        let key = guarded::key(&object.metadata);
        let version = object.metadata.resource_version.clone();
        if let Some((known, assignment)) = self.0.get(&key)
            && *known == version
        {
            return assignment.clone();
        }
        let assignment = open(object);
        self.0.insert(key, (version, assignment.clone()));
        assignment
    }

    fn forget_all_but(&mut self, config_maps: &BTreeMap<Key, Arc<ConfigMap>>) {
        self.0.retain(|key, _| config_maps.contains_key(key));
    }
}

fn open(object: &ConfigMap) -> LastAssignment {
    let Some(sealed) = workload::sealed(object) else {
        return LastAssignment::Unreadable { why: "the ConfigMap lacks its files".to_owned() };
    };
    match sealed.open() {
        Ok(assignment) => LastAssignment::Readable {
            assignment: Arc::new(assignment),
            sha256: sealed.sha256,
        },
        Err(error) => LastAssignment::Unreadable { why: service::exit::chain(&error).to_string() },
    }
}

/// The stores' contents at one moment.
pub(crate) struct Live {
    pub(crate) accounts: BTreeMap<Key, Arc<Guarded<TickerAccount>>>,
    pub(crate) config_maps: BTreeMap<Key, Arc<ConfigMap>>,
    pub(crate) services: BTreeMap<Key, ObjectMeta>,
    pub(crate) stateful_sets: BTreeMap<Key, ObjectMeta>,
    pods: BTreeMap<Key, Arc<Pod>>,
}

impl Live {
    fn of(stores: &Stores) -> Self {
        let metadata = |(key, metadata): (Key, &ObjectMeta)| (key, metadata.clone());
        let services = stores::by_key(&stores.services);
        let stateful_sets = stores::by_key(&stores.stateful_sets);
        Self {
            accounts: stores::by_key(&stores.accounts),
            config_maps: stores::by_key(&stores.config_maps),
            services: services.iter().map(|(k, it)| metadata((k.clone(), &it.metadata))).collect(),
            stateful_sets: stateful_sets
                .iter()
                .map(|(k, it)| metadata((k.clone(), &it.metadata)))
                .collect(),
            pods: stores::by_key(&stores.pods),
        }
    }

    fn secrets(&self) -> BTreeSet<Key> {
        self.accounts
            .iter()
            .filter_map(|(key, account)| {
                Some(Key::new(&key.namespace, &account.spec()?.credentials_secret_ref.name))
            })
            .collect()
    }

    /// The names an account needs, each with what holds it among the objects that carry our labels.
    pub(crate) fn needed(&self, account: &Key) -> [Need<'_>; 3] {
        let name = &account.name;
        let config_map = config_map_key(account);
        let service = Key::new(&account.namespace, names::service(name));
        let stateful_set = Key::new(&account.namespace, names::stateful_set(name));
        [
            Need::new("ConfigMap", self.config_maps.get(&config_map).map(|it| &it.metadata), config_map),
            Need::new("Service", self.services.get(&service), service),
            Need::new("StatefulSet", self.stateful_sets.get(&stateful_set), stateful_set),
        ]
    }

    fn owned(&self, account: &Key, uid: &str) -> Owned {
        let name = &account.name;
        let ours = |metadata: Option<&ObjectMeta>| {
            metadata.filter(|metadata| workload::is_owned_by(metadata, uid)).cloned()
        };
        let key = |name: String| Key::new(&account.namespace, name);
        Owned {
            names_are_ours: false,
            config_map: ours(self.config_maps.get(&config_map_key(account)).map(|it| &it.metadata)),
            service: ours(self.services.get(&key(names::service(name)))),
            stateful_set: ours(self.stateful_sets.get(&key(names::stateful_set(name)))),
            // A pod belongs to the StatefulSet.
            pod: self.pods.get(&pod_key(account)).map(|pod| pod.metadata.clone()),
            assignment: None,
            secret_version: None,
        }
    }

    /// Objects of accounts that are gone. The garbage collector would find them too, later.
    fn orphans(&self) -> Vec<Orphan> {
        let accounts: BTreeSet<&str> =
            self.accounts.values().filter_map(|account| account.meta().uid.as_deref()).collect();
        let config_maps = self.config_maps.iter().map(|(key, it)| ("ConfigMap", key, &it.metadata));
        let services = self.services.iter().map(|(key, it)| ("Service", key, it));
        let stateful_sets = self.stateful_sets.iter().map(|(key, it)| ("StatefulSet", key, it));
        config_maps
            .chain(services)
            .chain(stateful_sets)
            .filter(|(_, _, metadata)| {
                metadata.deletion_timestamp.is_none()
                    && workload::owner_uid(metadata).is_some_and(|owner| !accounts.contains(owner))
            })
            .filter_map(|(kind, key, metadata)| {
                Some(Orphan { kind, key: key.clone(), uid: metadata.uid.clone()? })
            })
            .collect()
    }
}

fn config_map_key(account: &Key) -> Key {
    Key::new(&account.namespace, names::assignment_config_map(&account.name))
}

fn pod_key(account: &Key) -> Key {
    Key::new(&account.namespace, names::pod(&account.name))
}

fn process(pod: Option<&Pod>) -> Process {
    let Some(pod) = pod else {
        return Process::Absent;
    };
    let status = pod.status.as_ref();
    let running = status.and_then(|status| status.phase.as_deref()) == Some("Running");
    let address = status
        .filter(|_| running)
        .and_then(|status| status.pod_ip.as_deref()?.parse().ok())
        .map(|ip: std::net::IpAddr| (ip, INGESTOR_PORT).into());
    let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    Process::Present {
        name: pod.metadata.name.clone().unwrap_or_default(),
        address,
        ready: pod.metadata.deletion_timestamp.is_none()
            && conditions.iter().any(|it| it.type_ == "Ready" && it.status == "True"),
        trouble: trouble(pod),
    }
}

/// Why a pod does not run, in Kubernetes' own words.
fn trouble(pod: &Pod) -> Option<String> {
    if pod.metadata.deletion_timestamp.is_some() {
        return Some("Terminating".to_owned());
    }
    let status = pod.status.as_ref()?;
    let containers = status.container_statuses.as_deref().unwrap_or_default();
    let waiting = containers.iter().find_map(|it| it.state.as_ref()?.waiting.as_ref()?.reason.clone());
    let unscheduled = || {
        let conditions = status.conditions.as_deref().unwrap_or_default();
        let scheduled = conditions.iter().find(|it| it.type_ == "PodScheduled" && it.status == "False")?;
        scheduled.message.clone().or_else(|| scheduled.reason.clone())
    };
    waiting
        // The ordinary first moments are no trouble.
        .filter(|reason| reason != "ContainerCreating" && reason != "PodInitializing")
        .or_else(unscheduled)
        .or_else(|| status.reason.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(value: serde_json::Value) -> Pod {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_running_pod_has_an_address_before_it_is_ready() {
        let starting = pod(json!({
            "metadata": {"name": "kt-a-0"},
            "status": {"phase": "Running", "podIP": "10.0.0.7",
                "conditions": [{"type": "Ready", "status": "False"}]},
        }));
        assert_eq!(
            process(Some(&starting)),
            Process::Present {
                name: "kt-a-0".to_owned(),
                address: Some("10.0.0.7:9400".parse().unwrap()),
                ready: false,
                trouble: None,
            }
        );
        assert_eq!(process(None), Process::Absent);
    }

    #[test]
    fn why_a_pod_does_not_run_is_told() {
        let told = |value| trouble(&pod(value));
        let waiting = |reason| {
            told(json!({"metadata": {}, "status": {"containerStatuses": [{
                "name": "ingestor", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                "state": {"waiting": {"reason": reason}}}]}}))
        };
        assert_eq!(waiting("ImagePullBackOff").as_deref(), Some("ImagePullBackOff"));
        assert_eq!(waiting("ContainerCreating"), None);
        let unscheduled = json!({"metadata": {}, "status": {"conditions": [
            {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}]}});
        assert_eq!(told(unscheduled).as_deref(), Some("0/1 nodes are available"));
        let leaving = json!({"metadata": {"deletionTimestamp": "2026-11-24T03:45:00Z"}});
        assert_eq!(told(leaving).as_deref(), Some("Terminating"));
    }
}
