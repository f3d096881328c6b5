//! One instrument: its properties, and its current state.
//!
//! Owns no rule; the stages change the state.

use std::time::Instant;

use kite::{InstrumentType, MarketSession, Mode, Segment, Token};

use crate::pipeline::accept::age::{NewestPacket, OldPrice};
use crate::pipeline::accept::rules::{FirstPackets, ReceiveTime};
use crate::pipeline::interval::TickInterval;
use crate::pipeline::open_interest::OpenInterest;
use crate::tick_json::decimal::Decimals;

/// The class of an instrument, as distinguished in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InstrumentClass {
    /// An option.
    Option,
    /// A future.
    Future,
    /// A share and the rest.
    Equity,
    /// An index.
    Underlying,
}

impl InstrumentClass {
    /// All classes, in the order of their numbers.
    pub(crate) const ALL: [Self; 4] = [Self::Option, Self::Future, Self::Equity, Self::Underlying];

    /// The name in metrics.
    #[must_use]
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Option => "option",
            Self::Future => "future",
            Self::Equity => "equity",
            Self::Underlying => "underlying",
        }
    }

    /// The class of an assigned instrument.
    #[must_use]
    pub(crate) fn of(row: &contract::Row) -> Self {
        match row.instrument_type {
            InstrumentType::Call | InstrumentType::Put => Self::Option,
            InstrumentType::Future => Self::Future,
            InstrumentType::Equity if row.token.segment() == Segment::Indices => Self::Underlying,
            InstrumentType::Equity => Self::Equity,
        }
    }
}

/// One instrument.
#[derive(Clone, Debug)]
pub(crate) struct AssignedInstrument {
    /// Kite's number.
    pub(crate) token: Token,
    /// The mode.
    pub(crate) mode: Mode,
    /// Its kind.
    pub(crate) class: InstrumentClass,
    /// How its prices are spelled.
    pub(crate) decimals: Decimals,
    /// Position of the class in the market, if it has one.
    pub(crate) market_class: Option<u16>,
    /// Whether its price is reported.
    pub(crate) reference: bool,
    /// Whether another account takes it over, and both publish it.
    pub(crate) handover: bool,
    /// Position of its move in [`AssignedInstruments`](super::AssignedInstruments), if it goes to another account or comes
    /// from it.
    pub(in crate::pipeline) move_at: Option<u16>,
    /// Whether that move gives it away.
    pub(in crate::pipeline) leaves: bool,
    /// Position among the options that have Greeks, if it is one.
    pub(in crate::pipeline) option: Option<u32>,
    /// Position among the references of chains, if it is one.
    pub(in crate::pipeline) quote: Option<u32>,
    pub(in crate::pipeline) outputs: Span,
    pub(in crate::pipeline) sets: Span,
    /// The part before its price in each of the two commands that store it, and the slot of the
    /// key.
    pub(in crate::pipeline) prices: [(Span, u16); 2],
    /// Its state.
    pub(crate) state: InstrumentState,
}

/// The state of one instrument, which is kept when the assignment changes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct InstrumentState {
    /// The connection that carries it.
    pub(crate) connection: u8,
    /// When the present socket was first told to subscribe to it.
    pub(crate) subscribed: Option<Instant>,
    /// Whether a packet arrived on the present socket.
    pub(crate) seen: bool,
    /// When its newest tick arrived, without first packets: an answer to a subscription does not
    /// make it fresh.
    pub(crate) received: Option<ReceiveTime>,
    /// Its ticks since the process has it.
    pub(crate) ticks: u64,
    /// When its newest packet arrived, epoch microseconds.
    pub(in crate::pipeline) came_us: i64,
    /// The newest time of the exchange in its ticks.
    pub(crate) exchange_time: Option<i64>,
    /// The usual time between two of its ticks.
    pub(crate) interval: TickInterval,
    pub(in crate::pipeline) first: FirstPackets,
    pub(in crate::pipeline) snapshot: bool,
    /// What its newest packet held.
    pub(crate) newest: Option<NewestPacket>,
    /// Why the price of its newest tick is of an older day.
    pub(in crate::pipeline) old_price: Option<OldPrice>,
    /// Whether the newest price is of today, as far as can be seen.
    pub(crate) price_is_current: bool,
    pub(in crate::pipeline) ts: i64,
    /// The session in which its newest packet arrived, if that is known.
    pub(in crate::pipeline) session: Option<MarketSession>,
    /// Its open interest of this day and the one before.
    pub(in crate::pipeline) open_interest: OpenInterest,
    /// Volume in the last tick that was rendered.
    pub(in crate::pipeline) volume: Option<u32>,
}

impl AssignedInstrument {
    /// Whether packets arrived on the present socket, but none in the mode last requested.
    #[must_use]
    pub(crate) const fn owes_mode(&self) -> bool {
        self.state.seen && self.state.first.owes_mode()
    }

    /// Whether its ticks go to readers: an instrument whose price alone is wanted has no outputs.
    #[inline]
    #[must_use]
    pub(crate) const fn is_published(&self) -> bool {
        self.outputs.start < self.outputs.end
    }

    /// Whether its newest tick is stored in Redis.
    #[inline]
    #[must_use]
    pub(crate) const fn is_stored(&self) -> bool {
        self.prices[0].0.start < self.prices[0].0.end
    }

    pub(in crate::pipeline) fn forget_socket(&mut self) {
        self.state.subscribed = None;
        self.state.seen = false;
        self.state.volume = None;
    }
}

/// A part of a list or a text.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::pipeline) struct Span {
    pub(in crate::pipeline) start: u32,
    pub(in crate::pipeline) end: u32,
}

impl Span {
    /// From `start` to the end of `list`.
    pub(in crate::pipeline) const fn since<T>(start: u32, list: &[T]) -> Self {
        let end = list.len() as u32;
        Self { start, end }
    }

    pub(in crate::pipeline) const fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}
