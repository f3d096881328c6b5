//! The chains of options: what their forward prices rest on, and the newest Greeks of each option.
//!
//! Owns what is known of each chain's references and of each option. Forwards come from the references that the assignment
//! names and from nothing else, so that two processes with options of one chain agree. Must not know formulas (they are
//! [`greeks`]'), a calendar or Redis, and must not allocate per tick.

mod build;
mod chain;
mod hash_state;
mod hashes;
mod option;
mod quote;
mod refresh;

use std::time::Instant;

use greeks::{Book, GreeksWord, LastTrade, OptionTerms, evaluate, hold, option_price};
use kite::{Detail, Packet};

use super::instruments::AssignedInstrument;
use super::market::MarketSessions;
pub(crate) use chain::ChainState;
pub(super) use chain::Moment;
pub(crate) use option::ChainOption;
use quote::ReferenceQuote;
use refresh::RefreshSchedule;

/// A forward price and how its source is spelled.
type ForwardText = Option<(f64, &'static str)>;

/// The chains of an assignment, their references and their options.
#[derive(Debug, Default)]
pub(crate) struct OptionChains {
    chains: Vec<ChainState>,
    quotes: Vec<ReferenceQuote>,
    options: Vec<ChainOption>,
    /// The chains that use a quote, one quote after another.
    users: Vec<u16>,
    /// Options whose newest Greeks are stored, one chain after another.
    stored: Vec<u32>,
    schedule: RefreshSchedule,
    /// The chain whose hash is looked at next.
    next_hash: usize,
}

impl OptionChains {
    /// The chains, in the order of the assignment.
    pub(crate) fn chains(&self) -> &[ChainState] {
        &self.chains
    }

    /// The option at a position that its instrument has.
    #[inline]
    pub(crate) fn option(&self, at: u32) -> &ChainOption {
        &self.options[at as usize]
    }

    /// Notes what a packet says of an instrument that chains are computed from.
    pub(super) fn quote(&mut self, at: u32, packet: &Packet, current: bool, now: Instant) {
        let quote = &mut self.quotes[at as usize];
        quote.take(packet, current, now);
        for chain in &self.users[quote.users.range()] {
            self.chains[usize::from(*chain)].is_stale = true;
        }
    }

    /// Computes the forward price of a chain anew if a reference has changed or time has passed.
    pub(super) fn look(&mut self, chain: u16, world: &World<'_>) {
        let is_due = |chain: u16| self.chains[usize::from(chain)].is_due(world.moment.at);
        // The forward of the expiry that gives the cost of carry; its own carry is not looked for.
        let carry = self.chains[usize::from(chain)].carry();
        let carry = carry.filter(|it| is_due(*it));
        if is_due(chain) || carry.is_some() {
            for chain in carry.into_iter().chain([chain]) {
                self.choose(chain, world);
            }
        }
    }

    fn choose(&mut self, chain: u16, world: &World<'_>) {
        let at = usize::from(chain);
        let neighbour = self.chains[at].carry();
        let neighbour = neighbour.and_then(|it| self.chains[usize::from(it)].known(world.moment));
        self.chains[at].choose(&self.quotes, neighbour, world);
        if let Some(forward) = self.chains[at].forward() {
            self.schedule.observe(chain, forward);
        }
    }

    /// When Greeks have to be renewed.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.schedule.deadline()
    }

    /// Renews Greeks of a chain whose forward has moved, as many as are allowed at once, and passes on the positions of their
    /// instruments. Returns whether there were any to look at.
    pub(super) fn renew(&mut self, world: &World<'_>, mut note: impl FnMut(u32)) -> bool {
        let now = world.moment.at;
        let Some((chain, start)) = self.schedule.next(now) else {
            return false;
        };
        let stored = self.chains[usize::from(chain)].stored.range();
        let (all, mut done, mut renewed) = (stored.len() as u32, start, 0);
        while done < all && renewed < self.schedule.allowed() {
            let option = self.stored[stored.start + done as usize];
            if self.renew_option(option, world) {
                note(self.options[option as usize].row);
                renewed += 1;
            }
            done += 1;
        }
        let forward = self.chains[usize::from(chain)].forward().copied();
        self.schedule
            .done(&(start..done), renewed, all, forward.as_ref(), now);
        true
    }

    /// Renews what was computed from another forward price; returns whether that changed anything.
    fn renew_option(&mut self, at: u32, world: &World<'_>) -> bool {
        let option = &self.options[at as usize];
        let (terms, source) = self.terms(option, world);
        let newest = option.newest();
        if newest.at.is_none() || newest.forward.map(|it| it.0) == terms.forward {
            return false;
        }
        let evaluation = hold(&terms, &newest.evaluation);
        // What the last packet showed stays when its market has closed meanwhile.
        if evaluation.values.is_none() {
            return false;
        }
        self.options[at as usize].stamp(None, terms.now, evaluation, source);
        true
    }

    /// What an option is now, and the forward price with its source.
    fn terms(&self, option: &ChainOption, world: &World<'_>) -> (OptionTerms, ForwardText) {
        let chain = &self.chains[usize::from(option.chain)];
        let class = world.rows[option.row as usize].market_class;
        let forward = chain.forward();
        let terms = OptionTerms {
            right: option.right,
            strike: option.strike,
            step: option.step,
            tenor: chain.tenor,
            rate: chain.rate,
            open: world.market.may_tick(class),
            forward: forward.map(|it| it.price),
            now: world.moment.second,
        };
        (terms, forward.map(|it| (it.price, it.source.as_str())))
    }
}

/// What a look at the chains needs of everything else.
#[derive(Clone, Copy, Debug)]
pub(super) struct World<'a> {
    pub(super) rows: &'a [AssignedInstrument],
    pub(super) market: &'a MarketSessions,
    pub(super) moment: Moment,
}

impl OptionChains {
    /// Solves the Greeks of an option for a packet and remembers them. What neither price, forward nor second have changed
    /// since is what it was.
    pub(super) fn solve(
        &mut self,
        at: u32,
        packet: &Packet,
        current: bool,
        world: &World<'_>,
    ) -> GreeksWord {
        let chain = self.options[at as usize].chain;
        self.look(chain, world);
        let option = &self.options[at as usize];
        let (terms, forward) = self.terms(option, world);
        let book = option.book(packet);
        let last = LastTrade {
            price: option.rupees(packet.last_price),
            at: packet.last_trade_time(),
        };
        // Without a time, only what Kite has sent since is known to be of now.
        let is_dated = matches!(packet.detail, Detail::Full(..));
        let known = is_dated || world.rows[option.row as usize].state.price_is_current;
        let price = (current && known)
            .then(|| option_price(book, last, option.step, terms.now))
            .flatten();
        let middle = book.filter(|_| current).and_then(Book::middle);
        let middle = middle.map(|it| (it, world.moment.at));
        let inputs = option::Inputs { terms, price };
        if option.inputs != Some(inputs) {
            let evaluation = evaluate(&terms, price, || self.twin(at, terms.now));
            self.options[at as usize].stamp(Some(inputs), terms.now, evaluation, forward);
        }
        let option = &mut self.options[at as usize];
        option.middle = middle;
        option.word()
    }

    /// The option of the other right at the same strike, if its own price gave its volatility not long ago.
    fn twin(&self, at: u32, now: i64) -> Option<greeks::Twin> {
        let twin = self.options[at as usize].twin?;
        self.options[twin as usize].as_twin(now)
    }
}
