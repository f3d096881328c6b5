//! What instruments are really worth, and a market that stands still to compare with.
//!
//! Owns which instruments can be asked for. Must not know how they are valued.

use kite::Token;
use serde::Serialize;

use super::Exchange;
use crate::market::{SimulationTime, Valuation};

/// What one instrument is worth at one moment.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Truth {
    /// The instrument.
    pub token: Token,
    /// Its value and what that follows from.
    #[serde(flatten)]
    pub valuation: Valuation,
}

/// An instrument that is worth nothing here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TruthError {
    /// Not a number of an instrument.
    #[error("{0:?} in tokens is not a token")]
    Token(String),
    /// No such instrument.
    #[error("token {0} is not listed")]
    Unknown(Token),
}

impl Exchange {
    /// What instruments are worth, in the order of `tokens`: numbers with commas between them.
    ///
    /// # Errors
    /// When one of them is not listed.
    pub fn truth(&mut self, tokens: &str, now: SimulationTime) -> Result<Vec<Truth>, TruthError> {
        let universe = self.universe();
        let tokens = tokens.split(',').filter(|text| !text.is_empty());
        let valued = tokens.map(|text| {
            let number = text.trim().parse();
            let token = Token(number.map_err(|_| TruthError::Token(text.to_owned()))?);
            let position = universe.find(token).ok_or(TruthError::Unknown(token))?;
            let valuation = self.market.valuation(position, now);
            Ok(Truth { token, valuation })
        });
        valued.collect()
    }

    /// Lets prices and the time to expiry stand still, or go on. Books go on to tick.
    pub const fn freeze_prices(&mut self, frozen: bool, now: SimulationTime) {
        self.market.freeze(frozen, now);
    }
}
