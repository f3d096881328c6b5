//! What the planner is told: the world as it was seen, and the time.
//!
//! Owns types only. Each says "not known" apart from "not there": the planner takes a token away
//! because something is known, never because something is missing here.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use contract::mount::REDIS_FILES;
use contract::{Assignment, Report};
use crds::names::{SECRET_ACCESS_TOKEN, SECRET_API_KEY};
use crds::{InstrumentSetSpec, InstrumentSetStatus, TickerAccountSpec, TickerAccountStatus};
use jiff::Timestamp;
use service::text::printable;

use crate::instruments::InstrumentTable;
pub use crate::key_fingerprint::KeyFingerprint;

/// The two times of one pass.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For what stands in objects: transition times.
    pub wall: Timestamp,
    /// For how long something has lasted; never compared with `wall`.
    pub monotonic: Instant,
}

/// Where an account or a set is. The namespace is empty where there are none.
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

/// Everything a plan is made of. The order of lists means nothing.
#[derive(Clone, Debug)]
pub struct Observed {
    /// What the operator was started with.
    pub settings: Settings,
    /// Every account that the operator looks after.
    pub accounts: Vec<ObservedAccount>,
    /// Every set that the operator looks after.
    pub sets: Vec<ObservedSet>,
    /// By API origin (as in [`crate::plan::Plan::endpoints`]). An origin that is not here counts as missing.
    pub tables: BTreeMap<String, Table>,
}

/// What the operator was started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The Redis of accounts that name none; without user or password.
    pub redis_url: String,
    /// Whether pods are told of changed files at once.
    pub poke: bool,
}

/// The instruments of one API endpoint.
#[derive(Clone, Debug)]
pub enum Table {
    /// The last good table.
    Loaded(Arc<InstrumentTable>),
    /// There was none since the start.
    Missing {
        /// Why, for people; without secrets.
        why: String,
    },
}

/// One object as it was read.
#[derive(Clone, Debug)]
pub struct Object<Spec, Status> {
    /// What could be read in any case.
    pub meta: Meta,
    /// What the user asks for, or why it cannot be read.
    pub spec: Result<Arc<Spec>, Unreadable>,
    /// What was last written to it.
    pub status: Option<Arc<Status>>,
}

/// What identifies an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Namespace and name.
    pub key: Key,
    /// Its identity: another object of an old name has another one.
    pub uid: String,
    /// Version of its spec.
    pub generation: Option<i64>,
    /// When it was made; the older of two has precedence.
    pub created: Timestamp,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether it is being deleted: it counts as gone.
    pub deleting: bool,
}

/// A spec that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", before(field))]
pub struct Unreadable {
    /// Path of the field, such as `spec.connections`.
    pub field: String,
    /// What is wrong with it and what to do.
    pub problem: String,
}

/// The field, if the problem is one field's.
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
    /// The assignment that lies where the process reads it.
    pub assignment: LastAssignment,
    /// Objects, such as `StatefulSet kt-a`, that have a name the account needs and belong to somebody else.
    pub foreign: Vec<String>,
    /// What of it cannot be written, and why, for people.
    pub unwritten: Option<String>,
    /// Its pod or process.
    pub process: Process,
    /// What its process last said.
    pub scrape: Scrape,
    /// Its credentials.
    pub secret: Secret,
    /// What Redis asks for, where its spec names a Secret with it.
    pub redis_secret: Option<Secret>,
}

/// The assignment that lies where an ingest process reads it.
#[derive(Clone, Debug, Default)]
pub enum LastAssignment {
    /// There is none.
    #[default]
    Absent,
    /// There is one, opened and checked.
    Readable {
        /// The document.
        assignment: Arc<Assignment>,
        /// Lower-case hex SHA-256 of its JSON.
        sha256: String,
    },
    /// There is one that cannot be opened.
    Unreadable {
        /// Why, for people.
        why: String,
    },
}

/// A pod, or the child process that stands for one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Process {
    /// Nothing was seen yet.
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
        /// Why it is not running, such as `ImagePullBackOff`.
        trouble: Option<String>,
    },
}

/// What came of asking a process for its report. Both empty: it was not asked yet.
#[derive(Clone, Debug, Default)]
pub struct Scrape {
    /// The newest report of this account's process.
    pub report: Option<Arc<Report>>,
    /// When it came.
    pub at: Option<Instant>,
    /// Set from the first attempt without an answer until the next answer.
    pub failing: Option<Failing>,
}

impl Scrape {
    /// What is known after an attempt that ended at `now`: the report, or why there was none.
    #[must_use]
    pub fn after(self, result: Result<Report, String>, now: Instant) -> Self {
        match result {
            Ok(report) => Self {
                report: Some(Arc::new(report)),
                at: Some(now),
                failing: None,
            },
            Err(why) => {
                let (since, attempts) = match &self.failing {
                    Some(failing) => (failing.since, failing.attempts.saturating_add(1)),
                    None => (now, 1),
                };
                Self {
                    failing: Some(Failing {
                        since,
                        attempts,
                        why,
                    }),
                    ..self
                }
            }
        }
    }
}

/// Attempts without an answer, in a row.
#[derive(Clone, Debug)]
pub struct Failing {
    /// When the first was made.
    pub since: Instant,
    /// How many.
    pub attempts: u32,
    /// Why the last failed, for people.
    pub why: String,
}

/// What is known of the Secret with an account's credentials; never what it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Secret {
    /// It was not looked at yet: whose key it holds will be known in a moment.
    #[default]
    Unknown,
    /// It may not or cannot be looked at.
    Unreadable,
    /// It does not exist.
    Missing,
    /// It exists.
    Present {
        /// Changes when the Secret does.
        version: String,
        /// Tells its API key from others, where it has one that may be read.
        key: Option<KeyFingerprint>,
        /// Names of its keys, for who mistyped one: those that mean something first, and few.
        names: Vec<String>,
    },
}

impl Secret {
    /// The names of keys that are kept, of all that a Secret has.
    #[must_use]
    pub fn key_names<'a>(all: impl Iterator<Item = &'a str>) -> Vec<String> {
        const MOST: usize = 8;
        const LONGEST: usize = 40;
        let known = |name: &str| {
            [SECRET_API_KEY, SECRET_ACCESS_TOKEN].contains(&name) || REDIS_FILES.contains(&name)
        };
        let mut names: Vec<&str> = all.collect();
        names.sort_by_key(|name| (!known(name), *name));
        let more = (names.len() > MOST).then(|| "…".to_owned());
        let names = names.iter().take(MOST);
        let names = names.map(|name| printable(name, LONGEST));
        names.chain(more).collect()
    }
}
