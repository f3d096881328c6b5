//! Which of two access tokens is used: the one that the assignment names, or the other if that is missing or refused.
//!
//! Pure. Owns the rule that the other one is tried once, until files or assignment change. Must not dial.

use contract::{TokenSource, session_key_hash};
use secrecy::ExposeSecret;

use super::credentials::{CredentialFiles, Credentials, TokenFiles};

/// The choice of one process.
#[derive(Debug, Default)]
pub(crate) struct TokenChoice {
    /// The account, whose sessions alone count; nothing before the first assignment.
    account_uid: String,
    preferred: TokenSource,
    files: TokenFiles,
    other: OtherToken,
}

/// What is known of the token that is not preferred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum OtherToken {
    #[default]
    Untried,
    /// Kite has refused the preferred one.
    InUse,
    Refused,
}

impl TokenChoice {
    /// Takes over what an assignment says. Returns whether that is new.
    pub(crate) fn assign(&mut self, account_uid: &str, preferred: TokenSource) -> bool {
        let is_new = (self.account_uid.as_str(), self.preferred) != (account_uid, preferred);
        if is_new {
            account_uid.clone_into(&mut self.account_uid);
            self.preferred = preferred;
            self.other = OtherToken::Untried;
        }
        is_new
    }

    /// Chooses from what the files hold.
    pub(crate) fn choose(&mut self, files: TokenFiles) -> CredentialFiles {
        if self.files != files {
            self.files = files;
            self.other = OtherToken::Untried;
        }
        self.chosen()
    }

    /// Takes note that Kite refused these. Returns whether others are used from now on.
    pub(crate) fn on_refused(&mut self, refused: &Credentials) -> bool {
        let CredentialFiles::Complete(used) = self.chosen() else {
            return false;
        };
        if used != *refused {
            // A dial from before the change.
            return false;
        }
        self.other = match self.other {
            OtherToken::Untried => OtherToken::InUse,
            OtherToken::InUse | OtherToken::Refused => OtherToken::Refused,
        };
        match self.chosen() {
            CredentialFiles::Complete(next) => next != used,
            CredentialFiles::Missing(_) => false,
        }
    }

    /// Whose token is used.
    pub(crate) fn source(&self) -> Option<TokenSource> {
        let order = self.order();
        order
            .into_iter()
            .find(|source| self.token(*source).is_some())
    }

    fn order(&self) -> [TokenSource; 2] {
        let first = match self.other {
            OtherToken::InUse => self.preferred.other(),
            OtherToken::Untried | OtherToken::Refused => self.preferred,
        };
        [first, first.other()]
    }

    fn chosen(&self) -> CredentialFiles {
        match self.source().and_then(|source| self.token(source)) {
            Some(credentials) => CredentialFiles::Complete(credentials),
            None => CredentialFiles::Missing(self.files.missing()),
        }
    }

    fn token(&self, source: TokenSource) -> Option<Credentials> {
        let api_key = self.files.api_key.as_ref().ok()?;
        let access_token = match source {
            TokenSource::Secret => self.files.access_token.as_ref().ok()?,
            TokenSource::Session => {
                let session = self.files.session.as_ref()?;
                let hash = session_key_hash(&self.account_uid, api_key.expose_secret());
                Some(&session.token).filter(|_| session.key_hash == hash)?
            }
        };
        Some(Credentials {
            api_key: api_key.clone(),
            access_token: access_token.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::credentials::SessionToken;
    use super::*;

    const UID: &str = "uid-1";

    fn files(access_token: Option<&str>, session: Option<&str>) -> TokenFiles {
        TokenFiles {
            api_key: Ok("key".into()),
            access_token: access_token
                .map(Into::into)
                .ok_or_else(|| "access_token".to_owned()),
            session: session.map(|token| SessionToken {
                token: token.into(),
                key_hash: session_key_hash(UID, "key"),
            }),
        }
    }

    fn choice(preferred: TokenSource) -> TokenChoice {
        let mut choice = TokenChoice::default();
        choice.assign(UID, preferred);
        choice
    }

    fn used(choice: &TokenChoice) -> String {
        match choice.chosen() {
            CredentialFiles::Complete(credentials) => {
                credentials.access_token.expose_secret().to_owned()
            }
            CredentialFiles::Missing(files) => files.join(" "),
        }
    }

    /// Kite refuses what is used; returns what is used then.
    fn refuse(choice: &mut TokenChoice) -> (bool, String) {
        let CredentialFiles::Complete(credentials) = choice.chosen() else {
            panic!("nothing to refuse")
        };
        (choice.on_refused(&credentials), used(choice))
    }

    #[test]
    fn the_preferred_one_is_used_and_else_the_one_that_is_there() {
        use TokenSource::{Secret, Session};
        let both = || files(Some("secret"), Some("session"));
        for (preferred, there, expected) in [
            (Secret, both(), "secret"),
            (Session, both(), "session"),
            (Session, files(Some("secret"), None), "secret"),
            (Secret, files(None, Some("session")), "session"),
            (Session, files(None, None), "access_token"),
        ] {
            let mut choice = choice(preferred);
            choice.choose(there);
            assert_eq!(used(&choice), expected);
        }
    }

    #[test]
    fn the_other_one_is_tried_once_after_a_refusal() {
        let mut choice = choice(TokenSource::Session);
        choice.choose(files(Some("secret"), Some("session")));
        assert_eq!(refuse(&mut choice), (true, "secret".to_owned()));
        assert_eq!(choice.source(), Some(TokenSource::Secret));
        assert_eq!(refuse(&mut choice), (true, "session".to_owned()));
        // It waits with the one that is preferred.
        assert_eq!(refuse(&mut choice), (false, "session".to_owned()));
        // Other files, or another choice: all begins anew.
        choice.choose(files(Some("today"), Some("session")));
        assert_eq!(refuse(&mut choice), (true, "today".to_owned()));
        choice.assign(UID, TokenSource::Secret);
        assert_eq!(refuse(&mut choice), (true, "session".to_owned()));
    }

    #[test]
    fn a_late_refusal_and_a_single_token_change_nothing() {
        let mut choice = choice(TokenSource::Secret);
        choice.choose(files(Some("old"), Some("session")));
        let CredentialFiles::Complete(old) = choice.chosen() else {
            panic!("both are there")
        };
        choice.choose(files(Some("new"), Some("session")));
        assert!(!choice.on_refused(&old));
        assert_eq!(used(&choice), "new");
        choice.choose(files(Some("new"), None));
        assert_eq!(refuse(&mut choice), (false, "new".to_owned()));
        // The same token twice is one.
        choice.choose(files(Some("new"), Some("new")));
        assert!(!refuse(&mut choice).0);
    }

    #[test]
    fn a_session_of_another_key_or_account_is_none() {
        let mut choice = choice(TokenSource::Session);
        let mut there = files(Some("secret"), Some("session"));
        there.api_key = Ok("another".into());
        choice.choose(there);
        assert_eq!(used(&choice), "secret");
        choice.assign("uid-2", TokenSource::Session);
        choice.choose(files(None, Some("session")));
        assert_eq!(used(&choice), "access_token");
    }
}
