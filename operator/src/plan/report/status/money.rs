//! The part of a set's status that says where the money is.

use std::collections::BTreeMap;

use crds::InstrumentSetStatus;
use crds::set::{AtmStrike, MAX_ATM};
use serde_json::Number;

use super::count;
use crate::plan::input::Price;
use crate::plan::placement::PlacedSet;
use crate::plan::selection::Request;

/// What a status says about the money.
#[derive(Default)]
pub(super) struct MoneyStatus {
    pub(super) atm: Vec<AtmStrike>,
    pub(super) atm_count: Option<u32>,
    pub(super) retained: Option<u32>,
    pub(super) references: Option<u32>,
}

/// That of a set whose status was `before`.
pub(super) fn of(placed: &PlacedSet<'_>, before: &InstrumentSetStatus) -> MoneyStatus {
    let chains = placed.chains.as_deref();
    let references = chains.map(|chains| count(chains.references.len()));
    match &placed.request {
        Request::Denied { .. } => MoneyStatus::default(),
        Request::Pending { .. } => MoneyStatus {
            atm: before.atm.clone(),
            atm_count: before.atm_count,
            retained: before.retained,
            references: references.or(before.references),
        },
        Request::Resolved(resolved) => {
            let chains = chains.map_or(&[][..], |chains| &chains.chains);
            let known = chains.iter().zip(&resolved.money);
            let atm: BTreeMap<_, AtmStrike> = known
                .map(|((_, chain), money)| {
                    let strike = AtmStrike {
                        underlying: Some(chain.underlying.to_string()),
                        exchange: Some(chain.exchange.to_string()),
                        expiry: Some(chain.expiry.to_string()),
                        strike: number(money.atm),
                        price: number(money.forward),
                        source: Some(money.source),
                    };
                    ((&chain.underlying, chain.expiry, &chain.exchange), strike)
                })
                .collect();
            MoneyStatus {
                atm_count: references.map(|_| count(atm.len())),
                atm: atm.into_values().take(MAX_ATM).collect(),
                retained: references.map(|_| placed.placement.retained),
                references,
            }
        }
    }
}

/// As the API server writes it: whole numbers without a point.
fn number(price: Price) -> Option<Number> {
    let rupees = price.rupees();
    if rupees.fract() == 0.0 {
        Some(Number::from(rupees as i64))
    } else {
        Number::from_f64(rupees)
    }
}
