//! Which of two access tokens an account uses: the one of its Secret, or the one of its last login.
//!
//! Pure. Owns the rule, and which of the two came later. Must not judge the token that is used.

use std::time::Instant;

use contract::TokenSource;

use super::observed::{ObservedAccount, Secret, ValueFingerprint};
use super::token::{TokenAnswer, TokenCheck};

/// What is remembered of the tokens of an account, by source.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenMemory {
    secret: Option<Seen>,
    session: Option<Seen>,
}

/// A token as it was seen last, or that there was none.
#[derive(Clone, Copy, Debug)]
struct Seen {
    print: Option<ValueFingerprint>,
    /// Since when it is this one; `None`: since before the first look.
    since: Option<Instant>,
}

impl TokenMemory {
    fn of(&self, source: TokenSource) -> Option<Seen> {
        match source {
            TokenSource::Secret => self.secret,
            TokenSource::Session => self.session,
        }
    }

    /// What is remembered after a look at `account`.
    fn after(&self, account: &ObservedAccount, now: Instant) -> Self {
        let seen = |source| seen(self.of(source), secret_of(account, source), now);
        Self {
            secret: seen(TokenSource::Secret),
            session: seen(TokenSource::Session),
        }
    }
}

/// What is used, and what to remember of it.
#[derive(Clone, Debug)]
pub(crate) struct TokenUse {
    /// The token that its process is told to use.
    pub(crate) source: TokenSource,
    /// For the next pass.
    pub(crate) memory: TokenMemory,
}

impl TokenUse {
    /// Decides for an account whose process was told `used` so far.
    pub(crate) fn new(
        account: &ObservedAccount,
        used: TokenSource,
        remembered: Option<&TokenMemory>,
        now: Instant,
    ) -> Self {
        let none = TokenMemory::default();
        let memory = remembered.unwrap_or(&none).after(account, now);
        Self {
            source: choose(account, used, &memory),
            memory,
        }
    }
}

/// A Secret that cannot be read at present says nothing new.
fn seen(before: Option<Seen>, secret: &Secret, now: Instant) -> Option<Seen> {
    let print = match secret {
        Secret::Present { token, .. } => *token,
        Secret::Missing => None,
        Secret::Unknown | Secret::Unreadable => return before,
    };
    let Some(before) = before else {
        return Some(Seen { print, since: None });
    };
    let since = if before.print == print {
        before.since
    } else {
        Some(now)
    };
    Some(Seen { print, since })
}

/// The Secret with the token of this source.
pub(crate) fn secret_of(account: &ObservedAccount, source: TokenSource) -> &Secret {
    match source {
        TokenSource::Secret => &account.secret,
        TokenSource::Session => &account.session,
    }
}

/// The version of what a check of a token reads: a session counts only with the API key that it was made for.
pub(crate) fn version(account: &ObservedAccount, source: TokenSource) -> Option<String> {
    let of = |secret: &Secret| match secret {
        Secret::Present { version, .. } => Some(version.clone()),
        Secret::Unknown | Secret::Unreadable | Secret::Missing => None,
    };
    let secret = of(&account.secret)?;
    match source {
        TokenSource::Secret => Some(secret),
        TokenSource::Session => Some(session_version(&of(&account.session)?, &secret)),
    }
}

/// That of a session with the Secret that has its API key.
pub(crate) fn session_version(session: &str, secret: &str) -> String {
    format!("{session}/{secret}")
}

/// What Kite said of the token that is there now.
pub(crate) fn check(account: &ObservedAccount, source: TokenSource) -> Option<&TokenCheck> {
    let check = match source {
        TokenSource::Secret => account.token.as_ref(),
        TokenSource::Session => account.session_token.as_ref(),
    }?;
    (version(account, source).as_ref() == Some(&check.version)).then_some(check)
}

/// The token to use: the one used so far, unless Kite accepts the other one, and that came later or the one used so far is
/// known to be refused or gone. A check that failed or is missing changes nothing.
fn choose(account: &ObservedAccount, used: TokenSource, memory: &TokenMemory) -> TokenSource {
    let other = used.other();
    let answer = |source| check(account, source).map(|check| &check.answer);
    if !matches!(answer(other), Some(TokenAnswer::Accepted { .. })) {
        return used;
    }
    let is_refused = answer(used) == Some(&TokenAnswer::Refused);
    let is_gone = memory.of(used).is_some_and(|it| it.print.is_none())
        && !matches!(
            secret_of(account, used),
            Secret::Unknown | Secret::Unreadable
        );
    let since = |source| memory.of(source).and_then(|it| it.since);
    if is_refused || is_gone || since(other) > since(used) {
        other
    } else {
        used
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use TokenSource::{Secret as OfSecret, Session};
    use jiff::Timestamp;

    use super::*;
    use crate::plan::fixture::{account, start};

    /// An account whose tokens have these fingerprints, with the answers about them.
    struct Tokens {
        account: ObservedAccount,
        memory: TokenMemory,
        used: TokenSource,
        passed: u64,
    }

    fn secret(token: Option<u64>) -> Secret {
        let Some(token) = token else {
            return Secret::Missing;
        };
        Secret::Present {
            version: token.to_string(),
            key: None,
            token: Some(ValueFingerprint::sample(token)),
            names: Vec::new(),
            immutable: crate::plan::Immutable::No,
            login: None,
        }
    }

    impl Tokens {
        /// As an operator finds them that starts.
        fn new(of_secret: u64, session: Option<u64>, used: TokenSource) -> Self {
            let mut tokens = Self {
                account: account("a"),
                memory: TokenMemory::default(),
                used,
                passed: 0,
            };
            tokens.account.secret = Secret::Unknown;
            tokens.account.session = Secret::Unknown;
            tokens.look();
            tokens.put(OfSecret, Some(of_secret));
            tokens.put(Session, session);
            tokens
        }

        fn look(&mut self) -> TokenSource {
            self.passed += 1;
            let now = start().monotonic + Duration::from_secs(self.passed);
            self.memory = self.memory.after(&self.account, now);
            self.used = choose(&self.account, self.used, &self.memory);
            self.used
        }

        fn put(&mut self, source: TokenSource, token: Option<u64>) -> TokenSource {
            match source {
                OfSecret => self.account.secret = secret(token),
                Session => self.account.session = secret(token),
            }
            self.look()
        }

        fn answer(&mut self, source: TokenSource, accepted: bool) -> TokenSource {
            let user_id = "AB1234".to_owned();
            let check = version(&self.account, source).map(|version| TokenCheck {
                version,
                answer: match accepted {
                    true => TokenAnswer::Accepted { user_id },
                    false => TokenAnswer::Refused,
                },
                at: Timestamp::UNIX_EPOCH,
            });
            match source {
                OfSecret => self.account.token = check,
                Session => self.account.session_token = check,
            }
            self.look()
        }
    }

    #[test]
    fn a_login_is_used_once_kite_accepts_it_and_a_later_secret_after_it() {
        let mut tokens = Tokens::new(1, None, OfSecret);
        assert_eq!(tokens.answer(OfSecret, true), OfSecret);
        assert_eq!(tokens.put(Session, Some(2)), OfSecret, "not checked");
        assert_eq!(tokens.answer(Session, true), Session);
        // Both stay good, whichever is checked last.
        assert_eq!(tokens.answer(OfSecret, true), Session);
        assert_eq!(tokens.answer(Session, true), Session);
        assert_eq!(tokens.put(OfSecret, Some(3)), Session, "not checked");
        assert_eq!(tokens.answer(OfSecret, true), OfSecret);
        assert_eq!(tokens.answer(Session, true), OfSecret);
    }

    #[test]
    fn what_is_refused_is_left_for_what_is_accepted_alone() {
        let mut tokens = Tokens::new(1, Some(2), Session);
        assert_eq!(tokens.answer(Session, false), Session);
        assert_eq!(tokens.answer(OfSecret, false), Session);
        assert_eq!(tokens.answer(OfSecret, true), OfSecret);
        // The answers of older versions do not count.
        assert_eq!(tokens.put(Session, Some(4)), OfSecret);
    }

    #[test]
    fn a_restart_changes_nothing_while_both_are_good() {
        for used in [OfSecret, Session] {
            let mut tokens = Tokens::new(1, Some(2), used);
            assert_eq!(tokens.answer(used.other(), true), used);
            assert_eq!(tokens.answer(used, true), used);
        }
    }

    #[test]
    fn a_session_that_is_deleted_leaves_the_secret_to_use_and_one_out_of_sight_does_not() {
        let mut tokens = Tokens::new(1, Some(2), Session);
        tokens.answer(OfSecret, true);
        tokens.account.session = Secret::Unreadable;
        assert_eq!(tokens.look(), Session);
        assert_eq!(tokens.put(Session, None), OfSecret);
    }

    #[test]
    fn the_same_token_in_a_changed_secret_is_no_news() {
        let mut tokens = Tokens::new(1, None, OfSecret);
        tokens.put(Session, Some(2));
        assert_eq!(tokens.answer(Session, true), Session);
        if let Secret::Present { version, .. } = &mut tokens.account.secret {
            "labelled".clone_into(version);
        }
        assert_eq!(tokens.answer(OfSecret, true), Session);
    }

    proptest::proptest! {
        #[test]
        fn only_what_kite_accepts_is_changed_to_and_nothing_goes_back_and_forth(
            steps in proptest::collection::vec((0..5_u8, 0..2_u8, 1..4_u64), 1..40),
        ) {
            let mut tokens = Tokens::new(1, Some(2), OfSecret);
            for (step, source, token) in steps {
                let source = if source == 0 { OfSecret } else { Session };
                let before = tokens.used;
                let after = match step {
                    0 => tokens.put(source, Some(token)),
                    1 => tokens.put(source, None),
                    2 => tokens.answer(source, true),
                    3 => tokens.answer(source, false),
                    _ => tokens.look(),
                };
                if after != before {
                    let answer = &check(&tokens.account, after).unwrap().answer;
                    assert!(matches!(answer, TokenAnswer::Accepted { .. }));
                }
                let both = [OfSecret, Session].iter().all(|source| {
                    let answer = check(&tokens.account, *source).map(|it| &it.answer);
                    matches!(answer, Some(TokenAnswer::Accepted { .. }))
                });
                if both {
                    assert_eq!(tokens.look(), after, "nothing has changed");
                }
            }
        }
    }
}
