//! One option of a chain: its terms, and its newest Greeks with their text.

use std::time::Instant;

use greeks::{
    Book, Evaluation, GreeksWord, OptionPrice, OptionPriceSource, OptionRight, OptionTerms, Twin,
};
use kite::Packet;

use super::quote;
use crate::tick_json::greeks::{GreeksStamp, GreeksText};

/// The volatility of a twin is held for so long, in seconds.
const TWIN_FOR_S: i64 = 60;

/// What Greeks were computed from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Inputs {
    pub(super) terms: OptionTerms,
    pub(super) price: Option<OptionPrice>,
}

/// An option with Greeks.
#[derive(Clone, Debug)]
pub(crate) struct ChainOption {
    /// Position of its instrument.
    pub(super) row: u32,
    /// Position of its chain.
    pub(super) chain: u16,
    pub(super) right: OptionRight,
    pub(super) strike: f64,
    /// The price step.
    pub(super) step: f64,
    /// By what its prices on the wire are divided.
    divisor: f64,
    /// Position of the option of the other right at its strike, if it is assigned too.
    pub(super) twin: Option<u32>,
    pub(super) inputs: Option<Inputs>,
    /// The middle of its book, and when it came.
    pub(super) middle: Option<(f64, Instant)>,
    /// When its volatility was solved, epoch seconds: what is renewed keeps it.
    solved_at: Option<i64>,
    stamp: GreeksStamp,
    text: GreeksText,
}

impl ChainOption {
    /// Before its first packet.
    pub(super) fn new(
        row: u32,
        chain: u16,
        terms: (OptionRight, f64, f64),
        divisor: f64,
        expiry_ts: i64,
    ) -> Self {
        let stamp = GreeksStamp::unknown(expiry_ts);
        let (right, strike, step) = terms;
        Self {
            row,
            chain,
            right,
            strike,
            step,
            divisor,
            twin: None,
            inputs: None,
            middle: None,
            solved_at: None,
            stamp,
            text: GreeksText::new(&stamp),
        }
    }

    /// Takes over what was known of the same option.
    pub(super) fn succeed(&mut self, old: &Self) {
        self.middle = old.middle;
        self.solved_at = old.solved_at;
        self.stamp = GreeksStamp {
            expiry_ts: self.stamp.expiry_ts,
            ..old.stamp
        };
        self.text.write(&self.stamp);
    }

    /// The middle of its book, while it is good.
    pub(super) fn middle_at(&self, now: Instant) -> Option<f64> {
        let young = |at: Instant| now.saturating_duration_since(at) <= quote::GOOD_FOR;
        self.middle.filter(|it| young(it.1)).map(|it| it.0)
    }

    /// Its newest Greeks.
    pub(crate) const fn newest(&self) -> &GreeksStamp {
        &self.stamp
    }

    /// Their text.
    #[inline]
    pub(crate) const fn text(&self) -> &GreeksText {
        &self.text
    }

    pub(super) const fn word(&self) -> GreeksWord {
        self.stamp.evaluation.word
    }

    pub(super) fn book(&self, packet: &Packet) -> Option<Book> {
        quote::book(packet, self.divisor)
    }

    pub(super) fn rupees(&self, price: i32) -> f64 {
        f64::from(price) / self.divisor
    }

    /// Remembers what was computed at `now`; `inputs`: what a packet has to have for it to be the same, if it was solved from one.
    pub(super) fn stamp(
        &mut self,
        inputs: Option<Inputs>,
        now: i64,
        evaluation: Evaluation,
        forward: Option<(f64, &'static str)>,
    ) {
        if inputs.is_some() {
            self.solved_at = Some(now);
        }
        self.inputs = inputs;
        self.stamp = GreeksStamp {
            evaluation,
            forward,
            at: Some(now),
            expiry_ts: self.stamp.expiry_ts,
        };
        self.text.write(&self.stamp);
    }

    /// What it says of its strike, if its own price said it not long before `now`.
    pub(super) fn as_twin(&self, now: i64) -> Option<Twin> {
        let Evaluation { price, values, .. } = self.stamp.evaluation;
        let (price, values, at) = (price?, values?, self.solved_at?);
        let is_own = price.source != OptionPriceSource::Twin;
        let is_young = now.saturating_sub(at).saturating_abs() <= TWIN_FOR_S;
        (is_own && is_young).then_some(Twin {
            volatility: values.volatility,
            price: price.price,
        })
    }
}
