//! Sets.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use crds::InstrumentSetSpec;
use crds::account_selector::{AccountSelector, LabelOperator, LabelRequirement, LabelValue};
use crds::last_value_ttl::LastValueTtl;
use crds::set::{AccountRef, FuturesChannel, Instruments, Publish, Retain, SetMode};

use serde_json::json;

use super::accounts::invalid_spec;
use super::lists::{EQUITIES, SYMBOLS, TOKENS};
use super::{Dice, World};
use crate::plan::fixture::{self, FIRST_EQUITY};
use crate::plan::*;

/// Names of sets.
const NAMES: [&str; 9] = ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8"];

/// The maximum number of sets.
const MOST: usize = 8;

static SPEC: LazyLock<InstrumentSetSpec> = LazyLock::new(|| {
    let set = fixture::set("s", &[], &[]);
    set.spec.as_deref().unwrap().clone()
});

impl World {
    /// Adds a set under a name that is free.
    pub(super) fn add_set(&mut self) {
        let key = self.key(&NAMES);
        let known = |set: &ObservedSet| set.meta.key == key;
        if self.observed.sets.len() >= MOST || self.observed.sets.iter().any(known) {
            return;
        }
        let set = self.set(key);
        self.observed.sets.push(set);
    }

    /// A set that was just made.
    pub(super) fn set(&mut self, key: Key) -> ObservedSet {
        let meta = self.meta(key);
        let (wild, dice) = (self.wild, &mut self.dice);
        let spec = spec(dice, wild);
        Object {
            meta,
            spec: if dice.percent(2) {
                Err(invalid_spec(dice))
            } else {
                Ok(Arc::new(spec))
            },
            status: None,
        }
    }
}

pub(super) fn spec(dice: &mut Dice, wild: bool) -> InstrumentSetSpec {
    let mut spec = SPEC.clone();
    spec.instruments = instruments(dice);
    spec.mode = dice.one(&[SetMode::Full, SetMode::Full, SetMode::Quote, SetMode::Ltp]);
    choose_accounts(dice, &mut spec, wild);
    spec.publish = publish(dice, wild);
    spec.stale_after = Duration::from_secs(dice.one(&[30, 30, 1, 300])).into();
    spec.paused = dice.percent(4);
    describe(&mut spec);
    spec
}

/// Lets some sets describe what they select. Takes numbers of its own, so that a seed plays what it played before there
/// were selectors.
fn describe(spec: &mut InstrumentSetSpec) {
    let tokens = spec.instruments.tokens.iter();
    let seed = tokens.fold(7_u64, |sum, token| sum.wrapping_mul(31) + u64::from(*token));
    let mut own = Dice::new(seed);
    let dice = &mut own;
    if dice.percent(30) {
        spec.priority = dice.one(&[-1_000, -1, 5, 1_000]);
    }
    if dice.percent(75) {
        return;
    }
    let expiries = |dice: &mut Dice| match dice.weighted(&[50, 20, 30]) {
        0 => json!({"nearest": dice.number(1, 3)}),
        1 => json!({"monthly": 1}),
        _ => json!({"dates": [dice.one(&["2026-12-29", "2025-11-24", "2025-12-09"])]}),
    };
    if dice.percent(60) {
        let strikes = match dice.percent(50) {
            true => json!({"all": true}),
            false => json!({"range": {"min": 24_000, "max": dice.one(&[24_300, 24_000, 1])}}),
        };
        let strikes = around_money(seed).unwrap_or(strikes);
        if seed % 3 == 0 {
            spec.retain = Retain::None;
        }
        let underlying = dice.one(&["NIFTY", "M&M", "NIFTYY"]);
        let chain = json!({
            "underlying": underlying, "expiries": expiries(dice), "strikes": strikes, "types": dice.one(&[&[][..], &["CE"]]),
        });
        spec.options = vec![serde_json::from_value(chain).unwrap()];
    }
    if dice.percent(40) {
        let underlying = dice.one(&["NIFTY", "BANKNIFTY", "NONE"]);
        let futures = json!({"underlying": underlying, "expiries": expiries(dice)});
        spec.futures = vec![serde_json::from_value(futures).unwrap()];
    }
    if dice.percent(30) {
        let shares = json!({"withDerivatives": true, "exchange": dice.one(&["NSE", "BSE"])});
        spec.equities = vec![serde_json::from_value(shares).unwrap()];
    }
    if dice.percent(40) {
        spec.exclude = vec![
            dice.one(&["NSE:EQ5", "NFO:NIFTY26DEC0CE", "NSE:NONE"])
                .to_owned(),
        ];
    }
    if dice.percent(20) {
        spec.pin = vec![
            dice.one(&["NSE:EQ5", "NFO:NIFTY26DECFUT", "NSE:NONE"])
                .to_owned(),
        ];
    }
    if dice.percent(10) {
        spec.instruments = Instruments::default();
    }
}

/// Strikes that follow the money, in some sets; with numbers of their own once more.
fn around_money(seed: u64) -> Option<serde_json::Value> {
    let mut own = Dice::new(seed ^ 0x5eed);
    match own.weighted(&[60, 30, 10]) {
        0 => None,
        1 => Some(json!({"aroundATM": own.number(0, 3)})),
        _ => Some(json!({"withinPercent": own.one(&[0.5, 1.0, 50.0])})),
    }
}

pub(super) fn instruments(dice: &mut Dice) -> Instruments {
    let mut instruments = Instruments::default();
    if dice.percent(80) {
        // Runs of equities that overlap.
        let length = match dice.weighted(&[70, 30]) {
            0 => dice.number(1, 12),
            _ => dice.number(20, 45),
        };
        let first = dice.number(0, EQUITIES - 1);
        let run = (first..first + length).map(|at| FIRST_EQUITY + at % EQUITIES);
        instruments.tokens = run.collect();
    }
    for _ in 0..dice.one(&[0, 0, 1, 3]) {
        instruments.tokens.push(dice.one(&TOKENS));
    }
    for _ in 0..dice.one(&[0, 0, 1, 2, 5]) {
        instruments.symbols.push(dice.one(&SYMBOLS).to_owned());
    }
    if dice.percent(3) {
        let many = (0..14).map(|at| format!("NSE:NONE{at:02}"));
        instruments.symbols.extend(many);
    }
    instruments
}

pub(super) fn choose_accounts(dice: &mut Dice, spec: &mut InstrumentSetSpec, wild: bool) {
    (spec.account_ref, spec.account_selector) = match dice.weighted(&[78, 12, 10]) {
        0 => (None, None),
        1 => (Some(named(dice)), None),
        _ => (None, Some(selector(dice))),
    };
    if wild && dice.percent(4) {
        spec.account_ref = Some(named(dice));
        spec.account_selector = Some(selector(dice));
    }
}

fn named(dice: &mut Dice) -> AccountRef {
    AccountRef {
        name: dice.one(&["a", "b", "c", "d", "z"]).to_owned(),
    }
}

fn selector(dice: &mut Dice) -> AccountSelector {
    let mut selector = AccountSelector::default();
    let gold = LabelValue("gold".to_owned());
    if dice.percent(60) {
        selector.match_labels.insert("tier".to_owned(), gold);
    } else {
        let operators = [
            LabelOperator::In,
            LabelOperator::NotIn,
            LabelOperator::Exists,
            LabelOperator::DoesNotExist,
        ];
        let operator = dice.one(&operators);
        let compares = matches!(operator, LabelOperator::In | LabelOperator::NotIn);
        selector.match_expressions.push(LabelRequirement {
            key: "zone".to_owned(),
            operator,
            values: if compares {
                vec![LabelValue("east".to_owned())]
            } else {
                Vec::new()
            },
        });
    }
    selector
}

pub(super) fn publish(dice: &mut Dice, wild: bool) -> Publish {
    let mut publish = Publish {
        channel_prefix: match dice.weighted(&[60, 25, 15]) {
            0 => None,
            1 => Some("x".to_owned()),
            _ => Some("y:z".to_owned()),
        },
        futures_channel: dice.one(&[
            FuturesChannel::Futures,
            FuturesChannel::Futures,
            FuturesChannel::Options,
        ]),
        depth: dice.percent(75),
        events: dice.percent(85),
        ..Publish::default()
    };
    publish.last_value.enabled = dice.percent(70);
    if dice.percent(20) {
        publish.last_value.interval = Duration::from_millis(dice.one(&[100, 1_000])).into();
        publish.last_value.ttl = match dice.one(&[60, 86_400]) {
            60 => LastValueTtl::For(Duration::from_secs(60).into()),
            _ => LastValueTtl::Session,
        };
    }
    publish.greeks = publish.depth || publish.last_value.enabled;
    publish.stream.enabled = dice.percent(25);
    publish.stream.max_len = dice.percent(40).then(|| dice.number(1, 3) * 1_000);
    if wild && dice.percent(6) {
        match dice.below(3) {
            0 => publish.channel_prefix = Some("mock:x".to_owned()),
            1 => publish.channel_prefix = Some("x:".to_owned()),
            _ => {
                publish.last_value.enabled = true;
                publish.last_value.interval = Duration::ZERO.into();
            }
        }
    }
    publish
}
