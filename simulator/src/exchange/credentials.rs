//! Credentials: any API key and access token are valid until the token is revoked. Owns the session
//! exchange. Bounded; nothing here is ever printed.

use std::collections::{HashSet, VecDeque};
use std::fmt;

use kite::rest;

/// Maximum number of remembered tokens, issued or used; later ones are not flushed.
const MAX_USED: usize = 5_000;
/// Maximum number of revoked tokens.
const MAX_REVOKED: usize = 10_000;
/// Maximum number of used request tokens; the oldest are forgotten first.
const MAX_SPENT: usize = 1_024;

/// Why a session exchange was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// The checksum was made with another secret, or no secret is known.
    #[error("Invalid `checksum`.")]
    Checksum,
    /// The request token was used before.
    #[error("Token is invalid or has expired.")]
    Spent,
}

/// The table of revoked tokens is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{MAX_REVOKED} tokens are already revoked: restore some first")]
pub struct TooManyRevoked;

/// Revoked tokens and the secret of the application.
#[derive(Default)]
pub struct AccessTokens {
    api_secret: Option<String>,
    used: HashSet<String>,
    revoked: HashSet<String>,
    spent: VecDeque<String>,
}

impl fmt::Debug for AccessTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessTokens")
            .field("revoked", &self.revoked.len())
            .finish_non_exhaustive()
    }
}

impl AccessTokens {
    /// Nothing is revoked. Without a secret every session exchange is rejected.
    #[must_use]
    pub fn new(api_secret: Option<String>) -> Self {
        Self {
            api_secret,
            ..Self::default()
        }
    }

    /// Whether a token is still valid; it then counts as used.
    #[must_use]
    pub fn admit(&mut self, access_token: &str) -> bool {
        if self.revoked.contains(access_token) {
            return false;
        }
        self.issue(access_token);
        true
    }

    /// Records an issued token: the next flush revokes it like a used one.
    pub fn issue(&mut self, access_token: &str) {
        if self.used.len() < MAX_USED && !self.used.contains(access_token) {
            self.used.insert(access_token.to_owned());
        }
    }

    /// Revokes every token that was issued or used so far, as Kite does each morning. Returns how
    /// many.
    pub fn flush(&mut self) -> usize {
        let count = self.used.len();
        if self.revoked.len() + count > MAX_REVOKED {
            self.revoked.clear();
        }
        self.revoked.extend(self.used.drain());
        count
    }

    /// Revokes a token for new connections and requests.
    ///
    /// # Errors
    /// When too many are revoked already.
    pub fn revoke(&mut self, access_token: String) -> Result<(), TooManyRevoked> {
        if self.revoked.len() >= MAX_REVOKED && !self.revoked.contains(&access_token) {
            return Err(TooManyRevoked);
        }
        self.revoked.insert(access_token);
        Ok(())
    }

    /// Makes a revoked token valid again; `false` if it was not revoked.
    pub fn restore(&mut self, access_token: &str) -> bool {
        self.revoked.remove(access_token)
    }

    /// Checks a session exchange and marks its request token as used.
    ///
    /// # Errors
    /// When the checksum is wrong or the request token was used before.
    pub fn exchange(
        &mut self,
        api_key: &str,
        request_token: &str,
        checksum: &str,
    ) -> Result<(), ExchangeError> {
        let secret = self.api_secret.as_deref().ok_or(ExchangeError::Checksum)?;
        if checksum != rest::checksum(api_key, request_token, secret) {
            return Err(ExchangeError::Checksum);
        }
        if self.spent.iter().any(|spent| spent == request_token) {
            return Err(ExchangeError::Spent);
        }
        if self.spent.len() == MAX_SPENT {
            self.spent.pop_front();
        }
        self.spent.push_back(request_token.to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_until_it_is_revoked() {
        let mut credentials = AccessTokens::new(None);
        assert!(credentials.admit("fake"));
        credentials.revoke("fake".to_owned()).unwrap();
        assert!(!credentials.admit("fake") && credentials.admit("other"));
        assert!(credentials.restore("fake") && !credentials.restore("fake"));
        assert!(credentials.admit("fake"));
    }

    /// Checksum: `printf 'keyrequestsecret' | sha256sum`.
    #[test]
    fn a_request_token_is_exchanged_once() {
        let good = "e4465f58be6159d2a7f087f4292515e9d631b4f91e056b53e6f14456222ff709";
        let mut credentials = AccessTokens::new(Some("secret".to_owned()));
        assert_eq!(
            credentials.exchange("key", "request", "x"),
            Err(ExchangeError::Checksum)
        );
        assert_eq!(credentials.exchange("key", "request", good), Ok(()));
        assert_eq!(
            credentials.exchange("key", "request", good),
            Err(ExchangeError::Spent)
        );
        let mut nobody = AccessTokens::new(None);
        assert_eq!(
            nobody.exchange("key", "request", good),
            Err(ExchangeError::Checksum)
        );
    }

    #[test]
    fn a_flush_revokes_what_was_used_and_nothing_else() {
        let mut credentials = AccessTokens::new(None);
        assert!(credentials.admit("yesterday"));
        credentials.issue("never used");
        assert_eq!(credentials.flush(), 2);
        assert!(!credentials.admit("never used"));
        assert!(!credentials.admit("yesterday") && credentials.admit("today"));
        assert_eq!(credentials.flush(), 1);
        assert!(!credentials.admit("yesterday") && !credentials.admit("today"));
        for number in 0..2 * MAX_REVOKED {
            assert!(credentials.admit(&format!("{number}")));
            if number % 1_000 == 0 {
                credentials.flush();
            }
        }
        assert!(credentials.revoked.len() <= MAX_REVOKED && credentials.used.len() <= MAX_USED);
    }

    #[test]
    fn the_table_is_bounded() {
        let mut credentials = AccessTokens::new(None);
        for number in 0..MAX_REVOKED {
            credentials.revoke(number.to_string()).unwrap();
        }
        assert_eq!(credentials.revoke("more".to_owned()), Err(TooManyRevoked));
        assert_eq!(credentials.revoke("1".to_owned()), Ok(()));
    }
}
