//! What Kite thinks of the credentials, and whether a dial is worth it.
//!
//! Owns the rule that one set of credentials is refused once: after a 403 nobody dials until the
//! files change. Pure.

use crate::credentials::{Credentials, Found};

/// What is known of the credentials.
#[derive(Debug, Default)]
pub struct Verdict {
    found: Option<Found>,
    /// What Kite accepted last, unless it refused the same since.
    accepted: Option<Credentials>,
    /// What Kite refused last, unless it accepted the same since.
    refused: Option<Credentials>,
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
    /// Of two dials at once one may be refused and the other accepted: the last word counts.
    pub fn on_judged(&mut self, credentials: Credentials, accepted: bool) -> bool {
        let again = !accepted && is(self.refused.as_ref(), &credentials);
        let (now, before) = if accepted {
            (&mut self.accepted, &mut self.refused)
        } else {
            (&mut self.refused, &mut self.accepted)
        };
        before.take_if(|before| before.same(&credentials));
        *now = Some(credentials);
        !again && self.is_dial_worthwhile()
    }

    /// Whether Kite has judged other credentials than these.
    #[must_use]
    pub fn knows_others(&self, credentials: &Credentials) -> bool {
        let judged = [&self.accepted, &self.refused].into_iter().flatten();
        judged.into_iter().any(|known| !known.same(credentials))
    }

    /// Forgets what Kite said: the endpoint is another one.
    pub fn forget(&mut self) {
        self.accepted = None;
        self.refused = None;
    }

    /// Whether there are credentials that were not refused.
    #[must_use]
    pub fn is_dial_worthwhile(&self) -> bool {
        match &self.found {
            Some(Found::Whole(found)) => !is(self.refused.as_ref(), found),
            Some(Found::Missing(_)) | None => false,
        }
    }

    /// As reports say it.
    #[must_use]
    pub fn report(&self) -> contract::report::CredentialsReport {
        use contract::report::CredentialsReport as State;
        match &self.found {
            None => State::Unread,
            Some(Found::Missing(files)) => State::Missing {
                files: files.clone(),
            },
            Some(Found::Whole(found)) if is(self.accepted.as_ref(), found) => State::Accepted,
            Some(Found::Whole(found)) if is(self.refused.as_ref(), found) => State::Refused,
            Some(Found::Whole(_)) => State::Present,
        }
    }
}

fn is(known: Option<&Credentials>, credentials: &Credentials) -> bool {
    known.is_some_and(|known| known.same(credentials))
}

#[cfg(test)]
mod tests {
    use contract::report::CredentialsReport as State;

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

    #[test]
    fn an_acceptance_takes_a_refusal_of_the_same_back() {
        let mut verdict = Verdict::default();
        verdict.on_found(found("new"));
        assert!(!verdict.on_judged(credentials("new"), false));
        assert!(verdict.on_judged(credentials("new"), true));
        assert_eq!(verdict.report(), State::Accepted);
        assert!(!verdict.on_judged(credentials("new"), false));
        assert_eq!(verdict.report(), State::Refused);
    }

    #[test]
    fn an_acceptance_of_others_says_nothing_about_the_files() {
        let mut verdict = Verdict::default();
        verdict.on_found(found("new"));
        verdict.on_judged(credentials("new"), false);
        assert!(!verdict.on_judged(credentials("other"), true));
        assert_eq!(verdict.report(), State::Refused);
        assert!(
            verdict.on_found(found("other")),
            "they were newer, not older"
        );
        assert_eq!(verdict.report(), State::Accepted);
        verdict.on_found(Found::Missing(Vec::new()));
        assert!(
            !verdict.on_judged(credentials("other"), true),
            "there is nothing to dial with"
        );
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
