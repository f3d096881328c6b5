//! What `local` knows and what it carries out: observe and apply without a cluster.
//!
//! Owns the children and the mounted folders. Every choice is the planner's; what is not known is
//! handed to it as not known.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use contract::mount::REDIS_FILES;
use contract::sealed::{ASSIGNMENT_FILE, LARGEST_JSON, SHA256_FILE, Sealed};
use contract::{Assignment, mount};
use crds::account::SecretRef;
use crds::{InstrumentSetSpec, InstrumentSetStatus, TickerAccountSpec, TickerAccountStatus};

use super::folder::Manifests;
use super::inquiry::Finding;
use super::known::{Known, adopt, meta, object};
use super::running::{Means, Running};
use super::stamp::Stamp;
use super::state::{StateError, StateFolder};
use crate::key_fingerprint::KeyFingerprints;
use crate::plan::{
    AccountPlan, Delivery, LastAssignment, Object, Observed, ObservedAccount, Plan, Process,
    Secret, Settings, Table, Unreadable,
};

/// As large as Kubernetes lets a Secret be.
const LARGEST_SECRET: u64 = 1024 * 1024;

/// Everything known between two passes.
#[derive(Debug)]
pub(crate) struct World {
    means: Means,
    settings: Settings,
    state: StateFolder,
    fingerprints: KeyFingerprints,
    manifests: Manifests,
    accounts: BTreeMap<String, Known<TickerAccountSpec, TickerAccountStatus>>,
    sets: BTreeMap<String, Known<InstrumentSetSpec, InstrumentSetStatus>>,
    processes: BTreeMap<String, Running>,
    /// By account: what lies in the state folder, opened once.
    opened: BTreeMap<String, Opened>,
    /// By API origin.
    pub(crate) tables: BTreeMap<String, Table>,
}

/// An assignment that was opened.
#[derive(Clone, Debug)]
struct Opened {
    /// How its file looked then: what is damaged later is not the same.
    stamp: Stamp,
    sha256: String,
    assignment: Arc<Assignment>,
}

impl World {
    /// A world of which nothing is known yet but what an earlier run left in `state`.
    pub(crate) fn new(means: Means, settings: Settings, state: StateFolder) -> Self {
        Self {
            means,
            settings,
            state,
            fingerprints: KeyFingerprints::default(),
            manifests: Manifests::default(),
            accounts: BTreeMap::new(),
            sets: BTreeMap::new(),
            processes: BTreeMap::new(),
            opened: BTreeMap::new(),
            tables: BTreeMap::new(),
        }
    }

    /// Makes sure that no other instance can run on the same manifests.
    ///
    /// # Errors
    /// When one does, or the folder cannot be had.
    pub(crate) fn hold_state(&mut self) -> Result<(), StateError> {
        self.state.hold()
    }

    /// Takes what the folder says now.
    pub(crate) fn take_manifests(&mut self, manifests: Manifests) {
        let now = self.means.clock.wall();
        adopt(&mut self.accounts, &manifests.accounts, now);
        adopt(&mut self.sets, &manifests.sets, now);
        self.manifests = manifests;
    }

    /// Takes what was learnt of a process.
    pub(crate) fn take_finding(&mut self, finding: Finding) {
        if let Some(running) = self.processes.get_mut(&finding.account) {
            running.take(finding);
        }
    }

    /// Whether everything that the folder holds was read.
    pub(crate) fn whole(&self) -> bool {
        !self.manifests.incomplete && self.manifests.secrets.values().all(Result::is_ok)
    }

    /// What is wrong with the manifests.
    pub(crate) fn problems(&self) -> &[String] {
        &self.manifests.problems
    }

    /// The accounts by name.
    pub(crate) fn accounts(
        &self,
    ) -> impl Iterator<Item = (&str, &Known<TickerAccountSpec, TickerAccountStatus>)> {
        self.accounts
            .iter()
            .map(|(name, known)| (name.as_str(), known))
    }

    /// The sets by name.
    pub(crate) fn sets(
        &self,
    ) -> impl Iterator<Item = (&str, &Known<InstrumentSetSpec, InstrumentSetStatus>)> {
        self.sets.iter().map(|(name, known)| (name.as_str(), known))
    }

    /// The world for the planner.
    ///
    /// # Errors
    /// When the state folder cannot be read.
    pub(crate) fn observe(&mut self) -> io::Result<Observed> {
        let mut observed = Observed {
            settings: self.settings.clone(),
            accounts: Vec::new(),
            sets: self
                .sets
                .iter()
                .map(|(name, known)| object(name, known))
                .collect(),
            tables: self.tables.clone(),
        };
        let objects: Vec<_> = self
            .accounts
            .iter()
            .map(|(name, known)| (name.clone(), object(name, known)))
            .collect();
        for (name, object) in objects {
            let account = self.account(&name, object);
            observed.accounts.push(account);
        }
        if self.manifests.incomplete {
            self.add_unread(&mut observed)?;
        }
        Ok(observed)
    }

    /// Carries a plan out; what fails is said and tried again with the next pass.
    pub(crate) async fn apply(&mut self, plan: &Plan) {
        for account in &plan.accounts {
            if let Err(error) = self.apply_account(account) {
                tracing::error!(account = account.key.name, %error, "state folder cannot be written");
            }
            if let Some(known) = self.accounts.get_mut(&account.key.name) {
                known.status = Some(Arc::new(account.status.clone()));
            }
        }
        for set in &plan.sets {
            if let Some(known) = self.sets.get_mut(&set.key.name) {
                known.status = Some(Arc::new(set.status.clone()));
            }
        }
        for event in &plan.events {
            let (object, reason) = (&event.key.name, event.reason.as_str());
            if event.warning {
                tracing::warn!(object, reason, "{}", event.message);
            } else {
                tracing::info!(object, reason, "{}", event.message);
            }
        }
        self.remove_orphans(plan).await;
    }

    /// Ends every child.
    pub(crate) async fn shut_down(&mut self) {
        let stopping = std::mem::take(&mut self.processes)
            .into_values()
            .map(Running::stop);
        futures::future::join_all(stopping).await;
    }

    fn account(
        &mut self,
        name: &str,
        object: Object<TickerAccountSpec, TickerAccountStatus>,
    ) -> ObservedAccount {
        let assignment = self.last_assignment(name);
        let running = self.processes.get(name);
        ObservedAccount {
            secret: self
                .secret(&object, |spec| Some(&spec.credentials_secret_ref))
                .unwrap_or_default(),
            redis_secret: self.secret(&object, |spec| spec.redis.secret_ref.as_ref()),
            object,
            assignment,
            foreign: Vec::new(),
            unwritten: None,
            process: running.map_or(Process::Absent, Running::process),
            scrape: running.map(Running::scrape).unwrap_or_default(),
        }
    }

    /// What is known of the Secret that the spec names here; nothing where it names none.
    fn secret(
        &self,
        object: &Object<TickerAccountSpec, TickerAccountStatus>,
        named: impl Fn(&TickerAccountSpec) -> Option<&SecretRef>,
    ) -> Option<Secret> {
        let Ok(spec) = &object.spec else {
            return Some(Secret::Unreadable);
        };
        Some(match self.manifests.secrets.get(&named(spec)?.name) {
            Some(Ok(credentials)) => Secret::Present {
                version: credentials.version(),
                key: credentials
                    .api_key()
                    .and_then(|key| self.fingerprints.of(key)),
                names: Secret::key_names(credentials.names()),
            },
            None if !self.manifests.incomplete => Secret::Missing,
            Some(Err(_)) | None => Secret::Unreadable,
        })
    }

    fn last_assignment(&mut self, account: &str) -> LastAssignment {
        match self.read_assignment(account) {
            Ok(Some(opened)) => LastAssignment::Readable {
                assignment: opened.assignment,
                sha256: opened.sha256,
            },
            Ok(None) => LastAssignment::Absent,
            Err(why) => LastAssignment::Unreadable { why },
        }
    }

    fn read_assignment(&mut self, account: &str) -> Result<Option<Opened>, String> {
        let folder = self.state.assignment(account);
        let read =
            |name| mount::read(&folder, name, LARGEST_JSON).map_err(|error| error.to_string());
        let Some(sha256) = read(SHA256_FILE)? else {
            return Ok(None);
        };
        let sha256 = String::from_utf8_lossy(&sha256).trim().to_owned();
        let Some(stamp) = Stamp::of(&folder.join(ASSIGNMENT_FILE)) else {
            return Ok(None);
        };
        let same = |opened: &&Opened| (&opened.sha256, &opened.stamp) == (&sha256, &stamp);
        if let Some(opened) = self.opened.get(account).filter(same) {
            return Ok(Some(opened.clone()));
        }
        let Some(gzip) = read(ASSIGNMENT_FILE)? else {
            return Ok(None);
        };
        let sealed = Sealed {
            gzip,
            sha256: sha256.clone(),
        };
        let assignment = sealed
            .open()
            .map_err(|error| service::exit::chain(&error).to_string())?;
        let opened = Opened {
            stamp,
            sha256,
            assignment: Arc::new(assignment),
        };
        self.opened.insert(account.to_owned(), opened.clone());
        Ok(Some(opened))
    }

    /// A file that could not be read since the start may hold objects that ran before: they are
    /// not known, which is not the same as not there.
    fn add_unread(&mut self, observed: &mut Observed) -> io::Result<()> {
        let unread = || Unreadable {
            field: String::new(),
            problem: "its manifest may be in a file that cannot be read: mend that file".to_owned(),
        };
        let mut sets = Vec::new();
        for name in self.state.accounts()? {
            if let Ok(Some(opened)) = self.read_assignment(&name) {
                sets.extend(opened.assignment.sets.iter().cloned());
            }
            if !self.accounts.contains_key(&name) {
                let object = Object {
                    meta: meta(&name, BTreeMap::new(), 1),
                    spec: Err(unread()),
                    status: None,
                };
                let account = self.account(&name, object);
                observed.accounts.push(account);
            }
        }
        sets.sort();
        sets.dedup();
        for name in sets
            .into_iter()
            .filter(|name| !self.sets.contains_key(name))
        {
            observed.sets.push(Object {
                meta: meta(&name, BTreeMap::new(), 1),
                spec: Err(unread()),
                status: None,
            });
        }
        Ok(())
    }

    fn apply_account(&mut self, account: &AccountPlan) -> io::Result<()> {
        let name = &account.key.name;
        if let Delivery::Write(assignment) = &account.assignment {
            let sealed = Sealed::new(assignment);
            let files = BTreeMap::from([
                (ASSIGNMENT_FILE, sealed.gzip),
                (SHA256_FILE, sealed.sha256.into_bytes()),
            ]);
            mount::publish(&self.state.assignment(name), &files)?;
        }
        let Some(workload) = &account.workload else {
            return Ok(());
        };
        let keys = [mount::API_KEY_FILE, mount::ACCESS_TOKEN_FILE];
        let folder = self.state.credentials(name);
        self.publish_secret(&folder, Some(&workload.secret), &keys)?;
        let folder = self.state.redis(name);
        self.publish_secret(&folder, workload.redis_secret.as_deref(), &REDIS_FILES)?;
        self.processes
            .entry(name.clone())
            .or_insert_with(|| Running::start(name, &self.state, &self.means))
            .set_expecting(account.expecting);
        Ok(())
    }

    /// Writes these keys of a Secret as files when they differ. A Secret that cannot be read leaves
    /// the files as they are; one that is not named or does not exist has none.
    fn publish_secret(&self, folder: &Path, secret: Option<&str>, keys: &[&str]) -> io::Result<()> {
        let found = secret.and_then(|secret| self.manifests.secrets.get(secret));
        let files = match found {
            Some(Ok(credentials)) => credentials.files(keys),
            None if secret.is_none() || !self.manifests.incomplete => BTreeMap::new(),
            Some(Err(_)) | None => return Ok(()),
        };
        for name in keys {
            if mount::read(folder, name, LARGEST_SECRET)?.as_ref() != files.get(name) {
                return mount::publish(folder, &files);
            }
        }
        Ok(())
    }

    /// Ends and forgets accounts that are known to be gone.
    async fn remove_orphans(&mut self, plan: &Plan) {
        let planned = |name: &str| plan.accounts.iter().any(|account| account.key.name == name);
        let gone: Vec<String> = self
            .processes
            .keys()
            .filter(|name| !planned(name))
            .cloned()
            .collect();
        for name in &gone {
            if let Some(running) = self.processes.remove(name) {
                running.stop().await;
            }
        }
        for name in self.state.accounts().unwrap_or_default() {
            if planned(&name) {
                continue;
            }
            self.opened.remove(&name);
            if let Err(error) = self.state.remove(&name) {
                tracing::error!(account = name, %error, "what is left of the account cannot be removed");
            }
        }
    }
}
