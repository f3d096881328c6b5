//! The rules about a tick's time and first packets. Pure; every time is an argument.

use std::time::Instant;

use kite::Mode;

/// If the exchange time is older than the receive time by more than this, it is not used as `ts`.
const OLDEST_EXCHANGE_TIME: i64 = 5;

/// If the last `ts` is ahead of a tick's own times by more than this many seconds, it is not kept.
const MOST_AHEAD: i64 = 60;

const MICROS: i64 = 1_000_000;

/// When a frame arrived, by two clocks; which of two is later is decided by the monotonic one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ReceiveTime {
    /// Monotonic, for durations.
    pub(crate) at: Instant,
    /// Wall time, epoch microseconds.
    pub(crate) us: i64,
}

/// `ts` of a tick in epoch seconds: the exchange's time where it is fresh, else the receive
/// second; never lower than `previous`, because consumers bucket by it. Only a `previous` far ahead
/// of both times is not kept: it comes from a clock that was wrong, and would be kept for hours.
#[must_use]
pub(crate) fn tick_time(exchange_time: Option<i64>, received_us: i64, previous: i64) -> i64 {
    let received = received_us.div_euclid(MICROS);
    let fresh = exchange_time.filter(|exchange| {
        (0..=OLDEST_EXCHANGE_TIME).contains(&received.saturating_sub(*exchange))
    });
    let time = fresh.unwrap_or(received);
    let latest = exchange_time.unwrap_or(received).max(received);
    let is_wrong = previous.saturating_sub(latest) > MOST_AHEAD;
    if is_wrong { time } else { time.max(previous) }
}

/// Which first packets of a token are still expected: one after a subscribe, in any mode, and one
/// in the new mode after a mode change. The server answers both with a packet of its current state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FirstPackets {
    subscribed: bool,
    changed: bool,
}

impl FirstPackets {
    /// The token was subscribed to on a socket.
    pub(crate) const fn on_subscribe(&mut self) {
        self.subscribed = true;
        self.changed = false;
    }

    /// The token's mode was changed on a socket.
    pub(crate) const fn on_mode_change(&mut self) {
        self.changed = true;
    }

    /// Whether no packet in the mode last requested has arrived yet.
    #[must_use]
    pub(crate) const fn owes_mode(self) -> bool {
        self.changed
    }

    /// Whether a packet in mode `came` is a first packet, if `wanted` was requested. A packet in
    /// the old mode that was under way when the mode changed is an ordinary tick. Once the wanted
    /// mode has arrived, no further first packet is expected.
    #[must_use]
    pub(crate) fn take(&mut self, came: Mode, wanted: Mode) -> bool {
        let arrived = came == wanted;
        let first = self.subscribed || (self.changed && arrived);
        self.subscribed = false;
        self.changed &= !arrived;
        first
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOON: i64 = 1_764_570_600; // 2025-12-01 12:00:00 IST

    #[test]
    fn a_fresh_exchange_time_dates_the_tick() {
        let received = NOON * MICROS + 999_999;
        assert_eq!(tick_time(Some(NOON), received, 0), NOON);
        assert_eq!(tick_time(Some(NOON - 5), received, 0), NOON - 5);
        assert_eq!(tick_time(Some(NOON - 6), received, 0), NOON);
        assert_eq!(tick_time(Some(NOON + 1), received, 0), NOON);
        assert_eq!(tick_time(None, received, 0), NOON);
    }

    #[test]
    fn time_never_goes_back() {
        assert_eq!(tick_time(Some(NOON - 3), NOON * MICROS, NOON), NOON);
        assert_eq!(tick_time(None, NOON * MICROS, NOON + 9), NOON + 9);
    }

    #[test]
    fn time_starts_anew_after_a_clock_that_was_wrong() {
        let (received, wrong) = (NOON * MICROS, NOON + MOST_AHEAD + 1);
        assert_eq!(tick_time(Some(NOON - 3), received, wrong), NOON - 3);
        assert_eq!(tick_time(None, received, wrong), NOON);
        assert_eq!(tick_time(None, received, wrong - 1), wrong - 1);
        // Set back, the receive time alone is wrong.
        assert_eq!(tick_time(Some(NOON), received - 3600 * MICROS, NOON), NOON);
    }

    #[test]
    fn a_subscribe_with_a_mode_owes_two_first_packets() {
        let mut first = FirstPackets::default();
        assert!(!first.take(Mode::Quote, Mode::Full));
        first.on_subscribe();
        first.on_mode_change();
        assert!(first.take(Mode::Quote, Mode::Full));
        assert!(first.take(Mode::Full, Mode::Full));
        assert!(!first.take(Mode::Full, Mode::Full));
    }

    #[test]
    fn the_wanted_mode_ends_what_is_owed() {
        let mut first = FirstPackets::default();
        first.on_subscribe();
        first.on_mode_change();
        assert!(first.take(Mode::Full, Mode::Full));
        assert!(!first.take(Mode::Full, Mode::Full));
    }

    #[test]
    fn what_is_under_way_when_the_mode_is_lowered_is_an_ordinary_tick() {
        let mut first = FirstPackets::default();
        first.on_mode_change();
        assert!(!first.take(Mode::Full, Mode::Ltp));
        assert!(!first.take(Mode::Full, Mode::Ltp));
        assert!(first.take(Mode::Ltp, Mode::Ltp));
        assert!(!first.take(Mode::Ltp, Mode::Ltp));
    }

    proptest! {
        #[test]
        fn times_of_one_token_never_fall(
            ticks in proptest::collection::vec((proptest::option::of(0_i64..20), 0_i64..20_000_000), 1..50)
        ) {
            let mut previous = 0;
            for (exchange, received_us) in ticks {
                let ts = tick_time(exchange, received_us, previous);
                prop_assert!(ts >= previous);
                let received = received_us / MICROS;
                prop_assert!(ts == previous || ts == received || Some(ts) == exchange);
                if let Some(exchange) = exchange.filter(|_| ts > previous && ts != received) {
                    prop_assert!(received - exchange <= 5);
                }
                previous = ts;
            }
        }

        /// Whatever the clock does: `ts` falls only from far ahead of a tick, and never stays there.
        #[test]
        fn no_clock_takes_time_far_ahead(
            ticks in proptest::collection::vec((proptest::option::of(0_i64..100_000), 0_i64..100_000), 1..50)
        ) {
            let mut previous = 0;
            for (exchange, received) in ticks {
                let ts = tick_time(exchange, received * MICROS, previous);
                let latest = received.max(exchange.unwrap_or_default());
                prop_assert!(ts <= latest + MOST_AHEAD);
                prop_assert_eq!(ts < previous, previous > latest + MOST_AHEAD);
                previous = ts;
            }
        }
    }
}
