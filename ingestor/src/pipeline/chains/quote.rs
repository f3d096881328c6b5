//! The newest prices of an instrument that forward prices are computed from.
//!
//! Owns how long they count: Kite sends changes alone, so a quiet book is a good one, but not for ever.

use std::time::{Duration, Instant};

use greeks::Book;
use kite::{Detail, Packet};

use crate::pipeline::instruments::AssignedInstrument;
use crate::pipeline::instruments::instrument::Span;

/// A book is good for so long after its packet.
pub(super) const GOOD_FOR: Duration = Duration::from_secs(10);

/// What is known of one reference.
#[derive(Clone, Debug)]
pub(super) struct ReferenceQuote {
    /// Position of its instrument.
    pub(super) row: u32,
    /// By what its prices on the wire are divided.
    divisor: f64,
    /// The chains that use it.
    pub(super) users: Span,
    prices: Option<QuotedPrices>,
}

#[derive(Clone, Copy, Debug)]
struct QuotedPrices {
    book: Option<Book>,
    last: f64,
    at: Instant,
}

impl ReferenceQuote {
    /// Of the instrument at `row`, before its first packet.
    pub(super) const fn new(row: u32, divisor: f64, users: Span) -> Self {
        Self {
            row,
            divisor,
            users,
            prices: None,
        }
    }

    /// Takes over what was known of the same instrument.
    pub(super) const fn succeed(&mut self, old: &Self) {
        self.prices = old.prices;
    }

    /// Notes a packet; what it says counts only if it is `current`.
    pub(super) fn take(&mut self, packet: &Packet, current: bool, now: Instant) {
        self.prices = current.then(|| QuotedPrices {
            book: book(packet, self.divisor),
            last: f64::from(packet.last_price) / self.divisor,
            at: now,
        });
    }

    /// Its book, while it is good.
    pub(super) fn book(&self, rows: &[AssignedInstrument], now: Instant) -> Option<Book> {
        self.good(rows, now)?.book
    }

    /// Its last price, while it is good.
    pub(super) fn last(&self, rows: &[AssignedInstrument], now: Instant) -> Option<f64> {
        Some(self.good(rows, now)?.last).filter(|it| *it > 0.0)
    }

    /// While its socket is live and its packet is young.
    fn good(&self, rows: &[AssignedInstrument], now: Instant) -> Option<QuotedPrices> {
        let is_live = rows[self.row as usize].state.seen;
        let young = |it: &QuotedPrices| now.saturating_duration_since(it.at) <= GOOD_FOR;
        self.prices.filter(|it| is_live && young(it))
    }
}

/// The best prices of both sides; `None` where the packet has no book.
pub(super) fn book(packet: &Packet, divisor: f64) -> Option<Book> {
    match &packet.detail {
        Detail::Full(_, full) => Some(Book {
            bid: f64::from(full.depth.buy[0].price) / divisor,
            ask: f64::from(full.depth.sell[0].price) / divisor,
        }),
        Detail::Ltp | Detail::IndexQuote(_) | Detail::IndexFull(..) | Detail::Quote(_) => None,
    }
}
