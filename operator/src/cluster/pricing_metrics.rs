//! How old the interest rate is with which options are priced, read at each scrape.
//!
//! Must not know what is priced.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use service::clock::Clock;

use crate::plan::PricingRates;

/// Reads the clock.
#[derive(Debug)]
pub(crate) struct PricingCollector {
    pub(crate) rates: PricingRates,
    pub(crate) clock: Clock,
}

impl Collector for PricingCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let today = kite::ist::date(self.clock.wall());
        let help = "Days since the interest rate was looked up with which Greeks are computed";
        let gauge = encoder.encode_descriptor("rate_age_days", help, None, MetricType::Gauge)?;
        ConstGauge::new(i64::from(self.rates.age_days(today))).encode(gauge)
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn the_age_is_in_days_of_india() {
        let mut registry = Registry::default();
        let as_of = jiff::civil::date(2026, 12, 1);
        registry.register_collector(Box::new(PricingCollector {
            rates: PricingRates::default().with_interest(0.06, as_of),
            // 2026-12-12 in India already.
            clock: Clock::manual("2026-12-11T19:00:00Z".parse().unwrap()),
        }));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        assert!(text.contains("rate_age_days 11\n"), "{text}");
    }
}
