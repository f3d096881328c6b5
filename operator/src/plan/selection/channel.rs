//! The channel of an instrument's ticks, and the `symbol` in them.
//!
//! Owns the names of underlyings, their slugs and the table of channels. Must not know accounts.

use std::borrow::Cow;

use contract::Shape;
use kite::{Instrument, InstrumentType};

use crate::instruments::InstrumentTable;
use crate::plan::input::ChannelNaming;

/// Exchanges whose underlyings have a channel of their name alone. Others list contracts of the same names
/// as these: gold is traded on MCX and on NCO.
const USUAL_EXCHANGES: [&str; 6] = ["NSE", "BSE", "NFO", "BFO", "MCX", "CDS"];

/// The prefix of channels if neither the set nor an underlying gives one.
const PREFIX: &str = "ticker";

/// A channel and the parts of its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChannelRoute {
    /// The Redis channel.
    pub(crate) channel: String,
    /// The JSON shape that its readers expect.
    pub(crate) shape: Shape,
    /// The underlying in the channel's name, if it has one.
    pub(crate) slug: Option<Slug>,
}

/// An underlying as part of a channel's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slug {
    /// The text in the name. Empty for an underlying without letters or digits, which can have no
    /// channel.
    pub(crate) slug: String,
    pub(crate) underlying: String,
}

/// The kinds of channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ChannelKind {
    /// Options of an underlying, and its futures if a set selects that.
    Options,
    /// Futures of an underlying.
    Futures,
    /// An index with derivatives.
    Underlying,
    /// Indices without derivatives.
    Indices,
    /// Shares.
    Equity,
}

impl ChannelKind {
    /// Whether each underlying has its own channel of this kind.
    pub(crate) fn is_of_underlying(self) -> bool {
        match self {
            Self::Options | Self::Futures | Self::Underlying => true,
            Self::Indices | Self::Equity => false,
        }
    }

    /// The end of a channel's name.
    fn as_str(self) -> &'static str {
        match self {
            Self::Options => "options",
            Self::Futures => "futures",
            Self::Underlying => "underlying",
            Self::Indices => "indices",
            Self::Equity => "equity",
        }
    }

    fn shape(self) -> Shape {
        match self {
            Self::Underlying | Self::Indices => Shape::Underlying,
            Self::Options | Self::Futures | Self::Equity => Shape::Contract,
        }
    }
}

/// `symbol` of an instrument's ticks: the normalised underlying, or the tradingsymbol without one.
pub(crate) fn symbol<'a>(instrument: &'a Instrument, table: &'a InstrumentTable) -> Cow<'a, str> {
    match instrument.instrument_type {
        InstrumentType::Future | InstrumentType::Call | InstrumentType::Put
            if !instrument.name.is_empty() =>
        {
            upper(&instrument.name)
        }
        InstrumentType::Equity if instrument.is_index() => {
            match table.underlying_of_index(instrument.token) {
                Some(underlying) => Cow::Borrowed(underlying),
                None => upper(&instrument.tradingsymbol),
            }
        }
        _ => Cow::Borrowed(&instrument.tradingsymbol),
    }
}

/// The kind of channel that the ticks of an instrument of this `symbol` go to.
pub(crate) fn kind(
    instrument: &Instrument,
    symbol: &str,
    table: &InstrumentTable,
    naming: ChannelNaming<'_>,
) -> ChannelKind {
    match instrument.instrument_type {
        InstrumentType::Call | InstrumentType::Put => ChannelKind::Options,
        InstrumentType::Future if naming.futures_with_options => ChannelKind::Options,
        InstrumentType::Future => ChannelKind::Futures,
        InstrumentType::Equity if !instrument.is_index() => ChannelKind::Equity,
        InstrumentType::Equity if table.has_derivatives(symbol) => ChannelKind::Underlying,
        InstrumentType::Equity => ChannelKind::Indices,
    }
}

/// The channel of this kind for instruments of `symbol`, with the naming of a set. `exchange`: as from
/// [`unusual_exchange`].
pub(crate) fn name(
    kind: ChannelKind,
    exchange: Option<&str>,
    symbol: &str,
    naming: ChannelNaming<'_>,
) -> ChannelRoute {
    let of_underlying = naming.prefix.is_none() && kind.is_of_underlying();
    let slug = of_underlying.then(|| Slug {
        slug: slug(exchange, symbol),
        underlying: match exchange {
            Some(exchange) => format!("{exchange}:{symbol}"),
            None => symbol.to_owned(),
        },
    });
    let (prefix, end) = (naming.prefix.unwrap_or(PREFIX), kind.as_str());
    ChannelRoute {
        channel: match &slug {
            Some(Slug { slug, .. }) => format!("{prefix}:{slug}:{end}"),
            None => format!("{prefix}:{end}"),
        },
        shape: kind.shape(),
        slug,
    }
}

/// The exchange of an instrument, if it stands in the names of its channels.
pub(crate) fn unusual_exchange(instrument: &Instrument) -> Option<&str> {
    let exchange = &*instrument.exchange;
    (!USUAL_EXCHANGES.contains(&exchange)).then_some(exchange)
}

/// An underlying as part of a channel's name: `[a-z0-9]` only, behind its exchange and `-` if that is given.
/// Empty without letters or digits in the underlying.
fn slug(exchange: Option<&str>, underlying: &str) -> String {
    let plain = |name: &str| -> String {
        let letters = name.chars().filter(char::is_ascii_alphanumeric);
        letters.map(|c| c.to_ascii_lowercase()).collect()
    };
    match (exchange.map(plain), plain(underlying)) {
        (Some(exchange), slug) if !slug.is_empty() => format!("{exchange}-{slug}"),
        (_, slug) => slug,
    }
}

fn upper(name: &str) -> Cow<'_, str> {
    if name.contains(|c: char| c.is_ascii_lowercase()) {
        Cow::Owned(name.to_ascii_uppercase())
    } else {
        Cow::Borrowed(name)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::plan::fixture::{self, table};

    fn prefixed(prefix: &str) -> ChannelNaming<'_> {
        ChannelNaming {
            prefix: Some(prefix),
            futures_with_options: false,
        }
    }

    fn route(
        instrument: &Instrument,
        table: &InstrumentTable,
        naming: ChannelNaming<'_>,
    ) -> ChannelRoute {
        let symbol = symbol(instrument, table);
        let kind = kind(instrument, &symbol, table, naming);
        name(kind, unusual_exchange(instrument), &symbol, naming)
    }

    #[test]
    fn futures_are_among_the_options_where_a_set_says_so() {
        let table = table();
        let naming = ChannelNaming {
            prefix: None,
            futures_with_options: true,
        };
        let channel = |name| route(table.by_symbol(name).unwrap(), &table, naming).channel;
        assert_eq!(channel("NFO:NIFTY26DECFUT"), "ticker:nifty:options");
        assert_eq!(channel("NSE:INFY"), "ticker:equity");
    }

    /// Symbol and channels of an instrument of the test universe, without and with a prefix.
    fn channels(name: &str) -> (String, String, String) {
        let table = table();
        let row = table.by_symbol(name).unwrap();
        (
            symbol(row, &table).into_owned(),
            route(row, &table, ChannelNaming::default()).channel,
            route(row, &table, prefixed("x:y")).channel,
        )
    }

    #[test]
    fn each_kind_of_instrument_has_its_channel() {
        for (name, symbol, default, prefixed) in [
            (
                "NFO:NIFTY26DEC25000CE",
                "NIFTY",
                "ticker:nifty:options",
                "x:y:options",
            ),
            (
                "NFO:M&M26DEC3000PE",
                "M&M",
                "ticker:mm:options",
                "x:y:options",
            ),
            (
                "NFO:NIFTY26DECFUT",
                "NIFTY",
                "ticker:nifty:futures",
                "x:y:futures",
            ),
            (
                "NSE:NIFTY 50",
                "NIFTY",
                "ticker:nifty:underlying",
                "x:y:underlying",
            ),
            (
                "NSE:NIFTY BANK",
                "BANKNIFTY",
                "ticker:banknifty:underlying",
                "x:y:underlying",
            ),
            ("NSE:INDIA VIX", "INDIAVIX", "ticker:indices", "x:y:indices"),
            ("NSE:INFY", "INFY", "ticker:equity", "x:y:equity"),
        ] {
            let expected = (symbol.to_owned(), default.to_owned(), prefixed.to_owned());
            assert_eq!(channels(name), expected, "{name}");
        }
    }

    /// Names with a common beginning, and one name on two exchanges: none shares a channel with another.
    #[test]
    fn each_underlying_of_each_exchange_has_its_channels() {
        let option = |exchange: &str, name: &str| {
            let row =
                fixture::derivative(7, &format!("{name}26DEC100CE"), name, InstrumentType::Call);
            let exchange: Arc<str> = exchange.into();
            Instrument { exchange, ..row }
        };
        for (exchange, underlying, expected) in [
            ("MCX", "GOLD", "ticker:gold:options"),
            ("MCX", "GOLDM", "ticker:goldm:options"),
            ("MCX", "GOLDPETAL", "ticker:goldpetal:options"),
            ("MCX", "CRUDEOIL", "ticker:crudeoil:options"),
            ("MCX", "CRUDEOILM", "ticker:crudeoilm:options"),
            ("NCO", "GOLD", "ticker:nco-gold:options"),
            ("BCD", "USDINR", "ticker:bcd-usdinr:options"),
            ("CDS", "USDINR", "ticker:usdinr:options"),
            ("NFO", "NIFTY", "ticker:nifty:options"),
            ("NFO", "NIFTYNXT50", "ticker:niftynxt50:options"),
        ] {
            let option = option(exchange, underlying);
            let table = table();
            assert_eq!(symbol(&option, &table), underlying);
            let channel = route(&option, &table, ChannelNaming::default()).channel;
            assert_eq!(channel, expected);
        }
        assert_eq!(slug(Some("NCO"), "&"), "");
    }

    #[test]
    fn indices_have_the_underlying_shape_and_nothing_else_has() {
        let table = table();
        let shape = |name| {
            route(
                table.by_symbol(name).unwrap(),
                &table,
                ChannelNaming::default(),
            )
            .shape
        };
        assert_eq!(shape("NSE:NIFTY 50"), Shape::Underlying);
        assert_eq!(shape("NSE:INDIA VIX"), Shape::Underlying);
        assert_eq!(shape("NSE:INFY"), Shape::Contract);
        assert_eq!(shape("NFO:NIFTY26DECFUT"), Shape::Contract);
    }
}
