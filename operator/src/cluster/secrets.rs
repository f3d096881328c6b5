//! Whether the Secrets of accounts exist, when they change, and whose API key is whose: read by
//! name, the metadata only unless it has changed.
//!
//! Of their content it keeps only salted fingerprints of API key and access token, who has logged in, and names of keys. It never
//! lists: the right to list Secrets is the right to read them all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crds::names::{SECRET_ACCESS_TOKEN, SECRET_API_KEY, SESSION_LOGIN_TIME, SESSION_USER_ID};
use k8s_openapi::api::core::v1 as core;
use kube::{Api, Client};
use service::clock::Clock;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroize;

use super::api_error::{ApiError, within};
use crate::plan::{Immutable, Key, LastLogin, Secret};
use crate::poll_schedule::{PollLimits, PollSchedule, sleep_until};
use crate::value_fingerprint::ValueFingerprints;

/// How often each Secret is read, before jitter.
const INTERVAL: Duration = Duration::from_secs(3);

/// A session that the operator may not read is asked about this often: nobody has allowed it, most often.
const FORBIDDEN_SESSION_INTERVAL: Duration = Duration::from_secs(60);

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);

const LIMITS: PollLimits = PollLimits {
    in_flight: 8,
    longest: TIMEOUT.saturating_add(INTERVAL),
    jitter: 0.2,
};

/// What a Secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SecretUse {
    /// A spec names it.
    Named,
    /// The session of an account is in it, if there is one.
    Session,
}

/// The Secrets that accounts refer to.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    referenced: watch::Sender<BTreeMap<Key, SecretUse>>,
    seen: Mutex<BTreeMap<Key, Secret>>,
    /// Names under which an immutable Secret was seen.
    immutable: Mutex<BTreeSet<Key>>,
    /// Why a Secret cannot be read, as last logged.
    logged: Mutex<BTreeMap<Key, String>>,
}

impl Secrets {
    /// Sets the Secrets to watch from now on; new ones are read without delay.
    pub(crate) fn set_referenced(&self, referenced: BTreeMap<Key, SecretUse>) {
        if *self.referenced.borrow() != referenced {
            self.referenced.send_replace(referenced);
        }
    }

    /// What is known of one.
    pub(crate) fn of(&self, secret: &Key) -> Secret {
        self.seen().get(secret).cloned().unwrap_or_default()
    }

    fn record(&self, key: Key, secret: Secret) -> bool {
        self.seen().insert(key, secret.clone()) != Some(secret)
    }

    /// Takes note of whether a Secret is immutable, and returns what holds of its name.
    fn immutable(&self, key: &Key, now: bool) -> Immutable {
        let mut names = lock(&self.immutable);
        if now {
            names.insert(key.clone());
            Immutable::Yes
        } else if names.contains(key) {
            Immutable::Before
        } else {
            Immutable::No
        }
    }

    /// How often this one is read.
    fn interval(&self, key: &Key, for_: SecretUse) -> Duration {
        match (for_, self.of(key)) {
            (SecretUse::Session, Secret::Unreadable) => FORBIDDEN_SESSION_INTERVAL,
            _ => INTERVAL,
        }
    }

    /// Logs why a Secret cannot be read, once and not every three seconds. That it may not read a session is no news: its
    /// rights are of who installs it.
    fn log_failure(&self, key: &Key, error: &ApiError) {
        let is_session = self.referenced.borrow().get(key) == Some(&SecretUse::Session);
        if is_session && error.is_forbidden() {
            return;
        }
        let why = error.to_string();
        let mut logged = lock(&self.logged);
        if logged.get(key) != Some(&why) {
            tracing::warn!(secret = %key, "the Secret cannot be read: {why}");
            logged.insert(key.clone(), why);
        }
    }

    fn seen(&self) -> MutexGuard<'_, BTreeMap<Key, Secret>> {
        lock(&self.seen)
    }

    fn retain(&self, referenced: &BTreeMap<Key, SecretUse>) {
        self.seen().retain(|key, _| referenced.contains_key(key));
        lock(&self.logged).retain(|key, _| referenced.contains_key(key));
        lock(&self.immutable).retain(|key| referenced.contains_key(key));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is known of a Secret that could not be read. A missing right is permanent, and the account
/// runs without its key; any other error may be temporary, and until it is over it is not known
/// whose key the Secret holds.
fn after_failure(error: &ApiError, known: Secret) -> Secret {
    match known {
        Secret::Unknown if error.is_forbidden() => Secret::Unreadable,
        known => known,
    }
}

/// The polling task.
pub(crate) struct SecretPoller {
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) client: Client,
    pub(crate) clock: Clock,
    pub(crate) dirty: Arc<Notify>,
    pub(crate) fingerprints: ValueFingerprints,
}

impl SecretPoller {
    /// Polls until `stop`. A slow Secret does not delay the others.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let this = Arc::new(self);
        let mut referenced = this.secrets.referenced.subscribe();
        let mut schedule = PollSchedule::new(LIMITS);
        let mut running = JoinSet::new();
        loop {
            let keys = referenced.borrow_and_update().clone();
            this.secrets.retain(&keys);
            let targets = keys.into_iter().map(|(key, for_)| {
                let interval = this.secrets.interval(&key, for_);
                (key, interval)
            });
            let targets = targets.collect();
            let (due, next) = schedule.start_due(&targets, this.clock.now());
            for key in due {
                let this = Arc::clone(&this);
                running.spawn(async move { this.poll(key).await });
            }
            tokio::select! {
                () = stop.cancelled() => return,
                changed = referenced.changed() => if changed.is_err() { return },
                Some(Ok(key)) = running.join_next() => {
                    schedule.ended(&key, this.clock.now(), fastrand::f64());
                }
                () = sleep_until(next), if next.is_some() => {}
            }
        }
    }

    async fn poll(&self, key: Key) -> Key {
        let known = self.secrets.of(&key);
        let secret = match within(TIMEOUT, self.read(&key, &known)).await {
            Ok(secret) => {
                lock(&self.secrets.logged).remove(&key);
                secret
            }
            Err(error) => {
                self.secrets.log_failure(&key, &error);
                after_failure(&error, known)
            }
        };
        if self.secrets.record(key.clone(), secret) {
            self.dirty.notify_one();
        }
        key
    }

    /// Reads the metadata, and the whole Secret only if it has changed.
    async fn read(&self, key: &Key, known: &Secret) -> Result<Secret, kube::Error> {
        let api: Api<core::Secret> = Api::namespaced(self.client.clone(), &key.namespace);
        let Some(object) = api.get_metadata_opt(&key.name).await? else {
            return Ok(Secret::Missing);
        };
        let found = object.metadata.resource_version.unwrap_or_default();
        if matches!(known, Secret::Present { version, .. } if *version == found) {
            return Ok(known.clone());
        }
        let Some(whole) = api.get_opt(&key.name).await? else {
            return Ok(Secret::Missing);
        };
        let version = whole.metadata.resource_version.unwrap_or_default();
        let immutable = self.secrets.immutable(key, whole.immutable == Some(true));
        let mut data = whole.data.unwrap_or_default();
        let value = |name| data.get(name).map(|value| value.0.as_slice());
        let print = |name| self.fingerprints.of(value(name)?);
        let (api_key, token) = (print(SECRET_API_KEY), print(SECRET_ACCESS_TOKEN));
        let login = LastLogin::read(value(SESSION_USER_ID), value(SESSION_LOGIN_TIME));
        data.values_mut().for_each(|value| value.0.zeroize());
        Ok(Secret::Present {
            version,
            key: api_key,
            token,
            names: Secret::key_names(data.keys().map(String::as_str)),
            immutable,
            login,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_being_forbidden_ends_the_waiting_for_a_first_look() {
        let refused = |code| {
            let status = kube::core::Status {
                code,
                ..kube::core::Status::default()
            };
            ApiError::from(kube::Error::Api(Box::new(status)))
        };
        assert_eq!(
            after_failure(&refused(403), Secret::Unknown),
            Secret::Unreadable
        );
        for passing in [refused(500), refused(429), ApiError::Timeout] {
            assert_eq!(after_failure(&passing, Secret::Unknown), Secret::Unknown);
        }
        assert_eq!(
            after_failure(&refused(403), Secret::Missing),
            Secret::Missing
        );
    }

    #[test]
    fn that_a_secret_of_this_name_was_immutable_is_remembered() {
        let (secrets, key) = (Secrets::default(), Key::new("n", "s"));
        let seen = [false, true, false].map(|now| secrets.immutable(&key, now));
        assert_eq!(seen, [Immutable::No, Immutable::Yes, Immutable::Before]);
        secrets.retain(&BTreeMap::new());
        assert_eq!(secrets.immutable(&key, false), Immutable::No);
    }

    #[test]
    fn only_a_change_is_news() {
        let (secrets, key) = (Secrets::default(), Key::new("n", "s"));
        assert_eq!(secrets.of(&key), Secret::Unknown);
        let version = |version: &str| Secret::Present {
            version: version.to_owned(),
            key: None,
            names: Vec::new(),
            token: None,
            immutable: Immutable::No,
            login: None,
        };
        assert!(secrets.record(key.clone(), version("1")));
        assert!(!secrets.record(key.clone(), version("1")));
        assert!(secrets.record(key.clone(), version("2")));
        assert!(secrets.record(key.clone(), Secret::Missing));
        assert_eq!(secrets.of(&key), Secret::Missing);
    }
}
