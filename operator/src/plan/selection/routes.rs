//! The channel of each instrument that a set selects.
//!
//! Owns which instruments of a set share a channel. Must not know what other sets publish.

use std::borrow::Cow;

use kite::Token;
use rustc_hash::FxHashMap;

use super::channel::{self, ChannelRoute};
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
    /// Its distance from the money, if that has left it behind.
    pub(crate) retained: Option<u32>,
}

/// Finds the channel of each of `instruments`, which are ordered by token, and of those that the money has left behind.
pub(crate) fn route(
    instruments: &[RowIx],
    retained: &[RetainedInstrument],
    table: &InstrumentTable,
    naming: ChannelNaming<'_>,
) -> Routes {
    let mut channels = Vec::new();
    let mut known: FxHashMap<_, RouteIx> = FxHashMap::default();
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
        let named = if kind.is_of_underlying() && naming.prefix.is_none() {
            (exchange, symbol.clone())
        } else {
            (None, Cow::Borrowed(""))
        };
        let route = *known.entry((kind, named)).or_insert_with(|| {
            let route = RouteIx::new(channels.len());
            channels.push(channel::name(kind, exchange, &symbol, naming));
            route
        });
        let token = instrument.token;
        let instrument = RoutedInstrument {
            token,
            row,
            route,
            retained,
        };
        routed.push((symbol, instrument));
    }
    routed.sort_unstable_by(|(a, one), (b, other)| (a, one.token).cmp(&(b, other.token)));
    Routes {
        instruments: routed.into_iter().map(|(_, routed)| routed).collect(),
        channels,
    }
}
