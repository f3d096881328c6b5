//! Applies a plan: files, processes, statuses.
//!
//! Must not decide anything.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use contract::mount::{self, REDIS_FILES, SENTINEL_FILES};
use contract::sealed::{ASSIGNMENT_FILE, SHA256_FILE, Sealed};

use super::Host;
use crate::local::ingest_process::IngestProcess;
use crate::plan::{AccountPlan, AssignmentChange, Plan};

/// The largest Secret that Kubernetes allows.
const LARGEST_SECRET: u64 = 1024 * 1024;

impl Host {
    /// Applies a plan; errors are logged, and the next pass tries again.
    pub(crate) async fn apply(&mut self, plan: &Plan) {
        for account in &plan.accounts {
            if let Err(error) = self.apply_account(account) {
                tracing::error!(account = account.key.name, %error, "the state folder cannot be written");
            }
            if let Some(known) = self.accounts.get_mut(&account.key.name) {
                known.status = Some(Arc::clone(&account.status));
                known.warning.clone_from(&account.warning);
            }
        }
        for set in &plan.sets {
            if let Some(known) = self.sets.get_mut(&set.key.name) {
                known.status = Some(Arc::clone(&set.status));
                known.warning.clone_from(&set.warning);
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

    fn apply_account(&mut self, account: &AccountPlan) -> io::Result<()> {
        let name = &account.key.name;
        if let AssignmentChange::Write(assignment) = &account.assignment {
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
        let mut keys = REDIS_FILES.to_vec();
        if workload.sentinel {
            keys.extend(SENTINEL_FILES);
        }
        self.publish_secret(&folder, workload.redis_secret.as_deref(), &keys)?;
        self.processes
            .entry(name.clone())
            .or_insert_with(|| IngestProcess::start(name, &self.state, &self.context))
            .set_expecting(account.expecting);
        Ok(())
    }

    /// Writes these keys of a Secret as files if they differ. If the Secret cannot be read, the
    /// files stay; if it is not named or does not exist, there are none.
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

    /// Ends and forgets accounts that are known to be deleted.
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
                tracing::error!(account = name, %error, "the remaining files of the account cannot be removed");
            }
        }
    }
}
