//! How old the content of a packet is, as far as it says so. Pure.
//!
//! Owns which first packets are of an earlier time, and which last prices are of an older day. A
//! reader makes bars of the one and fills orders at the other, so what is not known to be of today is
//! not passed off as that.

use kite::{Detail, IndexQuote, Packet, Quote, ist};

const MICROS: i64 = 1_000_000;

/// What the newest packet of an instrument held, to recognise it when it comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NewestPacket {
    /// The day in India on which it arrived.
    day: i64,
    last_price: i32,
    /// The close of the day before as an earlier packet of the day had it, if this one has none; zero
    /// is none.
    earlier_close: i32,
    trades: Trades,
}

/// The part of a packet that changes with trades and orders, without the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trades {
    None,
    Index(IndexQuote),
    Quote(Quote),
}

impl NewestPacket {
    /// What a packet held that arrived at `received_us`.
    #[inline]
    #[must_use]
    pub(crate) fn new(packet: &Packet, received_us: i64) -> Self {
        Self {
            day: day_of(received_us),
            last_price: packet.last_price,
            earlier_close: 0,
            trades: match packet.detail {
                Detail::Ltp => Trades::None,
                Detail::IndexQuote(quote) | Detail::IndexFull(quote, _) => Trades::Index(quote),
                Detail::Quote(quote) | Detail::Full(quote, _) => Trades::Quote(quote),
            },
        }
    }

    /// Keeps from the packet before what only quote and full mode have: the first packet after a
    /// subscription is in quote mode, whatever mode follows.
    #[inline]
    #[must_use]
    pub(crate) fn after(mut self, before: Option<&Self>) -> Self {
        if matches!(self.trades, Trades::None)
            && let Some(before) = before.filter(|before| before.is_of_the_day_of(&self))
        {
            self.earlier_close = before.close().unwrap_or_default();
        }
        self
    }

    /// The last traded price; `None` for an instrument that was never traded.
    #[must_use]
    pub(crate) fn price(&self) -> Option<i32> {
        (self.last_price != 0).then_some(self.last_price)
    }

    /// The close of the day before, as far as the packets of the day say it.
    #[must_use]
    pub(crate) fn close(&self) -> Option<i32> {
        let close = match self.trades {
            Trades::None => self.earlier_close,
            Trades::Index(quote) => quote.close,
            Trades::Quote(quote) => quote.close,
        };
        (close != 0).then_some(close)
    }

    /// Whether it arrived on the day of `now_us`.
    #[must_use]
    pub(crate) const fn is_of_the_day(&self, now_us: i64) -> bool {
        self.day == day_of(now_us)
    }

    /// Whether `other` arrived on the same day.
    #[must_use]
    pub(crate) const fn is_of_the_day_of(&self, other: &Self) -> bool {
        self.day == other.day
    }

    /// Whether both hold the same, as far as both say it.
    #[must_use]
    pub(crate) fn agrees_with(&self, other: &Self) -> bool {
        let comparable =
            std::mem::discriminant(&self.trades) == std::mem::discriminant(&other.trades);
        self.last_price == other.last_price && (!comparable || self.trades == other.trades)
    }
}

/// The time of a first packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FirstPacketAge {
    /// The exchange's time says: today.
    Today,
    /// The exchange's time says: another day in India.
    AnotherDay,
    /// It carries no time, but it is not what was known today: it is of the time since.
    Newer,
    /// It carries no time, and repeats what was known today.
    Repeated,
    /// It carries no time, and nothing was known today.
    Unknown,
}

/// The age of a first packet that arrived at `received_us`. `newest`: what it holds itself; `before`:
/// what the instrument's newest packet before it held.
#[must_use]
pub(crate) fn first_packet_age(
    packet: &Packet,
    received_us: i64,
    newest: &NewestPacket,
    before: Option<&NewestPacket>,
) -> FirstPacketAge {
    match packet.exchange_time() {
        Some(time) if is_of_another_day(time, received_us) => FirstPacketAge::AnotherDay,
        Some(_) => FirstPacketAge::Today,
        None => match before.filter(|before| before.is_of_the_day_of(newest)) {
            None => FirstPacketAge::Unknown,
            Some(before) if before.agrees_with(newest) => FirstPacketAge::Repeated,
            Some(_) => FirstPacketAge::Newer,
        },
    }
}

/// Why a last price is of an older day, whatever else its packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OldPrice {
    /// The last trade was on another day, or there was none.
    TradeTime,
    /// It is outside of its own day's lowest to highest price.
    OutsideDay,
    /// The day has no first, highest and lowest price yet, or in ltp mode no last one.
    NoDay,
}

impl OldPrice {
    /// All of them, in the order of their numbers.
    pub(crate) const ALL: [Self; 3] = [Self::TradeTime, Self::OutsideDay, Self::NoDay];

    /// The name in metrics.
    #[must_use]
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::TradeTime => "trade_time",
            Self::OutsideDay => "outside_day",
            Self::NoDay => "no_day",
        }
    }
}

/// Why the last price of a packet that arrived at `received_us` is of an older day, if it can be seen.
#[inline]
#[must_use]
pub(crate) fn old_price(packet: &Packet, received_us: i64) -> Option<OldPrice> {
    let (open, high, low) = match &packet.detail {
        // Without a trade there is no price.
        Detail::Ltp => return (packet.last_price == 0).then_some(OldPrice::NoDay),
        Detail::IndexQuote(day) | Detail::IndexFull(day, _) => (day.open, day.high, day.low),
        Detail::Quote(day) | Detail::Full(day, _) => (day.open, day.high, day.low),
    };
    let traded = packet.last_trade_time();
    let is_full = matches!(packet.detail, Detail::Full(..));
    if is_full && traded.is_none_or(|time| is_of_another_day(time, received_us)) {
        Some(OldPrice::TradeTime)
    } else if (open, high, low) == (0, 0, 0) {
        Some(OldPrice::NoDay)
    } else if !(low..=high).contains(&packet.last_price) {
        Some(OldPrice::OutsideDay)
    } else {
        None
    }
}

/// Whether a time in epoch seconds is on another day in India than the receive time.
#[must_use]
pub(crate) const fn is_of_another_day(time: i64, received_us: i64) -> bool {
    ist::day(time) != day_of(received_us)
}

const fn day_of(received_us: i64) -> i64 {
    ist::day(received_us.div_euclid(MICROS))
}

#[cfg(test)]
mod tests {
    use kite::{Full, Token};

    use super::*;

    const NOON: i64 = 1_764_570_600; // 2025-12-01 12:00:00 IST
    const MIDNIGHT: i64 = NOON + 12 * 3600;

    fn packet(last_price: i32, detail: Detail) -> Packet {
        Packet {
            token: Token(2),
            last_price,
            detail,
        }
    }

    fn quote() -> Quote {
        Quote {
            volume: 10,
            open: 95,
            high: 110,
            low: 90,
            ..Quote::default()
        }
    }

    fn full(last_trade_time: i64, exchange_time: i64) -> Detail {
        let times = Full {
            last_trade_time: last_trade_time as u32,
            exchange_time: exchange_time as u32,
            ..Full::default()
        };
        Detail::Full(quote(), times)
    }

    #[test]
    fn the_day_changes_at_midnight_in_india() {
        assert!(is_of_another_day(MIDNIGHT - 1, MIDNIGHT * MICROS));
        assert!(!is_of_another_day(MIDNIGHT, MIDNIGHT * MICROS));
        assert!(!is_of_another_day(MIDNIGHT - 1, MIDNIGHT * MICROS - 1));
    }

    #[test]
    fn a_first_packet_without_a_time_is_compared_with_what_was_known_today() {
        let at = NOON * MICROS;
        let age = |packet: &Packet, before: Option<(Packet, i64)>| {
            let newest = NewestPacket::new(packet, at);
            let before = before.map(|(packet, at)| NewestPacket::new(&packet, at));
            first_packet_age(packet, at, &newest, before.as_ref())
        };
        let ltp = |price| packet(price, Detail::Ltp);
        assert_eq!(age(&ltp(100), None), FirstPacketAge::Unknown);
        let yesterday = at - 86_400 * MICROS;
        assert_eq!(
            age(&ltp(100), Some((ltp(99), yesterday))),
            FirstPacketAge::Unknown
        );
        assert_eq!(age(&ltp(100), Some((ltp(99), at))), FirstPacketAge::Newer);
        assert_eq!(
            age(&ltp(100), Some((ltp(100), at))),
            FirstPacketAge::Repeated
        );

        let quoted = packet(100, Detail::Quote(quote()));
        let more = Quote {
            volume: 11,
            ..quote()
        };
        let traded = packet(100, Detail::Quote(more));
        assert_eq!(age(&traded, Some((quoted, at))), FirstPacketAge::Newer);
        assert_eq!(age(&quoted, Some((ltp(100), at))), FirstPacketAge::Repeated);
        let before = packet(100, full(NOON, NOON));
        assert_eq!(age(&quoted, Some((before, at))), FirstPacketAge::Repeated);
    }

    #[test]
    fn the_exchanges_time_decides_where_there_is_one() {
        let age = |time| {
            let packet = packet(100, full(NOON, time));
            let newest = NewestPacket::new(&packet, NOON * MICROS);
            first_packet_age(&packet, NOON * MICROS, &newest, Some(&newest))
        };
        assert_eq!(age(NOON - 3600), FirstPacketAge::Today);
        assert_eq!(age(NOON - 86_400), FirstPacketAge::AnotherDay);
        assert_eq!(age(0), FirstPacketAge::Repeated);
    }

    #[test]
    fn prices_of_older_days_are_recognised() {
        let old = |price, detail| old_price(&packet(price, detail), NOON * MICROS);
        assert_eq!(old(100, Detail::Ltp), None);
        assert_eq!(old(0, Detail::Ltp), Some(OldPrice::NoDay));
        assert_eq!(old(100, Detail::Quote(quote())), None);
        assert_eq!(old(100, full(NOON - 60, NOON)), None);
        let weeks_ago = NOON - 35 * 86_400;
        assert_eq!(old(100, full(weeks_ago, NOON)), Some(OldPrice::TradeTime));
        assert_eq!(old(100, full(0, NOON)), Some(OldPrice::TradeTime));
        for price in [89, 111] {
            assert_eq!(
                old(price, Detail::Quote(quote())),
                Some(OldPrice::OutsideDay)
            );
        }
        for price in [90, 110] {
            assert_eq!(old(price, Detail::Quote(quote())), None);
        }
        let none = Detail::Quote(Quote::default());
        assert_eq!(old(0, none), Some(OldPrice::NoDay));
        let index = Detail::IndexFull(IndexQuote::default(), NOON as u32);
        assert_eq!(old(100, index), Some(OldPrice::NoDay));
        let spread = Quote {
            open: -20,
            high: -5,
            low: -30,
            ..Quote::default()
        };
        assert_eq!(old(-10, Detail::Quote(spread)), None, "a spread");
    }
}
