//! Builds the chains of an assignment.
//!
//! Owns which instruments are references, and of which chains. Must not know their prices.

use std::collections::{BTreeMap, HashMap};

use contract::{Assignment, Chain};
use greeks::OptionRight;
use kite::{InstrumentType, Token};

use super::OptionChains;
use super::chain::{ChainState, QuotedStrike};
use super::option::ChainOption;
use super::quote::ReferenceQuote;
use super::refresh::RefreshSchedule;
use crate::pipeline::instruments::AssignedInstrument;
use crate::pipeline::instruments::instrument::Span;

impl OptionChains {
    /// The chains of `assignment`, whose instruments are in `rows`; each is told its position as a reference and as an option.
    pub(crate) fn build(assignment: &Assignment, rows: &mut [AssignedInstrument]) -> Self {
        let mut built = Self {
            chains: assignment.chains.iter().map(ChainState::new).collect(),
            schedule: RefreshSchedule::new(assignment.chains.len()),
            ..Self::default()
        };
        built.add_options(assignment, rows);
        built.add_stored(assignment);
        built.add_hashes(assignment);
        built.add_quotes(&assignment.chains, rows);
        built
    }

    /// Rows and instruments have the same order.
    fn add_options(&mut self, assignment: &Assignment, rows: &mut [AssignedInstrument]) {
        let mut strikes: BTreeMap<(u16, u64), u32> = BTreeMap::new();
        for (at, (row, instrument)) in (0..).zip(assignment.instruments.iter().zip(rows)) {
            let right = match row.instrument_type {
                InstrumentType::Call => OptionRight::Call,
                InstrumentType::Put => OptionRight::Put,
                InstrumentType::Future | InstrumentType::Equity => continue,
            };
            let (Some(chain), Some(strike)) = (row.chain, row.strike) else {
                continue;
            };
            let state = &mut self.chains[usize::from(chain)];
            let step = row
                .tick_size
                .filter(|it| it.is_finite())
                .unwrap_or_default();
            state.step = state.step.max(step);
            let position = self.options.len() as u32;
            instrument.option = Some(position);
            let terms = (right, strike, step);
            let divisor = f64::from(row.token.segment().divisor());
            let expiry_ts = state.tenor.expiry_ts;
            let mut option = ChainOption::new(at, chain, terms, divisor, expiry_ts);
            // The first of a strike waits for the other right.
            let first = *strikes.entry((chain, strike.to_bits())).or_insert(position);
            let other = self.options.get_mut(first as usize);
            if let Some(other) = other.filter(|other| other.right != right) {
                option.twin = Some(first);
                other.twin = Some(position);
            }
            self.options.push(option);
        }
    }

    fn add_stored(&mut self, assignment: &Assignment) {
        let mut stored = vec![Vec::new(); self.chains.len()];
        for (at, option) in (0_u32..).zip(&self.options) {
            let outputs = &assignment.instruments[option.row as usize].outputs;
            if outputs.iter().any(|it| it.greeks && it.keep.is_some()) {
                stored[usize::from(option.chain)].push(at);
            }
        }
        for (chain, options) in self.chains.iter_mut().zip(stored) {
            let start = self.stored.len() as u32;
            self.stored.extend(options);
            chain.stored = Span::since(start, &self.stored);
        }
    }

    /// Takes over the forwards of the chains that `old` has too.
    pub(crate) fn succeed_chains(&mut self, old: &Self) {
        let before = (0_u16..).zip(&old.chains).map(|(at, it)| (it.name(), at));
        let before: HashMap<_, _> = before.collect();
        for (at, chain) in (0_u16..).zip(&mut self.chains) {
            if let Some(known) = before.get(&chain.name()).copied() {
                let before = &old.chains[usize::from(known)];
                chain.choice = before.choice.clone();
                chain.forward_ts = before.forward_ts;
                self.schedule.succeed(at, &old.schedule, known);
            }
        }
    }

    /// Takes over what `old` knows of an instrument that is in both assignments.
    pub(crate) fn succeed_instrument(
        &mut self,
        instrument: &AssignedInstrument,
        old: &Self,
        before: &AssignedInstrument,
    ) {
        if let (Some(new), Some(known)) = (instrument.quote, before.quote) {
            self.quotes[new as usize].succeed(&old.quotes[known as usize]);
        }
        if let (Some(new), Some(known)) = (instrument.option, before.option) {
            self.options[new as usize].succeed(&old.options[known as usize]);
        }
    }

    fn add_quotes(&mut self, chains: &[Chain], rows: &mut [AssignedInstrument]) {
        let index: HashMap<Token, u32> =
            (0..).zip(&*rows).map(|(at, row)| (row.token, at)).collect();
        let mut users: BTreeMap<u32, Vec<u16>> = BTreeMap::new();
        for (at, chain) in (0_u16..).zip(chains) {
            for row in chain.references().filter_map(|token| index.get(&token)) {
                let users = users.entry(*row).or_default();
                if users.last() != Some(&at) {
                    users.push(at);
                }
            }
        }
        for (row, chains) in users {
            let instrument = &mut rows[row as usize];
            instrument.quote = Some(self.quotes.len() as u32);
            let start = self.users.len() as u32;
            self.users.extend(chains);
            let users = Span::since(start, &self.users);
            let divisor = f64::from(instrument.token.segment().divisor());
            self.quotes.push(ReferenceQuote::new(row, divisor, users));
        }
        for (state, chain) in self.chains.iter_mut().zip(chains) {
            let instrument = |token: Token| Some(&rows[*index.get(&token)? as usize]);
            let quote = |token: Token| instrument(token)?.quote;
            state.future = chain.future.and_then(quote);
            if let Some(spot) = chain.spot.and_then(instrument)
                && let Some(quote) = spot.quote
            {
                state.set_spot(quote, spot);
            }
            let pairs = chain.parity.iter();
            state.strikes = pairs
                .filter_map(|pair| {
                    Some(QuotedStrike {
                        strike: pair.0,
                        call: quote(pair.1)?,
                        put: quote(pair.2)?,
                    })
                })
                .collect();
        }
    }
}
