//! The metrics of the gateway.
//!
//! Owns their names. Numbers are read when they are asked for; no label names an instrument or a client.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::client::Gateway;

/// The prefix of own names.
pub(crate) const PREFIX: &str = "kiteticker_gateway";

/// Reads what it shows from the gateway.
#[derive(Debug)]
pub(crate) struct GatewayCollector(pub(crate) Arc<Gateway>);

impl Collector for GatewayCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let counts = self.0.hub.counts();
        let directory = self.0.directory.borrow().clone();
        let streaming = directory.map_or(0, |it| it.len());
        let gauges = [
            ("connections", "Connected clients", self.0.connections.len()),
            (
                "subscriptions",
                "Subscriptions of all clients",
                counts.subscriptions,
            ),
            (
                "instruments",
                "Instruments that a client wants",
                counts.instruments,
            ),
            (
                "channels",
                "Channels that are read for clients",
                counts.channels,
            ),
            (
                "directory_instruments",
                "Instruments that stream",
                streaming,
            ),
        ];
        for (name, help, value) in gauges {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            encode(&mut encoder, (name, help), &ConstGauge::new(value))?;
        }
        let counters = [
            ("ticks_read", "Ticks read from Redis", counts.ticks),
            (
                "ticks_repeated",
                "Ticks that were not newer than what was known",
                counts.repeated,
            ),
            (
                "messages_invalid",
                "Messages of channels of ticks that are no ticks",
                counts.invalid,
            ),
            (
                "gaps",
                "How often messages of a channel were missed",
                counts.gaps,
            ),
        ];
        for (name, help, value) in counters {
            encode(&mut encoder, (name, help), &ConstCounter::new(value))?;
        }
        Ok(())
    }
}

fn encode(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    metric: &impl EncodeMetric,
) -> Result<(), std::fmt::Error> {
    let kind = metric.metric_type();
    metric.encode(encoder.encode_descriptor(name, help, None, kind)?)
}
