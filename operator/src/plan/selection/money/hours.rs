//! When prices on the exchanges of derivatives say where the money is.
//!
//! Pure. Owns for how long prices are too wild to follow. Must not know prices, nor any hour: that is the calendar's.

use calendar::{Calendar, MarketSession, Span, Traded, TradedKind};
use crds::account::MarketHours;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan};

/// Exchanges of derivatives whose underlyings trade elsewhere.
const UNDERLYINGS: [(&str, &str); 2] = [("NFO", "NSE"), ("BFO", "BSE")];

/// For so long after the open prices are too wild to follow,
const WILD: SignedDuration = SignedDuration::from_mins(5);

/// and for so long before it, where orders are collected for the opening price.
const WILD_BEFORE: SignedDuration = SignedDuration::from_mins(8);

/// For so many days it is known when something changes.
const DAYS: usize = 8;

/// The sessions of an account's instruments.
#[derive(Clone, Copy, Debug)]
pub(super) struct TradingHours<'a> {
    pub(super) calendar: &'a Calendar,
    pub(super) hours: MarketHours,
}

/// What prices say on one exchange at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TradingPhase {
    /// Whether derivatives are traded.
    pub(super) is_open: bool,
    /// Whether their underlying is.
    pub(super) spot_trades: bool,
    /// Whether the money stands still whatever prices say.
    pub(super) is_quiet: bool,
    /// Whether prices are those of an auction before the session.
    pub(super) is_auction: bool,
    /// When any of these changes next.
    pub(super) until: Timestamp,
}

/// The sessions of one day on an exchange of derivatives.
struct TradingDay {
    options: Vec<Span>,
    futures: Vec<Span>,
    spot: Vec<Span>,
}

impl TradingHours<'_> {
    /// The phase on an exchange of derivatives.
    pub(super) fn at(self, exchange: &str, now: Timestamp) -> TradingPhase {
        let today = kite::ist::date(now);
        let day = self.day(exchange, today);
        let is = |spans: &[Span], session: MarketSession| {
            let mut spans = spans.iter();
            spans.any(|span| span.session == session && span.has(now))
        };
        let mut days = today.series(1.day()).take(DAYS);
        let until = days.find_map(|date| {
            let edges = self.day(exchange, date).edges();
            edges.into_iter().filter(|edge| *edge > now).min()
        });
        TradingPhase {
            is_open: is(&day.options, MarketSession::Open),
            spot_trades: is(&day.spot, MarketSession::Open),
            is_quiet: day
                .quiet()
                .is_some_and(|(from, to)| from <= now && now < to),
            is_auction: is(&day.futures, MarketSession::PreOpen),
            until: until.unwrap_or(Timestamp::MAX),
        }
    }

    fn day(self, exchange: &str, date: Date) -> TradingDay {
        let spans = |exchange: &str, kind: TradedKind| {
            let class = self.calendar.class_of(&Traded {
                exchange,
                kind,
                name: "",
                derivatives: true,
            });
            let spans = class.map(|class| match self.hours {
                MarketHours::Exchange => self.calendar.day(class, date),
                // A simulator that never closes has the hours of a weekday on each day.
                MarketHours::Always => self.calendar.usual_day(class, date),
            });
            spans.unwrap_or_default()
        };
        let elsewhere = UNDERLYINGS.iter().find(|(of, _)| *of == exchange);
        let spot = match elsewhere {
            Some((_, spot)) => spans(spot, TradedKind::Index),
            None => spans(exchange, TradedKind::Option),
        };
        TradingDay {
            options: spans(exchange, TradedKind::Option),
            futures: spans(exchange, TradedKind::Future),
            spot,
        }
    }
}

impl TradingDay {
    /// When prices are too wild to follow: the opening, and what comes before it.
    fn quiet(&self) -> Option<(Timestamp, Timestamp)> {
        let mut open = self.options.iter();
        let open = open.find(|span| span.session == MarketSession::Open)?.from;
        let mut futures = self.futures.iter();
        let collects = futures.any(|span| span.session == MarketSession::PreOpen);
        let before = if collects {
            WILD_BEFORE
        } else {
            SignedDuration::ZERO
        };
        Some((open - before, open + WILD))
    }

    fn edges(&self) -> Vec<Timestamp> {
        let spans = [&self.options, &self.futures, &self.spot];
        let edges = spans.into_iter().flatten();
        let edges = edges.flat_map(|span| [span.from, span.until]);
        let quiet = self.quiet().into_iter();
        edges
            .chain(quiet.flat_map(|(from, to)| [from, to]))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(hours: MarketHours, exchange: &str, time: &str) -> TradingPhase {
        let calendar = Calendar::india();
        let time = format!("{time}+05:30").parse().unwrap();
        TradingHours { calendar, hours }.at(exchange, time)
    }

    fn at(exchange: &str, clock: &str) -> TradingPhase {
        on(
            MarketHours::Exchange,
            exchange,
            &format!("2026-12-29T{clock}"),
        )
    }

    fn flags(phase: TradingPhase) -> [bool; 4] {
        [
            phase.is_open,
            phase.spot_trades,
            phase.is_quiet,
            phase.is_auction,
        ]
    }

    /// Open, spot, quiet, auction.
    #[test]
    fn each_exchange_has_its_hours() {
        for (exchange, clock, expected) in [
            ("NFO", "08:59:59", [false, false, false, false]),
            ("NFO", "09:00:00", [false, false, false, true]),
            ("BFO", "09:07:00", [false, false, true, true]),
            ("NFO", "09:15:00", [true, true, true, false]),
            ("NFO", "09:20:00", [true, true, false, false]),
            ("NFO", "15:14:59", [true, true, false, false]),
            ("NFO", "15:15:00", [true, false, false, false]),
            ("BFO", "15:39:59", [true, false, false, false]),
            ("NFO", "15:40:00", [false, false, false, false]),
            ("MCX", "09:04:59", [true, true, true, false]),
            ("MCX", "23:54:59", [true, true, false, false]),
            ("CDS", "17:00:00", [false, false, false, false]),
            ("NCO", "08:59:59", [false, false, false, false]),
        ] {
            assert_eq!(flags(at(exchange, clock)), expected, "{exchange} {clock}");
        }
    }

    #[test]
    fn a_holiday_has_no_prices_but_for_a_simulator_that_never_closes() {
        let noon = "2026-11-24T12:00:00";
        let closed = on(MarketHours::Exchange, "NFO", noon);
        assert_eq!(flags(closed), [false; 4]);
        let always = on(MarketHours::Always, "NFO", noon);
        assert_eq!(flags(always), [true, true, false, false]);
        // Commodities trade in the evening of that day.
        let evening = on(MarketHours::Exchange, "MCX", "2026-11-24T17:04:00");
        assert_eq!(flags(evening), [true, true, true, false]);
    }

    #[test]
    fn the_next_change_is_known() {
        let next = |exchange, clock| kite::ist::civil(at(exchange, clock).until).to_string();
        assert_eq!(next("NFO", "09:15:00"), "2026-12-29T09:20:00");
        assert_eq!(next("NFO", "15:20:00"), "2026-12-29T15:35:00");
        assert_eq!(next("MCX", "23:55:00"), "2026-12-30T09:00:00");
    }
}
