//! Why a set has what it has.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::answer::{
    AccountShareExplanation, CandidateAccount, ForwardPrice, MoneyExplanation, SelectorExplanation,
    SetExplanation,
};
use crds::set::PriceSource;
use kite::Token;
use rustc_hash::FxHashSet;

use super::{Review, accounts, count, name_of, placements, ready};
use crate::instruments::{InstrumentTable, RowIx};
use crate::plan::input::Table;
use crate::plan::placement::PlacedSet;
use crate::plan::selection::{
    ChainMoney, ChainPrices, MoneyChains, Request, Resolved, SelectorLists, SelectorResult,
    by_selector,
};

pub(super) fn explanation(review: &Review<'_>, placed: &PlacedSet<'_>) -> SetExplanation {
    let key = &placed.set.observed.meta.key;
    let remembered = review.memory.remembered.sets.get(key);
    let resolved = placed.request.resolved();
    let selection = resolved.map(|it| &it.lookup.selection);
    let (unresolved_because, removed) = match &placed.request {
        Request::Denied { message, .. } => (Some(message.clone()), true),
        Request::Pending { message, .. } => (Some(message.clone()), false),
        Request::Resolved(_) => (None, false),
    };
    let tokens: FxHashSet<Token> = placements::streamed(review, placed)
        .map(|(token, _)| token)
        .collect();
    SetExplanation {
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        ready: remembered.and_then(|it| ready(&it.status.conditions)),
        unresolved_because,
        removed,
        selected: resolved.map_or(0, Resolved::selected) + placed.placement.retained,
        selectors: selectors(review, placed),
        excluded: selection.map_or(0, |it| count(it.excluded.len())),
        missing: selection.map_or_else(Vec::new, |it| it.samples.clone()),
        missing_count: selection.map_or(0, |it| it.unresolved),
        accounts: candidates(review, placed),
        placed: shares(review, placed),
        waiting: placements::waiting(review, placed),
        retained: placed.placement.retained,
        references: references(review, placed),
        moves: review.journal.moves_of(&key.namespace, &tokens),
        truncated: false,
    }
}

/// What each selector selects, and where the money of its chains is.
fn selectors(review: &Review<'_>, placed: &PlacedSet<'_>) -> Vec<SelectorExplanation> {
    let Some(table) = table(review, placed) else {
        return Vec::new();
    };
    let results = results(review, placed, table);
    let money = placed.request.resolved().map_or(&[][..], |it| &it.money);
    let chains = placed.chains.as_deref();
    let of_chain = |at: &usize| {
        let (_, chain) = chains?.chains.get(*at)?;
        Some(of_money(chain, money.get(*at)?))
    };
    let results = results.into_iter();
    let results = results.map(|result| SelectorExplanation {
        instruments: count(result.rows.len()),
        money: result.chains.iter().filter_map(of_chain).collect(),
        selector: result.text,
        missing: result.missing,
    });
    results.collect()
}

fn of_money(chain: &ChainPrices, money: &ChainMoney) -> MoneyExplanation {
    MoneyExplanation {
        underlying: chain.underlying.to_string(),
        exchange: chain.exchange.to_string(),
        expiry: chain.expiry,
        strike: money.atm.rupees(),
        price: money.forward.rupees(),
        source: match money.source {
            PriceSource::Future => "future",
            PriceSource::Spot => "spot",
            PriceSource::Close => "close",
        }
        .to_owned(),
    }
}

/// What each selector of a set selects by itself.
pub(super) fn results(
    review: &Review<'_>,
    placed: &PlacedSet<'_>,
    table: &Arc<InstrumentTable>,
) -> Vec<SelectorResult> {
    let Ok(spec) = &placed.set.spec else {
        return Vec::new();
    };
    let matched = placed.set.matched.iter();
    let renames = matched.filter_map(|at| review.accounts().get(at.at()));
    let renames: Vec<_> = renames.map(|it| &it.account.renames).collect();
    let none = MoneyChains::default();
    let lists = SelectorLists {
        table,
        renames: &renames,
        chains: placed.chains.as_deref().unwrap_or(&none),
        money: placed.request.resolved().map_or(&[][..], |it| &it.money),
        days: &review.decisions.days,
    };
    by_selector(spec, &lists)
}

/// The list in which a set is looked up, or would be.
pub(super) fn table<'w>(
    review: &'w Review<'_>,
    placed: &'w PlacedSet<'_>,
) -> Option<&'w Arc<InstrumentTable>> {
    if let Some(resolved) = placed.request.resolved() {
        return Some(&resolved.lookup.table);
    }
    let matched = placed.set.matched.iter();
    let mut accounts = matched.filter_map(|at| review.accounts().get(at.at()));
    accounts.find_map(|it| match it.account.table {
        Some(Table::Loaded(table)) => Some(table),
        Some(Table::Missing { .. }) | None => None,
    })
}

fn candidates(review: &Review<'_>, placed: &PlacedSet<'_>) -> Vec<CandidateAccount> {
    let accounts = review.accounts().iter().zip(&review.used).enumerate();
    let here = accounts.filter(|(_, (it, _))| it.account.namespace() == placed.set.namespace());
    let candidates = here.map(|(at, (it, used))| {
        let matched = placed.set.matched.iter().any(|matched| matched.at() == at);
        accounts::candidate((it, *used), &placed.set, matched)
    });
    candidates.collect()
}

/// The accounts that stream it, the largest share first.
fn shares(review: &Review<'_>, placed: &PlacedSet<'_>) -> Vec<AccountShareExplanation> {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for (_, account) in placements::streamed(review, placed) {
        *counts.entry(account.account.name()).or_default() += 1;
    }
    super::largest_first(counts)
}

/// The instruments whose prices it needs, who subscribes to them, and what they cost.
fn references(review: &Review<'_>, placed: &PlacedSet<'_>) -> Vec<ForwardPrice> {
    let (Some(chains), Some(table)) = (&placed.chains, table(review, placed)) else {
        return Vec::new();
    };
    let of = |row: RowIx, token: Token| {
        let accounts = review.accounts().iter();
        let subscribed = accounts.filter(|it| {
            let mut rows = accounts::streamed(it);
            it.account.namespace() == placed.set.namespace()
                && rows.any(|row| row.token == token && row.reference)
        });
        let subscribed: Vec<_> = subscribed.collect();
        let quote = subscribed.iter().find_map(|it| {
            let report = it.account.report()?;
            let scraped = it.account.observed.scrape.at?;
            let mut prices = report.references.iter();
            let found = prices.find(|it| it.token == token.0)?;
            Some((
                found.price.clone(),
                found.age_ms.map(|age| age + review.age_ms(scraped)),
            ))
        });
        let (price, age_ms) = quote.unwrap_or_default();
        Some(ForwardPrice {
            symbol: name_of(table.get(row)?),
            accounts: subscribed
                .iter()
                .map(|it| it.account.name().to_owned())
                .collect(),
            price,
            age_ms,
        })
    };
    let needed = chains.references.iter();
    needed.filter_map(|it| of(it.row, it.token)).collect()
}
