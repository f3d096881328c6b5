//! What the loop leaves after each pass for those who ask.
//!
//! Owns nothing else: it is replaced as a whole, and shared.

use std::sync::Arc;

use service::clock::Now;
use tokio::sync::watch;

use crate::plan::review::Review;
use crate::plan::{Journal, Memory, Observed, Plan};

/// As many documents are named.
const MOST_PROBLEMS: usize = 20;

/// The namespaces of an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// There are none: without a cluster.
    Local,
    /// This one.
    Namespace(String),
    /// All of them.
    All,
}

/// A namespace whose objects the operator does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this operator manages namespace {own} only, not {asked}: ask the operator of {asked}, or for {own}"
)]
pub(crate) struct UnmanagedNamespace {
    own: String,
    asked: String,
}

impl Scope {
    /// The namespace that is meant; `None`: all of them.
    pub(crate) fn resolve(
        &self,
        asked: Option<&str>,
    ) -> Result<Option<String>, UnmanagedNamespace> {
        match (self, asked) {
            (Self::Local, _) => Ok(Some(String::new())),
            (Self::Namespace(own), Some(asked)) if own != asked => Err(UnmanagedNamespace {
                own: own.clone(),
                asked: asked.to_owned(),
            }),
            (Self::Namespace(own), _) => Ok(Some(own.clone())),
            (Self::All, asked) => Ok(asked.map(str::to_owned)),
        }
    }
}

/// Everything that answers are made of.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) scope: Scope,
    /// What the pass observed.
    pub(crate) observed: Observed,
    /// What the pass before it left.
    pub(crate) before: Arc<Memory>,
    /// What it left.
    pub(crate) memory: Arc<Memory>,
    pub(crate) journal: Arc<Journal>,
    /// Documents that are not used, and why.
    pub(crate) problems: Arc<[String]>,
    /// The time of the pass.
    pub(crate) now: Now,
}

/// Passes snapshots on.
#[derive(Debug)]
pub(crate) struct QueryFeed {
    scope: Scope,
    journal: Arc<Journal>,
    problems: Arc<[String]>,
    sender: watch::Sender<Option<Arc<Snapshot>>>,
}

impl QueryFeed {
    pub(crate) fn new(scope: Scope) -> Self {
        Self {
            scope,
            journal: Arc::default(),
            problems: Arc::default(),
            sender: watch::Sender::new(None),
        }
    }

    /// The newest snapshot, once there is one.
    pub(crate) fn snapshots(&self) -> watch::Receiver<Option<Arc<Snapshot>>> {
        self.sender.subscribe()
    }

    /// Notes what a plan moves.
    pub(crate) fn note(&mut self, plan: &Plan, now: Now) {
        if self.journal.is_behind(plan) {
            Arc::make_mut(&mut self.journal).note(plan, now.wall);
        }
    }

    /// Notes which documents are not used, and why.
    pub(crate) fn note_problems(&mut self, problems: &[String]) {
        if *self.problems != *problems {
            self.problems = problems.iter().take(MOST_PROBLEMS).cloned().collect();
        }
    }

    /// Leaves what a pass observed at `now`, with what it remembered before and after.
    pub(crate) fn leave(&self, observed: Observed, memories: [&Arc<Memory>; 2], now: Now) {
        let [before, memory] = memories.map(Arc::clone);
        self.sender.send_replace(Some(Arc::new(Snapshot {
            scope: self.scope.clone(),
            observed,
            before,
            memory,
            journal: Arc::clone(&self.journal),
            problems: Arc::clone(&self.problems),
            now,
        })));
    }
}

impl Snapshot {
    /// What the pass decided.
    pub(crate) fn review(&self) -> Review<'_> {
        let memories = (&*self.before, &*self.memory);
        Review::new(&self.observed, memories, &self.journal, self.now)
    }
}

#[cfg(test)]
impl Snapshot {
    /// That of a pass on `observed`, in a cluster.
    pub(crate) fn sample(observed: Observed, memory: Memory) -> Self {
        Self {
            scope: Scope::Namespace(crate::plan::fixture::NAMESPACE.to_owned()),
            observed,
            before: Arc::new(memory.clone()),
            memory: Arc::new(memory),
            journal: Arc::default(),
            problems: Arc::default(),
            now: crate::plan::fixture::start(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_meant_or_is_not_managed() {
        let one = Scope::Namespace("own".to_owned());
        let found = |namespace: &str| Ok(Some(namespace.to_owned()));
        assert_eq!(one.resolve(None), found("own"));
        assert_eq!(one.resolve(Some("own")), found("own"));
        let other = one.resolve(Some("other")).unwrap_err().to_string();
        assert!(
            other.starts_with("this operator manages namespace own only, not other: "),
            "{other}"
        );
        assert_eq!(Scope::All.resolve(None), Ok(None));
        assert_eq!(Scope::All.resolve(Some("other")), found("other"));
        assert_eq!(Scope::Local.resolve(Some("other")), found(""));
    }
}
