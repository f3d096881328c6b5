//! The metrics of the operator. Labels are reasons and kinds, never names.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

/// Every counter; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    /// Passes of the planner.
    pub(crate) plans: Counter,
    /// Seconds a pass of the planner took.
    pub(crate) plan_seconds: Histogram,
    /// Writes to owned objects that succeeded.
    pub(crate) applies: Family<KindLabel, Counter>,
    /// Writes of any kind that failed.
    pub(crate) apply_failures: Family<ReasonLabel, Counter>,
    /// Status writes that succeeded.
    pub(crate) status_writes: Family<KindLabel, Counter>,
    /// Report requests that failed.
    pub(crate) scrape_failures: Counter,
    /// Instruments that moved from one account to another.
    pub(crate) placements_moved: Counter,
    /// Watches that started over with a list.
    pub(crate) watch_restarts: Family<KindLabel, Counter>,
    /// Watches that were restarted after a long silence.
    pub(crate) watch_silences: Family<KindLabel, Counter>,
}

/// A kind of object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct KindLabel {
    /// The kind, such as `StatefulSet`.
    pub(crate) kind: &'static str,
}

/// A class of failures.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ReasonLabel {
    /// The class, such as `Conflict`.
    pub(crate) reason: &'static str,
}

impl Metrics {
    /// Makes the counters and registers them.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let seconds = Histogram::new([0.000_1, 0.001, 0.005, 0.02, 0.1, 0.5, 2.0]);
        registry.register(
            "plan_seconds",
            "Seconds one pass of the planner took",
            seconds.clone(),
        );
        Self {
            plan_seconds: seconds,
            plans: add(registry, "plans", "Planner passes"),
            applies: add(
                registry,
                "applies",
                "Successful writes of owned objects, by kind",
            ),
            apply_failures: add(registry, "apply_failures", "Failed writes, by reason"),
            status_writes: add(
                registry,
                "status_writes",
                "Successful writes of statuses, by kind",
            ),
            scrape_failures: add(registry, "scrape_failures", "Report requests that failed"),
            placements_moved: add(
                registry,
                "placements_moved",
                "Instruments that moved from one account to another",
            ),
            watch_restarts: add(
                registry,
                "watch_restarts",
                "Watches that started over with a list",
            ),
            watch_silences: add(
                registry,
                "watch_silences",
                "Watches restarted after ten minutes without a message",
            ),
        }
    }

    /// Counts a write of an owned object.
    pub(crate) fn applied(&self, kind: &'static str) {
        self.applies.get_or_create(&KindLabel { kind }).inc();
    }

    /// Counts a write of a status.
    pub(crate) fn status_written(&self, kind: &'static str) {
        self.status_writes.get_or_create(&KindLabel { kind }).inc();
    }

    /// Counts a failed write.
    pub(crate) fn failed(&self, reason: &'static str) {
        self.apply_failures
            .get_or_create(&ReasonLabel { reason })
            .inc();
    }

    /// Counts a watch that was silent for long.
    pub(crate) fn watch_silent(&self, kind: &'static str) {
        self.watch_silences.get_or_create(&KindLabel { kind }).inc();
    }

    /// Counts a watch that started over.
    pub(crate) fn watch_restarted(&self, kind: &'static str) {
        self.watch_restarts.get_or_create(&KindLabel { kind }).inc();
    }
}

fn add<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}
