//! The hashes of chains: what they say.
//!
//! Owns the look at one chain after another. Must not know Redis: what writes a hash is passed in.

use contract::Assignment;
use greeks::{
    ChainSummary, GreeksWord, OptionRight, StrikePrices, at_the_money, implied_volatility, years,
};

use super::chain::{Moment, QuotedStrike};
use super::option::ChainOption;
use super::quote::ReferenceQuote;
use super::{ChainState, OptionChains};
use crate::last_value::chain_hash::{ChainFields, ChainHash};
use crate::pipeline::instruments::AssignedInstrument;

/// How many are written at once at most, which is about a second's.
const AT_ONCE: usize = 250;

impl OptionChains {
    /// Prepares the hashes: a chain has one under each prefix under which last values of its options with Greeks are stored.
    pub(super) fn add_hashes(&mut self, assignment: &Assignment) {
        for (at, option) in (0_u32..).zip(&self.options) {
            let chain = &mut self.chains[usize::from(option.chain)];
            let known = Some((option.right, at));
            chain.hashes.add_strike(option.strike, known);
            let outputs = &assignment.instruments[option.row as usize].outputs;
            for output in outputs.iter().filter(|it| it.greeks && it.keep.is_some()) {
                let channel = &assignment.channels[usize::from(output.channel)];
                let key = ChainHash::new(channel, &chain.terms, assignment.account.mock);
                chain.hashes.add_key(key);
            }
        }
        for chain in &mut self.chains {
            for pair in &chain.terms.parity {
                chain.hashes.add_strike(pair.0, None);
            }
        }
    }

    /// Passes on the hashes that are due, each with what it says; `write` says whether one was accepted.
    pub(in crate::pipeline) fn write_hashes(
        &mut self,
        (rows, moment): (&[AssignedInstrument], Moment),
        mut write: impl FnMut(&ChainHash, &ChainFields<'_>) -> bool,
    ) {
        let count = self.chains.len();
        let mut written = 0;
        for _ in 0..count {
            if written >= AT_ONCE {
                break;
            }
            let at = self.next_hash % count;
            self.next_hash = at + 1;
            let chain = &self.chains[at];
            let prices = References {
                quotes: &self.quotes,
                rows,
            };
            let Some(fields) = fields(chain, &self.options, &prices, moment) else {
                continue;
            };
            if !chain.hashes.is_due(fields.forward.0, moment.at) {
                continue;
            }
            let mut keys = chain.hashes.keys.iter();
            let whole = keys.all(|key| write(key, &fields));
            written += chain.hashes.keys.len();
            let forward = fields.forward.0;
            if whole {
                self.chains[at].hashes.written = Some((moment.at, forward));
            }
        }
    }
}

/// What the hashes of a chain say; `None` without a forward price and after the expiry.
fn fields<'a>(
    chain: &'a ChainState,
    options: &[ChainOption],
    prices: &References<'_>,
    moment: Moment,
) -> Option<ChainFields<'a>> {
    let forward = chain.forward()?;
    let alive = moment.second < chain.tenor.expiry_ts;
    alive.then(|| ChainFields {
        chain: &chain.terms,
        forward: (forward.price, forward.source.as_str()),
        forward_ts: chain.forward_ts,
        summary: match chain.strikes.is_empty() {
            true => own_summary(chain, options, forward.price, moment),
            false => prices.summary(chain, forward.price, moment),
        },
        ts: moment.second,
    })
}

/// The instruments that forwards follow from.
struct References<'a> {
    quotes: &'a [ReferenceQuote],
    rows: &'a [AssignedInstrument],
}

impl References<'_> {
    /// By the calls and puts that every process of the chain has, so that all say the same.
    fn summary(&self, chain: &ChainState, forward: f64, moment: Moment) -> Option<ChainSummary> {
        let strikes = chain.strikes.iter().map(|it| it.strike);
        let atm = at_the_money(strikes, forward)?;
        let at = chain.strikes.iter().find(|it| it.strike == atm)?;
        let mut prices = StrikePrices::default();
        for (right, quote) in sides(at) {
            let book = self.quotes[quote as usize].book(self.rows, moment.at);
            let middle = book.and_then(|it| it.option_middle(chain.step));
            let left = years(chain.tenor.expiry_ts, moment.second);
            let volatility = middle.zip(chain.rate).and_then(|(middle, rate)| {
                let undiscounted = middle * (rate * left).exp();
                implied_volatility(right, forward, atm, left, undiscounted).ok()
            });
            prices.set(right, volatility, middle);
        }
        Some(ChainSummary::new(atm, &prices))
    }
}

fn sides(at: &QuotedStrike) -> [(OptionRight, u32); 2] {
    [(OptionRight::Call, at.call), (OptionRight::Put, at.put)]
}

/// Without such references by the options of this process alone.
fn own_summary(
    chain: &ChainState,
    options: &[ChainOption],
    forward: f64,
    moment: Moment,
) -> Option<ChainSummary> {
    let strikes = &chain.hashes.strikes;
    let atm = at_the_money(strikes.iter().map(|it| it.0), forward)?;
    let at = strikes.partition_point(|it| it.0 < atm);
    let mut prices = StrikePrices::default();
    for option in strikes[at].1.into_iter().flatten() {
        let option = &options[option as usize];
        let evaluation = &option.newest().evaluation;
        let values = evaluation
            .values
            .filter(|_| evaluation.word == GreeksWord::Ok);
        let volatility = values.map(|it| it.volatility);
        prices.set(option.right, volatility, option.middle_at(moment.at));
    }
    Some(ChainSummary::new(atm, &prices))
}
