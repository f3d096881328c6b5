//! One binary packet: the market data of one instrument at one moment.
//!
//! Owns the five layouts, which only differ in length, in both directions. All numbers are
//! big-endian. Prices stay the signed integers of the wire; [`crate::Segment::decimals`] says where
//! the point is. Must not allocate on decode.

use crate::{Mode, Token};

/// A decoded packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The instrument.
    pub token: Token,
    /// Last traded price.
    pub last_price: i32,
    /// What else the packet carries.
    pub detail: Detail,
}

/// The part of a packet behind token and last price; its variant is the kind of packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// 8 bytes: nothing else.
    Ltp,
    /// 28 bytes: an index in quote mode.
    IndexQuote(IndexQuote),
    /// 32 bytes: an index in full mode, with the exchange's time (Unix seconds; 0 is none).
    IndexFull(IndexQuote, u32),
    /// 44 bytes: a tradable instrument in quote mode.
    Quote(Quote),
    /// 184 bytes: a tradable instrument in full mode.
    Full(Quote, Full),
}

/// Prices of an index. On the wire the order is high, low, open, close.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexQuote {
    /// Highest value of the day.
    pub high: i32,
    /// Lowest value of the day.
    pub low: i32,
    /// First value of the day.
    pub open: i32,
    /// Close of the previous trading day.
    pub close: i32,
    /// Absolute change against `close`; official clients ignore it and compute their own.
    pub change: i32,
}

/// Trade data of a tradable instrument. On the wire the order is open, high, low, close.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quote {
    /// Quantity of the last trade.
    pub last_quantity: u32,
    /// Volume-weighted average price of the day.
    pub average_price: i32,
    /// Cumulative volume of the day.
    pub volume: u32,
    /// Total quantity of resting buy orders.
    pub total_buy: u32,
    /// Total quantity of resting sell orders.
    pub total_sell: u32,
    /// First price of the day.
    pub open: i32,
    /// Highest price of the day.
    pub high: i32,
    /// Lowest price of the day.
    pub low: i32,
    /// Close of the previous trading day.
    pub close: i32,
}

/// What full mode adds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Full {
    /// Time of the last trade, Unix seconds; 0 is none.
    pub last_trade_time: u32,
    /// Open interest.
    pub oi: u32,
    /// Highest open interest of the day.
    pub oi_day_high: u32,
    /// Lowest open interest of the day.
    pub oi_day_low: u32,
    /// The exchange's time, Unix seconds; 0 is none.
    pub exchange_time: u32,
    /// Five levels a side.
    pub depth: Depth,
}

/// The best five levels of the order book, best first; a level that does not exist is all zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Bids.
    pub buy: [Level; 5],
    /// Offers.
    pub sell: [Level; 5],
}

impl Depth {
    /// Whether all ten levels are zero, as after the close: there is no book, which differs from an
    /// empty one.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.buy
            .iter()
            .chain(&self.sell)
            .all(|level| *level == Level::default())
    }
}

/// One level of the book.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// Quantity at this price.
    pub quantity: u32,
    /// The price.
    pub price: i32,
    /// Number of orders: 16 bits, followed by 2 unused bytes.
    pub orders: u16,
}

/// A packet of an unknown length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("packet of {0} bytes: known lengths are 8, 28, 32, 44 and 184")]
pub struct UnknownLength(pub usize);

/// Length of an ltp packet.
pub const LTP_LEN: usize = 8;
/// Length of an index packet in quote mode.
pub const INDEX_QUOTE_LEN: usize = 28;
/// Length of an index packet in full mode.
pub const INDEX_FULL_LEN: usize = 32;
/// Length of a quote packet.
pub const QUOTE_LEN: usize = 44;
/// Length of a full packet.
pub const FULL_LEN: usize = 184;

const DEPTH_START: usize = 64;
const LEVEL_LEN: usize = 12;

impl Packet {
    /// Decodes one packet without its length prefix.
    ///
    /// # Errors
    /// [`UnknownLength`] for any other length; such packets are to be skipped and counted.
    #[inline]
    pub fn decode(bytes: &[u8]) -> Result<Self, UnknownLength> {
        match bytes.len() {
            LTP_LEN => Ok(Self::with(bytes, Detail::Ltp)),
            INDEX_QUOTE_LEN => Ok(Self::with(bytes, Detail::IndexQuote(index_quote(bytes)))),
            INDEX_FULL_LEN => Ok(Self::with(
                bytes,
                Detail::IndexFull(index_quote(bytes), u32_at(bytes, 28)),
            )),
            QUOTE_LEN => Ok(Self::with(bytes, Detail::Quote(quote(bytes)))),
            FULL_LEN => Ok(Self::with(bytes, Detail::Full(quote(bytes), full(bytes)))),
            other => Err(UnknownLength(other)),
        }
    }

    /// Appends the packet without its length prefix.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_u32(out, self.token.0);
        put_i32(out, self.last_price);
        match &self.detail {
            Detail::Ltp => {}
            Detail::IndexQuote(index) => put_index(out, index),
            Detail::IndexFull(index, exchange_time) => {
                put_index(out, index);
                put_u32(out, *exchange_time);
            }
            Detail::Quote(quote) => put_quote(out, quote),
            Detail::Full(quote, full) => {
                put_quote(out, quote);
                put_full(out, full);
            }
        }
    }

    /// Length on the wire, without the prefix.
    #[must_use]
    pub const fn encoded_len(&self) -> usize {
        match self.detail {
            Detail::Ltp => LTP_LEN,
            Detail::IndexQuote(_) => INDEX_QUOTE_LEN,
            Detail::IndexFull(..) => INDEX_FULL_LEN,
            Detail::Quote(_) => QUOTE_LEN,
            Detail::Full(..) => FULL_LEN,
        }
    }

    /// The mode that it was sent in, by its kind.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        match self.detail {
            Detail::Ltp => Mode::Ltp,
            Detail::IndexQuote(_) | Detail::Quote(_) => Mode::Quote,
            Detail::IndexFull(..) | Detail::Full(..) => Mode::Full,
        }
    }

    /// The day's volume, where the packet has one.
    #[must_use]
    pub const fn volume(&self) -> Option<u32> {
        match &self.detail {
            Detail::Quote(quote) | Detail::Full(quote, _) => Some(quote.volume),
            Detail::Ltp | Detail::IndexQuote(_) | Detail::IndexFull(..) => None,
        }
    }

    /// The exchange's time in Unix seconds, where the packet has one.
    #[must_use]
    pub fn exchange_time(&self) -> Option<i64> {
        match &self.detail {
            Detail::IndexFull(_, time) => unix(*time),
            Detail::Full(_, full) => unix(full.exchange_time),
            Detail::Ltp | Detail::IndexQuote(_) | Detail::Quote(_) => None,
        }
    }

    /// Time of the last trade in Unix seconds, where the packet has one.
    #[must_use]
    pub fn last_trade_time(&self) -> Option<i64> {
        match &self.detail {
            Detail::Full(_, full) => unix(full.last_trade_time),
            Detail::Ltp | Detail::IndexQuote(_) | Detail::IndexFull(..) | Detail::Quote(_) => None,
        }
    }

    #[inline]
    fn with(bytes: &[u8], detail: Detail) -> Self {
        Self {
            token: Token(u32_at(bytes, 0)),
            last_price: i32_at(bytes, 4),
            detail,
        }
    }
}

/// Zero means that the exchange gave no time.
fn unix(seconds: u32) -> Option<i64> {
    (seconds != 0).then_some(i64::from(seconds))
}

#[inline]
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[inline]
fn i32_at(bytes: &[u8], at: usize) -> i32 {
    u32_at(bytes, at).cast_signed()
}

#[inline]
fn index_quote(bytes: &[u8]) -> IndexQuote {
    IndexQuote {
        high: i32_at(bytes, 8),
        low: i32_at(bytes, 12),
        open: i32_at(bytes, 16),
        close: i32_at(bytes, 20),
        change: i32_at(bytes, 24),
    }
}

#[inline]
fn quote(bytes: &[u8]) -> Quote {
    Quote {
        last_quantity: u32_at(bytes, 8),
        average_price: i32_at(bytes, 12),
        volume: u32_at(bytes, 16),
        total_buy: u32_at(bytes, 20),
        total_sell: u32_at(bytes, 24),
        open: i32_at(bytes, 28),
        high: i32_at(bytes, 32),
        low: i32_at(bytes, 36),
        close: i32_at(bytes, 40),
    }
}

#[inline]
fn full(bytes: &[u8]) -> Full {
    let level = |index: usize| {
        let at = DEPTH_START + index * LEVEL_LEN;
        Level {
            quantity: u32_at(bytes, at),
            price: i32_at(bytes, at + 4),
            orders: u16::from_be_bytes([bytes[at + 8], bytes[at + 9]]),
        }
    };
    Full {
        last_trade_time: u32_at(bytes, 44),
        oi: u32_at(bytes, 48),
        oi_day_high: u32_at(bytes, 52),
        oi_day_low: u32_at(bytes, 56),
        exchange_time: u32_at(bytes, 60),
        depth: Depth {
            buy: std::array::from_fn(level),
            sell: std::array::from_fn(|index| level(index + 5)),
        },
    }
}

fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn put_i32(out: &mut Vec<u8>, value: i32) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn put_index(out: &mut Vec<u8>, index: &IndexQuote) {
    for value in [index.high, index.low, index.open, index.close, index.change] {
        put_i32(out, value);
    }
}

fn put_quote(out: &mut Vec<u8>, quote: &Quote) {
    put_u32(out, quote.last_quantity);
    put_i32(out, quote.average_price);
    for value in [quote.volume, quote.total_buy, quote.total_sell] {
        put_u32(out, value);
    }
    for value in [quote.open, quote.high, quote.low, quote.close] {
        put_i32(out, value);
    }
}

fn put_full(out: &mut Vec<u8>, full: &Full) {
    for value in [
        full.last_trade_time,
        full.oi,
        full.oi_day_high,
        full.oi_day_low,
        full.exchange_time,
    ] {
        put_u32(out, value);
    }
    for level in full.depth.buy.iter().chain(&full.depth.sell) {
        put_u32(out, level.quantity);
        put_i32(out, level.price);
        out.extend_from_slice(&level.orders.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
    }
}

#[cfg(test)]
pub(crate) mod tests;
