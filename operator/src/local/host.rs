//! Replaces the cluster in `local`: manifests, processes and mounted folders of this machine,
//! observed and changed by a plan.
//!
//! Owns the children and the mounted folders. Every choice is the planner's; what is not known is
//! passed to it as not known.

mod apply;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use calendar::Calendar;
use contract::answer::LOGIN_FILE;
use contract::sealed::{ASSIGNMENT_FILE, LARGEST_JSON, SHA256_FILE, Sealed};
use contract::{Assignment, TokenSource, mount};
use crds::account::SecretRef;
use crds::{InstrumentSetSpec, InstrumentSetStatus, TickerAccountSpec, TickerAccountStatus};

use service::http::{PortFileError, write_port_file};
use service::text::LineQuota;
use tokio::sync::watch;

use super::file_fingerprint::FileFingerprint;
use super::folder::Manifests;
use super::ingest_process::{IngestProcess, ProcessContext};
use super::poller::PollResult;
use super::secrets::LocalSecrets;
use super::session;
use super::state::{StateError, StateFolder};
use super::tracked::{Tracked, meta, observed_object, update_tracked};
use crate::login::LoginLinks;
use crate::plan::{
    Immutable, InvalidSpec, LastAssignment, Object, Observed, ObservedAccount, Process, Secret,
    Settings, Table,
};
use crate::token_check::TokenChecks;
use crate::value_fingerprint::ValueFingerprints;

type TrackedAccount = Tracked<TickerAccountSpec, TickerAccountStatus>;
type TrackedSet = Tracked<InstrumentSetSpec, InstrumentSetStatus>;

/// No login link is longer, in bytes.
const LARGEST_LINK: u64 = 4_096;

/// An error that stays is logged this often.
const LOG_EVERY: Duration = Duration::from_secs(300);

/// Everything known between two passes.
#[derive(Debug)]
pub(crate) struct Host {
    context: ProcessContext,
    settings: Settings,
    calendar: watch::Receiver<Arc<Calendar>>,
    state: StateFolder,
    fingerprints: ValueFingerprints,
    manifests: Manifests,
    accounts: BTreeMap<String, TrackedAccount>,
    sets: BTreeMap<String, TrackedSet>,
    processes: BTreeMap<String, IngestProcess>,
    /// By account: the assignment in the state folder, opened once.
    opened: BTreeMap<String, OpenedAssignment>,
    /// By account: what cannot be written for its process, why, and what to do.
    unwritten: BTreeMap<String, String>,
    /// Limits how often that is logged while it stays.
    lines: LineQuota,
    /// What Kite says of the tokens of accounts.
    pub(crate) tokens: Arc<TokenChecks>,
    /// The links with which their users log in.
    pub(crate) links: Arc<LoginLinks>,
    /// What it is asked with.
    pub(crate) local_secrets: LocalSecrets,
    /// By API origin.
    pub(crate) tables: BTreeMap<String, Table>,
}

/// An assignment that was opened.
#[derive(Clone, Debug)]
struct OpenedAssignment {
    /// Fingerprint of its file then: a file that is damaged later differs.
    fingerprint: FileFingerprint,
    sha256: String,
    assignment: Arc<Assignment>,
}

impl Host {
    /// A host with what an earlier run left in `state`.
    pub(crate) fn new(
        context: ProcessContext,
        settings: Settings,
        calendar: watch::Receiver<Arc<Calendar>>,
        state: StateFolder,
    ) -> Self {
        Self {
            context,
            settings,
            calendar,
            state,
            fingerprints: ValueFingerprints::default(),
            manifests: Manifests::default(),
            accounts: BTreeMap::new(),
            sets: BTreeMap::new(),
            processes: BTreeMap::new(),
            opened: BTreeMap::new(),
            unwritten: BTreeMap::new(),
            lines: LineQuota::new(1, LOG_EVERY),
            tokens: Arc::default(),
            links: Arc::default(),
            local_secrets: LocalSecrets::default(),
            tables: BTreeMap::new(),
        }
    }

    /// The folder with the key that signs login links.
    pub(crate) fn login_key(&self) -> PathBuf {
        self.state.login_key()
    }

    /// The folder of the session of an account, by its name.
    pub(crate) fn sessions(&self) -> impl Fn(&str) -> PathBuf + Send + Sync + use<> {
        self.state.sessions()
    }

    /// Makes sure that no other instance can run on the same manifests.
    ///
    /// # Errors
    /// When one does, or the folder cannot be used.
    pub(crate) fn hold_state(&mut self) -> Result<(), StateError> {
        self.state.hold()
    }

    /// Says at which address the operator answers, where the file that says it is missing.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub(crate) fn publish_address(&self, address: SocketAddr) -> Result<(), PortFileError> {
        let file = self.state.address_file();
        if file.exists() {
            return Ok(());
        }
        write_port_file(&file, address)
    }

    /// Takes that file away.
    pub(crate) fn withdraw_address(&self) {
        // Without it, or with a stale one, nobody answers there.
        drop(std::fs::remove_file(self.state.address_file()));
    }

    /// Takes over the content of the folder.
    pub(crate) fn set_manifests(&mut self, manifests: Manifests) {
        let now = self.context.clock.wall();
        update_tracked(&mut self.accounts, &manifests.accounts, now);
        update_tracked(&mut self.sets, &manifests.sets, now);
        let secrets = manifests.secrets.iter();
        let secrets =
            secrets.filter_map(|(name, it)| Some((name.clone(), it.as_ref().ok()?.clone())));
        self.local_secrets.set(secrets.collect());
        self.manifests = manifests;
    }

    /// Takes over an update of a process.
    pub(crate) fn record_poll(&mut self, result: PollResult) {
        if let Some(running) = self.processes.get_mut(&result.account) {
            running.last = result;
        }
    }

    /// Whether everything that the folder holds was read.
    pub(crate) fn is_complete(&self) -> bool {
        !self.manifests.incomplete && self.manifests.secrets.values().all(Result::is_ok)
    }

    /// Whether all documents that are meant for this program are used.
    pub(crate) fn uses_all(&self) -> bool {
        !self.manifests.unused
    }

    /// The problems of the manifests.
    pub(crate) fn problems(&self) -> &[String] {
        &self.manifests.problems
    }

    /// The accounts by name.
    pub(crate) fn accounts(&self) -> &BTreeMap<String, TrackedAccount> {
        &self.accounts
    }

    /// The sets by name.
    pub(crate) fn sets(&self) -> &BTreeMap<String, TrackedSet> {
        &self.sets
    }

    /// The planner's input.
    ///
    /// # Errors
    /// When the state folder cannot be read.
    pub(crate) fn observe(&mut self) -> io::Result<Observed> {
        let sets = self.sets.iter();
        let sets = sets.map(|(name, known)| observed_object(name, known));
        let accounts = self.accounts.iter();
        let accounts = accounts.map(|(name, known)| observed_object(name, known));
        let accounts: Vec<_> = accounts.collect();
        let calendar = Arc::clone(&self.calendar.borrow());
        let mut observed = Observed {
            settings: self.settings.clone(),
            calendar,
            sets: sets.collect(),
            accounts: accounts.into_iter().map(|it| self.account(it)).collect(),
            tables: self.tables.clone(),
        };
        if self.manifests.incomplete {
            self.add_unread(&mut observed)?;
        }
        Ok(observed)
    }

    /// Ends every child.
    pub(crate) async fn shut_down(&mut self) {
        let stopping = std::mem::take(&mut self.processes)
            .into_values()
            .map(IngestProcess::stop);
        futures::future::join_all(stopping).await;
    }

    fn account(
        &mut self,
        mut object: Object<TickerAccountSpec, TickerAccountStatus>,
    ) -> ObservedAccount {
        if object.status.is_none() {
            object.status = self.former_status(&object.meta.key.name);
        }
        let name = &object.meta.key.name;
        let assignment = self.last_assignment(name);
        let last = self.processes.get(name).map(|running| &running.last);
        let unwritten = self.unwritten.get(name).cloned();
        ObservedAccount {
            secret: self
                .secret(&object, |spec| Some(&spec.credentials_secret_ref))
                .unwrap_or_default(),
            token: self.tokens.of(&object.meta.key, TokenSource::Secret),
            session: self.session(name),
            login_link: self.links.of(&object.meta.key),
            session_token: self.tokens.of(&object.meta.key, TokenSource::Session),
            redis_secret: self.secret(&object, |spec| spec.redis.secret_ref.as_ref()),
            object,
            assignment,
            foreign: Vec::new(),
            unwritten,
            process: last.map_or(Process::Absent, |last| last.process.clone()),
            scrape: last.map(|last| last.scrape.clone()).unwrap_or_default(),
        }
    }

    /// What is known of the Secret that the spec names here; `None` if it names none.
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
                token: credentials
                    .access_token()
                    .and_then(|token| self.fingerprints.of(token)),
                names: Secret::key_names(credentials.names()),
                // There is no kubelet.
                immutable: Immutable::No,
                login: None,
            },
            None if !self.manifests.incomplete => Secret::Missing,
            Some(Err(_)) | None => Secret::Unreadable,
        })
    }

    /// What is left of a status of an earlier run: the login link, so that nobody is told of another one.
    fn former_status(&self, account: &str) -> Option<Arc<TickerAccountStatus>> {
        let folder = self.state.login_link(account);
        let link = mount::read(&folder, LOGIN_FILE, LARGEST_LINK)
            .ok()
            .flatten()?;
        Some(Arc::new(TickerAccountStatus {
            login_url: Some(String::from_utf8(link).ok()?),
            ..TickerAccountStatus::default()
        }))
    }

    /// The session that the state folder holds of an account. One that cannot be read is as one in a Secret out of reach.
    fn session(&self, account: &str) -> Secret {
        let read = session::read(&self.state.session(account));
        let found = match &read {
            Ok(Some(session)) => Secret::Present {
                version: session.version(),
                key: None,
                token: session
                    .access_token()
                    .and_then(|token| self.fingerprints.of(token)),
                names: Vec::new(),
                immutable: Immutable::No,
                login: session.login(),
            },
            Ok(None) => Secret::Missing,
            Err(_) => Secret::Unreadable,
        };
        self.local_secrets.set_session(account, read.ok().flatten());
        found
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

    fn read_assignment(&mut self, account: &str) -> Result<Option<OpenedAssignment>, String> {
        let folder = self.state.assignment(account);
        let read =
            |name| mount::read(&folder, name, LARGEST_JSON).map_err(|error| error.to_string());
        let Some(sha256) = read(SHA256_FILE)? else {
            return Ok(None);
        };
        let sha256 = String::from_utf8_lossy(&sha256).trim().to_owned();
        let Some(fingerprint) = FileFingerprint::of(&folder.join(ASSIGNMENT_FILE)) else {
            return Ok(None);
        };
        let same = |opened: &&OpenedAssignment| {
            (&opened.sha256, &opened.fingerprint) == (&sha256, &fingerprint)
        };
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
        let opened = OpenedAssignment {
            fingerprint,
            sha256,
            assignment: Arc::new(assignment),
        };
        self.opened.insert(account.to_owned(), opened.clone());
        Ok(Some(opened))
    }

    /// A file that could not be read since the start may define objects that ran before: they are
    /// not known, which differs from not existing.
    fn add_unread(&mut self, observed: &mut Observed) -> io::Result<()> {
        let mut sets = BTreeSet::new();
        for name in self.state.accounts()? {
            if let Ok(Some(opened)) = self.read_assignment(&name) {
                sets.extend(opened.assignment.sets.iter().cloned());
            }
            if !self.accounts.contains_key(&name) {
                let account = self.account(unread_object(&name));
                observed.accounts.push(account);
            }
        }
        sets.retain(|name| !self.sets.contains_key(name));
        let unread = sets.iter().map(|name| unread_object(name));
        observed.sets.extend(unread);
        Ok(())
    }
}

fn unread_object<Spec, Status>(name: &str) -> Object<Spec, Status> {
    Object {
        meta: meta(name, BTreeMap::new(), 1),
        spec: Err(InvalidSpec {
            field: String::new(),
            problem: "its manifest may be in a file that cannot be read: fix that file".to_owned(),
        }),
        status: None,
    }
}
