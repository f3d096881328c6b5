//! Writes statuses, within two budgets: what somebody may be waiting for at once, what only moves
//! while ticks flow when there is time.

use std::time::{Duration, Instant};

use crds::{InstrumentSet, TickerAccount, names};
use futures::{StreamExt, stream};
use kube::api::{PartialObjectMeta, Patch, PatchParams};
use kube::{Api, Resource};
use serde_json::{Value, json};

use super::{Applier, ApplyError, IN_FLIGHT, Subject, within};
use crate::plan::{Change, Key, Kind, Now, Plan};

/// The least time between two writes to one object.
const TRANSITION_GAP: Duration = Duration::from_secs(1);

/// The least time between two writes that only bring times and rates up to date.
const REFRESH_GAP: Duration = Duration::from_secs(10);

/// The last status written to an object.
#[derive(Clone, Debug)]
pub(super) struct Written {
    uid: String,
    status: Value,
    at: Instant,
}

/// A status to write.
struct Wish<'a> {
    kind: Kind,
    key: &'a Key,
    uid: &'a str,
    status: Value,
}

impl Applier {
    /// Writes every status that is due; returns when the next one will be.
    pub(super) async fn write_statuses(&mut self, plan: &Plan, now: Now) -> Option<Instant> {
        let mut postponed: Option<Instant> = None;
        let mut due = Vec::new();
        for (kind, key, uid, change, status) in wishes(plan) {
            let last = self
                .statuses
                .get(&(kind, key.clone()))
                .filter(|last| last.uid == uid);
            match due_at(change, last.map(|last| last.at)) {
                Due::Never => {}
                Due::At(at) if at > now.monotonic => {
                    postponed = Some(postponed.map_or(at, |other| other.min(at)));
                }
                Due::Now | Due::At(_) => {
                    let status = status();
                    // The store may not show yet what was written a moment ago.
                    let said = last.is_some_and(|last| {
                        last.status == status
                            && now.monotonic.saturating_duration_since(last.at) < 2 * TRANSITION_GAP
                    });
                    let subject = Subject::Status(kind, key.clone());
                    if !said && self.retries.may_try(&subject, now.monotonic) {
                        due.push((
                            subject,
                            Wish {
                                kind,
                                key,
                                uid,
                                status,
                            },
                        ));
                    }
                }
            }
        }
        let this = &*self;
        let writes = due.into_iter().map(|(subject, wish)| async move {
            let result = this.write_status(&wish).await;
            (subject, wish, result)
        });
        let writes: Vec<_> = writes.collect();
        let done: Vec<_> = stream::iter(writes)
            .buffer_unordered(IN_FLIGHT)
            .collect()
            .await;
        for (subject, wish, result) in done {
            if result.is_ok() {
                let written = Written {
                    uid: wish.uid.to_owned(),
                    status: wish.status,
                    at: now.monotonic,
                };
                self.statuses.insert((wish.kind, wish.key.clone()), written);
            }
            self.settle(subject, result, now);
        }
        postponed
    }

    async fn write_status(&self, wish: &Wish<'_>) -> Result<(), ApplyError> {
        let result = match wish.kind {
            Kind::Account => self.patch_status::<TickerAccount>(wish).await,
            Kind::Set => self.patch_status::<InstrumentSet>(wish).await,
        };
        match result {
            // Deleted in the meantime.
            Err(error) if error.source.is_not_found() => Ok(()),
            other => other,
        }
    }

    async fn patch_status<K>(&self, wish: &Wish<'_>) -> Result<(), ApplyError>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope> + Clone,
    {
        let kind = match wish.kind {
            Kind::Account => "TickerAccount",
            Kind::Set => "InstrumentSet",
        };
        let patch = json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            // The uid keeps the status of one object from a namesake made in the meantime.
            "metadata": { "name": wish.key.name, "uid": wish.uid },
            "status": wish.status,
        });
        // The answer repeats the whole object, of which nothing is needed.
        let api: Api<PartialObjectMeta<K>> =
            Api::namespaced(self.client.clone(), &wish.key.namespace);
        let params = PatchParams::apply(names::STATUS_FIELD_MANAGER).force();
        match within(api.patch_status(&wish.key.name, &params, &Patch::Apply(&patch))).await {
            Ok(_) => {
                self.metrics.status_written(kind);
                Ok(())
            }
            Err(source) => Err(ApplyError {
                kind,
                key: wish.key.clone(),
                verb: "given its status",
                source,
            }),
        }
    }
}

/// When a status is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Never,
    Now,
    At(Instant),
}

fn due_at(change: Change, last: Option<Instant>) -> Due {
    let gap = match change {
        Change::None => return Due::Never,
        Change::Refresh => REFRESH_GAP,
        Change::Transition => TRANSITION_GAP,
    };
    last.map_or(Due::Now, |last| Due::At(last + gap))
}

type Rendered<'a> = Box<dyn Fn() -> Value + 'a>;

fn wishes(plan: &Plan) -> impl Iterator<Item = (Kind, &Key, &str, Change, Rendered<'_>)> {
    let accounts = plan.accounts.iter().map(|account| {
        let status: Rendered<'_> = Box::new(|| json!(account.status));
        (
            Kind::Account,
            &account.key,
            account.uid.as_str(),
            account.change,
            status,
        )
    });
    let sets = plan.sets.iter().map(|set| {
        let status: Rendered<'_> = Box::new(|| json!(set.status));
        (Kind::Set, &set.key, set.uid.as_str(), set.change, status)
    });
    accounts.chain(sets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transition_waits_a_second_at_most_and_a_refresh_ten() {
        let start = service::clock::Clock::system().now();
        assert_eq!(due_at(Change::Transition, None), Due::Now);
        assert_eq!(due_at(Change::Refresh, None), Due::Now);
        assert_eq!(
            due_at(Change::Transition, Some(start)),
            Due::At(start + Duration::from_secs(1))
        );
        assert_eq!(
            due_at(Change::Refresh, Some(start)),
            Due::At(start + Duration::from_secs(10))
        );
        assert_eq!(due_at(Change::None, Some(start)), Due::Never);
    }
}
