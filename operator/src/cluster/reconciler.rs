//! The loop: observe, plan, apply, whenever something has changed and at least every few seconds.
//!
//! Owns the timing only. There is one loop for everything, because placement concerns all accounts
//! at once.

use calendar::Calendar;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::runtime::reflector::store::WriterDropped;
use service::clock::Clock;
use service::probe::{Gate, Heartbeat};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::apply::Applier;
use super::metrics::Metrics;
use super::observe::{ObservedCluster, Observer};
use super::token_metrics::TokenEnds;
use crate::instruments::TableRefresher;
use crate::login::Webhooks;
use crate::placement_log;
use crate::plan::{self, Memory, Now, Plan, Table};
use crate::query::QueryFeed;

/// Changes come in bursts: the loop waits until nothing changes for this long.
const DEBOUNCE: Duration = Duration::from_millis(50);

/// The longest wait for the end of a burst.
const MAX_DEBOUNCE: Duration = Duration::from_millis(200);

/// Without any change a pass runs this often, because rates and times of the status move.
const IDLE_INTERVAL: Duration = Duration::from_secs(10);

/// A pass may wait for the API server, write by write; without a heartbeat for this long it counts
/// as a hang.
pub(crate) const HANG_LIMIT: Duration = Duration::from_secs(300);

/// Everything the loop needs.
pub(crate) struct Reconciler {
    pub(crate) observer: Observer,
    pub(crate) applier: Applier,
    pub(crate) tables: TableRefresher,
    pub(crate) table_changes: watch::Receiver<BTreeMap<String, Table>>,
    pub(crate) calendar_changes: watch::Receiver<Arc<Calendar>>,
    pub(crate) memory: Arc<Memory>,
    pub(crate) token_ends: TokenEnds,
    pub(crate) webhooks: Webhooks,
    /// What is left for those who ask.
    pub(crate) feed: QueryFeed,
    pub(crate) clock: Clock,
    pub(crate) dirty: Arc<Notify>,
    pub(crate) metrics: Metrics,
    pub(crate) heartbeat: Heartbeat,
    pub(crate) gate: Gate,
}

impl Reconciler {
    /// Reconciles until `stop`, which ends it at once at any point: every write is complete by
    /// itself.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), WriterDropped> {
        let reconciling = async {
            self.wait_until_synced().await?;
            loop {
                let next = self.pass().await;
                self.gate.set(true);
                self.wait(next).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            ended = reconciling => ended,
        }
    }

    /// The first lists may take as long as the API server is away.
    async fn wait_until_synced(&self) -> Result<(), WriterDropped> {
        let stores = self.observer.stores.clone();
        let mut synced = std::pin::pin!(stores.synced());
        loop {
            tokio::select! {
                result = &mut synced => return result,
                () = tokio::time::sleep(IDLE_INTERVAL) => self.heartbeat.beat(self.clock.now()),
            }
        }
    }

    async fn pass(&mut self) -> Option<Instant> {
        self.heartbeat.beat(self.clock.now());
        let now = self.clock.times();
        let mut seen = self.observer.observe(now).await;
        for account in &mut seen.observed.accounts {
            let error = self.applier.write_error(&account.object.meta.key);
            account.unwritten = error.or(account.unwritten.take());
            let key = &account.object.meta.key;
            if let Some(planned) = self.memory.assignment(key) {
                let assignments = &mut self.observer.assignments;
                assignments.share(key, &mut account.assignment, planned);
            }
        }
        let (seen, plan, planned) = self.plan(seen).await;
        self.metrics.planned(&plan);
        self.token_ends.set(&plan);
        placement_log::log(&plan);
        let now = self.clock.now();
        let next = self.applier.apply(&seen, &plan, now).await;
        self.tables.set_lists(&plan.lists);
        self.observer.tokens.set_targets(&plan.tokens);
        self.observer.links.set_targets(&plan.logins);
        self.webhooks.call(&plan.webhooks);
        self.observer.set_report_targets(&seen, &plan);
        self.feed.note(&plan, planned);
        let before = std::mem::replace(&mut self.memory, Arc::new(plan.memory));
        self.feed
            .leave(seen.observed, [&before, &self.memory], planned);
        [next, plan.next].into_iter().flatten().min()
    }

    /// Plans on a blocking thread: thousands of instruments take milliseconds.
    async fn plan(&self, seen: ObservedCluster) -> (ObservedCluster, Plan, Now) {
        let memory = Arc::clone(&self.memory);
        let now = self.clock.times();
        let start = self.clock.now();
        let planned = tokio::task::spawn_blocking(move || {
            let plan = plan::plan(&seen.observed, &memory, now);
            (seen, plan, now)
        });
        let planned = match planned.await {
            Ok(planned) => planned,
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        };
        self.metrics.plans.inc();
        let took = self.clock.now().saturating_duration_since(start);
        self.metrics.plan_seconds.observe(took.as_secs_f64());
        planned
    }

    /// Waits for a change, a new table, or `next`.
    async fn wait(&mut self, next: Option<Instant>) {
        let now = self.clock.now();
        let until = next.map_or(now + IDLE_INTERVAL, |next| {
            next.clamp(now + DEBOUNCE, now + IDLE_INTERVAL)
        });
        tokio::select! {
            () = self.dirty.notified() => self.debounce().await,
            _ = self.table_changes.changed() => {}
            Ok(()) = self.calendar_changes.changed() => {}
            () = tokio::time::sleep_until(until.into()) => {}
        }
        self.observer.tables = self.table_changes.borrow_and_update().clone();
    }

    async fn debounce(&self) {
        let end = tokio::time::Instant::now() + MAX_DEBOUNCE;
        loop {
            tokio::select! {
                () = self.dirty.notified() => {}
                () = tokio::time::sleep(DEBOUNCE) => return,
                () = tokio::time::sleep_until(end) => return,
            }
        }
    }
}
