//! The prices of instruments by which the operator chooses others.
//!
//! Owns which prices are reported, and what is said of their age. Pure; must not decide whether a price
//! is good enough.

use std::time::Instant;

use contract::report::{MOST_REFERENCES, ReferencePrice};
use kite::Mode;

use super::silence::is_silent;
use crate::pipeline::accept::age::NewestPacket;
use crate::pipeline::instruments::AssignedInstrument;
use crate::tick_json::decimal::{Decimals, LONGEST};
use crate::tick_json::writer::ByteWriter;

/// The newest price of every row with `reference`, by token, at a time by both clocks.
#[must_use]
pub(super) fn prices(rows: &[AssignedInstrument], times: (Instant, i64)) -> Vec<ReferencePrice> {
    let rows = rows.iter().filter(|row| row.reference);
    let mut rows: Vec<&AssignedInstrument> = rows.collect();
    rows.sort_unstable_by_key(|row| row.token);
    let prices = rows.into_iter().filter_map(|row| price_of(row, times));
    prices.take(MOST_REFERENCES).collect()
}

/// `None` while a packet may still be on its way.
fn price_of(row: &AssignedInstrument, (now, now_us): (Instant, i64)) -> Option<ReferencePrice> {
    let state = &row.state;
    let newest = state.newest.as_ref();
    if newest.is_none() && !is_silent(row, now) {
        return None;
    }
    let price = newest.and_then(NewestPacket::price);
    let close = newest.and_then(NewestPacket::close);
    // A socket may stay open overnight: then no packet has said so far that the price is of another day.
    let is_of_today =
        state.price_is_current && newest.is_some_and(|newest| newest.is_of_the_day(now_us));
    let age = state
        .received
        .map(|received| now.saturating_duration_since(received.at));
    // In another mode it is of the time before the mode was lowered.
    let exchange_ts = state.exchange_time.filter(|_| row.mode == Mode::Full);
    Some(ReferencePrice {
        token: row.token.0,
        price: price.map(|price| text(row.decimals, price)),
        close: close.map(|close| text(row.decimals, close)),
        age_ms: age.map(|age| age.as_millis() as u64),
        exchange_ts,
        first: price.is_some() && !is_of_today,
    })
}

fn text(decimals: Decimals, price: i32) -> String {
    let mut room = [0; LONGEST];
    let mut writer = ByteWriter::new(&mut room);
    decimals.write(&mut writer, price);
    let len = writer.len();
    room[..len].iter().map(|byte| char::from(*byte)).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kite::{Detail, Full, IndexQuote, Packet, Quote, Token};

    use super::*;
    use crate::pipeline::accept::rules::ReceiveTime;
    use crate::pipeline::instruments::AssignedInstruments;
    use crate::pipeline::instruments::tests::{NOON, sample};

    const MICROS: i64 = 1_000_000;
    const DAY: u64 = 86_400;

    /// One reference, and a clock that is set by the second after noon.
    struct World {
        instruments: AssignedInstruments,
        start: Instant,
    }

    impl World {
        fn of(token: u32, mode: Mode) -> Self {
            let mut assignment = sample();
            let mut row = assignment.instruments.remove(0);
            (row.token, row.mode, row.reference) = (Token(token), mode, true);
            row.outputs.clear();
            assignment.instruments.insert(0, row);
            #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
            let start = Instant::now();
            Self {
                instruments: AssignedInstruments::build(&assignment, "1", false),
                start,
            }
        }

        fn times(&self, second: u64) -> (Instant, i64) {
            let us = (i64::from(NOON) + second.cast_signed()) * MICROS;
            (self.start + Duration::from_secs(second), us)
        }

        fn subscribe(&mut self, second: u64) {
            let token = self.instruments.rows()[0].token;
            self.instruments.on_subscribe(token, self.times(second).0);
        }

        fn take(&mut self, second: u64, last_price: i32, detail: Detail) {
            let packet = Packet {
                token: self.instruments.rows()[0].token,
                last_price,
                detail,
            };
            let (at, us) = self.times(second);
            self.instruments.accept(0, &packet, ReceiveTime { at, us });
        }

        fn price(&self, second: u64) -> Option<ReferencePrice> {
            let mut prices = prices(self.instruments.rows(), self.times(second));
            assert!(prices.len() < 2, "{prices:?}");
            prices.pop()
        }
    }

    fn quote(price: i32) -> Quote {
        Quote {
            open: price,
            high: price,
            low: price,
            close: 2_365_000,
            ..Quote::default()
        }
    }

    fn full(price: i32, second: u64) -> Detail {
        let time = NOON + second as u32;
        let full = Full {
            last_trade_time: time,
            exchange_time: time,
            ..Full::default()
        };
        Detail::Full(quote(price), full)
    }

    fn reported(price: &str, close: &str, first: bool) -> ReferencePrice {
        ReferencePrice {
            token: 256_265,
            price: Some(price.to_owned()),
            close: Some(close.to_owned()),
            age_ms: None,
            exchange_ts: None,
            first,
        }
    }

    /// In quote mode it is yesterday's close as well as the price of a second ago.
    #[test]
    fn a_first_packet_without_a_time_is_not_fresh_and_the_next_tick_is() {
        let mut world = World::of(256_265, Mode::Quote);
        world.subscribe(0);
        assert_eq!(world.price(9), None, "it may still come");
        let day = |price| IndexQuote {
            open: price,
            high: price,
            low: price,
            close: 2_365_000,
            change: 0,
        };
        world.take(1, 2_365_905, Detail::IndexQuote(day(2_365_905)));
        let first = reported("23659.05", "23650.00", true);
        assert_eq!(world.price(60), Some(first));
        world.take(61, 2_366_000, Detail::IndexQuote(day(2_366_000)));
        let ticked = ReferencePrice {
            age_ms: Some(4_000),
            ..reported("23660.00", "23650.00", false)
        };
        assert_eq!(world.price(65), Some(ticked));
    }

    #[test]
    fn the_exchanges_time_dates_a_first_packet() {
        let mut world = World::of(256_265, Mode::Full);
        world.subscribe(0);
        world.take(1, 100, full(100, 0));
        let today = ReferencePrice {
            age_ms: Some(1_000),
            exchange_ts: Some(i64::from(NOON)),
            ..reported("1.00", "23650.00", false)
        };
        assert_eq!(world.price(2), Some(today));
        // Asked again, Kite repeats itself.
        world.subscribe(50);
        world.take(51, 100, full(100, 0));
        assert_eq!(world.price(52).unwrap().age_ms, Some(51_000));

        let mut world = World::of(256_265, Mode::Full);
        world.subscribe(DAY);
        world.take(DAY, 100, full(100, 0));
        let yesterday = reported("1.00", "23650.00", true);
        assert_eq!(world.price(DAY), Some(yesterday));
    }

    #[test]
    fn a_price_of_an_older_day_says_so_whatever_its_packet_says() {
        let mut world = World::of(256_265, Mode::Full);
        world.take(0, 100, full(100, 0));
        assert!(!world.price(0).unwrap().first);
        // Nothing has come since midnight.
        assert!(world.price(DAY).unwrap().first);
        // The book alone has changed.
        let mut book = full(100, 0);
        if let Detail::Full(_, times) = &mut book {
            times.exchange_time += DAY as u32;
        }
        world.take(DAY, 100, book);
        let price = world.price(DAY + 1).unwrap();
        assert_eq!((price.first, price.age_ms), (true, Some(1_000)));
    }

    #[test]
    fn without_a_packet_or_a_trade_there_is_no_price() {
        let nothing = ReferencePrice {
            price: None,
            close: None,
            ..reported("", "", false)
        };
        let mut world = World::of(256_265, Mode::Quote);
        assert_eq!(world.price(60), None, "no socket");
        world.subscribe(60);
        assert_eq!(world.price(69), None);
        assert_eq!(world.price(70), Some(nothing.clone()));
        let never = Quote {
            close: 0,
            ..quote(0)
        };
        world.take(71, 0, Detail::Quote(never));
        assert_eq!(world.price(71), Some(nothing.clone()));
        world.take(72, 0, Detail::Quote(never));
        let ticks = ReferencePrice {
            age_ms: Some(1_000),
            ..nothing
        };
        assert_eq!(world.price(73), Some(ticks), "its book does");
        // A new socket receives nothing, and what was known is known.
        world.take(74, 100, Detail::Quote(quote(100)));
        world.instruments.on_socket_end(0);
        world.subscribe(80);
        let price = world.price(100).unwrap();
        assert_eq!(price.price.as_deref(), Some("1.00"));
        assert_eq!(price.age_ms, Some(26_000));
    }

    #[test]
    fn the_close_of_the_day_is_known_in_ltp_mode_too() {
        let mut world = World::of(256_265, Mode::Ltp);
        world.subscribe(0);
        world.take(1, 100, Detail::Quote(quote(100)));
        for second in 2..4 {
            world.take(second, 101, Detail::Ltp);
            assert_eq!(world.price(4).unwrap().close.as_deref(), Some("23650.00"));
        }
        // That of today is not the one before.
        world.take(DAY, 101, Detail::Ltp);
        assert_eq!(world.price(DAY).unwrap().close, None);
    }

    #[test]
    fn each_segment_has_its_decimals() {
        let cases = [(412_675, "83.1250001"), (412_678, "83125.0001")];
        for (token, text) in cases {
            let mut world = World::of(token, Mode::Quote);
            world.take(0, 831_250_001, Detail::Quote(quote(831_250_001)));
            let price = world.price(0).unwrap();
            assert_eq!((price.token, price.price.as_deref()), (token, Some(text)));
        }
    }

    #[test]
    fn exchange_times_of_a_mode_that_was_lowered_are_forgotten() {
        let mut world = World::of(256_265, Mode::Full);
        world.take(0, 100, full(100, 0));
        assert!(world.price(0).unwrap().exchange_ts.is_some());
        let mut lowered = World::of(256_265, Mode::Quote).instruments;
        lowered.succeed(std::mem::take(&mut world.instruments), world.start);
        world.instruments = lowered;
        world.take(1, 101, Detail::Quote(quote(101)));
        assert_eq!(world.price(1).unwrap().exchange_ts, None);
    }

    #[test]
    fn references_alone_are_listed_by_token_and_not_too_many() {
        let mut assignment = sample();
        let row = assignment.instruments.remove(0);
        let rows = (0..MOST_REFERENCES as u32 + 10).rev();
        let rows = rows.map(|at| contract::Row {
            token: Token(at << 8 | 1),
            reference: at != 5,
            ..row.clone()
        });
        assignment.instruments = rows.collect();
        let mut instruments = AssignedInstruments::build(&assignment, "1", false);
        let world = World::of(1, Mode::Full);
        let (at, us) = world.times(0);
        for row in 0..instruments.rows().len() as u32 {
            let packet = Packet {
                token: instruments.row(row).token,
                last_price: 1,
                detail: Detail::Ltp,
            };
            instruments.accept(row, &packet, ReceiveTime { at, us });
        }
        let prices = prices(instruments.rows(), (at, us));
        assert_eq!(prices.len(), MOST_REFERENCES);
        assert!(prices.is_sorted_by_key(|price| price.token));
        let known = |at: u32| prices.iter().any(|price| price.token == at << 8 | 1);
        assert_eq!((known(4), known(5), known(6)), (true, false, true));
    }
}
