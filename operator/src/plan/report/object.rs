//! What accounts and sets have in common: a status, its change, an event, and what is remembered.
//!
//! Must not know how a status is made.

use std::sync::Arc;

use crds::condition::ConditionType;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::events;
use super::outcome::{Event, Kind};
use super::status::{self, Change, Status};
use crate::plan::input::{Object, ObjectMemory};
use crate::plan::readiness::{ConditionOutcome, History};

/// The status that an object had before, and what is remembered of it.
pub(super) struct Previous<'a, S> {
    /// The status last decided on, or else the one in the object.
    pub(super) status: Option<&'a Arc<S>>,
    remembered: Option<&'a ObjectMemory<S>>,
}

/// The report of an object.
pub(super) struct ObjectReport<S> {
    /// What is remembered of it, its new status included.
    pub(super) memory: ObjectMemory<S>,
    /// How that status differs from the one in the object.
    pub(super) change: Change,
    pub(super) event: Option<Event>,
}

impl<'a, S: Status> Previous<'a, S> {
    pub(super) fn new<Spec>(
        object: &'a Object<Spec, S>,
        remembered: Option<&'a ObjectMemory<S>>,
    ) -> Self {
        Self {
            status: remembered.map(|it| &it.status).or(object.status.as_ref()),
            remembered,
        }
    }

    /// The state before, for an object whose spec has this generation.
    pub(super) fn history(&self, generation: Option<i64>) -> History<'a> {
        History {
            ready: self.ready(),
            generation,
            due: self.remembered.and_then(|it| it.due),
            warning: self.remembered.and_then(|it| it.warning.as_deref()),
            first: self.remembered.is_none(),
        }
    }

    fn ready(&self) -> Option<&'a Condition> {
        status::find(self.status?.conditions(), ConditionType::Ready)
    }

    /// The report of the object with its new status.
    pub(super) fn report<Spec>(
        &self,
        kind: Kind,
        object: &Object<Spec, S>,
        status: S,
        outcome: &ConditionOutcome,
    ) -> ObjectReport<S> {
        let meta = &object.meta;
        let last_event = match self.remembered {
            Some(remembered) => remembered.last_event,
            None => self.ready().and_then(events::state_of),
        };
        let event = events::event(kind, meta, outcome, last_event);
        let sent = event.as_ref().map(|_| (outcome.state, outcome.reason));
        // An equal status stays the same data, so that results that have it as an input stay valid. That of the object is
        // there already: of thousands of sets, each kept twice otherwise.
        let known = [object.status.as_ref(), self.status];
        let mut known = known.into_iter().flatten();
        let same = known.find(|known| ***known == status).cloned();
        let memory = ObjectMemory {
            uid: meta.uid.clone(),
            due: outcome.due,
            status: same.unwrap_or_else(|| Arc::new(status)),
            warning: status::warning(outcome),
            last_event: sent.or(last_event),
        };
        ObjectReport {
            change: status::change(object.status.as_deref(), &*memory.status),
            memory,
            event,
        }
    }
}
