//! The metrics of the data plane.
//!
//! Owns names and labels; the numbers are from the last snapshot. Names without the prefix are used
//! by dashboards of the replaced service. Must not have a label per token.

mod redis;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use contract::report::{ConnectionReport, ConnectionState};
use greeks::GreeksWord;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use tokio::sync::watch;

use super::report::StatusSnapshot;
use crate::events::EventCounts;
use crate::pipeline::accept::age::OldPrice;
use crate::pipeline::instruments::InstrumentClass;
use crate::pipeline::stats::{AGE_BOUNDS, BATCH_BOUNDS, GREEKS_BOUNDS, Histogram, LATENCY_BOUNDS};
use crate::recorder;

/// Prefix of metrics that the replaced service did not have.
pub(crate) const PREFIX: &str = "kiteticker";

type Label<'a> = (&'static str, &'a str);

/// A metric with its name written; the numbers follow.
type Described<'a> = Result<MetricEncoder<'a>, fmt::Error>;

/// Renders the last snapshot at each scrape.
#[derive(Debug)]
pub(crate) struct Exposition {
    /// The last snapshot of the data plane.
    pub(crate) snapshots: watch::Receiver<Arc<StatusSnapshot>>,
    /// The counters of events.
    pub(crate) events: Arc<EventCounts>,
    /// The counters of recorded frames, if frames are recorded.
    pub(crate) recorder: Option<Arc<recorder::RecordingCounts>>,
}

impl Collector for Exposition {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let snapshot = Arc::clone(&self.snapshots.borrow());
        let mut page = MetricsPage { encoder };
        page.ticks(&snapshot)?;
        page.latencies(&snapshot)?;
        page.greeks(&snapshot)?;
        page.redis(&snapshot)?;
        page.events(&self.events)?;
        page.recorder(self.recorder.as_deref())?;
        page.connections(&snapshot)
    }
}

struct MetricsPage<'a> {
    encoder: DescriptorEncoder<'a>,
}

impl MetricsPage<'_> {
    fn ticks(&mut self, snapshot: &StatusSnapshot) -> fmt::Result {
        let stats = &snapshot.stats;
        let help = "Ticks received, by kind and result";
        let mut ticks = self.counter("ticks_processed", help)?;
        for class in InstrumentClass::ALL {
            let kind = ("tick_type", class.as_str());
            let accepted = stats.accepted[class as usize];
            let old = stats.old_snapshots[class as usize];
            count(&mut ticks, &[kind, ("status", "success")], accepted)?;
            count(&mut ticks, &[kind, ("status", "old_snapshot")], old)?;
            let undated = stats.undated_snapshots[class as usize];
            count(&mut ticks, &[kind, ("status", "undated_snapshot")], undated)?;
        }
        let help = "Ticks whose price is of an older day and is not stored as the last price, by the \
                    reason to think so";
        let mut old_prices = self.counter("kiteticker_undated_prices", help)?;
        for why in OldPrice::ALL {
            let number = stats.old_prices[why as usize];
            count(&mut old_prices, &[("reason", why.as_str())], number)?;
        }
        let mut published = self.counter("ticks_published", "Messages given to the Redis link")?;
        for class in InstrumentClass::ALL {
            let kind = ("tick_type", class.as_str());
            count(&mut published, &[kind], stats.rendered[class as usize])?;
        }
        let mut errors = self.counter("tick_processing_errors", "Frame parts skipped, by error")?;
        for (kind, number) in [
            ("unknown_token", stats.errors.unknown_token),
            ("unknown_packet", stats.errors.unknown_packet),
            ("truncated_frame", stats.errors.truncated_frame),
            ("trailing_bytes", stats.errors.trailing_bytes),
            ("server_error", stats.errors.server_error),
            ("unknown_text", stats.errors.unknown_text),
        ] {
            count(&mut errors, &[("error_type", kind)], number)?;
        }
        let help = "Ticks that a newer one of their instrument replaced before they could be sent";
        self.plain_counter("kiteticker_ticks_conflated", help, stats.conflated)
    }

    fn latencies(&mut self, snapshot: &StatusSnapshot) -> fmt::Result {
        let stats = &snapshot.stats;
        let help = "Seconds from the socket to the buffer of the Redis link";
        let mut latency = self.histogram("tick_processing_latency_seconds", help)?;
        for class in InstrumentClass::ALL {
            let labels = [("tick_type", class.as_str())];
            let histogram = &stats.latency[class as usize];
            let mut latency = latency.encode_family(&labels)?;
            distribute(&mut latency, histogram, &LATENCY_BOUNDS)?;
        }
        let mut batches = self.histogram("tick_batch_size", "Messages sent to Redis at once")?;
        distribute(&mut batches, &stats.batches, &BATCH_BOUNDS)?;
        let help = "Age of the exchange's time on receipt, in whole seconds";
        let mut age = self.histogram("kiteticker_exchange_to_receive_seconds", help)?;
        distribute(&mut age, &stats.exchange_age, &AGE_BOUNDS)
    }

    fn greeks(&mut self, snapshot: &StatusSnapshot) -> fmt::Result {
        let stats = &snapshot.stats;
        let help = "Ticks of options that have Greeks, by what became of them";
        let mut words = self.counter("greeks_calculations", help)?;
        for word in GreeksWord::ALL {
            let number = stats.greeks[word as usize];
            count(&mut words, &[("status", word.as_str())], number)?;
        }
        let help = "Last values whose Greeks were computed again because the forward price moved";
        let refreshed = stats.greeks_refreshed;
        self.plain_counter("kiteticker_greeks_refreshed", help, refreshed)?;
        let help = "Seconds that the Greeks of a tick took, of one tick in 64";
        let mut latency = self.histogram("greeks_calculation_latency_seconds", help)?;
        distribute(&mut latency, &stats.greeks_latency, &GREEKS_BOUNDS)
    }

    /// Zeros if frames are not recorded.
    fn recorder(&mut self, counts: Option<&recorder::RecordingCounts>) -> fmt::Result {
        let number = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let recorded = counts.map_or(0, |counts| number(&counts.recorded));
        let lost = counts.map_or(0, |counts| number(&counts.lost));
        self.plain_counter("kiteticker_recorded_frames", "Frames recorded", recorded)?;
        let help = "Frames not recorded because the disk was too slow or full";
        self.plain_counter("kiteticker_recorded_frames_lost", help, lost)
    }

    fn connections(&mut self, snapshot: &StatusSnapshot) -> fmt::Result {
        let Some(account) = snapshot.account.as_deref() else {
            return Ok(());
        };
        let account = ("account_id", account);
        let connections = &snapshot.report.connections;
        let help = "Instruments subscribed to on a live connection";
        let mut current = self.gauge("kite_websocket_subscriptions_current", help)?;
        for (index, number) in snapshot.subscribed.iter().enumerate() {
            let index = index.to_string();
            let labels = [account, ("connection_id", index.as_str())];
            measure(&mut current, &labels, i64::from(*number))?;
        }
        let help = "Instruments that one connection may carry";
        let mut limit = self.gauge("kite_websocket_subscriptions_limit", help)?;
        limit.encode_gauge(&i64::from(snapshot.limit))?;
        let live = connections.iter().filter(|one| is_live(one)).count();
        let mut active = self.gauge("kite_websocket_connections_active", "Live connections")?;
        measure(&mut active, &[account], live as i64)?;
        let help = "2 connected, 1 connecting, 0 down";
        let mut status = self.gauge("trading_account_connection_status", help)?;
        measure(&mut status, &[account], account_status(connections))?;
        let help = "Sockets opened after a connection's first";
        let mut reconnects = self.counter("kiteticker_reconnects", help)?;
        for (index, number) in snapshot.reconnects.iter().enumerate() {
            let index = index.to_string();
            let labels = [account, ("connection_id", index.as_str())];
            count(&mut reconnects, &labels, *number)?;
        }
        let silent: u32 = snapshot.report.sets.iter().map(|set| set.silent).sum();
        let help = "Instruments subscribed to and not seen for ten seconds, summed over sets";
        let mut gauge = self.gauge("kiteticker_tokens_silent", help)?;
        measure(&mut gauge, &[account], i64::from(silent))
    }

    fn counter(&mut self, name: &'static str, help: &str) -> Described<'_> {
        self.describe(name, help, MetricType::Counter)
    }

    fn plain_counter(&mut self, name: &'static str, help: &str, number: u64) -> fmt::Result {
        self.counter(name, help)?
            .encode_counter::<NoLabelSet, _, f64>(&number, None)
    }

    fn gauge(&mut self, name: &'static str, help: &str) -> Described<'_> {
        self.describe(name, help, MetricType::Gauge)
    }

    fn histogram(&mut self, name: &'static str, help: &str) -> Described<'_> {
        self.describe(name, help, MetricType::Histogram)
    }

    fn describe(&mut self, name: &'static str, help: &str, kind: MetricType) -> Described<'_> {
        self.encoder.encode_descriptor(name, help, None, kind)
    }
}

fn count(encoder: &mut MetricEncoder<'_>, labels: &[Label<'_>], number: u64) -> fmt::Result {
    let labels = labels.to_vec();
    encoder
        .encode_family(&labels)?
        .encode_counter::<NoLabelSet, _, f64>(&number, None)
}

fn measure(encoder: &mut MetricEncoder<'_>, labels: &[Label<'_>], number: i64) -> fmt::Result {
    let labels = labels.to_vec();
    encoder.encode_family(&labels)?.encode_gauge(&number)
}

fn distribute<const N: usize>(
    encoder: &mut MetricEncoder<'_>,
    histogram: &Histogram<N>,
    bounds: &[f64; N],
) -> fmt::Result {
    let (sum, count, buckets) = histogram.parts(bounds);
    let no_exemplars: Option<&HashMap<usize, Exemplar<NoLabelSet, f64>>> = None;
    encoder.encode_histogram(sum, count, &buckets, no_exemplars)
}

fn is_live(connection: &ConnectionReport) -> bool {
    connection.state == ConnectionState::Live
}

fn account_status(connections: &[ConnectionReport]) -> i64 {
    let connecting = |one: &ConnectionReport| one.state == ConnectionState::Connecting;
    let mut under_way = connections.iter();
    match connections {
        [_, ..] if connections.iter().all(is_live) => 2,
        _ if under_way.any(|one| is_live(one) || connecting(one)) => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn names_are_those_that_dashboards_use() {
        let mut snapshot = StatusSnapshot {
            account: Some("primary".to_owned()),
            limit: 3000,
            subscribed: vec![442, 0, 0],
            reconnects: vec![2, 0, 0],
            ..StatusSnapshot::default()
        };
        snapshot.stats.accepted[InstrumentClass::Option as usize] = 7;
        snapshot.stats.batches.observe(&BATCH_BOUNDS, 3.0, 1);
        snapshot.link.published = 7;
        let (_sender, receiver) = watch::channel(Arc::new(snapshot));
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Exposition {
            snapshots: receiver,
            events: Arc::default(),
            recorder: None,
        }));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            r#"ticks_processed_total{tick_type="option",status="success"} 7"#,
            r#"ticks_published_total{tick_type="option"} 0"#,
            r#"tick_processing_latency_seconds_count{tick_type="option"} 0"#,
            r#"tick_batch_size_bucket{le="4.0"} 1"#,
            r#"tick_batch_size_bucket{le="+Inf"} 1"#,
            r#"tick_processing_errors_total{error_type="unknown_token"} 0"#,
            r#"greeks_calculations_total{status="no_forward"} 0"#,
            "greeks_calculation_latency_seconds_count 0",
            "kiteticker_greeks_refreshed_total 0",
            "redis_publish_total 7",
            "redis_publish_failures_total 0",
            r#"kite_websocket_subscriptions_current{account_id="primary",connection_id="0"} 442"#,
            "kite_websocket_subscriptions_limit 3000",
            r#"kite_websocket_connections_active{account_id="primary"} 0"#,
            r#"trading_account_connection_status{account_id="primary"} 0"#,
            "kiteticker_ticks_conflated_total 0",
            // No socket is up or needed, and nothing is recorded: these are there all the same.
            r#"kiteticker_reconnects_total{account_id="primary",connection_id="0"} 2"#,
            r#"kiteticker_reconnects_total{account_id="primary",connection_id="2"} 0"#,
            r#"tick_processing_errors_total{error_type="unknown_text"} 0"#,
            "kiteticker_recorded_frames_lost_total 0",
            r#"kiteticker_events_refused_total{part="log"} 0"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }
}
