//! The counters of the pipeline.
//!
//! Owns plain numbers of one thread: no atomics, no labels. They are copied out about once a
//! second, together with the report.

use std::time::Duration;

use greeks::GreeksWord;

use super::accept::age::OldPrice;
use super::instruments::InstrumentClass;

/// Upper bounds of latency buckets, in seconds.
pub(crate) const LATENCY_BOUNDS: [f64; 12] = [
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.1,
    1.0,
];

/// Upper bounds of the age that an exchange time has on receipt, in seconds.
pub(crate) const AGE_BOUNDS: [f64; 6] = [0.0, 1.0, 2.0, 5.0, 30.0, 300.0];

/// Upper bounds of the number of commands in a batch.
pub(crate) const BATCH_BOUNDS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Upper bounds of the time that the Greeks of a tick take, in seconds.
pub(crate) const GREEKS_BOUNDS: [f64; 8] = [
    0.000_000_25,
    0.000_000_5,
    0.000_001,
    0.000_002_5,
    0.000_005,
    0.000_01,
    0.000_1,
    0.001,
];

/// To read the clock twice takes a part of the time that Greeks take: it is read for one tick in so many.
pub(crate) const GREEKS_SAMPLE: u64 = 64;

/// Counters since the start.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Ticks accepted, without old and undated snapshots.
    pub ticks: u64,
    /// Ticks accepted, by [`InstrumentClass`].
    pub(crate) accepted: [u64; InstrumentClass::ALL.len()],
    /// First packets of an earlier session, by [`InstrumentClass`].
    pub(crate) old_snapshots: [u64; InstrumentClass::ALL.len()],
    /// First packets of unknown age, by [`InstrumentClass`].
    pub(crate) undated_snapshots: [u64; InstrumentClass::ALL.len()],
    /// Ticks whose price is of an older day, by [`OldPrice`].
    pub(crate) old_prices: [u64; OldPrice::ALL.len()],
    /// Messages given to the link, by [`InstrumentClass`].
    pub(crate) rendered: [u64; InstrumentClass::ALL.len()],
    /// Ticks replaced by a newer one of their token before they could be sent, or of a token that
    /// left meanwhile.
    pub conflated: u64,
    /// Receive time of the newest tick, epoch microseconds; 0 is never.
    pub(crate) last_tick_us: i64,
    /// Parts of frames that could not be read.
    pub(crate) errors: Errors,
    /// Time from the socket to the link's buffer, by [`InstrumentClass`].
    pub(crate) latency: [Histogram<12>; InstrumentClass::ALL.len()],
    /// Age of exchange times on receipt.
    pub(crate) exchange_age: Histogram<6>,
    /// Commands per batch.
    pub(crate) batches: Histogram<9>,
    /// Ticks of options that have Greeks, by [`GreeksWord`].
    pub(crate) greeks: [u64; GreeksWord::ALL.len()],
    /// Rows whose Greeks were renewed without a tick.
    pub(crate) greeks_refreshed: u64,
    /// How long the Greeks of a tick took, of one in [`GREEKS_SAMPLE`].
    pub(crate) greeks_latency: Histogram<8>,
}

/// Parts of frames that were skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Errors {
    /// Packets of a token that is not assigned.
    pub(crate) unknown_token: u64,
    /// Packets of unknown length.
    pub(crate) unknown_packet: u64,
    /// Frames that ended inside a packet.
    pub(crate) truncated_frame: u64,
    /// Frames with bytes behind their last packet.
    pub(crate) trailing_bytes: u64,
    /// Error frames from the server.
    pub(crate) server_error: u64,
    /// Text frames of an unknown kind, and those that are not valid.
    pub(crate) unknown_text: u64,
}

/// Counts per bucket; the last bucket has no bound.
#[derive(Clone, Debug)]
pub(crate) struct Histogram<const N: usize> {
    counts: [u64; N],
    above: u64,
    sum: f64,
}

impl<const N: usize> Default for Histogram<N> {
    fn default() -> Self {
        Self {
            counts: [0; N],
            above: 0,
            sum: 0.0,
        }
    }
}

impl<const N: usize> Histogram<N> {
    /// Counts `times` observations of `value`.
    #[inline]
    pub(crate) fn observe(&mut self, bounds: &[f64; N], value: f64, times: u64) {
        let bucket = bounds.iter().position(|bound| value <= *bound);
        match bucket {
            Some(bucket) => self.counts[bucket] += times,
            None => self.above += times,
        }
        self.sum += value * times as f64;
    }

    /// Sum of all values, their number, and bucket counts with their upper bounds.
    #[must_use]
    pub(crate) fn parts(&self, bounds: &[f64; N]) -> (f64, u64, Vec<(f64, u64)>) {
        let mut buckets: Vec<(f64, u64)> = bounds.iter().copied().zip(self.counts).collect();
        buckets.push((f64::INFINITY, self.above));
        let count = buckets.iter().map(|(_, count)| count).sum();
        (self.sum, count, buckets)
    }
}

impl Stats {
    /// Whether the next Greeks are timed.
    #[inline]
    pub(crate) fn is_greeks_sample(&self) -> bool {
        self.ticks.is_multiple_of(GREEKS_SAMPLE)
    }

    /// Counts the Greeks of a tick, and how long they took if that is known.
    #[inline]
    pub(crate) fn observe_greeks(&mut self, word: GreeksWord, took: Option<Duration>) {
        self.greeks[word as usize] += 1;
        if let Some(took) = took {
            self.greeks_latency
                .observe(&GREEKS_BOUNDS, took.as_secs_f64(), 1);
        }
    }

    /// Counts the ticks of one frame, `by_class`, that took `elapsed` from the socket to the link.
    pub(crate) fn observe_frame(
        &mut self,
        by_class: &[u64; InstrumentClass::ALL.len()],
        elapsed: Duration,
    ) {
        let seconds = elapsed.as_secs_f64();
        for (histogram, count) in self.latency.iter_mut().zip(by_class) {
            if *count > 0 {
                histogram.observe(&LATENCY_BOUNDS, seconds, *count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fall_into_the_first_bucket_that_holds_them() {
        let mut histogram = Histogram::<2>::default();
        let bounds = [1.0, 2.0];
        histogram.observe(&bounds, 1.0, 3);
        histogram.observe(&bounds, 1.5, 1);
        histogram.observe(&bounds, 9.0, 1);
        let (sum, count, buckets) = histogram.parts(&bounds);
        assert_eq!((sum, count), (13.5, 5));
        assert_eq!(buckets, [(1.0, 3), (2.0, 1), (f64::INFINITY, 1)]);
    }
}
