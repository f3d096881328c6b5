//! What is known of the access tokens of accounts beside what their processes report.
//!
//! Owns types only; never a value of a Secret.

use jiff::Timestamp;

/// What Kite's `/user/profile` said of a token last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenCheck {
    /// The version of the Secret that held it.
    pub version: String,
    /// The answer.
    pub answer: TokenAnswer,
    /// When it came.
    pub at: Timestamp,
}

/// An answer about a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenAnswer {
    /// It is good.
    Accepted {
        /// Whose it is.
        user_id: String,
    },
    /// It is not.
    Refused,
}
