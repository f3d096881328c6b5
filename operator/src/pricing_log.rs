//! What the log says of the rates with which options are priced.

use jiff::Timestamp;

use crate::plan::PricingRates;

/// Warns of an interest rate that is an old one.
pub(crate) fn warn(rates: &PricingRates, now: Timestamp) {
    if let Some(warning) = rates.warning(kite::ist::date(now)) {
        tracing::warn!("{warning}");
    }
}
