//! Instruments that the money has left behind: they stay until the next morning's list.
//!
//! Pure. Owns which these are, and which of them lose their places first. Must not know how much room there is.

use std::sync::Arc;

use contract::{Assignment, Row};
use crds::selector::{MAX_SELECTED, OptionKind, OptionSelector};
use jiff::Timestamp;
use jiff::civil::{Date, Time, time};
use kite::{Instrument, InstrumentType};
use rustc_hash::FxHashMap;

use super::money::{ChainMoney, ChainPrices, MoneyChains};
use super::select::Selection;
use crate::instruments::{InstrumentTable, RowIx};
use crate::plan::input::Price;

/// From then on a list is that of the morning.
const MORNING_LIST: Time = time(8, 30, 0, 0);

/// Then a day begins without one.
const LATEST_ROLL: Time = time(9, 6, 0, 0);

/// An instrument that the money has left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RetainedInstrument {
    pub(crate) row: RowIx,
    /// How many strikes it is from the money: the farthest lose their places first.
    pub(crate) distance: u32,
}

/// Positions of the rows of each set in an assignment.
#[derive(Debug, Default)]
pub(crate) struct SetRows(FxHashMap<String, Vec<u32>>);

/// What a set selects now, and by what.
pub(super) struct Selected<'s> {
    pub(super) selection: &'s Arc<Selection>,
    pub(super) options: &'s [OptionSelector],
    pub(super) chains: &'s MoneyChains,
    /// By the position of the chain.
    pub(super) money: &'s [ChainMoney],
}

impl SetRows {
    pub(crate) fn of(assignment: &Assignment) -> Self {
        let mut rows: Vec<Vec<u32>> = vec![Vec::new(); assignment.sets.len()];
        for (row, at) in assignment.instruments.iter().zip(0_u32..) {
            for set in &row.sets {
                if let Some(of_set) = rows.get_mut(usize::from(*set)) {
                    of_set.push(at);
                }
            }
        }
        Self(assignment.sets.iter().cloned().zip(rows).collect())
    }

    /// The rows of a set in the same assignment.
    fn rows<'w>(&self, set: &str, assignment: &'w Assignment) -> impl Iterator<Item = &'w Row> {
        let positions = self.0.get(set).map_or(&[][..], Vec::as_slice);
        let rows = positions.iter();
        rows.filter_map(|at| assignment.instruments.get(*at as usize))
    }
}

/// The trading day, which begins with the first list of a morning, or without one a little later.
pub(crate) fn trading_day(table: &InstrumentTable, now: Timestamp) -> Date {
    let (now, fetched) = (kite::ist::civil(now), kite::ist::civil(table.fetched()));
    let has_list = fetched.date() == now.date() && fetched.time() >= MORNING_LIST;
    if has_list || now.time() >= LATEST_ROLL {
        now.date()
    } else {
        now.date().yesterday().unwrap_or(Date::MIN)
    }
}

/// When the next trading day begins without a list.
pub(super) fn next_roll(now: Timestamp) -> Timestamp {
    let second = LATEST_ROLL.duration_since(Time::midnight()).as_secs();
    let next = kite::ist::next_at(second, now.as_second());
    Timestamp::from_second(next).unwrap_or(Timestamp::MAX)
}

/// What a set has in these assignments and does not select any more, although its selectors allow it; by row. Rows that were
/// left behind on another `day` are not among them.
pub(super) fn retained<'w>(
    set: &str,
    selected: &Selected<'_>,
    assignments: impl Iterator<Item = (&'w Assignment, Arc<SetRows>)>,
    table: &InstrumentTable,
    day: Date,
) -> Vec<RetainedInstrument> {
    let mut found = Vec::new();
    for (assignment, rows) in assignments {
        let rows = rows.rows(set, assignment);
        let rows = rows.filter(|row| row.retained.is_none_or(|since| since == day));
        found.extend(rows.filter_map(|row| selected.left_behind(row, table)));
    }
    found.sort_unstable();
    found.dedup_by_key(|it| it.row);
    let room = MAX_SELECTED.saturating_sub(selected.selection.instruments.len());
    if found.len() > room {
        found.sort_by_key(|it| it.distance);
        found.truncate(room);
        found.sort_unstable();
    }
    found
}

impl Selected<'_> {
    /// The instrument of a row, if it is not selected any more and may stay.
    fn left_behind(&self, row: &Row, table: &InstrumentTable) -> Option<RetainedInstrument> {
        let at = table.row_of_token(row.token)?;
        let now = table.get(at)?;
        let is_same = now.exchange == row.exchange && now.tradingsymbol == row.tradingsymbol;
        let is_out = |rows: &[RowIx]| rows.binary_search(&at).is_ok();
        if !is_same || is_out(&self.selection.instruments) || is_out(&self.selection.excluded) {
            return None;
        }
        let chains = self.chains.chains.iter().zip(self.money);
        let distances = chains.filter_map(|((place, chain), money)| {
            let allowed = self.options.get(*place)?;
            is_in(now, chain, allowed).then(|| distance(chain, money.atm, now.strike))
        });
        let distance = distances.min()?;
        Some(RetainedInstrument { row: at, distance })
    }
}

fn is_in(option: &Instrument, chain: &ChainPrices, selector: &OptionSelector) -> bool {
    let kind = match option.instrument_type {
        InstrumentType::Call => OptionKind::Call,
        InstrumentType::Put => OptionKind::Put,
        InstrumentType::Equity | InstrumentType::Future => return false,
    };
    let is_of_kind = selector.types.is_empty() || selector.types.contains(&kind);
    is_of_kind
        && option.expiry == Some(chain.expiry)
        && option.exchange == chain.exchange
        && option.name.eq_ignore_ascii_case(&chain.underlying)
}

/// How many strikes lie between one and the money.
fn distance(chain: &ChainPrices, atm: Price, strike: f64) -> u32 {
    let position = |strike: Price| chain.strikes.partition_point(|it| *it < strike);
    let strike = Price::new(strike).unwrap_or(Price::MAX);
    u32::try_from(position(strike).abs_diff(position(atm))).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use kite::instruments::Dump;

    use super::*;
    use crate::instruments::IndexNames;

    fn at(text: &str) -> Timestamp {
        format!("{text}+05:30").parse().unwrap()
    }

    #[test]
    fn a_day_begins_with_its_list_or_six_minutes_past_nine() {
        for (fetched, now, day) in [
            ("2026-11-24T08:45:00", "2026-11-24T08:45:01", "2026-11-24"),
            ("2026-11-23T08:45:00", "2026-11-24T08:45:01", "2026-11-23"),
            ("2026-11-24T00:15:00", "2026-11-24T09:05:59", "2026-11-23"),
            ("2026-11-23T08:45:00", "2026-11-24T09:06:00", "2026-11-24"),
            ("2026-11-24T08:45:00", "2026-11-25T00:00:00", "2026-11-24"),
        ] {
            let table = InstrumentTable::new(Dump::default(), at(fetched), &IndexNames::default());
            let found = trading_day(&table, at(now)).to_string();
            assert_eq!(found, day, "{fetched} {now}");
        }
        let next = |now| kite::ist::civil(next_roll(at(now))).to_string();
        assert_eq!(next("2026-11-24T09:05:59"), "2026-11-24T09:06:00");
        assert_eq!(next("2026-11-24T09:06:00"), "2026-11-25T09:06:00");
    }
}
