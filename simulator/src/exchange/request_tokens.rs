//! Request tokens: what a login gives to the application, to be exchanged for a session. Each is good for two minutes,
//! once, and for the API key that it was made for. Pure, bounded; nothing here is ever printed.
//!
//! Their time is elapsed time, not that of the wall clock: people and programs that carry them need real seconds, however
//! fast the simulated day passes.

use std::collections::VecDeque;
use std::time::Duration;

/// How long one is good for: Kite says "a couple of minutes".
const LIFETIME: Duration = Duration::from_mins(2);
/// Maximum number of them; the oldest are forgotten first.
const MAX_TOKENS: usize = 1_024;

struct RequestToken {
    text: String,
    api_key: String,
    user_id: String,
    expires: Duration,
}

/// The request tokens that were given out and not exchanged yet, oldest first.
#[derive(Default)]
pub(super) struct RequestTokens(VecDeque<RequestToken>);

impl RequestTokens {
    /// Makes a token good from now on.
    pub(super) fn give(&mut self, text: String, api_key: &str, user_id: &str, elapsed: Duration) {
        self.0.retain(|token| token.expires > elapsed);
        if self.0.len() == MAX_TOKENS {
            self.0.pop_front();
        }
        self.0.push_back(RequestToken {
            text,
            api_key: api_key.to_owned(),
            user_id: user_id.to_owned(),
            expires: elapsed + LIFETIME,
        });
    }

    /// Uses a token up. Returns the user who logged in, or nothing if it is not good, or not for this API key.
    pub(super) fn take(&mut self, text: &str, api_key: &str, elapsed: Duration) -> Option<String> {
        let is_meant = |token: &RequestToken| {
            token.text == text && token.api_key == api_key && token.expires > elapsed
        };
        let position = self.0.iter().position(is_meant)?;
        self.0.remove(position).map(|token| token.user_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1_000);

    fn given(text: &str) -> RequestTokens {
        let mut tokens = RequestTokens::default();
        tokens.give(text.to_owned(), "key", "AB1234", START);
        tokens
    }

    #[test]
    fn one_is_good_once() {
        let mut tokens = given("request");
        assert_eq!(tokens.take("another", "key", START), None);
        let user = tokens.take("request", "key", START);
        assert_eq!(user.as_deref(), Some("AB1234"));
        assert_eq!(tokens.take("request", "key", START), None);
    }

    #[test]
    fn another_api_key_cannot_use_it_or_use_it_up() {
        let mut tokens = given("request");
        assert_eq!(tokens.take("request", "other", START), None);
        assert!(tokens.take("request", "key", START).is_some());
    }

    #[test]
    fn it_is_good_for_two_minutes() {
        let late = START + Duration::from_secs(119);
        assert!(given("request").take("request", "key", late).is_some());
        let too_late = START + Duration::from_secs(120);
        assert_eq!(given("request").take("request", "key", too_late), None);
    }

    #[test]
    fn the_oldest_is_forgotten_for_the_newest() {
        let mut tokens = given("oldest");
        for number in 0..MAX_TOKENS {
            tokens.give(number.to_string(), "key", "AB1234", START);
        }
        assert_eq!(tokens.0.len(), MAX_TOKENS);
        assert_eq!(tokens.take("oldest", "key", START), None);
        assert!(tokens.take("0", "key", START).is_some());
        tokens.give("new".to_owned(), "key", "AB1234", START + LIFETIME);
        assert_eq!(tokens.0.len(), 1, "those that are over need no place");
    }
}
