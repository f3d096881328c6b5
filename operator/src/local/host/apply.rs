//! Applies a plan: files, processes, statuses.
//!
//! Must not decide anything.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use contract::answer::LOGIN_FILE;
use contract::mount::{self, REDIS_FILES, SENTINEL_FILES};
use contract::sealed::{ASSIGNMENT_FILE, SHA256_FILE, Sealed};

use service::text::printable;

use super::Host;
use crate::local::ingest_process::IngestProcess;
use crate::local::session;
use crate::plan::{AccountPlan, AssignmentChange, LONGEST_MESSAGE, Plan};

/// The largest Secret that Kubernetes allows.
const LARGEST_SECRET: u64 = 1024 * 1024;

impl Host {
    /// Applies a plan; errors are logged and said by the account, and the next pass tries again.
    pub(crate) async fn apply(&mut self, plan: &Plan) {
        for account in &plan.accounts {
            let result = self.apply_account(account);
            self.record(&account.key.name, result);
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
            let message = printable(&event.message, LONGEST_MESSAGE);
            if event.warning {
                tracing::warn!(object, reason, "{message}");
            } else {
                tracing::info!(object, reason, "{message}");
            }
        }
        self.remove_orphans(plan).await;
        self.end_sleepers(plan).await;
    }

    /// Ends the processes that rest.
    async fn end_sleepers(&mut self, plan: &Plan) {
        let asleep = plan.accounts.iter().filter(|it| it.asleep);
        let ending = asleep.filter_map(|it| self.processes.remove(&it.key.name));
        let ending: Vec<_> = ending.map(IngestProcess::stop).collect();
        futures::future::join_all(ending).await;
    }

    /// Records whether an account's files could be written. An error that stays is logged rarely.
    fn record(&mut self, account: &str, result: Result<(), String>) {
        let Err(why) = result else {
            self.unwritten.remove(account);
            return;
        };
        let due = self.lines.take(self.context.clock.now()).is_some();
        if due || self.unwritten.get(account) != Some(&why) {
            tracing::error!(account, "{why}");
        }
        self.unwritten.insert(account.to_owned(), why);
    }

    /// Writes an account's files and starts its process, unless that rests; or returns what cannot be written, for people.
    fn apply_account(&mut self, account: &AccountPlan) -> Result<(), String> {
        let name = &account.key.name;
        if let AssignmentChange::Write(assignment) = &account.assignment {
            let sealed = Sealed::new(assignment);
            let files = BTreeMap::from([
                (ASSIGNMENT_FILE, sealed.gzip),
                (SHA256_FILE, sealed.sha256.into_bytes()),
            ]);
            let folder = self.state.assignment(name);
            mount::publish(&folder, &files).map_err(unwritten("the assignment", &folder))?;
        }
        let folder = self.state.login_link(name);
        let link = account.status.login_url.iter();
        let link = link.map(|link| (LOGIN_FILE, link.clone().into_bytes()));
        publish_if_different(&folder, &[LOGIN_FILE], &link.collect())
            .map_err(unwritten("the login link", &folder))?;
        let Some(workload) = &account.workload else {
            return Ok(());
        };
        let folder = self.state.credentials(name);
        self.publish_credentials(&folder, name, &workload.secret)
            .map_err(unwritten(&format!("Secret {}", workload.secret), &folder))?;
        let folder = self.state.redis(name);
        let mut keys = REDIS_FILES.to_vec();
        if workload.sentinel {
            keys.extend(SENTINEL_FILES);
        }
        self.publish_secret(&folder, workload.redis_secret.as_deref(), &keys)
            .map_err(unwritten("the Secret for Redis", &folder))?;
        if account.asleep {
            return Ok(());
        }
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
        publish_if_different(folder, keys, &files)
    }

    /// The same of the Secret with an account's credentials, with the session of the account.
    fn publish_credentials(&self, folder: &Path, account: &str, secret: &str) -> io::Result<()> {
        const KEYS: [&str; 4] = [
            mount::API_KEY_FILE,
            mount::ACCESS_TOKEN_FILE,
            mount::SESSION_TOKEN_FILE,
            mount::SESSION_KEY_HASH_FILE,
        ];
        let mut files = match self.manifests.secrets.get(secret) {
            Some(Ok(credentials)) => credentials.files(&KEYS[..2]),
            None if !self.manifests.incomplete => BTreeMap::new(),
            Some(Err(_)) | None => return Ok(()),
        };
        if let Some(session) = session::read(&self.state.session(account))? {
            let values = [session.access_token(), session.key_hash()];
            let values = KEYS[2..].iter().zip(values);
            files.extend(values.filter_map(|(name, value)| Some((*name, value?.to_vec()))));
        }
        publish_if_different(folder, &KEYS, &files)
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
            self.unwritten.remove(&name);
            if let Err(error) = self.state.remove(&name) {
                tracing::error!(account = name, %error, "the remaining files of the account cannot be removed");
            }
        }
    }
}

/// The message about a file that cannot be written to a folder of the state folder.
fn unwritten(what: &str, folder: &Path) -> impl FnOnce(io::Error) -> String {
    let to = format!("{what} cannot be written to {}", folder.display());
    move |error| {
        format!(
            "{to}: {error}: make room and let yourself write there, or pass another --state-dir. Until then the ingest \
             process goes on with what it has"
        )
    }
}

/// Writes the files of these names unless they are as they should be.
fn publish_if_different(
    folder: &Path,
    names: &[&str],
    files: &BTreeMap<&str, Vec<u8>>,
) -> io::Result<()> {
    for name in names {
        if mount::read(folder, name, LARGEST_SECRET)?.as_ref() != files.get(name) {
            return mount::publish(folder, files);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use service::clock::Clock;

    use super::*;
    use crate::calendar_file::CalendarFile;
    use crate::local::folder::Folder;
    use crate::local::ingest_process::ProcessContext;
    use crate::local::state::StateFolder;
    use crate::plan::{Memory, Settings, plan};
    use crate::scrape::Scraper;

    const MANIFESTS: &str = "apiVersion: kiteticker.dev/v1alpha1\nkind: TickerAccount\n\
                             metadata: {name: a}\nspec: {credentialsSecretRef: {name: s}}\n---\n\
                             apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n\
                             stringData: {api_key: fake-key, access_token: fake-token}\n";

    #[tokio::test]
    async fn what_cannot_be_written_is_said_by_the_account_until_it_can() {
        service::tls::install();
        let base = tempfile::tempdir().unwrap();
        let (manifests, state) = (base.path().join("m"), base.path().join("s"));
        fs::create_dir(&manifests).unwrap();
        fs::write(manifests.join("all.yaml"), MANIFESTS).unwrap();
        let context = ProcessContext {
            ingestor: "/bin/false".into(),
            record: None,
            log_level: "info".to_owned(),
            wall_clock: None,
            scraper: Scraper::new(&service::tls::client_config().unwrap()).unwrap(),
            clock: Clock::system(),
            results: tokio::sync::mpsc::channel(64).0,
        };
        let settings = Settings {
            redis_url: "redis://127.0.0.1:1".to_owned(),
            poke: true,
            proxy: None,
            failover_after: None,
            simulated_time: false,
            login: false,
            rates: crate::plan::PricingRates::default(),
        };
        let calendar = CalendarFile::open(None).unwrap();
        let state = StateFolder::open(&manifests, Some(&state)).unwrap();
        // A file where the folder should be.
        let credentials = state.credentials("a");
        fs::create_dir_all(credentials.parent().unwrap()).unwrap();
        fs::write(&credentials, "").unwrap();
        let mut host = Host::new(context, settings, calendar.watch(), state);
        host.set_manifests(Folder::new(manifests).read().unwrap());
        let mut memory = Memory::default();
        let mut messages = Vec::new();
        for _ in 0..3 {
            let observed = host.observe().unwrap();
            let plan = plan(&observed, &memory, host.context.clock.times());
            host.apply(&plan).await;
            messages.push(plan.accounts[0].status.conditions[0].message.clone());
            memory = plan.memory;
        }
        let said = format!("Secret s cannot be written to {}", credentials.display());
        assert!(messages[1].contains(&said), "{messages:?}");
        assert!(messages[1].contains("--state-dir"), "{messages:?}");
        // Said once, and held back since.
        let later = host.context.clock.now() + crate::local::host::LOG_EVERY;
        assert_eq!(host.lines.take(later), Some(2));
        fs::remove_file(&credentials).unwrap();
        let observed = host.observe().unwrap();
        host.apply(&plan(&observed, &memory, host.context.clock.times()))
            .await;
        assert!(host.unwritten.is_empty() && credentials.join("api_key").exists());
        host.shut_down().await;
    }
}
