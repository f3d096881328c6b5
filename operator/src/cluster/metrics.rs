//! The metrics of the operator. Labels are reasons and kinds, never names: numbers of all sets are sums, and the status of
//! each set has its own.
//!
//! Every counter exists at 0 from the start, for every label that it can have: an alert on its
//! growth would not see its first value otherwise.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

use super::api_error::FailureReason;
use super::owned_kind::OwnedKind;
use crate::login::{LoginCounter, LoginLabel, WebhookCounter, WebhookLabel};
use crate::plan::{Cause, Kind, Plan};
use crate::token_check::{CheckResult, ResultLabel, TokenCheckCounter};

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
    placements_moved: Counter,
    /// Checks of access tokens, by result.
    pub(crate) token_checks: TokenCheckCounter,
    pub(crate) logins: LoginCounter,
    pub(crate) webhooks: WebhookCounter,
    /// Failovers: lost instruments of one account that moved to another.
    failovers: Family<ReasonLabel, Counter>,
    /// Strikes at the money that changed.
    money_moves: Counter,
    /// Instruments that go from one account to another, by stage.
    instruments_moving: Family<StageLabel, Gauge>,
    /// Instruments that wait for room.
    instruments_waiting: Gauge,
    /// Instruments that stay although the money has left them behind.
    instruments_retained: Gauge,
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

/// A stage of a move.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabel {
    stage: &'static str,
}

/// A class of failures.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ReasonLabel {
    /// The class, such as `Conflict`.
    pub(crate) reason: &'static str,
}

/// A kind of object that is written, other than a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WrittenKind {
    /// One that an account owns.
    Owned(OwnedKind),
    /// A pod, which is annotated, or deleted if it is stuck.
    Pod,
}

impl From<OwnedKind> for WrittenKind {
    fn from(kind: OwnedKind) -> Self {
        Self::Owned(kind)
    }
}

impl WrittenKind {
    const fn label(self) -> KindLabel {
        let kind = match self {
            Self::Owned(kind) => kind.as_str(),
            Self::Pod => "Pod",
        };
        KindLabel { kind }
    }
}

impl Metrics {
    /// Makes the counters and registers them.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::new(registry);
        let written = OwnedKind::ALL.map(WrittenKind::Owned).into_iter();
        for kind in written.chain([WrittenKind::Pod]) {
            drop(metrics.applies.get_or_create(&kind.label()));
        }
        for reason in FailureReason::ALL {
            let label = ReasonLabel {
                reason: reason.as_str(),
            };
            drop(metrics.apply_failures.get_or_create(&label));
        }
        for cause in Cause::ALL {
            let reason = cause.as_str();
            drop(metrics.failovers.get_or_create(&ReasonLabel { reason }));
        }
        for result in CheckResult::LABELS {
            drop(metrics.token_checks.get_or_create(&ResultLabel { result }));
        }
        for result in LoginLabel::ALL {
            drop(metrics.logins.get_or_create(&LoginLabel { result }));
        }
        for result in WebhookLabel::ALL {
            drop(metrics.webhooks.get_or_create(&WebhookLabel { result }));
        }
        for kind in Kind::ALL {
            let kind = kind.as_str();
            drop(metrics.status_writes.get_or_create(&KindLabel { kind }));
        }
        metrics
    }

    fn new(registry: &mut Registry) -> Self {
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
            token_checks: add(
                registry,
                "token_checks",
                "Requests to Kite that check an access token, by result",
            ),
            logins: add(
                registry,
                "logins",
                "Browsers that came back from Kite's login, by result",
            ),
            webhooks: add(
                registry,
                "webhooks",
                "Calls of webhooks about a login, by result",
            ),
            status_writes: add(
                registry,
                "status_writes",
                "Successful writes of statuses, by kind",
            ),
            scrape_failures: add(registry, "scrape_failures", "Report requests that failed"),
            failovers: add(
                registry,
                "failovers",
                "Failovers from one account to another, by the reason of the loss",
            ),
            placements_moved: add(
                registry,
                "placements_moved",
                "Instruments that moved from one account to another",
            ),
            money_moves: add(
                registry,
                "money_moves",
                "Changes of the strike at the money, each chain that a set follows by itself",
            ),
            instruments_moving: add(
                registry,
                "instruments_moving",
                "Instruments that go from one account to another, by the stage of their move",
            ),
            instruments_waiting: add(
                registry,
                "instruments_waiting",
                "Instruments of all sets that wait for room",
            ),
            instruments_retained: add(
                registry,
                "instruments_retained",
                "Instruments of all sets that the money has left behind and that stay",
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

    /// Counts what a plan decides.
    pub(crate) fn planned(&self, plan: &Plan) {
        for failover in &plan.failovers {
            let reason = failover.cause.as_str();
            self.failovers.get_or_create(&ReasonLabel { reason }).inc();
        }
        self.placements_moved.inc_by(plan.relocated.into());
        self.money_moves.inc_by(plan.strikes_changed.into());
        let (mut waiting, mut retained) = (0_i64, 0_i64);
        for set in &plan.sets {
            waiting += i64::from(set.status.waiting.unwrap_or(0));
            retained += i64::from(set.status.retained.unwrap_or(0));
        }
        for (stage, count) in [
            ("subscribing", plan.move_stages.subscribing),
            ("dividing", plan.move_stages.dividing),
            ("handover", plan.move_stages.handover),
        ] {
            let stage = StageLabel { stage };
            self.instruments_moving
                .get_or_create(&stage)
                .set(count.into());
        }
        self.instruments_waiting.set(waiting);
        self.instruments_retained.set(retained);
    }

    /// Counts a write of an owned object.
    pub(crate) fn applied(&self, kind: WrittenKind) {
        self.applies.get_or_create(&kind.label()).inc();
    }

    /// Counts a write of a status.
    pub(crate) fn status_written(&self, kind: Kind) {
        let kind = kind.as_str();
        self.status_writes.get_or_create(&KindLabel { kind }).inc();
    }

    /// Counts a failed write.
    pub(crate) fn failed(&self, reason: FailureReason) {
        let reason = reason.as_str();
        self.apply_failures
            .get_or_create(&ReasonLabel { reason })
            .inc();
    }

    /// The counters of this kind's watch begin at 0.
    pub(crate) fn watched(&self, kind: &'static str) {
        drop(self.watch_restarts.get_or_create(&KindLabel { kind }));
        drop(self.watch_silences.get_or_create(&KindLabel { kind }));
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crds::InstrumentSetStatus;
    use prometheus_client::encoding::text::encode;

    use super::*;
    use crate::plan::{Key, MoveCounts};

    /// Prometheus computes a growth from two values: a counter that begins at 1 has not grown.
    #[test]
    fn every_counter_is_there_before_anything_happened() {
        let mut registry = Registry::default();
        Metrics::register(&mut registry).watched("Secret");
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            r#"applies_total{kind="ConfigMap"} 0"#,
            r#"applies_total{kind="Service"} 0"#,
            r#"applies_total{kind="StatefulSet"} 0"#,
            r#"applies_total{kind="Pod"} 0"#,
            r#"apply_failures_total{reason="Forbidden"} 0"#,
            r#"apply_failures_total{reason="Network"} 0"#,
            r#"apply_failures_total{reason="Timeout"} 0"#,
            r#"status_writes_total{kind="TickerAccount"} 0"#,
            r#"status_writes_total{kind="InstrumentSet"} 0"#,
            r#"watch_restarts_total{kind="Secret"} 0"#,
            r#"watch_silences_total{kind="Secret"} 0"#,
            "plans_total 0",
            "scrape_failures_total 0",
            "placements_moved_total 0",
            "money_moves_total 0",
            "instruments_waiting 0",
            "instruments_retained 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        // A family without a value would be a name without a line.
        let counters = text.lines().filter(|line| line.ends_with(" counter"));
        for counter in counters.filter_map(|line| line.split(' ').nth(2)) {
            let start = format!("{counter}_total");
            assert!(text.lines().any(|line| line.starts_with(&start)), "{text}");
        }
    }

    #[test]
    fn what_waits_and_what_stays_is_summed_over_sets() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let set = |waiting, retained| crate::plan::SetPlan {
            key: Key::new("desk", "s"),
            uid: String::new(),
            status: Arc::new(InstrumentSetStatus {
                waiting,
                retained,
                ..InstrumentSetStatus::default()
            }),
            warning: None,
            change: crate::plan::Change::None,
        };
        let plan = Plan {
            sets: vec![set(Some(3), None), set(Some(4), Some(5)), set(None, None)],
            strikes_changed: 2,
            relocated: 5,
            move_stages: MoveCounts {
                dividing: 6,
                ..MoveCounts::default()
            },
            ..Plan::default()
        };
        metrics.planned(&plan);
        metrics.planned(&plan);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "instruments_waiting 7",
            "instruments_retained 5",
            "instruments_moving{stage=\"dividing\"} 6",
            "instruments_moving{stage=\"subscribing\"} 0",
            "money_moves_total 4",
            "placements_moved_total 10",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }
}
