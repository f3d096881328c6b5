//! The metrics of the instruments lists in use, read at each scrape.
//!
//! Must not fetch anything. Their label is the API origin, of which an installation has one or two.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use service::clock::Clock;
use tokio::sync::watch;

use crate::instruments::refresher::TablesByOrigin;
use crate::instruments::{InstrumentTable, Table};

/// Reads the newest tables.
#[derive(Debug)]
pub(crate) struct ListCollector {
    pub(crate) tables: watch::Receiver<TablesByOrigin>,
    pub(crate) clock: Clock,
}

impl Collector for ListCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let tables = self.tables.borrow().clone();
        let now = self.clock.wall();
        let mut add = |name, help, value: &dyn Fn(&InstrumentTable) -> f64| {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (origin, table) in &tables {
                if let Table::Loaded(table) = table {
                    let labels = [("origin", origin.as_str())];
                    let value = ConstGauge::new(value(table));
                    value.encode(family.encode_family(&labels)?)?;
                }
            }
            Ok(())
        };
        add(
            "instruments",
            "Instruments of the list in use, by API origin",
            &|table| table.len() as f64,
        )?;
        add(
            "instruments_rejected",
            "Rows of the list in use that cannot be read and are left out, by API origin",
            &|table| table.rejected().count as f64,
        )?;
        add(
            "instruments_fetched_timestamp_seconds",
            "When the list in use was fetched, in seconds since 1970, by API origin",
            &|table| table.fetched().as_second() as f64,
        )?;
        add(
            "instruments_age_seconds",
            "How long ago the list in use was fetched, by API origin",
            &|table| now.duration_since(table.fetched()).as_secs().max(0) as f64,
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;
    use crate::instruments::IndexNames;

    #[test]
    fn rejected_rows_are_those_of_the_list_in_use() {
        let list =
            "instrument_token,tradingsymbol,segment,exchange\n408065,INFY,NSE,NSE\nx,B,NSE,NSE\n";
        let dump = kite::instruments::read(list.as_bytes()).unwrap();
        let table = InstrumentTable::new(
            dump,
            Timestamp::from_second(1_764_000_000).unwrap(),
            &IndexNames::default(),
        );
        let tables = TablesByOrigin::from([
            (
                "https://api.kite.trade".to_owned(),
                Table::Loaded(Arc::new(table)),
            ),
            (
                "http://mock".to_owned(),
                Table::Missing {
                    why: "502".to_owned(),
                },
            ),
        ]);
        let (known, watch) = watch::channel(tables);
        let mut registry = Registry::default();
        registry.register_collector(Box::new(ListCollector {
            tables: watch,
            clock: Clock::manual(Timestamp::from_second(1_764_000_090).unwrap()),
        }));
        let render = || {
            let mut text = String::new();
            encode(&mut text, &registry).unwrap();
            text
        };
        let text = render();
        for line in [
            "instruments{origin=\"https://api.kite.trade\"} 1",
            "instruments_rejected{origin=\"https://api.kite.trade\"} 1",
            "instruments_fetched_timestamp_seconds{origin=\"https://api.kite.trade\"} 1764000000",
            "instruments_age_seconds{origin=\"https://api.kite.trade\"} 90",
        ] {
            assert!(
                text.lines().any(|it| it.trim_end_matches(".0") == line),
                "{line}\n{text}"
            );
        }
        assert!(!text.contains("mock"), "{text}");
        known.send_replace(TablesByOrigin::new());
        assert!(!render().contains("{origin="));
    }
}
