//! What Kite thinks of the credentials, and whether a dial is worth it.
//!
//! Owns the rule that one set of credentials is refused once: after a 403 nobody dials until the
//! files change. Pure.

use crate::credentials::{Credentials, Found};

/// What is known of the credentials.
#[derive(Debug, Default)]
pub struct Verdict {
    found: Option<Found>,
    judged: Option<(Credentials, bool)>,
}

impl Verdict {
    /// The files were read. Returns whether a dial is worth it now.
    pub fn on_found(&mut self, found: Found) -> bool {
        self.found = Some(found);
        self.is_dial_worthwhile()
    }

    /// Kite accepted or refused credentials that were read just before the dial. Returns whether
    /// another dial is worth it.
    ///
    /// The dial may have read older or newer files than [`Verdict::on_found`] was told of. Older
    /// ones refused say nothing about the files now; the same ones refused twice say everything.
    pub fn on_judged(&mut self, credentials: Credentials, accepted: bool) -> bool {
        let again = self
            .judged
            .as_ref()
            .is_some_and(|(before, fine)| !fine && before.same(&credentials));
        let current = self.is_found(&credentials);
        self.judged = Some((credentials, accepted));
        if accepted {
            return !matches!(self.found, Some(Found::Missing(_)));
        }
        !current && !again
    }

    /// Forgets what Kite said: the endpoint is another one.
    pub fn forget(&mut self) {
        self.judged = None;
    }

    /// Whether there are credentials that were not refused.
    #[must_use]
    pub fn is_dial_worthwhile(&self) -> bool {
        let refused = match &self.judged {
            Some((credentials, false)) => self.is_found(credentials),
            Some((_, true)) | None => false,
        };
        matches!(self.found, Some(Found::Whole(_))) && !refused
    }

    /// As reports say it.
    #[must_use]
    pub fn report(&self) -> contract::report::Credentials {
        use contract::report::Credentials as State;
        match (&self.found, &self.judged) {
            (None, _) => State::Unread,
            (Some(Found::Missing(files)), _) => State::Missing {
                files: files.clone(),
            },
            (Some(Found::Whole(_)), Some((judged, accepted))) if self.is_found(judged) => {
                if *accepted {
                    State::Accepted
                } else {
                    State::Refused
                }
            }
            (Some(Found::Whole(_)), _) => State::Present,
        }
    }

    fn is_found(&self, credentials: &Credentials) -> bool {
        matches!(&self.found, Some(Found::Whole(found)) if found.same(credentials))
    }
}

#[cfg(test)]
mod tests {
    use contract::report::Credentials as State;

    use super::*;

    fn credentials(token: &str) -> Credentials {
        Credentials {
            api_key: "key".into(),
            access_token: token.into(),
        }
    }

    fn found(token: &str) -> Found {
        Found::Whole(credentials(token))
    }

    #[test]
    fn refused_credentials_are_tried_again_only_when_they_change() {
        let mut verdict = Verdict::default();
        assert_eq!(verdict.report(), State::Unread);
        assert!(verdict.on_found(found("old")));
        assert_eq!(verdict.report(), State::Present);
        assert!(!verdict.on_judged(credentials("old"), false));
        assert_eq!(verdict.report(), State::Refused);
        assert!(!verdict.on_found(found("old")));
        assert!(verdict.on_found(found("new")));
        assert_eq!(verdict.report(), State::Present);
        assert!(verdict.on_judged(credentials("new"), true));
        assert_eq!(verdict.report(), State::Accepted);
    }

    #[test]
    fn a_refusal_of_what_the_files_held_before_does_not_count() {
        let mut verdict = Verdict::default();
        verdict.on_found(found("new"));
        assert!(verdict.on_judged(credentials("old"), false));
    }

    #[test]
    fn a_refusal_of_what_the_files_hold_before_anybody_said_so_counts_at_the_second_time() {
        let mut verdict = Verdict::default();
        verdict.on_found(found("old"));
        assert!(verdict.on_judged(credentials("new"), false));
        assert!(!verdict.on_judged(credentials("new"), false));
        assert!(!verdict.on_found(found("new")));
        assert_eq!(verdict.report(), State::Refused);
    }

    /// Two dials at a time: the second answer counts, whatever the first was.
    #[test]
    fn what_is_accepted_after_a_refusal_is_good_again() {
        let mut verdict = Verdict::default();
        verdict.on_found(found("token"));
        assert!(!verdict.on_judged(credentials("token"), false));
        assert!(verdict.on_judged(credentials("token"), true));
        assert!(verdict.is_dial_worthwhile());
        verdict.on_found(Found::Missing(Vec::new()));
        assert!(!verdict.on_judged(credentials("token"), true));
    }

    #[test]
    fn missing_files_are_named_and_not_dialled_with() {
        let mut verdict = Verdict::default();
        assert!(!verdict.on_found(Found::Missing(vec!["api_key".to_owned()])));
        let files = vec!["api_key".to_owned()];
        assert_eq!(verdict.report(), State::Missing { files });
    }

    #[test]
    fn another_endpoint_may_think_otherwise() {
        let mut verdict = Verdict::default();
        verdict.on_found(found("old"));
        verdict.on_judged(credentials("old"), false);
        verdict.forget();
        assert!(verdict.is_dial_worthwhile());
    }
}
