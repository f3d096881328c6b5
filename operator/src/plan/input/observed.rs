//! The input of the planner: everything that was observed, and the time.
//!
//! Owns types only. Each distinguishes "not known" from "does not exist": the planner removes an
//! instrument because something is known, never because something is missing here.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use calendar::Calendar;
use contract::Assignment;
use contract::mount::{REDIS_FILES, SENTINEL_FILES};
use crds::names::{SECRET_ACCESS_TOKEN, SECRET_API_KEY, SECRET_API_SECRET};
use crds::{InstrumentSetSpec, InstrumentSetStatus, TickerAccountSpec, TickerAccountStatus};
use jiff::Timestamp;
use service::proxy::{NoProxy, Proxy};
use service::text::printable;

pub use super::pricing_rates::PricingRates;
pub use super::scrape::{Failing, Scrape};
use super::token::TokenCheck;
pub use service::clock::Now;

pub use crate::instruments::Table;
pub use crate::value_fingerprint::ValueFingerprint;

/// Namespace and name of an account or a set. The namespace is empty outside a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Namespace, or nothing outside a cluster.
    pub namespace: String,
    /// Name within it.
    pub name: String,
}

impl Key {
    /// Names an object.
    #[must_use]
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

/// Everything that a plan is made of. The order of the lists has no meaning.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Settings of the operator.
    pub settings: Settings,
    /// When instruments trade.
    pub calendar: Arc<Calendar>,
    /// Every account that the operator manages.
    pub accounts: Vec<ObservedAccount>,
    /// Every set that the operator manages.
    pub sets: Vec<ObservedSet>,
    /// By API origin (as in [`crate::plan::Plan::lists`]). An origin that is not here counts as missing.
    pub tables: BTreeMap<String, Table>,
}

/// Settings of the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The Redis of accounts that name no other; without user or password.
    pub redis_url: String,
    /// Whether pods are annotated when their files change.
    pub poke: bool,
    /// The proxy to Kite of accounts that name none.
    pub proxy: Option<DefaultProxy>,
    /// After which time the instruments of an account that is known to be down move to others; `None`: never.
    pub failover_after: Option<Duration>,
    /// Whether the wall clock is a simulator's: no account may use a real Kite.
    pub simulated_time: bool,
    /// Whether users can log in here.
    pub login: bool,
    /// What options are priced with.
    pub rates: PricingRates,
}

/// The proxy of accounts that name none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultProxy {
    /// The proxy.
    pub proxy: Proxy,
    /// Hosts that are reached without it.
    pub except: NoProxy,
}

/// One object as it was read.
#[derive(Clone, Debug)]
pub struct Object<Spec, Status> {
    /// The metadata, which can be read in any case.
    pub meta: Meta,
    /// The spec, or why it is invalid.
    pub spec: Result<Arc<Spec>, InvalidSpec>,
    /// The status as last written.
    pub status: Option<Arc<Status>>,
}

/// What identifies an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Namespace and name.
    pub key: Key,
    /// Its identity (UID): a new object of an old name has another one.
    pub uid: String,
    /// Version of its spec.
    pub generation: Option<i64>,
    /// When it was created; the older of two has precedence.
    pub created: Timestamp,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether it is being deleted, and a finalizer holds it.
    pub deleting: bool,
    /// The annotation that asks for a rebalance.
    pub rebalance: Option<String>,
}

/// A spec that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", before(field))]
pub struct InvalidSpec {
    /// Path of the field, such as `spec.connections`.
    pub field: String,
    /// What is wrong with it and what to do.
    pub problem: String,
}

/// The field, if the problem is in one field.
fn before(field: &str) -> String {
    if field.is_empty() {
        String::new()
    } else {
        format!("{field}: ")
    }
}

/// A set as it was read.
pub type ObservedSet = Object<InstrumentSetSpec, InstrumentSetStatus>;

/// An account and what is known of its ingest process.
#[derive(Clone, Debug)]
pub struct ObservedAccount {
    /// The TickerAccount.
    pub object: Object<TickerAccountSpec, TickerAccountStatus>,
    /// The assignment that is stored for the process.
    pub assignment: LastAssignment,
    /// Objects, such as `StatefulSet kt-a`, that have a name that the account needs and were not
    /// made for it.
    pub foreign: Vec<String>,
    /// Which of its objects cannot be written, and why, for people.
    pub unwritten: Option<String>,
    /// Its pod or process.
    pub process: Process,
    /// The last report of its process.
    pub scrape: Scrape,
    /// Its credentials.
    pub secret: Secret,
    /// What Kite said of the access token in it, if it was asked.
    pub token: Option<TokenCheck>,
    /// The Secret with the token of its last login.
    pub session: Secret,
    /// What Kite said of that token, if it was asked.
    pub session_token: Option<TokenCheck>,
    /// The link with which its user logs in, or why there can be none, once it was asked for.
    pub login_link: Option<Result<LoginLink, String>>,
    /// The Secret for Redis, if its spec names one.
    pub redis_secret: Option<Secret>,
}

/// The assignment that is stored for an ingest process.
#[derive(Clone, Debug, Default)]
pub enum LastAssignment {
    /// It does not exist.
    #[default]
    Absent,
    /// It exists, and was opened and checked.
    Readable {
        /// The document.
        assignment: Arc<Assignment>,
        /// Lower-case hex SHA-256 of its JSON.
        sha256: String,
    },
    /// It exists, but cannot be opened.
    Unreadable {
        /// Why, for people.
        why: String,
    },
}

impl LastAssignment {
    /// The document and its hash, if it can be read.
    pub(crate) fn readable(&self) -> Option<(&Arc<Assignment>, &str)> {
        match self {
            Self::Readable { assignment, sha256 } => Some((assignment, sha256)),
            Self::Absent | Self::Unreadable { .. } => None,
        }
    }
}

/// A pod, or the child process that replaces it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Process {
    /// Not known yet.
    #[default]
    Unknown,
    /// It does not exist.
    Absent,
    /// It exists.
    Present {
        /// Name of the pod.
        name: String,
        /// Where its report is served, once it has an address.
        address: Option<SocketAddr>,
        /// Whether it is running and answers its readiness probe.
        ready: bool,
        /// Whether it is known not to run: it has ended or never started, or its node does not answer.
        stopped: bool,
        /// Why it is not running, such as `ImagePullBackOff`.
        trouble: Option<String>,
    },
}

/// What is known of the Secret with an account's credentials; never its values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Secret {
    /// It has not been read yet: its API key will be known in a moment.
    #[default]
    Unknown,
    /// It may not or cannot be read.
    Unreadable,
    /// It does not exist.
    Missing,
    /// It exists.
    Present {
        /// A version that changes with the Secret.
        version: String,
        /// Fingerprint of its API key, if it has one that may be read.
        key: Option<ValueFingerprint>,
        /// Fingerprint of its access token, if it has one that may be read.
        token: Option<ValueFingerprint>,
        /// Some names of its keys, to show a mistyped one; keys with a meaning come first.
        names: Vec<String>,
        /// Whether kubelets keep what they read of it.
        immutable: Immutable,
        /// Whose session it is, if it is one.
        login: Option<LastLogin>,
    },
}

/// Kite's login page with a signed state, for one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginLink {
    /// The address, with the API key.
    pub url: String,
    /// The version of the Secret that the API key is from.
    pub version: String,
}

/// Who has logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastLogin {
    /// The user, as Kite names them.
    pub user_id: String,
    /// When.
    pub at: Timestamp,
}

impl LastLogin {
    /// What the keys `user_id` and `login_time` of a session say; `None` if they say nothing.
    #[must_use]
    pub fn read(user_id: Option<&[u8]>, at: Option<&[u8]>) -> Option<Self> {
        const LONGEST: usize = 20;
        let text = |bytes| Some(std::str::from_utf8(bytes?).ok()?.trim());
        let user_id = text(user_id).filter(|it: &&str| !it.is_empty())?;
        Some(Self {
            user_id: printable(user_id, LONGEST),
            at: text(at)?.parse().ok()?,
        })
    }
}

/// Whether a Secret has `immutable: true`. A kubelet never reads such a one again, not even when
/// another is made under its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Immutable {
    /// It has not, as far as is known.
    #[default]
    No,
    /// It has.
    Yes,
    /// Another one of its name had, which a kubelet may still keep.
    Before,
}

impl Secret {
    /// Selects the names to keep from all keys of a Secret.
    #[must_use]
    pub fn key_names<'a>(all: impl Iterator<Item = &'a str>) -> Vec<String> {
        const MOST: usize = 8;
        const LONGEST: usize = 40;
        let known = |name: &str| {
            [SECRET_API_KEY, SECRET_ACCESS_TOKEN, SECRET_API_SECRET].contains(&name)
                || REDIS_FILES.contains(&name)
                || SENTINEL_FILES.contains(&name)
        };
        let mut names: Vec<&str> = all.collect();
        names.sort_by_key(|name| (!known(name), *name));
        let more = (names.len() > MOST).then(|| "…".to_owned());
        let names = names.iter().take(MOST);
        let names = names.map(|name| printable(name, LONGEST));
        names.chain(more).collect()
    }
}
