//! Open interest of the day before, which Kite does not send.
//!
//! Owns what is known of the last two days of one instrument. Pure; must not know which day was a trading day: that is asked for
//! with the day itself.

use kite::{Detail, Packet, ist};

/// The newest open interest of a day in India.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OfDay {
    day: i64,
    oi: u32,
}

/// The open interest of one instrument, of the newest day and of the one before it of which anything came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OpenInterest {
    newest: Option<OfDay>,
    before: Option<OfDay>,
}

impl OpenInterest {
    /// Notes a packet that was received at `now`, epoch seconds; the exchange's time says its day. A first packet may be of an
    /// older one, and of a day to come is none.
    #[inline]
    pub(crate) fn take(&mut self, packet: &Packet, now: i64) {
        let (Detail::Full(_, full), Some(time)) = (&packet.detail, packet.exchange_time()) else {
            return;
        };
        let came = OfDay {
            day: ist::day(time),
            oi: full.oi,
        };
        if came.day > ist::day(now) {
            return;
        }
        match self.newest {
            Some(newest) if came.day < newest.day => {}
            Some(newest) if came.day > newest.day => {
                *self = Self {
                    newest: Some(came),
                    before: Some(newest),
                };
            }
            _ => self.newest = Some(came),
        }
    }

    /// That of the trading day before the newest day, whose number `trading_day` returns for a time; `None` if nothing came then.
    #[inline]
    pub(crate) fn previous(&self, trading_day: impl FnOnce(i64) -> Option<i64>) -> Option<u32> {
        let (newest, before) = (self.newest?, self.before?);
        // Any second of that day.
        let time = newest.day * ist::DAY - ist::OFFSET;
        (trading_day(time)? == before.day).then_some(before.oi)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::instruments::tests::{NOON, full};

    const DAY: u32 = 86_400;

    fn packet(oi: u32, time: u32) -> Packet {
        let mut packet = full(2, 0, time);
        if let Detail::Full(_, full) = &mut packet.detail {
            full.oi = oi;
        }
        packet
    }

    fn known(packets: &[(u32, u32)]) -> OpenInterest {
        let mut known = OpenInterest::default();
        for (oi, time) in packets {
            known.take(&packet(*oi, *time), i64::from(*time));
        }
        known
    }

    #[test]
    fn the_last_of_the_day_before_is_known() {
        let today = i64::from(NOON + DAY);
        let before = |time| {
            assert_eq!(ist::day(time), ist::day(today));
            Some(ist::day(time) - 1)
        };
        let two = known(&[(10, NOON), (11, NOON + 9), (20, NOON + DAY)]);
        assert_eq!(two.previous(before), Some(11));
        // A first packet of the day before, at any time.
        let late = known(&[(20, NOON + DAY), (11, NOON), (21, NOON + DAY + 1)]);
        assert_eq!(late.previous(before), None);
        assert_eq!(known(&[(20, NOON + DAY)]).previous(before), None);
        assert_eq!(OpenInterest::default().previous(before), None);
    }

    #[test]
    fn an_older_day_is_not_the_one_before() {
        let today = known(&[(11, NOON), (20, NOON + DAY)]);
        assert_eq!(today.previous(|time| Some(ist::day(time) - 2)), None);
        assert_eq!(today.previous(|_| None), None, "nobody knows");
        let after_weekend = known(&[(11, NOON), (20, NOON + 3 * DAY)]);
        let friday = |time| Some(ist::day(time) - 3);
        assert_eq!(after_weekend.previous(friday), Some(11));
    }

    #[test]
    fn without_a_time_a_packet_says_nothing() {
        let mut interest = known(&[(11, NOON)]);
        let now = i64::from(NOON);
        interest.take(&packet(99, 0), now);
        let undated = Packet {
            detail: Detail::Ltp,
            ..packet(99, NOON)
        };
        interest.take(&undated, now);
        // A wrong time.
        interest.take(&packet(99, NOON + DAY), now);
        assert_eq!(interest, known(&[(11, NOON)]));
    }
}
