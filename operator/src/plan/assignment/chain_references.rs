//! The instruments that only forward prices of chains need.
//!
//! Owns which of them an account has room for, and the order in which they get it. Must not choose which they are.

use std::sync::Arc;

use contract::{Assignment, Chain, Row};
use kite::{Mode, Token};
use rustc_hash::FxHashSet;

use super::handover_rows;
use super::listed_row::listed_row;
use super::sessions::AccountSessions;
use crate::instruments::InstrumentTable;
use crate::plan::input::AccountInput;

/// The mode that has order books.
const REFERENCE_MODE: Mode = Mode::Full;

/// Fewer strikes give no forward.
const PARITY_STRIKES: usize = 3;

/// An account, and what is known of it.
pub(super) struct Of<'w, 'a> {
    pub(super) account: &'w AccountInput<'a>,
    /// Its list, if it can be trusted.
    pub(super) table: Option<&'a Arc<InstrumentTable>>,
    pub(super) trades: &'w AccountSessions,
}

/// The chains of which an assignment has no instrument that gives a forward price, although there are some.
pub(crate) fn without_room(assignment: &Assignment) -> Vec<bool> {
    let rows = &assignment.instruments;
    let has = |token: Token| rows.binary_search_by_key(&token, |row| row.token).is_ok();
    let is_short = |chain: &Chain| {
        let single = chain.future.into_iter().chain(chain.spot);
        let pairs = chain.parity.iter().filter(|it| has(it.1) && has(it.2));
        let is_known = single.into_iter().any(has) || pairs.count() >= PARITY_STRIKES;
        chain.r.is_some() && chain.references().next().is_some() && !is_known
    };
    assignment.chains.iter().map(is_short).collect()
}

/// Streams what the chains need in full mode, as far as there is room: futures first, then what is traded, then what gives
/// the cost of carry, then calls and puts. `chains`: each with whether the account has options of it.
pub(super) fn add(
    document: &mut Assignment,
    of: &Of<'_, '_>,
    chains: &[(&Chain, bool)],
    mut room: usize,
) {
    let own = || chains.iter().filter(|it| it.1).map(|it| it.0);
    let others = chains.iter().filter(|it| !it.1);
    let futures = own().filter_map(|it| it.future);
    let spots = own().filter_map(|it| it.spot);
    let single = futures.chain(spots);
    let single = single.chain(others.filter_map(|it| it.0.future));
    let pairs = own().flat_map(|it| &it.parity);
    let wanted = single.map(|token| [Some(token), None]);
    let wanted = wanted.chain(pairs.map(|it| [Some(it.1), Some(it.2)]));
    let listed = document.instruments.len();
    let mut added: FxHashSet<Token> = FxHashSet::default();
    for tokens in wanted {
        let find = |token: Token, document: &Assignment| {
            let rows = &document.instruments[..listed];
            rows.binary_search_by_key(&token, |row| row.token).ok()
        };
        let tokens = tokens.into_iter().flatten();
        let missing = tokens
            .clone()
            .filter(|token| find(*token, document).is_none() && !added.contains(token));
        // Half a pair is worth nothing.
        let missing: Vec<Token> = missing.collect();
        if missing.len() > room {
            continue;
        }
        let rows = missing.iter().map(|token| of.row(*token, document));
        let rows: Option<Vec<Row>> = rows.collect();
        let Some(rows) = rows else {
            continue;
        };
        for token in tokens {
            if let Some(at) = find(token, document) {
                let row = &mut document.instruments[at];
                row.mode = row.mode.max(REFERENCE_MODE);
            }
        }
        room -= rows.len();
        document.instruments.extend(rows);
        added.extend(missing);
    }
    document.instruments.sort_unstable_by_key(|row| row.token);
}

impl Of<'_, '_> {
    /// The row of an instrument that only chains need.
    fn row(&self, token: Token, document: &mut Assignment) -> Option<Row> {
        let base = self.account.base;
        let row = match self.table {
            Some(table) => {
                let instrument = table.by_token(token)?;
                let class = self.trades.class(instrument, table);
                let class = class.and_then(|name| {
                    let sessions = self.trades.of(&[name], base.map(|it| &**it));
                    handover_rows::class(&mut document.sessions, sessions.first()?)
                });
                listed_row(instrument, table, class)
            }
            None => {
                let base = base?;
                let at = base
                    .instruments
                    .binary_search_by_key(&token, |row| row.token);
                let row = &base.instruments[at.ok()?];
                let class = base.sessions_of(row);
                let class = class.and_then(|it| handover_rows::class(&mut document.sessions, it));
                Row {
                    class,
                    chain: None,
                    sets: Vec::new(),
                    outputs: Vec::new(),
                    reference: false,
                    handover: false,
                    move_at: None,
                    retained: None,
                    former: None,
                    ..row.clone()
                }
            }
        };
        Some(Row {
            mode: REFERENCE_MODE,
            ..row
        })
    }
}
