//! Reads everything that a plan is made of, as the planner's types.
//!
//! Makes no decision and writes nothing. What cannot be read is passed on as not known.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use calendar::Calendar;
use contract::{Assignment, TokenSource};
use crds::TickerAccount;
use k8s_openapi::api::core::v1::ConfigMap;
use tokio::sync::watch;

use super::name_ownership::NameOwnership;
use super::owned_kind::OwnedKind;
use super::owned_objects::{self, AccountObjects, Orphan, OwnedObjects};
use super::parsed_or_raw::{self, ParsedOrRaw};
use super::pod;
use super::pod_refusals::PodRefusals;
use super::reports::{Reports, ScrapeTarget};
use super::secrets::Secrets;
use super::stores::Stores;
use super::workload;
use crate::login::LoginLinks;
use crate::plan::{
    Key, LastAssignment, Now, Observed, ObservedAccount, Plan, Process, Secret, Settings, Table,
};
use crate::token_check::TokenChecks;

/// All sources.
pub(crate) struct Observer {
    pub(crate) stores: Stores,
    pub(crate) reports: Arc<Reports>,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) tokens: Arc<TokenChecks>,
    pub(crate) links: Arc<LoginLinks>,
    pub(crate) tables: BTreeMap<String, Table>,
    pub(crate) name_ownership: NameOwnership,
    pub(crate) refusals: PodRefusals,
    pub(crate) settings: Settings,
    pub(crate) calendar: watch::Receiver<Arc<Calendar>>,
    pub(crate) assignments: AssignmentCache,
}

/// What was seen, and the versions that writes refer to.
pub(crate) struct ObservedCluster {
    /// For the planner.
    pub(crate) observed: Observed,
    /// Owned objects by account.
    pub(crate) owned: BTreeMap<Key, AccountObjects>,
    /// Owned objects whose account no longer exists.
    pub(crate) orphans: Vec<Orphan>,
}

impl Observer {
    /// Reads everything once. May ask the API server for the owner of a name that is not ours yet.
    pub(crate) async fn observe(&mut self, now: Now) -> ObservedCluster {
        let live = OwnedObjects::of(&self.stores);
        self.secrets.set_referenced(live.secrets());
        let mut names_by_account = self.name_ownership.check(&live, now.monotonic).await;
        self.refusals
            .observe(&self.stores.refusals.state(), &live.pods);
        let mut accounts = Vec::new();
        let mut owned = BTreeMap::new();
        for (key, account) in &live.accounts {
            let object = account.observed();
            let uid = &object.meta.uid;
            let names = names_by_account.remove(key).unwrap_or_default();
            let mut own = live.owned(key, uid);
            own.names_are_ours = names.foreign.is_empty() && !names.uncertain;
            let secret = self.secret(account, key);
            let redis_secret = self.redis_secret(account, key);
            let session = self.secrets.of(&owned_objects::session_key(key));
            let mounted = [Some(&secret), redis_secret.as_ref(), Some(&session)];
            own.secret_versions = versions(mounted);
            let assignment = self.assignment(&live, key, uid);
            let pod = live.pods.get(&owned_objects::pod_key(key));
            let refusal = self.refusal(key, &own).filter(|_| pod.is_none());
            if let LastAssignment::Readable { assignment, sha256 } = &assignment {
                own.assignment = Some((assignment.generation, sha256.clone()));
            }
            accounts.push(ObservedAccount {
                assignment,
                foreign: names.foreign,
                process: pod::process(pod.map(Arc::as_ref), now.wall),
                scrape: self.reports.of(key, uid),
                secret,
                token: self.tokens.of(key, TokenSource::Secret),
                session_token: self.tokens.of(key, TokenSource::Session),
                session,
                login_link: self.links.of(key),
                redis_secret,
                unwritten: refusal,
                object,
            });
            owned.insert(key.clone(), own);
        }
        self.assignments.retain(&live.config_maps);
        let pods: BTreeSet<_> = live.accounts.keys().map(owned_objects::pod_key).collect();
        self.refusals.retain(|pod| pods.contains(pod));
        let sets = self.stores.sets.state();
        ObservedCluster {
            observed: Observed {
                settings: self.settings.clone(),
                calendar: Arc::clone(&self.calendar.borrow()),
                accounts,
                sets: sets.iter().map(|set| set.observed()).collect(),
                tables: self.tables.clone(),
            },
            orphans: live.orphans(),
            owned,
        }
    }

    /// Sets the pods whose reports are requested: those with an address. The accounts of the plan
    /// whose next report is awaited are polled more often.
    pub(crate) fn set_report_targets(&self, seen: &ObservedCluster, plan: &Plan) {
        let planned: BTreeMap<_, _> = plan.accounts.iter().map(|it| (&it.key, it)).collect();
        let targets = seen.observed.accounts.iter().filter_map(|account| {
            let meta = &account.object.meta;
            let Process::Present {
                address: Some(address),
                ..
            } = &account.process
            else {
                return None;
            };
            let planned = planned.get(&meta.key);
            Some((
                meta.key.clone(),
                ScrapeTarget {
                    uid: meta.uid.clone(),
                    address: *address,
                    expecting: planned.is_some_and(|it| it.expecting),
                    bands: planned.map(|it| it.bands.clone()).unwrap_or_default(),
                },
            ))
        });
        self.reports.set_targets(targets.collect());
    }

    /// Why the account's StatefulSet has no pod.
    fn refusal(&self, account: &Key, owned: &AccountObjects) -> Option<String> {
        let pod = owned_objects::pod_key(account);
        self.refusals.of(owned.stateful_set.as_ref()?, &pod.name)
    }

    fn secret(&self, account: &ParsedOrRaw<TickerAccount>, key: &Key) -> Secret {
        account.spec().map_or(Secret::Unreadable, |spec| {
            self.secrets
                .of(&Key::new(&key.namespace, &spec.credentials_secret_ref.name))
        })
    }

    fn redis_secret(&self, account: &ParsedOrRaw<TickerAccount>, key: &Key) -> Option<Secret> {
        let secret = account.spec()?.redis.secret_ref.as_ref()?;
        Some(self.secrets.of(&Key::new(&key.namespace, &secret.name)))
    }

    fn assignment(&mut self, live: &OwnedObjects, key: &Key, uid: &str) -> LastAssignment {
        let config_map = live.config_maps.get(&OwnedKind::ConfigMap.key(key));
        config_map
            .filter(|object| workload::is_owned_by(&object.metadata, uid))
            .map_or(LastAssignment::Absent, |object| {
                self.assignments.open(object)
            })
    }
}

/// The versions of those that exist, once all are known.
fn versions(secrets: [Option<&Secret>; 3]) -> Option<Vec<String>> {
    let known = secrets.into_iter().flatten();
    let versions = known.filter_map(|secret| match secret {
        Secret::Unknown => Some(None),
        Secret::Present { version, .. } => Some(Some(version.clone())),
        Secret::Missing | Secret::Unreadable => None,
    });
    versions.collect()
}

/// Cache of opened assignments, so that three megabytes of JSON are not parsed in every pass.
#[derive(Debug, Default)]
pub(crate) struct AssignmentCache(BTreeMap<Key, (Option<String>, LastAssignment)>);

impl AssignmentCache {
    fn open(&mut self, object: &ConfigMap) -> LastAssignment {
        let key = parsed_or_raw::key(&object.metadata);
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

    /// Keeps what was planned instead of the same as it was read: both are megabytes.
    pub(crate) fn share(
        &mut self,
        account: &Key,
        stored: &mut LastAssignment,
        planned: &Arc<Assignment>,
    ) {
        let LastAssignment::Readable { assignment, .. } = stored else {
            return;
        };
        // Thousands of rows are compared once, not in every pass.
        let is_other = assignment.generation != planned.generation;
        if Arc::ptr_eq(assignment, planned) || is_other || **assignment != **planned {
            return;
        }
        *assignment = Arc::clone(planned);
        let key = OwnedKind::ConfigMap.key(account);
        if let Some((_, known)) = self.0.get_mut(&key) {
            known.clone_from(stored);
        }
    }

    fn retain(&mut self, config_maps: &BTreeMap<Key, Arc<ConfigMap>>) {
        self.0.retain(|key, _| config_maps.contains_key(key));
    }
}

fn open(object: &ConfigMap) -> LastAssignment {
    let Some(sealed) = workload::sealed(object) else {
        return LastAssignment::Unreadable {
            why: "the ConfigMap lacks its files".to_owned(),
        };
    };
    match sealed.open() {
        Ok(assignment) => LastAssignment::Readable {
            assignment: Arc::new(assignment),
            sha256: sealed.sha256,
        },
        Err(error) => LastAssignment::Unreadable {
            why: service::exit::chain(&error).to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use contract::Sealed;

    use super::*;
    use crate::plan::fixture::{equities, observed, run, set, start};

    #[test]
    fn what_was_planned_is_kept_once() {
        let account = crate::plan::fixture::account("a");
        let mut world = observed(vec![account], vec![set("s", &equities(0..3), &[])]);
        run(&mut world, start());
        let key = world.accounts[0].object.meta.key.clone();
        let planned = Arc::clone(world.accounts[0].assignment.readable().unwrap().0);
        let opened = |of: &Arc<Assignment>| {
            let sealed = Sealed::new(of);
            LastAssignment::Readable {
                assignment: Arc::new(sealed.open().unwrap()),
                sha256: sealed.sha256,
            }
        };
        let mut cache = AssignmentCache::default();
        let is_planned = |it: &LastAssignment| Arc::ptr_eq(it.readable().unwrap().0, &planned);
        let mut stored = opened(&planned);
        let entry = (Some("1".to_owned()), stored.clone());
        cache.0.insert(OwnedKind::ConfigMap.key(&key), entry);
        cache.share(&key, &mut stored, &planned);
        assert!(is_planned(&stored));
        assert!(cache.0.values().all(|(_, it)| is_planned(it)));

        // Another one of the same generation is another one.
        let other = Assignment {
            standby: true,
            ..Assignment::clone(&planned)
        };
        let mut stored = opened(&Arc::new(other));
        cache.share(&key, &mut stored, &planned);
        assert!(!is_planned(&stored));
    }
}
