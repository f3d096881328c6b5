//! Credentials: any API key and access token are valid until the token is revoked; one that a session exchange gave out
//! is valid for its API key only. Owns logins and the session exchange. Bounded; nothing here is ever printed.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::time::Duration;

use kite::rest;

use super::request_tokens::RequestTokens;

/// The client whose token is one that no session exchange gave out.
pub const DEFAULT_USER: &str = "SIM001";

/// Maximum number of remembered tokens, issued or used; later ones are not flushed.
const MAX_USED: usize = 5_000;
/// Maximum number of revoked tokens.
const MAX_REVOKED: usize = 10_000;
/// Maximum number of sessions; the oldest are forgotten first, and their tokens are then like any other.
const MAX_SESSIONS: usize = 1_024;

/// A session exchange, as the application asks for it.
#[derive(Clone, Copy)]
pub(crate) struct SessionRequest<'a> {
    /// The application.
    pub(crate) api_key: &'a str,
    /// What its user's login gave to it.
    pub(crate) request_token: &'a str,
    /// Proves that it knows the secret.
    pub(crate) checksum: &'a str,
}

/// Why a session exchange was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// The checksum was made with another secret, or no secret is known.
    #[error("Invalid `checksum`.")]
    Checksum,
    /// The request token was never given out, is for another API key, was used before, or is too old.
    #[error("Token is invalid or has expired.")]
    RequestToken,
    /// The sessions that this one replaces cannot be ended.
    #[error(transparent)]
    Revoked(#[from] TooManyRevoked),
}

/// The table of revoked tokens is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{MAX_REVOKED} tokens are already revoked: restore some first")]
pub struct TooManyRevoked;

/// A session that a session exchange opened.
struct Session {
    access_token: String,
    api_key: String,
    user_id: String,
}

/// Revoked tokens, sessions, and the secret of the application.
#[derive(Default)]
pub struct AccessTokens {
    api_secret: Option<String>,
    request_tokens: RequestTokens,
    sessions: VecDeque<Session>,
    used: HashSet<String>,
    revoked: HashSet<String>,
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

    /// Whether a token is still valid, and for this API key; it then counts as used.
    #[must_use]
    pub fn admit(&mut self, api_key: &str, access_token: &str) -> bool {
        let session = self.session(access_token);
        if session.is_some_and(|session| session.api_key != api_key)
            || self.revoked.contains(access_token)
        {
            return false;
        }
        self.record(access_token);
        true
    }

    /// The user whose token it is.
    #[must_use]
    pub fn user_of(&self, access_token: &str) -> &str {
        self.session(access_token)
            .map_or(DEFAULT_USER, |session| &session.user_id)
    }

    /// Records an issued or used token: the next flush revokes it.
    fn record(&mut self, access_token: &str) {
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

    /// Records a login: its request token can be exchanged from now on.
    pub fn log_in(
        &mut self,
        request_token: String,
        api_key: &str,
        user_id: &str,
        elapsed: Duration,
    ) {
        self.request_tokens
            .give(request_token, api_key, user_id, elapsed);
    }

    /// Opens a session under this access token and uses the request token up. Ends the sessions that its user has with the
    /// same API key. Returns the user who logged in.
    ///
    /// # Errors
    /// When the checksum is wrong, the request token is not good, or too many tokens are revoked.
    pub(crate) fn open_session(
        &mut self,
        request: SessionRequest<'_>,
        access_token: &str,
        elapsed: Duration,
    ) -> Result<String, ExchangeError> {
        let SessionRequest {
            api_key,
            request_token,
            checksum,
        } = request;
        let secret = self.api_secret.as_deref().ok_or(ExchangeError::Checksum)?;
        if checksum != rest::checksum(api_key, request_token, secret) {
            return Err(ExchangeError::Checksum);
        }
        let user_id = self
            .request_tokens
            .take(request_token, api_key, elapsed)
            .ok_or(ExchangeError::RequestToken)?;
        self.end_sessions(api_key, &user_id)?;
        if self.sessions.len() == MAX_SESSIONS {
            self.sessions.pop_front();
        }
        self.sessions.push_back(Session {
            access_token: access_token.to_owned(),
            api_key: api_key.to_owned(),
            user_id: user_id.clone(),
        });
        self.record(access_token);
        Ok(user_id)
    }

    fn end_sessions(&mut self, api_key: &str, user_id: &str) -> Result<(), TooManyRevoked> {
        let is_theirs =
            |session: &&Session| session.api_key == api_key && session.user_id == user_id;
        let theirs = self.sessions.iter().filter(is_theirs);
        let tokens: Vec<String> = theirs.map(|session| session.access_token.clone()).collect();
        for token in tokens {
            self.used.remove(&token);
            self.revoke(token)?;
        }
        Ok(())
    }

    fn session(&self, access_token: &str) -> Option<&Session> {
        self.sessions
            .iter()
            .find(|session| session.access_token == access_token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_until_it_is_revoked() {
        let mut credentials = AccessTokens::new(None);
        assert!(credentials.admit("key", "fake"));
        credentials.revoke("fake".to_owned()).unwrap();
        assert!(!credentials.admit("key", "fake") && credentials.admit("key", "other"));
        assert!(credentials.restore("fake") && !credentials.restore("fake"));
        assert!(credentials.admit("key", "fake"));
    }

    /// Checksum: `printf 'keyrequestsecret' | sha256sum`.
    const CHECKSUM: &str = "e4465f58be6159d2a7f087f4292515e9d631b4f91e056b53e6f14456222ff709";

    const NOW: Duration = Duration::from_secs(5);

    const REQUEST: SessionRequest<'_> = SessionRequest {
        api_key: "key",
        request_token: "request",
        checksum: CHECKSUM,
    };

    fn logged_in(user_id: &str) -> AccessTokens {
        let mut credentials = AccessTokens::new(Some("secret".to_owned()));
        credentials.log_in("request".to_owned(), "key", user_id, NOW);
        credentials
    }

    #[test]
    fn a_request_token_is_exchanged_once_and_only_if_it_was_given_out() {
        let mut credentials = AccessTokens::new(Some("secret".to_owned()));
        let unknown = credentials.open_session(REQUEST, "access", NOW);
        assert_eq!(unknown, Err(ExchangeError::RequestToken));

        let mut credentials = logged_in("AB1234");
        let forged = SessionRequest {
            checksum: "x",
            ..REQUEST
        };
        let refused = credentials.open_session(forged, "access", NOW);
        assert_eq!(refused, Err(ExchangeError::Checksum));
        let opened = credentials.open_session(REQUEST, "access", NOW);
        assert_eq!(opened.as_deref(), Ok("AB1234"));
        let again = credentials.open_session(REQUEST, "access", NOW);
        assert_eq!(again, Err(ExchangeError::RequestToken));
    }

    #[test]
    fn without_a_secret_every_checksum_is_wrong() {
        let mut credentials = AccessTokens::new(None);
        credentials.log_in("request".to_owned(), "key", "AB1234", NOW);
        let refused = credentials.open_session(REQUEST, "access", NOW);
        assert_eq!(refused, Err(ExchangeError::Checksum));
    }

    #[test]
    fn a_token_is_its_users_and_good_for_its_api_key() {
        let mut credentials = logged_in("AB1234");
        credentials.open_session(REQUEST, "access", NOW).unwrap();
        assert!(credentials.admit("key", "access") && !credentials.admit("other", "access"));
        assert!(credentials.admit("key", "any") && credentials.admit("other", "any"));
        assert_eq!(credentials.user_of("access"), "AB1234");
        assert_eq!(credentials.user_of("any"), "SIM001");
    }

    #[test]
    fn a_flush_revokes_what_was_issued_or_used_and_nothing_else() {
        let mut credentials = logged_in("AB1234");
        assert!(credentials.admit("key", "yesterday"));
        credentials
            .open_session(REQUEST, "never used", NOW)
            .unwrap();
        assert_eq!(credentials.flush(), 2);
        assert!(!credentials.admit("key", "never used"));
        assert!(!credentials.admit("key", "yesterday") && credentials.admit("key", "today"));
        assert_eq!(credentials.flush(), 1);
        assert!(!credentials.admit("key", "yesterday") && !credentials.admit("key", "today"));
        for number in 0..2 * MAX_REVOKED {
            assert!(credentials.admit("key", &format!("{number}")));
            if number % 1_000 == 0 {
                credentials.flush();
            }
        }
        assert!(credentials.revoked.len() <= MAX_REVOKED && credentials.used.len() <= MAX_USED);
    }

    #[test]
    fn a_new_session_ends_those_of_its_user_with_its_api_key() {
        let mut credentials = AccessTokens::new(Some("secret".to_owned()));
        let mut open = |api_key: &str, user_id: &str, access_token: &str| {
            let request = SessionRequest {
                api_key,
                checksum: &rest::checksum(api_key, "request", "secret"),
                ..REQUEST
            };
            credentials.log_in("request".to_owned(), api_key, user_id, NOW);
            let opened = credentials.open_session(request, access_token, NOW);
            assert_eq!(opened.as_deref(), Ok(user_id));
        };
        open("key", "AB1234", "old");
        open("other", "AB1234", "of another key");
        open("key", "CD5678", "of another user");
        open("key", "AB1234", "new");
        assert!(credentials.admit("other", "of another key"));
        assert!(credentials.admit("key", "of another user"));
        assert!(credentials.admit("key", "never issued"));
        assert!(credentials.admit("key", "new") && !credentials.admit("key", "old"));
        assert_eq!(credentials.flush(), 4, "the old one has ended already");
    }

    #[test]
    fn a_session_that_cannot_end_others_is_not_opened() {
        let mut credentials = logged_in("AB1234");
        credentials.open_session(REQUEST, "old", NOW).unwrap();
        for number in 0..MAX_REVOKED {
            credentials.revoke(number.to_string()).unwrap();
        }
        credentials.log_in("request".to_owned(), "key", "AB1234", NOW);
        let refused = credentials.open_session(REQUEST, "new", NOW);
        assert_eq!(refused, Err(ExchangeError::Revoked(TooManyRevoked)));
        assert!(credentials.admit("key", "old"));
        assert_eq!(credentials.user_of("new"), DEFAULT_USER);
    }

    #[test]
    fn sessions_are_bounded() {
        let mut credentials = AccessTokens::new(Some("secret".to_owned()));
        for number in 0..=MAX_SESSIONS {
            credentials.log_in("request".to_owned(), "key", &number.to_string(), NOW);
            let token = format!("access {number}");
            credentials.open_session(REQUEST, &token, NOW).unwrap();
        }
        assert_eq!(credentials.sessions.len(), MAX_SESSIONS);
        assert_eq!(credentials.user_of("access 0"), DEFAULT_USER);
        assert_eq!(credentials.user_of("access 1"), "1");
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
