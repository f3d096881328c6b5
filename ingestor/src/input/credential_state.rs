//! Whether Kite accepts the credentials, and whether dialling makes sense.
//!
//! Owns the rule that credentials are refused once: after a 403 no connection dials until the files
//! change. Pure.

use crate::input::credentials::{CredentialFiles, Credentials};

/// What is known of the credentials.
#[derive(Debug, Default)]
pub(crate) struct CredentialState {
    found: Option<CredentialFiles>,
    /// What Kite accepted last, unless it refused the same since.
    accepted: Option<Credentials>,
    /// What Kite refused last, unless it accepted the same since.
    refused: Option<Credentials>,
}

impl CredentialState {
    /// The files were read. Returns whether dialling makes sense now.
    pub(crate) fn on_read(&mut self, found: CredentialFiles) -> bool {
        self.found = Some(found);
        self.is_dial_worthwhile()
    }

    /// Kite accepted or refused credentials that were read just before the dial. Returns whether
    /// another dial makes sense.
    ///
    /// The dial may have read older or newer files than [`CredentialState::on_read`]. A refusal of
    /// older ones says nothing about the present files; a second refusal of the same ones is final.
    /// If one of two concurrent dials is refused and the other accepted, the last answer counts.
    pub(crate) fn on_checked(&mut self, credentials: Credentials, accepted: bool) -> bool {
        let again = !accepted && self.refused.as_ref() == Some(&credentials);
        let (now, before) = if accepted {
            (&mut self.accepted, &mut self.refused)
        } else {
            (&mut self.refused, &mut self.accepted)
        };
        before.take_if(|before| *before == credentials);
        *now = Some(credentials);
        !again && self.is_dial_worthwhile()
    }

    /// Whether Kite has accepted or refused other credentials than these.
    #[must_use]
    pub(crate) fn has_checked_others(&self, credentials: &Credentials) -> bool {
        let mut checked = [&self.accepted, &self.refused].into_iter().flatten();
        checked.any(|known| known != credentials)
    }

    /// Forgets Kite's answers, because the endpoint changed.
    pub(crate) fn forget(&mut self) {
        self.accepted = None;
        self.refused = None;
    }

    /// Whether there are credentials that were not refused.
    #[must_use]
    pub(crate) fn is_dial_worthwhile(&self) -> bool {
        match &self.found {
            Some(CredentialFiles::Complete(found)) => self.refused.as_ref() != Some(found),
            Some(CredentialFiles::Missing(_)) | None => false,
        }
    }

    /// The state for the report.
    #[must_use]
    pub(crate) fn report(&self) -> contract::report::CredentialsReport {
        use contract::report::CredentialsReport as State;
        match &self.found {
            None => State::Unread,
            Some(CredentialFiles::Missing(files)) => State::Missing {
                files: files.clone(),
            },
            Some(CredentialFiles::Complete(found)) => match Some(found) {
                found if found == self.accepted.as_ref() => State::Accepted,
                found if found == self.refused.as_ref() => State::Refused,
                _ => State::Present,
            },
        }
    }
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

    fn files(token: &str) -> CredentialFiles {
        CredentialFiles::Complete(credentials(token))
    }

    #[test]
    fn refused_credentials_are_tried_again_only_when_they_change() {
        let mut state = CredentialState::default();
        assert_eq!(state.report(), State::Unread);
        assert!(state.on_read(files("old")));
        assert_eq!(state.report(), State::Present);
        assert!(!state.on_checked(credentials("old"), false));
        assert_eq!(state.report(), State::Refused);
        assert!(!state.on_read(files("old")));
        assert!(state.on_read(files("new")));
        assert_eq!(state.report(), State::Present);
        assert!(state.on_checked(credentials("new"), true));
        assert_eq!(state.report(), State::Accepted);
    }

    #[test]
    fn a_refusal_of_what_the_files_held_before_does_not_count() {
        let mut state = CredentialState::default();
        state.on_read(files("new"));
        assert!(state.on_checked(credentials("old"), false));
    }

    #[test]
    fn a_refusal_of_what_the_files_hold_before_anybody_said_so_counts_at_the_second_time() {
        let mut state = CredentialState::default();
        state.on_read(files("old"));
        assert!(state.on_checked(credentials("new"), false));
        assert!(!state.on_checked(credentials("new"), false));
        assert!(!state.on_read(files("new")));
        assert_eq!(state.report(), State::Refused);
    }

    #[test]
    fn an_acceptance_takes_a_refusal_of_the_same_back() {
        let mut state = CredentialState::default();
        state.on_read(files("new"));
        assert!(!state.on_checked(credentials("new"), false));
        assert!(state.on_checked(credentials("new"), true));
        assert_eq!(state.report(), State::Accepted);
        assert!(!state.on_checked(credentials("new"), false));
        assert_eq!(state.report(), State::Refused);
    }

    #[test]
    fn an_acceptance_of_others_says_nothing_about_the_files() {
        let mut state = CredentialState::default();
        state.on_read(files("new"));
        state.on_checked(credentials("new"), false);
        assert!(!state.on_checked(credentials("other"), true));
        assert_eq!(state.report(), State::Refused);
        assert!(state.on_read(files("other")), "they were newer, not older");
        assert_eq!(state.report(), State::Accepted);
        state.on_read(CredentialFiles::Missing(Vec::new()));
        assert!(
            !state.on_checked(credentials("other"), true),
            "there is nothing to dial with"
        );
    }

    #[test]
    fn missing_files_are_named_and_not_dialled_with() {
        let mut state = CredentialState::default();
        assert!(!state.on_read(CredentialFiles::Missing(vec!["api_key".to_owned()])));
        let files = vec!["api_key".to_owned()];
        assert_eq!(state.report(), State::Missing { files });
    }

    #[test]
    fn another_endpoint_may_think_otherwise() {
        let mut state = CredentialState::default();
        state.on_read(files("old"));
        state.on_checked(credentials("old"), false);
        state.forget();
        assert!(state.is_dial_worthwhile());
    }
}
