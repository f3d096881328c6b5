//! When prices on the exchanges of derivatives say where the money is.
//!
//! Pure. Owns the hours of a trading day. Without a calendar each day is one: on a holiday no price comes, so that nothing
//! moves either. Must not know prices.

use jiff::civil::{Time, time};
use jiff::{SignedDuration, Timestamp};

/// The hours of some exchanges.
struct Hours {
    exchanges: &'static [&'static str],
    /// From when until when they trade.
    session: (Time, Time),
    /// When prices are too wild to follow: the opening and what comes before it.
    quiet: (Time, Time),
    /// From when until when the underlying is traded, not counting its closing auction.
    spot: (Time, Time),
}

/// Before the session of NSE and BSE there is an auction, whose prices are none that anything was traded at.
const OPENING_AUCTION: Time = time(9, 0, 0, 0);

const ALL: [Hours; 3] = [
    Hours {
        exchanges: &["NFO", "BFO"],
        session: (time(9, 15, 0, 0), time(15, 40, 0, 0)),
        quiet: (time(9, 7, 0, 0), time(9, 20, 0, 0)),
        spot: (time(9, 15, 0, 0), time(15, 15, 0, 0)),
    },
    Hours {
        exchanges: &["CDS", "BCD"],
        session: (time(9, 0, 0, 0), time(17, 0, 0, 0)),
        quiet: (time(9, 0, 0, 0), time(9, 5, 0, 0)),
        spot: (time(9, 0, 0, 0), time(17, 0, 0, 0)),
    },
    Hours {
        exchanges: &["MCX", "NCO"],
        session: (time(9, 0, 0, 0), time(23, 55, 0, 0)),
        quiet: (time(9, 0, 0, 0), time(9, 5, 0, 0)),
        spot: (time(9, 0, 0, 0), time(23, 55, 0, 0)),
    },
];

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

impl TradingPhase {
    /// The phase on an exchange of derivatives.
    pub(super) fn at(exchange: &str, now: Timestamp) -> Self {
        let known = ALL.iter().find(|it| it.exchanges.contains(&exchange));
        let Hours {
            session,
            quiet,
            spot,
            ..
        } = known.unwrap_or(&ALL[0]);
        let clock = kite::ist::civil(now).time();
        let within = |(from, to): (Time, Time)| from <= clock && clock < to;
        let edges = [session, quiet, spot].into_iter();
        let edges = edges.flat_map(|(from, to)| [*from, *to]);
        let edges = edges.chain([OPENING_AUCTION]);
        let next = edges.map(|edge| {
            let second = edge.duration_since(Time::midnight()).as_secs();
            kite::ist::next_at(second, now.as_second()) - now.as_second()
        });
        let wait = SignedDuration::from_secs(next.min().unwrap_or(0));
        Self {
            is_open: within(*session),
            spot_trades: within(*spot),
            is_quiet: within(*quiet),
            is_auction: within((OPENING_AUCTION, session.0)),
            until: now.saturating_add(wait).unwrap_or(Timestamp::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(exchange: &str, clock: &str) -> TradingPhase {
        let time = format!("2026-12-29T{clock}+05:30");
        TradingPhase::at(exchange, time.parse().unwrap())
    }

    /// Open, spot, quiet, auction.
    fn flags(exchange: &str, clock: &str) -> [bool; 4] {
        let phase = at(exchange, clock);
        [
            phase.is_open,
            phase.spot_trades,
            phase.is_quiet,
            phase.is_auction,
        ]
    }

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
            assert_eq!(flags(exchange, clock), expected, "{exchange} {clock}");
        }
    }

    #[test]
    fn the_next_change_is_known() {
        let next = |exchange, clock| kite::ist::civil(at(exchange, clock).until).to_string();
        assert_eq!(next("NFO", "09:15:00"), "2026-12-29T09:20:00");
        assert_eq!(next("NFO", "15:20:00"), "2026-12-29T15:40:00");
        assert_eq!(next("MCX", "23:55:00"), "2026-12-30T09:00:00");
    }
}
