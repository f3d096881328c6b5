//! The channel of each instrument that a set selects.
//!
//! Owns which instruments of a set share a channel, and what is on the channel of a chain that rests on it as well. Must not know what other sets publish.

use std::borrow::Cow;
use std::collections::hash_map::Entry;

use kite::{Instrument, Token};
use rustc_hash::{FxHashMap, FxHashSet};

use super::chain;
use super::channel::{self, ChannelKind, ChannelRoute};
use super::retention::RetainedInstrument;
use crate::instruments::{InstrumentTable, RowIx};
use crate::plan::ids::RouteIx;
use crate::plan::input::ChannelNaming;

/// The channels of the instruments of one set.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    /// The instruments, each underlying next to its chain: they then get the same account if a set
    /// needs several.
    pub(crate) instruments: Vec<RoutedInstrument>,
    /// The channels, in the order of the lowest token on each.
    pub(crate) channels: Vec<ChannelRoute>,
}

/// An instrument and its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RoutedInstrument {
    pub(crate) token: Token,
    pub(crate) row: RowIx,
    pub(crate) route: RouteIx,
    /// The channel of a chain that rests on it, where it has the shape of an underlying, if the set has such a chain.
    pub(crate) underlying: Option<RouteIx>,
    /// Its distance from the money, if that has left it behind.
    pub(crate) retained: Option<u32>,
}

/// The channels that are known so far.
#[derive(Default)]
struct Known<'t> {
    channels: Vec<ChannelRoute>,
    by_name: FxHashMap<ChannelKey<'t>, RouteIx>,
}

/// The kind of a channel, and the underlying in its name with its exchange.
type ChannelKey<'t> = (ChannelKind, Option<&'t str>, Cow<'t, str>);

/// Finds the channel of each of `instruments`, which are ordered by token, and of those that the money has left behind.
pub(crate) fn route(
    instruments: &[RowIx],
    retained: &[RetainedInstrument],
    table: &InstrumentTable,
    naming: ChannelNaming<'_>,
) -> Routes {
    let mut known = Known::default();
    let rested_on = rested_on(instruments, table);
    let mut routed: Vec<(Cow<'_, str>, RoutedInstrument)> = Vec::with_capacity(instruments.len());
    let selected = instruments.iter().map(|row| (*row, None));
    let retained = retained.iter().map(|it| (it.row, Some(it.distance)));
    for (row, retained) in selected.chain(retained) {
        let Some(instrument) = table.get(row) else {
            continue;
        };
        let symbol = channel::symbol(instrument, table);
        let kind = channel::kind(instrument, &symbol, table, naming);
        let exchange = channel::unusual_exchange(instrument);
        let route = known.route(kind, exchange, symbol.clone(), naming);
        let underlying = rested_on.get(&row).map(|(exchange, symbol)| {
            known.route(ChannelKind::Underlying, *exchange, symbol.clone(), naming)
        });
        let token = instrument.token;
        let instrument = RoutedInstrument {
            token,
            row,
            route,
            underlying,
            retained,
        };
        routed.push((symbol, instrument));
    }
    routed.sort_unstable_by(|(a, one), (b, other)| (a, one.token).cmp(&(b, other.token)));
    Routes {
        instruments: routed.into_iter().map(|(_, routed)| routed).collect(),
        channels: known.channels,
    }
}

impl<'t> Known<'t> {
    fn route(
        &mut self,
        kind: ChannelKind,
        exchange: Option<&'t str>,
        symbol: Cow<'t, str>,
        naming: ChannelNaming<'_>,
    ) -> RouteIx {
        let key = if kind.is_of_underlying() && naming.prefix.is_none() {
            (kind, exchange, symbol)
        } else {
            (kind, None, Cow::Borrowed(""))
        };
        match self.by_name.entry(key) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let (kind, exchange, symbol) = new.key();
                let name = channel::name(*kind, *exchange, symbol, naming);
                let route = *new.insert(RouteIx::new(self.channels.len()));
                self.channels.push(name);
                route
            }
        }
    }
}

/// What chains among `instruments` rest on and is among them too, but for indices, which have no other channel: each with
/// the exchange and the underlying in the names of its chain's channels.
fn rested_on<'t>(
    instruments: &[RowIx],
    table: &'t InstrumentTable,
) -> FxHashMap<RowIx, (Option<&'t str>, Cow<'t, str>)> {
    let rows = instruments.iter().filter_map(|row| table.get(*row));
    let (options, others): (Vec<&Instrument>, Vec<&Instrument>) =
        rows.partition(|row| row.instrument_type.is_option());
    let mut rested_on = FxHashMap::default();
    if options.is_empty() || others.iter().all(|row| row.is_index()) {
        return rested_on;
    }
    let chains = options
        .iter()
        .map(|it| (&*it.exchange, &*it.name, it.expiry));
    let mut chains: FxHashSet<_> = chains.collect();
    for option in options {
        if !chains.remove(&(&*option.exchange, &*option.name, option.expiry)) {
            continue;
        }
        let symbol = channel::symbol(option, table);
        let expiry = option.expiry.unwrap_or_default();
        let row = chain::rests_on(&option.exchange, &symbol, expiry, table);
        let row = row.filter(|row| instruments.binary_search(row).is_ok());
        if let Some((row, instrument)) = row.and_then(|row| Some((row, table.get(row)?)))
            && !instrument.is_index()
        {
            let chain = (channel::unusual_exchange(option), symbol);
            rested_on.insert(row, chain);
        }
    }
    rested_on
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use kite::InstrumentType::{self, Call, Future, Put};
    use kite::instruments::Dump;

    use super::*;
    use crate::instruments::IndexNames;
    use crate::plan::fixture::{derivative, equity, index, start};

    fn on(
        exchange: &str,
        token: u32,
        name: &str,
        kind: InstrumentType,
        month: i8,
        day: i8,
    ) -> Instrument {
        Instrument {
            exchange: exchange.into(),
            expiry: Some(date(2026, month, day)),
            ..derivative(token, &format!("{name}{token}"), name, kind)
        }
    }

    fn table() -> InstrumentTable {
        let bse = Instrument {
            exchange: "BSE".into(),
            segment: "BSE".into(),
            ..equity(8, "RELIANCE")
        };
        let instruments = vec![
            index(1, "NIFTY 50"),
            equity(2, "RELIANCE"),
            equity(3, "INFY"),
            bse,
            on("NFO", 20, "NIFTY", Future, 12, 29),
            on("NFO", 21, "NIFTY", Call, 12, 29),
            on("NFO", 30, "RELIANCE", Future, 12, 29),
            on("NFO", 31, "RELIANCE", Put, 12, 29),
            on("MCX", 40, "CRUDEOIL", Future, 11, 19),
            on("MCX", 41, "CRUDEOIL", Future, 12, 18),
            on("MCX", 42, "CRUDEOIL", Call, 12, 16),
            on("MCX", 43, "CRUDEOILM", Future, 12, 18),
            on("CDS", 50, "USDINR", Future, 12, 29),
            on("CDS", 51, "USDINR", Put, 12, 4),
            on("NCO", 60, "GOLD", Future, 12, 18),
            on("NCO", 61, "GOLD", Call, 12, 16),
        ];
        let dump = Dump {
            instruments,
            ..Dump::default()
        };
        InstrumentTable::new(dump, start().wall, &IndexNames::default())
    }

    /// The channels of each of these tokens.
    fn channels(tokens: &[u32], naming: ChannelNaming<'_>) -> Vec<(u32, Vec<String>)> {
        let table = table();
        let rows = tokens.iter();
        let rows = rows.map(|token| table.row_of_token(Token(*token)).unwrap());
        let routes = route(&rows.collect::<Vec<_>>(), &[], &table, naming);
        let instruments = routes.instruments.iter();
        let all = instruments.map(|it| {
            let at = [Some(it.route), it.underlying].into_iter().flatten();
            let channels = at.map(|at| routes.channels[at.at()].channel.clone());
            (it.token.0, channels.collect())
        });
        let mut all: Vec<_> = all.collect();
        all.sort();
        all
    }

    fn on_both(tokens: &[u32], token: u32) -> Vec<String> {
        let all = channels(tokens, ChannelNaming::default());
        all.into_iter().find(|(it, _)| *it == token).unwrap().1
    }

    #[test]
    fn what_a_chain_rests_on_is_on_its_channel_too_if_it_is_named() {
        let share = ["ticker:equity", "ticker:reliance:underlying"];
        assert_eq!(on_both(&[2, 31], 2), share);
        assert_eq!(on_both(&[2, 31], 31), ["ticker:reliance:options"]);
        let crude = ["ticker:crudeoil:futures", "ticker:crudeoil:underlying"];
        assert_eq!(on_both(&[41, 42], 41), crude);
        let rupee = ["ticker:usdinr:futures", "ticker:usdinr:underlying"];
        assert_eq!(on_both(&[50, 51], 50), rupee);
        let gold = ["ticker:nco-gold:futures", "ticker:nco-gold:underlying"];
        assert_eq!(on_both(&[60, 61], 60), gold);
    }

    #[test]
    fn nothing_else_is() {
        for (tokens, token, channel) in [
            // No chain, another chain, another exchange, another contract.
            (&[2, 3][..], 2, "ticker:equity"),
            (&[3, 31], 3, "ticker:equity"),
            (&[8, 31], 8, "ticker:equity"),
            (&[40, 42], 40, "ticker:crudeoil:futures"),
            (&[42, 43], 43, "ticker:crudeoilm:futures"),
            // Options of shares and of indices rest on these, not on futures.
            (&[30, 31], 30, "ticker:reliance:futures"),
            (&[1, 20, 21], 20, "ticker:nifty:futures"),
            (&[1, 20, 21], 1, "ticker:nifty:underlying"),
        ] {
            assert_eq!(on_both(tokens, token), [channel], "{tokens:?}");
        }
    }

    #[test]
    fn the_names_of_a_set_hold_for_both_channels() {
        let naming = ChannelNaming {
            prefix: Some("x"),
            futures_with_options: true,
        };
        let all = channels(&[1, 2, 31, 41, 42], naming);
        let on: Vec<Vec<&str>> = all
            .iter()
            .map(|(_, channels)| channels.iter().map(String::as_str).collect())
            .collect();
        let (options, underlying) = ("x:options", "x:underlying");
        assert_eq!(
            on,
            [
                vec![underlying],
                vec!["x:equity", underlying],
                vec![options],
                vec![options, underlying],
                vec![options],
            ]
        );
    }
}
