//! Which future an option of a commodity leads to.
//!
//! Owns that alone: contracts are listed before.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;

use super::{Contract, Listing};

/// Tells options of commodities the future that they lead to: the first of their name that does not end before them.
pub(super) fn assign(listings: &mut [Listing]) {
    let ends = |listing: &Listing| match listing.instrument.expiry {
        Some(expiry) if matches!(&*listing.instrument.exchange, "MCX" | "NCO") => Some(expiry),
        _ => None,
    };
    let mut futures = BTreeMap::new();
    for (position, listing) in listings.iter().enumerate() {
        if let (Contract::Future { .. }, Some(expiry)) = (listing.contract, ends(listing)) {
            futures.insert((name(listing), expiry), position);
        }
    }
    for listing in listings {
        if let (Contract::Option { .. }, Some(expiry)) = (listing.contract, ends(listing)) {
            let of = name(listing);
            let mut next = futures.range((of.clone(), expiry)..=(of, Date::MAX));
            listing.future = next.next().map(|(_, position)| *position);
        }
    }
}

fn name(listing: &Listing) -> (Arc<str>, Arc<str>) {
    let instrument = &listing.instrument;
    (
        Arc::clone(&instrument.exchange),
        Arc::clone(&instrument.name),
    )
}
