//! When the access tokens of accounts end, read at each scrape.
//!
//! Owns the times of the newest plan. Its name has no prefix: dashboards of other programs for Kite have it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use service::clock::Clock;

use crate::plan::{Key, Plan};

/// When the token of each account ends, as far as that is known; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenEnds(Arc<Mutex<BTreeMap<Key, Timestamp>>>);

impl TokenEnds {
    /// Takes them over from a plan.
    pub(crate) fn set(&self, plan: &Plan) {
        let ends = plan.accounts.iter().filter_map(|account| {
            let end = account.status.token_expires_at.as_ref()?;
            Some((account.key.clone(), end.0))
        });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = ends.collect();
    }
}

/// Says how long each has.
#[derive(Debug)]
pub(crate) struct TokenCollector {
    pub(crate) ends: TokenEnds,
    pub(crate) clock: Clock,
}

impl Collector for TokenCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let now = self.clock.wall();
        let help = "Seconds until the access token of an account ends; negative after that";
        let kind = MetricType::Gauge;
        let mut family =
            encoder.encode_descriptor("kite_access_token_expiry_seconds", help, None, kind)?;
        let ends = self.ends.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (account, end) in &*ends {
            let labels = [
                ("account_id", account.name.as_str()),
                ("namespace", account.namespace.as_str()),
            ];
            let left = end.duration_since(now).as_secs();
            ConstGauge::new(left).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn what_is_left_is_said_by_account() {
        let ends = TokenEnds::default();
        let end = "2026-12-02T06:00:00+05:30".parse().unwrap();
        ends.0.lock().unwrap().insert(Key::new("trading", "a"), end);
        let mut registry = Registry::default();
        registry.register_collector(Box::new(TokenCollector {
            ends,
            clock: Clock::manual("2026-12-02T05:00:00+05:30".parse().unwrap()),
        }));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let line = r#"kite_access_token_expiry_seconds{account_id="a",namespace="trading"} 3600"#;
        assert!(text.contains(line), "{text}");
    }
}
