//! The metrics of what is written to Redis.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{MetricsPage, StatusSnapshot, count};
use crate::events::EventCounts;

impl MetricsPage<'_> {
    pub(super) fn redis(&mut self, snapshot: &StatusSnapshot) -> fmt::Result {
        let link = snapshot.link;
        let help = "Messages that Redis acknowledged";
        self.plain_counter("redis_publish", help, link.published)?;
        let help = "Messages that Redis refused";
        self.plain_counter("redis_publish_failures", help, link.failed)?;
        let help = "Messages sent on a link that ended before Redis acknowledged them";
        self.plain_counter("kiteticker_redis_unknown", help, link.unknown)?;
        let help = "Writes of last values and streams that Redis acknowledged";
        self.plain_counter("kiteticker_redis_kept", help, link.keys_written)?;
        let help = "Writes of last values and streams that Redis refused";
        self.plain_counter("kiteticker_redis_kept_failures", help, link.keys_refused)?;
        let help = "Redis links opened after the first";
        self.plain_counter("kiteticker_redis_reconnects", help, link.reconnects)?;
        let connected = i64::from(snapshot.report.redis.connected);
        let mut gauge = self.gauge("kiteticker_redis_connected", "Whether Redis takes commands")?;
        gauge.encode_gauge(&connected)?;
        let Some(ahead) = snapshot.report.redis.clock_ahead_ms else {
            return Ok(());
        };
        let help = "By how many seconds the clock of Redis is ahead of this machine's";
        let mut gauge = self.gauge("kiteticker_redis_clock_ahead_seconds", help)?;
        gauge.encode_gauge(&(ahead as f64 / 1_000.0))
    }

    pub(super) fn events(&mut self, counts: &EventCounts) -> fmt::Result {
        let number = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let help = "Events and order updates that Redis accepted";
        self.plain_counter("kiteticker_events", help, number(&counts.published))?;
        let help =
            "Parts of events, tries to keep the directory, and signs of life that Redis refused";
        let mut refused = self.counter("kiteticker_events_refused", help)?;
        for (part, number) in [
            ("channel", number(&counts.refused_channels)),
            ("log", number(&counts.refused_log)),
            ("directory", number(&counts.refused_directory)),
            ("alive", number(&counts.refused_alive)),
        ] {
            count(&mut refused, &[("part", part)], number)?;
        }
        let help = "Events and order updates dropped because too many were waiting for Redis";
        self.plain_counter("kiteticker_events_lost", help, number(&counts.lost))?;
        let help = "Failed connections to Redis for the directory and events";
        self.plain_counter("kiteticker_events_failures", help, number(&counts.failures))
    }
}
