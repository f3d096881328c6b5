//! Whether the Secrets of accounts exist, when they change, and whose API key is whose: read by
//! name, the metadata only unless it has changed.
//!
//! Of their content it keeps only a salted fingerprint of the API key, and names of keys. It never
//! lists: the right to list Secrets is the right to read them all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crds::names::SECRET_API_KEY;
use k8s_openapi::api::core::v1 as core;
use kube::{Api, Client};
use service::clock::Clock;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroize;

use super::api_error::{ApiError, within};
use crate::key_fingerprint::KeyFingerprints;
use crate::plan::{Immutable, Key, Secret};
use crate::poll_schedule::{PollLimits, PollSchedule, sleep_until};

/// How often each Secret is read, before jitter.
const INTERVAL: Duration = Duration::from_secs(3);

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);

const LIMITS: PollLimits = PollLimits {
    in_flight: 8,
    longest: TIMEOUT.saturating_add(INTERVAL),
    jitter: 0.2,
};

/// The Secrets that accounts refer to.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    referenced: watch::Sender<BTreeSet<Key>>,
    seen: Mutex<BTreeMap<Key, Secret>>,
    /// Names under which an immutable Secret was seen.
    immutable: Mutex<BTreeSet<Key>>,
    /// Why a Secret cannot be read, as last logged.
    logged: Mutex<BTreeMap<Key, String>>,
}

impl Secrets {
    /// Sets the Secrets to watch from now on; new ones are read without delay.
    pub(crate) fn set_referenced(&self, referenced: BTreeSet<Key>) {
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

    /// Logs why a Secret cannot be read, once and not every three seconds.
    fn log_failure(&self, key: &Key, why: String) {
        let mut logged = lock(&self.logged);
        if logged.get(key) != Some(&why) {
            tracing::warn!(secret = %key, "the Secret cannot be read: {why}");
            logged.insert(key.clone(), why);
        }
    }

    fn seen(&self) -> MutexGuard<'_, BTreeMap<Key, Secret>> {
        lock(&self.seen)
    }

    fn retain(&self, referenced: &BTreeSet<Key>) {
        self.seen().retain(|key, _| referenced.contains(key));
        lock(&self.logged).retain(|key, _| referenced.contains(key));
        lock(&self.immutable).retain(|key| referenced.contains(key));
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
    pub(crate) fingerprints: KeyFingerprints,
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
            let targets = keys.into_iter().map(|key| (key, INTERVAL)).collect();
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
                self.secrets.log_failure(&key, error.to_string());
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
        let api_key = data.get(SECRET_API_KEY);
        let print = api_key.and_then(|api_key| self.fingerprints.of(&api_key.0));
        data.values_mut().for_each(|value| value.0.zeroize());
        Ok(Secret::Present {
            version,
            key: print,
            names: Secret::key_names(data.keys().map(String::as_str)),
            immutable,
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
        secrets.retain(&BTreeSet::new());
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
            immutable: Immutable::No,
        };
        assert!(secrets.record(key.clone(), version("1")));
        assert!(!secrets.record(key.clone(), version("1")));
        assert!(secrets.record(key.clone(), version("2")));
        assert!(secrets.record(key.clone(), Secret::Missing));
        assert_eq!(secrets.of(&key), Secret::Missing);
    }
}
