//! Why an instrument of a set is where it is.

use std::sync::Arc;

use contract::answer::{InstrumentExplanation, InstrumentUse, PlacementState};
use kite::Token;
use rustc_hash::{FxHashMap, FxHashSet};

use super::placements::{self, outcomes, streamed};
use super::{Review, UnknownName, found, set};
use crate::instruments::similar::similar;
use crate::instruments::{InstrumentTable, RowIx};
use crate::plan::assignment::AssignedAccount;
use crate::plan::input::{Key, Table};
use crate::plan::placement::{Outcome, PlacedSet};

pub(super) fn explanation(
    review: &Review<'_>,
    placed: &PlacedSet<'_>,
    symbol: &str,
) -> Result<InstrumentExplanation, UnknownName> {
    let Some(table) = set::table(review, placed) else {
        return Err(no_list(review, placed, symbol));
    };
    let row = row_of(symbol, placed, table)?;
    let Some(instrument) = table.get(row) else {
        return Err(UnknownName(format!("{symbol} is in no instruments list")));
    };
    let token = instrument.token;
    let selected = set::results(review, placed, table);
    let selected = selected.into_iter();
    let selected_by = selected
        .filter(|it| it.rows.binary_search(&row).is_ok())
        .map(|it| it.text);
    let mut explanation = InstrumentExplanation {
        namespace: placed.set.namespace().to_owned(),
        set: placed.set.name().to_owned(),
        instrument: found(instrument),
        selected_by: selected_by.collect(),
        state: PlacementState::NotSelected,
        account: None,
        connection: None,
        why: "no selector of the set selects it".to_owned(),
        since: None,
        from: None,
        channel: None,
        retained: false,
        acknowledged: None,
        silent: false,
        truncated: false,
    };
    let uses = uses(review, &[token], table, Some(placed.set.namespace()));
    explanation.instrument.used_by = uses.into_values().flatten().collect();
    place(&mut explanation, review, placed, (row, token));
    Ok(explanation)
}

/// Why an instrument cannot be looked up.
fn no_list(review: &Review<'_>, placed: &PlacedSet<'_>, symbol: &str) -> UnknownName {
    let set = placed.set.name();
    let matched = placed.set.matched.iter();
    let mut accounts = matched.filter_map(|at| review.accounts().get(at.at()));
    let missing = accounts.find_map(|it| match it.account.table {
        Some(Table::Missing { why }) => Some((it.account.name(), why)),
        Some(Table::Loaded(_)) | None => None,
    });
    UnknownName(match missing {
        Some((account, why)) => {
            format!("the instruments list of account {account} is not available: {why}")
        }
        None => format!(
            "set {set} has no instruments list in which {symbol} could be looked up: {}",
            pending_because(placed)
        ),
    })
}

/// Says where it is, or why it is nowhere.
fn place(
    explanation: &mut InstrumentExplanation,
    review: &Review<'_>,
    placed: &PlacedSet<'_>,
    (row, token): (RowIx, Token),
) {
    let Some(resolved) = placed.request.resolved() else {
        explanation.why = pending_because(placed);
        if let Some((_, account)) = streamed(review, placed).find(|(it, _)| *it == token) {
            explanation.state = PlacementState::HeldOver;
            explanation.why = format!(
                "it stays as it is, because the set cannot be resolved: {}",
                explanation.why
            );
            there(explanation, review, account, token);
        }
        return;
    };
    if resolved.lookup.selection.excluded.contains(&row) {
        explanation.state = PlacementState::Excluded;
        explanation.why = "the set names it in exclude".to_owned();
        return;
    }
    let routes = &resolved.lookup.routes;
    let Some((routed, outcome)) = outcomes(placed).find(|(routed, _)| routed.token == token) else {
        return;
    };
    let channel = routes.channels.get(routed.route.at());
    explanation.channel = channel.map(|it| it.channel.clone());
    explanation.retained = routed.retained.is_some();
    if let Some(Outcome::Placed(at)) = outcome {
        let Some(account) = review.accounts().get(at.at()) else {
            return;
        };
        explanation.state = PlacementState::Placed;
        there(explanation, review, account, token);
        explanation.why = why_there(explanation, review, placed, account, token);
        return;
    }
    let Some(why) = placements::why_waiting(review, placed, resolved, routed, outcome) else {
        explanation.why = "the money has left it behind, and others need its place".to_owned();
        return;
    };
    explanation.why = why;
    explanation.state = match outcome {
        Some(Outcome::Waiting) => PlacementState::Waiting,
        _ => PlacementState::Conflict,
    };
}

/// Notes the account, and what its process says.
fn there(
    explanation: &mut InstrumentExplanation,
    review: &Review<'_>,
    assigned: &AssignedAccount<'_>,
    token: Token,
) {
    let account = &assigned.account;
    explanation.account = Some(account.name().to_owned());
    let current = assigned.current().map(|it| it.generation);
    let applied = account.applied().map(|it| it.generation);
    explanation.acknowledged = applied.map(|applied| Some(applied) == current);
    let silent = account.report().map(|it| &it.silent_samples);
    explanation.silent = silent.is_some_and(|tokens| tokens.contains(&token.0));
    let key = &account.observed.object.meta.key;
    if let Some(arrival) = review.journal.arrival(key, token) {
        explanation.since = Some(arrival.at.as_second());
        explanation.from = arrival.from.as_deref().map(str::to_owned);
    }
}

fn why_there(
    explanation: &InstrumentExplanation,
    review: &Review<'_>,
    placed: &PlacedSet<'_>,
    assigned: &AssignedAccount<'_>,
    token: Token,
) -> String {
    let account = assigned.account.name();
    let key = &assigned.account.observed.object.meta.key;
    let arrival = review.journal.arrival(key, token);
    let allowed = placed.request.resolved().map_or(&[][..], |it| &it.allowed);
    let came = match arrival.map(|it| (it.from.as_deref(), it.why.as_deref())) {
        Some((Some(from), Some(why))) if arrival.is_some_and(|it| it.failed_over) => {
            format!("it failed over from {from}: {why}")
        }
        Some((Some(from), Some(why))) => format!("it came from {from}: {why}"),
        Some((Some(from), None)) => format!("it came from {from}"),
        Some((None, _)) if allowed.len() == 1 => {
            format!("{account} is the only account that the set may use")
        }
        Some((None, _)) => {
            format!("{account} had room, and most of the set or the best fit for all of it")
        }
        None if allowed.len() == 1 => format!(
            "{account} is the only account that the set may use, and has it since before the operator started"
        ),
        None => format!(
            "{account} has it since before the operator started, and what streams stays where it is"
        ),
    };
    if explanation.retained {
        format!(
            "the money has left it behind, and it stays until the next morning or until others need its place; {came}"
        )
    } else {
        came
    }
}

fn pending_because(placed: &PlacedSet<'_>) -> String {
    use crate::plan::selection::Request;
    match &placed.request {
        Request::Denied { message, .. } | Request::Pending { message, .. } => message.clone(),
        Request::Resolved(_) => "it is resolved".to_owned(),
    }
}

/// The row of an instrument that somebody names: exactly, or by its tradingsymbol alone, or by its token.
fn row_of(
    symbol: &str,
    placed: &PlacedSet<'_>,
    table: &Arc<InstrumentTable>,
) -> Result<RowIx, UnknownName> {
    let named = |name: &str| table.row_of_symbol(name);
    let token = symbol.parse().ok();
    let by_token = token.and_then(|token| table.row_of_token(Token(token)));
    if let Some(row) = named(symbol).or(by_token) {
        return Ok(row);
    }
    let upper = symbol.to_ascii_uppercase();
    if let Some(row) = named(&upper) {
        return Ok(row);
    }
    let has_name = |row: &RowIx| {
        table
            .get(*row)
            .is_some_and(|it| *it.tradingsymbol == *upper)
    };
    let of_set = outcomes(placed).map(|(routed, _)| routed.row);
    if let Some(row) = of_set.into_iter().find(has_name) {
        return Ok(row);
    }
    let exchanges = ["NFO", "BFO", "NSE", "BSE", "MCX", "CDS", "BCD", "NCO"];
    if let Some(row) = exchanges
        .iter()
        .find_map(|exchange| named(&format!("{exchange}:{upper}")))
    {
        return Ok(row);
    }
    let near = exchanges
        .iter()
        .map(|exchange| format!("{exchange}:{upper}"));
    let near = std::iter::once(upper.clone()).chain(near);
    let near = near.filter(|name| name.contains(':'));
    let hint = near.filter_map(|name| similar(&name, table)).next();
    let hint = hint.map_or_else(
        || "find shows the names that there are".to_owned(),
        |near| format!("did you mean {near}?"),
    );
    Err(UnknownName(format!(
        "{symbol} is not in the instruments list: {hint}"
    )))
}

/// The sets that select these tokens, and who streams them.
pub(super) fn uses(
    review: &Review<'_>,
    tokens: &[Token],
    table: &Arc<InstrumentTable>,
    namespace: Option<&str>,
) -> FxHashMap<Token, Vec<InstrumentUse>> {
    let wanted: FxHashSet<Token> = tokens.iter().copied().collect();
    let mut uses: FxHashMap<Token, Vec<InstrumentUse>> = FxHashMap::default();
    for placed in review.sets() {
        let Key {
            namespace: own,
            name,
        } = &placed.set.observed.meta.key;
        if namespace.is_some_and(|namespace| namespace != own) {
            continue;
        }
        if !set::table(review, placed).is_some_and(|of_set| Arc::ptr_eq(of_set, table)) {
            continue;
        }
        let mut note = |token, account: Option<String>, waits: Option<String>| {
            let one = InstrumentUse {
                namespace: own.clone(),
                set: name.clone(),
                account,
                waits,
            };
            uses.entry(token).or_default().push(one);
        };
        if placed.request.is_pending() {
            for (token, account) in streamed(review, placed).filter(|it| wanted.contains(&it.0)) {
                note(token, Some(account.account.name().to_owned()), None);
            }
        }
        let Some(resolved) = placed.request.resolved() else {
            continue;
        };
        for (routed, outcome) in outcomes(placed).filter(|it| wanted.contains(&it.0.token)) {
            let account = match outcome {
                Some(Outcome::Placed(at)) => review.accounts().get(at.at()),
                _ => None,
            };
            let waits = placements::why_waiting(review, placed, resolved, routed, outcome);
            if account.is_some() || waits.is_some() {
                let account = account.map(|it| it.account.name().to_owned());
                note(routed.token, account, waits);
            }
        }
    }
    uses
}
