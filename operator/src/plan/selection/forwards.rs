//! The instruments from whose prices the forward price of an expiry follows.
//!
//! Pure. Owns which future, which underlying and which calls and puts these are. Must not know prices.

use jiff::civil::Date;
use kite::{Instrument, InstrumentType, Token};

use super::chain::spot_exchange;
use crate::instruments::InstrumentTable;

/// Strikes on each side of the money whose calls and puts say where it is.
const EACH_SIDE: usize = 2;

/// The sources of one forward price.
#[derive(Debug, Default)]
pub(crate) struct ForwardSources {
    /// The future whose price it is.
    pub(crate) future: Option<Token>,
    /// Without one, the expiry of the future whose cost of carry counts.
    pub(crate) carry: Option<Date>,
    /// The underlying itself.
    pub(crate) spot: Option<Token>,
    /// Strikes that have a call and a put, ascending.
    pairs: Vec<StrikePair>,
}

/// A strike, its call and its put.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct StrikePair {
    /// Rupees.
    pub(crate) strike: f64,
    pub(crate) call: Token,
    pub(crate) put: Token,
}

impl ForwardSources {
    /// Those of options of `underlying`, in capital letters, that expire on a day.
    pub(crate) fn of(
        exchange: &str,
        underlying: &str,
        expiry: Date,
        table: &InstrumentTable,
    ) -> Self {
        let mut sources = Self {
            spot: spot(exchange, underlying, table),
            ..Self::default()
        };
        let mut options: Vec<&Instrument> = Vec::new();
        let mut last = None;
        for (_, contract) in table.contracts(exchange, underlying) {
            let Some(day) = contract.expiry else { continue };
            if contract.instrument_type == InstrumentType::Future {
                let leads_to_it = day == expiry || day > expiry && leads_to_future(exchange);
                if leads_to_it && sources.future.is_none() {
                    sources.future = Some(contract.token);
                }
                if day > expiry && sources.carry.is_none() {
                    sources.carry = Some(day);
                }
                last = Some(day);
            } else if day == expiry {
                options.push(contract);
            }
        }
        sources.carry = sources.carry.or(last);
        // Carry is a matter of the underlying's price.
        if sources.future.is_some() || sources.spot.is_none() {
            sources.carry = None;
        }
        sources.pairs = pairs(&options);
        sources
    }

    /// The strikes nearest to a price.
    pub(crate) fn near(&self, price: f64) -> &[StrikePair] {
        let distance = |pair: &StrikePair| (pair.strike - price).abs();
        let strikes = self.pairs.iter().enumerate();
        // Of two the lower one.
        let nearest = strikes.min_by(|(_, a), (_, b)| distance(a).total_cmp(&distance(b)));
        let at = nearest.map_or(0, |(at, _)| at);
        let count = (2 * EACH_SIDE + 1).min(self.pairs.len());
        let first = at
            .saturating_sub(EACH_SIDE)
            .min(self.pairs.len().saturating_sub(count));
        &self.pairs[first..first + count]
    }
}

/// Whether options of an exchange lead to futures, that are traded on.
fn leads_to_future(exchange: &str) -> bool {
    matches!(exchange, "MCX" | "NCO")
}

fn spot(exchange: &str, underlying: &str, table: &InstrumentTable) -> Option<Token> {
    let row = table.spot(spot_exchange(exchange)?, underlying)?;
    table.get(row).map(|it| it.token)
}

/// The strikes of one expiry's options, which are ordered by strike and type.
fn pairs(options: &[&Instrument]) -> Vec<StrikePair> {
    let strikes = options.chunk_by(|one, other| one.strike == other.strike);
    let pairs = strikes.filter_map(|options| {
        let find = |kind| options.iter().find(|it| it.instrument_type == kind);
        let (call, put) = (find(InstrumentType::Call)?, find(InstrumentType::Put)?);
        let pair = StrikePair {
            strike: call.strike,
            call: call.token,
            put: put.token,
        };
        (pair.strike > 0.0).then_some(pair)
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use kite::InstrumentType::{Call, Future, Put};
    use kite::instruments::Dump;

    use super::*;
    use crate::instruments::IndexNames;
    use crate::plan::fixture::{derivative, index, start};

    fn contract(
        token: u32,
        (exchange, name): (&str, &str),
        kind: InstrumentType,
        expiry: Date,
        strike: f64,
    ) -> Instrument {
        Instrument {
            exchange: exchange.into(),
            expiry: Some(expiry),
            strike,
            ..derivative(token, &format!("{name}{token}"), name, kind)
        }
    }

    const WEEKLY: Date = date(2026, 12, 8);
    const MONTHLY: Date = date(2026, 12, 29);
    const FAR: Date = date(2027, 6, 29);

    fn table() -> InstrumentTable {
        let (nifty, gold) = (("NFO", "NIFTY"), ("MCX", "GOLD"));
        let (rupee, crude) = (("CDS", "USDINR"), ("NCO", "CRUDE"));
        let mut instruments = vec![
            index(1, "NIFTY 50"),
            contract(2, nifty, Future, MONTHLY, 0.0),
            contract(3, gold, Future, WEEKLY, 0.0),
            contract(4, gold, Future, FAR, 0.0),
            contract(5, gold, Call, MONTHLY, 100.0),
            contract(6, rupee, Future, MONTHLY, 0.0),
            contract(7, rupee, Call, WEEKLY, 89.0),
            contract(8, crude, Call, FAR, 89.0),
        ];
        for (at, strike) in (0_u32..).zip([100.0, 200.0, 300.0, 400.0, 500.0, 600.0, 700.0]) {
            instruments.push(contract(100 + 10 * at, nifty, Call, WEEKLY, strike));
            // The first strike has no put.
            if at > 0 {
                instruments.push(contract(101 + 10 * at, nifty, Put, WEEKLY, strike));
            }
        }
        let dump = Dump {
            instruments,
            ..Dump::default()
        };
        InstrumentTable::new(dump, start().wall, &IndexNames::default())
    }

    fn sources(exchange: &str, underlying: &str, expiry: Date) -> ForwardSources {
        ForwardSources::of(exchange, underlying, expiry, &table())
    }

    #[test]
    fn only_options_of_commodities_take_the_next_future() {
        let found = |exchange, underlying, expiry| {
            let it = sources(exchange, underlying, expiry);
            (it.future.map(|it| it.0), it.carry, it.spot.map(|it| it.0))
        };
        assert_eq!(found("NFO", "NIFTY", MONTHLY), (Some(2), None, Some(1)));
        assert_eq!(
            found("NFO", "NIFTY", WEEKLY),
            (None, Some(MONTHLY), Some(1))
        );
        assert_eq!(found("NFO", "NIFTY", FAR), (None, Some(MONTHLY), Some(1)));
        assert_eq!(found("MCX", "GOLD", MONTHLY), (Some(4), None, None));
        assert_eq!(found("MCX", "GOLD", WEEKLY), (Some(3), None, None));
        assert_eq!(found("CDS", "USDINR", WEEKLY), (None, None, None));
        assert_eq!(found("CDS", "USDINR", MONTHLY), (Some(6), None, None));
        assert_eq!(found("NCO", "CRUDE", FAR), (None, None, None));
    }

    #[test]
    fn five_strikes_with_call_and_put_are_near_a_price() {
        let weekly = sources("NFO", "NIFTY", WEEKLY);
        let near = |price| {
            weekly
                .near(price)
                .iter()
                .map(|it| it.strike)
                .collect::<Vec<_>>()
        };
        assert_eq!(near(449.0), [200.0, 300.0, 400.0, 500.0, 600.0]);
        assert_eq!(
            near(450.0),
            [200.0, 300.0, 400.0, 500.0, 600.0],
            "the lower one"
        );
        assert_eq!(near(451.0), [300.0, 400.0, 500.0, 600.0, 700.0]);
        assert_eq!(near(1.0), [200.0, 300.0, 400.0, 500.0, 600.0]);
        assert_eq!(near(9_999.0), [300.0, 400.0, 500.0, 600.0, 700.0]);
        assert_eq!(weekly.near(449.0)[0].call, Token(110));
        assert_eq!(weekly.near(449.0)[0].put, Token(111));
        assert!(sources("MCX", "GOLD", MONTHLY).near(100.0).is_empty());
    }
}
