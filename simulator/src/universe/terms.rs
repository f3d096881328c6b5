//! Where contracts trade, and their terms.

use jiff::civil::Date;
use kite::Segment;

/// Where and how a family of contracts trades.
#[derive(Clone, Copy, Debug)]
pub(super) struct Venue {
    pub(super) exchange: &'static str,
    pub(super) segment: Segment,
}

pub(super) const NSE: Venue = Venue {
    exchange: "NSE",
    segment: Segment::Nse,
};
pub(super) const BSE: Venue = Venue {
    exchange: "BSE",
    segment: Segment::Bse,
};
pub(super) const NFO: Venue = Venue {
    exchange: "NFO",
    segment: Segment::Nfo,
};
pub(super) const BFO: Venue = Venue {
    exchange: "BFO",
    segment: Segment::Bfo,
};
pub(super) const CDS: Venue = Venue {
    exchange: "CDS",
    segment: Segment::Cds,
};
pub(super) const BCD: Venue = Venue {
    exchange: "BCD",
    segment: Segment::Bcd,
};
pub(super) const MCX: Venue = Venue {
    exchange: "MCX",
    segment: Segment::Mcx,
};

/// How a contract's day of expiry is written in its symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Named {
    /// By its own day.
    Day,
    /// By the month it expires in.
    Month,
    /// By another month: commodity options are named after the future that they lead to.
    Contract(i16, i8),
}

/// A day on which contracts of one family end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Expiry {
    pub(super) date: Date,
    /// Named by its month (`26DEC`) or by its day (`26D08`).
    pub(super) named: Named,
}

/// Size and step of a contract.
#[derive(Clone, Copy, Debug)]
pub(super) struct ContractTerms {
    /// Rupees.
    pub(super) tick: f64,
    pub(super) lot: u32,
}

/// Strikes around the money.
#[derive(Clone, Copy, Debug)]
pub(super) struct StrikeGrid {
    /// Rupees between two.
    pub(super) step: f64,
    /// How many on each side of the one at the money.
    pub(super) each_side: i32,
}

/// A price step in rupees as an integer of the wire.
pub(super) fn raw(tick_size: f64, segment: Segment) -> i32 {
    ((tick_size * f64::from(segment.divisor())).round() as i32).max(1)
}
