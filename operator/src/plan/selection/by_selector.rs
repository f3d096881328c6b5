//! What each selector of a set selects by itself, for people who ask.
//!
//! Pure. Owns what a selector is called. What it selects is decided where sets are resolved.

use std::sync::Arc;

use crds::selector::{Expiries, FutureSelector, OptionKind, OptionSelector, Strikes};

use super::expiry::TradingDays;
use super::money::{ChainMoney, MoneyAt, MoneyChains};
use super::select::{self, Lists, Wanted};
use crate::instruments::{InstrumentTable, RowIx};
use crate::plan::input::{Renames, Selector, Set};

/// One selector, and what it selects before anything is left out.
#[derive(Debug)]
pub(crate) struct SelectorResult {
    /// Its place and its content.
    pub(crate) text: String,
    /// The instruments, each once, by token.
    pub(crate) rows: Vec<RowIx>,
    /// Some of what it does not find.
    pub(crate) missing: Vec<String>,
    /// The positions of its chains among those of the set.
    pub(crate) chains: Vec<usize>,
}

/// Where the selectors of a set are looked up.
pub(crate) struct SelectorLists<'t> {
    pub(crate) table: &'t Arc<InstrumentTable>,
    pub(crate) renames: &'t [&'t Arc<Renames>],
    /// The chains that the set selects by the money, and where it is; nothing where that is not known.
    pub(crate) chains: &'t MoneyChains,
    pub(crate) money: &'t [ChainMoney],
    pub(crate) days: &'t TradingDays,
}

/// What each selector of `set` selects; those without content are left out.
pub(crate) fn by_selector(set: &Set<'_>, lists: &SelectorLists<'_>) -> Vec<SelectorResult> {
    let mut names = ["instruments.symbols", "pin"].into_iter();
    let mut shares = 0..;
    let selectors = set.selectors.iter();
    let results = selectors.filter_map(|selector| {
        let text = match selector {
            Selector::Tokens(tokens) => {
                named("instruments.tokens", tokens.len(), "token", "tokens")?
            }
            Selector::Symbols(symbols) => named(names.next()?, symbols.len(), "symbol", "symbols")?,
            Selector::Shares(exchange, symbols) => {
                let place = format!("equities[{}]: {}", shares.next()?, exchange.as_str());
                named(&place, symbols.len(), "share", "shares")?
            }
            Selector::WithDerivatives(at, exchange) => format!(
                "equities[{at}]: every share of {} that has derivatives",
                exchange.as_str()
            ),
            Selector::Options(at, options) => format!("options[{at}]: {}", of_options(options)),
            Selector::Futures(at, futures) => format!("futures[{at}]: {}", of_futures(futures)),
        };
        Some(result(*selector, text, lists))
    });
    results.collect()
}

fn result(selector: Selector<'_>, text: String, lists: &SelectorLists<'_>) -> SelectorResult {
    let wanted = Wanted {
        selectors: &[selector],
        exclude: &[],
    };
    let selection = select::select(
        &wanted,
        Lists {
            table: lists.table,
            renames: lists.renames,
            days: lists.days,
            money: MoneyAt {
                chains: lists.chains,
                money: lists.money,
            },
        },
    );
    let place = match selector {
        Selector::Options(place, _) => Some(place),
        _ => None,
    };
    let chains = lists.chains.chains.iter().enumerate();
    let chains = chains.filter(|(_, (of, _))| Some(*of) == place);
    SelectorResult {
        text,
        chains: chains.map(|(at, _)| at).collect(),
        rows: selection.instruments,
        missing: selection.samples,
    }
}

/// `None` if nothing is named.
fn named(place: &str, count: usize, one: &str, many: &str) -> Option<String> {
    match count {
        0 => None,
        1 => Some(format!("{place}: 1 {one}")),
        _ => Some(format!("{place}: {count} {many}")),
    }
}

fn of_options(options: &OptionSelector) -> String {
    let exchange = options.exchange.map(|it| format!("{}:", it.as_str()));
    let kinds = match options.types.as_slice() {
        [OptionKind::Call] => ", calls",
        [OptionKind::Put] => ", puts",
        _ => "",
    };
    format!(
        "{}{}, {}, {}{kinds}",
        exchange.unwrap_or_default(),
        options.underlying,
        of_expiries(&options.expiries),
        of_strikes(&options.strikes)
    )
}

fn of_futures(futures: &FutureSelector) -> String {
    let exchange = futures.exchange.map(|it| format!("{}:", it.as_str()));
    format!(
        "{}{}, {}",
        exchange.unwrap_or_default(),
        futures.underlying,
        of_expiries(&futures.expiries)
    )
}

fn of_expiries(expiries: &Expiries) -> String {
    match (expiries.nearest, expiries.monthly) {
        (Some(1), _) => "the nearest expiry".to_owned(),
        (Some(count), _) => format!("the {count} nearest expiries"),
        (None, Some(1)) => "the last expiry of the month".to_owned(),
        (None, Some(count)) => format!("the last expiries of {count} months"),
        (None, None) => format!("expiries {}", expiries.dates.join(", ")),
    }
}

fn of_strikes(strikes: &Strikes) -> String {
    if let Some(count) = strikes.around_atm {
        format!("{count} strikes on each side of the money")
    } else if let Some(percent) = &strikes.within_percent {
        format!("strikes within {percent}% of the money")
    } else if let Some(range) = &strikes.range {
        format!("strikes from {} to {}", range.min, range.max)
    } else {
        "every strike".to_owned()
    }
}
