//! Instrument tokens and the market segment in their low byte.
//!
//! Owns the divisor table. Must not know instruments by name.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Kite's number for an instrument: `exchange_token << 8 | segment`.
///
/// Kite assigns numbers again after expiries, so a token means an instrument only together with the
/// day's dump.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(pub u32);

impl Token {
    /// The segment named by the low byte.
    #[must_use]
    pub const fn segment(self) -> Segment {
        Segment::from_byte((self.0 & 0xff) as u8)
    }

    /// The exchange's own number.
    #[must_use]
    pub const fn exchange_token(self) -> u32 {
        self.0 >> 8
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.0)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The market segment that a token belongs to.
///
/// Bytes and divisors as in the official Python, Go and Java clients. Kite's documentation gives 10^7
/// for all currencies, the clients 10^4 for BCD, and the clients are right. Their releases before
/// September 2026 do not know NCO and show its prices a hundred times too high.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    /// NSE equities (1).
    Nse,
    /// NSE futures and options (2).
    Nfo,
    /// NSE currency derivatives (3).
    Cds,
    /// BSE equities (4).
    Bse,
    /// BSE futures and options (5).
    Bfo,
    /// BSE currency derivatives (6).
    Bcd,
    /// Multi Commodity Exchange (7).
    Mcx,
    /// MCX-SX (8).
    McxSx,
    /// Indices of every exchange (9).
    Indices,
    /// NSE commodity derivatives (12).
    Nco,
    /// A byte that no official client knows; taken as two decimals, as all of them do.
    Unknown(u8),
}

impl Segment {
    /// Reads the low byte of a token.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::Nse,
            2 => Self::Nfo,
            3 => Self::Cds,
            4 => Self::Bse,
            5 => Self::Bfo,
            6 => Self::Bcd,
            7 => Self::Mcx,
            8 => Self::McxSx,
            9 => Self::Indices,
            12 => Self::Nco,
            other => Self::Unknown(other),
        }
    }

    /// The low byte of this segment's tokens.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Nse => 1,
            Self::Nfo => 2,
            Self::Cds => 3,
            Self::Bse => 4,
            Self::Bfo => 5,
            Self::Bcd => 6,
            Self::Mcx => 7,
            Self::McxSx => 8,
            Self::Indices => 9,
            Self::Nco => 12,
            Self::Unknown(byte) => byte,
        }
    }

    /// Decimals of an integer price on the wire: the price in rupees is `raw / 10^decimals`.
    #[must_use]
    pub const fn decimals(self) -> u8 {
        match self {
            Self::Cds => 7,
            Self::Bcd | Self::Nco => 4,
            Self::Nse
            | Self::Nfo
            | Self::Bse
            | Self::Bfo
            | Self::Mcx
            | Self::McxSx
            | Self::Indices
            | Self::Unknown(_) => 2,
        }
    }

    /// `10^decimals`.
    #[must_use]
    pub const fn divisor(self) -> u32 {
        10_u32.pow(self.decimals() as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_tokens_name_their_segment() {
        // INFY, a NIFTY future, a crude future, NIFTY 50 and a gold option of NCO, of public dumps.
        assert_eq!(Token(408_065).segment(), Segment::Nse);
        assert_eq!(Token(5_720_322).segment(), Segment::Nfo);
        assert_eq!(Token(645_639).segment(), Segment::Mcx);
        assert_eq!(Token(256_265).segment(), Segment::Indices);
        assert_eq!(Token(41_990_924).segment(), Segment::Nco);
    }

    #[test]
    fn every_byte_survives() {
        for byte in 0..=u8::MAX {
            assert_eq!(Segment::from_byte(byte).byte(), byte);
        }
    }

    #[test]
    fn only_currencies_and_nco_have_more_than_two_decimals() {
        for byte in 0..=u8::MAX {
            let expected = match byte {
                3 => 10_000_000,
                6 | 12 => 10_000,
                _ => 100,
            };
            assert_eq!(
                Segment::from_byte(byte).divisor(),
                expected,
                "segment {byte}"
            );
        }
    }
}
