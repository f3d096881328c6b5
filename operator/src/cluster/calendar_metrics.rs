//! How long the market calendar in force is good for, read at each scrape.
//!
//! Must not read its file.

use std::fmt;
use std::sync::Arc;

use calendar::Calendar;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use service::clock::Clock;
use tokio::sync::watch;

/// Reads the newest calendar.
#[derive(Debug)]
pub(crate) struct CalendarCollector {
    pub(crate) calendar: watch::Receiver<Arc<Calendar>>,
    pub(crate) clock: Clock,
}

impl Collector for CalendarCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let today = kite::ist::date(self.clock.wall());
        let left = self.calendar.borrow().days_left(today);
        let help = "Days left whose holidays the market calendar knows; negative after its end";
        let gauge =
            encoder.encode_descriptor("calendar_days_left", help, None, MetricType::Gauge)?;
        ConstGauge::new(i64::from(left)).encode(gauge)
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn the_days_left_are_those_of_india() {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(CalendarCollector {
            calendar: watch::channel(Arc::new(Calendar::india().clone())).1,
            // 2026-12-12 in India already.
            clock: Clock::manual("2026-12-11T19:00:00Z".parse().unwrap()),
        }));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        assert!(text.contains("calendar_days_left 19\n"), "{text}");
    }
}
