//! How many ticks each connection and each set received in the last whole second.
//!
//! Owns what is remembered for it: counts by instrument, because instruments change their connection, and sets their
//! instruments. Pure; must not count ticks.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::pipeline::instruments::AssignedInstruments;
use crate::pipeline::instruments::instrument::AssignedInstrument;

const SECOND: Duration = Duration::from_secs(1);

/// The rates of the last whole second.
#[derive(Debug, Default)]
pub(super) struct TickRates {
    since: Option<Instant>,
    /// By token: its ticks until then.
    counted: FxHashMap<u32, u64>,
    connections: BTreeMap<u8, u32>,
    sets: BTreeMap<String, u32>,
    /// Whether a whole second has passed.
    known: bool,
}

impl TickRates {
    /// Takes note of all counters; computes the rates anew when a second has passed.
    pub(super) fn update(&mut self, instruments: &AssignedInstruments, now: Instant) {
        let elapsed = self.since.map(|it| now.saturating_duration_since(it));
        if elapsed.is_some_and(|elapsed| elapsed < SECOND) {
            return;
        }
        self.since = Some(now);
        let counted = instruments.rows().iter();
        let counted = counted.map(|row| (row.token.0, row.state.ticks)).collect();
        let before = std::mem::replace(&mut self.counted, counted);
        let Some(elapsed) = elapsed else { return };
        self.known = true;
        let new = |row: &AssignedInstrument| {
            let before = before.get(&row.token.0).copied().unwrap_or_default();
            row.state.ticks.saturating_sub(before)
        };
        let mut connections: BTreeMap<u8, u64> = BTreeMap::new();
        let mut sets = vec![0_u64; instruments.sets().len()];
        for row in instruments.rows() {
            let ticks = new(row);
            if ticks > 0 {
                *connections.entry(row.state.connection).or_default() += ticks;
                for set in instruments.sets_of(row) {
                    sets[usize::from(*set)] += ticks;
                }
            }
        }
        let rate = |ticks: u64| (ticks as f64 / elapsed.as_secs_f64()).round() as u32;
        let rates = connections.into_iter();
        self.connections = rates.map(|(index, ticks)| (index, rate(ticks))).collect();
        let names = instruments.sets().iter().cloned();
        self.sets = names.zip(sets.into_iter().map(rate)).collect();
    }

    /// That of a connection, once a second has passed.
    pub(super) fn of_connection(&self, index: u8) -> Option<u32> {
        let rate = self.connections.get(&index).copied();
        self.known.then(|| rate.unwrap_or_default())
    }

    /// That of a set, once a second has passed.
    pub(super) fn of_set(&self, name: &str) -> Option<u32> {
        let rate = self.sets.get(name).copied();
        self.known.then(|| rate.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::accept::rules::ReceiveTime;
    use crate::pipeline::instruments::tests::{NOON, full, sample};

    #[test]
    fn rates_are_of_the_last_whole_second() {
        #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
        let start = Instant::now();
        let mut instruments = AssignedInstruments::build(&sample(), "1", false);
        let (first, set) = (instruments.rows()[0].token, instruments.sets()[0].clone());
        let tick = |instruments: &mut AssignedInstruments, times: u32| {
            for number in 0..times {
                let row = instruments.find(first).unwrap();
                let received = ReceiveTime {
                    at: start,
                    us: i64::from(NOON) * 1_000_000,
                };
                let packet = full(first.0, number + 1, NOON);
                assert!(instruments.accept(row, &packet, received).is_tick());
            }
        };
        let mut rates = TickRates::default();
        rates.update(&instruments, start);
        assert_eq!((rates.of_connection(0), rates.of_set(&set)), (None, None));
        tick(&mut instruments, 6);
        rates.update(&instruments, start + SECOND / 2);
        assert_eq!(rates.of_connection(0), None);
        rates.update(&instruments, start + 2 * SECOND);
        assert_eq!(
            (rates.of_connection(0), rates.of_set(&set)),
            (Some(3), Some(3))
        );
        assert_eq!(
            (rates.of_connection(1), rates.of_set("another")),
            (Some(0), Some(0))
        );
        // It goes to another connection: what came before counts nowhere again.
        instruments.set_allocation(&[(first, 1)].into());
        tick(&mut instruments, 2);
        rates.update(&instruments, start + 3 * SECOND);
        assert_eq!(
            (rates.of_connection(0), rates.of_connection(1)),
            (Some(0), Some(2))
        );
        assert_eq!(rates.of_set(&set), Some(2));
    }
}
