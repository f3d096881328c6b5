//! One chain: its references and its forward price.

use std::time::{Duration, Instant};

use contract::report::ChainReport;
use greeks::forward::{
    ChosenForward, ForwardChoice, ForwardSource, INDEX_SPREAD_BP, KnownForward, OTHER_SPREAD_BP,
    SourcePrices, StrikePair, carry, of_spot, parity,
};
use greeks::{Tenor, years};

use super::World;
use super::hash_state::HashState;
use super::quote::ReferenceQuote;
use crate::pipeline::instruments::AssignedInstrument;
use crate::pipeline::instruments::instrument::Span;
use crate::tick_json::greeks::decimal_text;

/// Without a change of its references a chain is looked at this often: books grow old, and sources are left and taken back.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A moment by both clocks.
#[derive(Clone, Copy, Debug)]
pub(in crate::pipeline) struct Moment {
    /// Monotonic, for ages.
    pub(in crate::pipeline) at: Instant,
    /// Wall time in epoch seconds, for what is left until expiry.
    pub(in crate::pipeline) second: i64,
}

/// A strike and the positions of the quotes of its call and put.
#[derive(Clone, Copy, Debug)]
pub(super) struct QuotedStrike {
    pub(super) strike: f64,
    pub(super) call: u32,
    pub(super) put: u32,
}

/// One chain.
#[derive(Clone, Debug)]
pub(crate) struct ChainState {
    pub(super) terms: contract::Chain,
    pub(super) tenor: Tenor,
    /// Without it there are no Greeks.
    pub(super) rate: Option<f64>,
    /// The price step of its options.
    pub(super) step: f64,
    pub(super) future: Option<u32>,
    pub(super) spot: Option<u32>,
    pub(super) strikes: Vec<QuotedStrike>,
    /// Its options whose newest Greeks are stored.
    pub(super) stored: Span,
    /// Whether its underlying is an index.
    pub(super) on_index: bool,
    pub(super) choice: ForwardChoice,
    /// When the forward was computed, epoch seconds.
    pub(super) forward_ts: i64,
    pub(super) hashes: HashState,
    looked: Option<Instant>,
    /// Whether a reference has changed since.
    pub(super) is_stale: bool,
}

impl ChainState {
    /// Before its first forward; references are added later.
    pub(super) fn new(terms: &contract::Chain) -> Self {
        Self {
            tenor: Tenor {
                expiry_ts: terms.expiry_ts,
                settles_ts: terms.settles_ts,
            },
            rate: terms.r,
            terms: terms.clone(),
            step: 0.0,
            future: None,
            spot: None,
            strikes: Vec::new(),
            stored: Span::default(),
            on_index: false,
            choice: ForwardChoice::default(),
            forward_ts: 0,
            hashes: HashState::default(),
            looked: None,
            is_stale: true,
        }
    }

    /// What it is called: exchange, underlying and day of expiry.
    pub(super) fn name(&self) -> (&str, &str, jiff::civil::Date) {
        let terms = &self.terms;
        (&terms.exchange, &terms.underlying, terms.expiry)
    }

    /// The forward price in use.
    #[inline]
    pub(crate) fn forward(&self) -> Option<&ChosenForward> {
        self.choice.chosen()
    }

    /// The chain whose cost of carry it takes.
    pub(super) const fn carry(&self) -> Option<u16> {
        self.terms.carry
    }

    /// Whether its forward has to be computed anew.
    #[inline]
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let old = |looked: Instant| now.saturating_duration_since(looked) >= LOOK_EVERY;
        self.is_stale || self.looked.is_none_or(old)
    }

    /// What another chain may take its carry from: its future, which every process with the other chain has.
    pub(super) fn known(&self, moment: Moment) -> Option<KnownForward> {
        let chosen = self.forward()?;
        (chosen.source == ForwardSource::Future).then(|| KnownForward {
            forward: chosen.price,
            years: years(self.tenor.expiry_ts, moment.second),
        })
    }

    /// What its sources say.
    fn prices(
        &self,
        quotes: &[ReferenceQuote],
        neighbour: Option<KnownForward>,
        world: &World<'_>,
    ) -> SourcePrices {
        let Some(rate) = self.rate else {
            return SourcePrices::default();
        };
        let World { rows, moment, .. } = *world;
        let (expiry_ts, now) = (self.tenor.expiry_ts, moment.second);
        let book = |at: u32| quotes[at as usize].book(rows, moment.at);
        let widest = if self.on_index {
            INDEX_SPREAD_BP
        } else {
            OTHER_SPREAD_BP
        };
        let future = self.future.and_then(book);
        let pairs = self.strikes.iter().filter_map(|it| {
            let middle = |at| book(at)?.option_middle(self.step);
            Some(StrikePair {
                strike: it.strike,
                call: middle(it.call)?,
                put: middle(it.put)?,
            })
        });
        let growth = (rate * years(expiry_ts, now)).exp();
        let spot = self.spot_price(quotes, world);
        [
            future.and_then(|it| it.future_middle(widest)),
            parity(pairs, growth, self.step),
            spot.zip(neighbour)
                .and_then(|(spot, neighbour)| carry(spot, neighbour, expiry_ts, now)),
            spot.and_then(|spot| of_spot(spot, rate, self.terms.q, expiry_ts, now)),
        ]
    }

    /// The price of the underlying, which is one only while its own market is open.
    fn spot_price(&self, quotes: &[ReferenceQuote], world: &World<'_>) -> Option<f64> {
        let quote = &quotes[self.spot? as usize];
        let last = quote.last(world.rows, world.moment.at);
        last.filter(|_| self.is_spot_open(quotes, world))
    }

    fn is_spot_open(&self, quotes: &[ReferenceQuote], world: &World<'_>) -> bool {
        self.spot.is_some_and(|at| {
            let row = quotes[at as usize].row;
            let class = world.rows[row as usize].market_class;
            world.market.may_tick(class)
        })
    }

    /// Chooses from what its sources say now.
    pub(super) fn choose(
        &mut self,
        quotes: &[ReferenceQuote],
        neighbour: Option<KnownForward>,
        world: &World<'_>,
    ) {
        let prices = self.prices(quotes, neighbour, world);
        let moment = world.moment;
        let on_spot = self
            .forward()
            .is_some_and(|it| it.source >= ForwardSource::Carry);
        if on_spot && !self.is_spot_open(quotes, world) {
            self.choice.leave();
        }
        let chosen = self.choice.update(&prices, moment.at);
        if chosen.is_some_and(|it| it.at == moment.at) {
            self.forward_ts = moment.second;
        }
        self.looked = Some(moment.at);
        self.is_stale = false;
    }

    /// What is reported of it.
    pub(crate) fn report(&self, now: Instant) -> ChainReport {
        let forward = self.forward();
        ChainReport {
            exchange: self.terms.exchange.clone(),
            underlying: self.terms.underlying.clone(),
            expiry: self.terms.expiry,
            source: forward.map(|it| it.source.as_str().to_owned()),
            forward: forward.map(|it| decimal_text(it.price)),
            age_ms: forward.map(|it| now.saturating_duration_since(it.at).as_millis() as u64),
        }
    }

    /// Whether its underlying is an index, by the instrument of its price.
    pub(super) fn set_spot(&mut self, quote: u32, row: &AssignedInstrument) {
        self.spot = Some(quote);
        self.on_index = row.token.segment() == kite::Segment::Indices;
    }
}
