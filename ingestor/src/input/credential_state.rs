//! Whether Kite accepts the credentials, and whether dialling makes sense.
//!
//! Owns the rule that after a 403 no connection dials with the same credentials but one at a time, at
//! growing intervals. Pure; times and random numbers are arguments.

use std::time::Instant;

use kite::session::backoff;

use super::remark::remark;
use crate::input::credentials::{CredentialFiles, Credentials};

/// What is known of the credentials.
#[derive(Debug, Default)]
pub(crate) struct CredentialState {
    found: Option<CredentialFiles>,
    /// What Kite accepted last, unless it refused the same since.
    accepted: Option<Credentials>,
    /// What Kite refused last, unless it accepted the same since.
    refused: Option<Credentials>,
    /// Tries of the same credentials that Kite refused, without concurrent ones.
    refusals: u32,
    next_try: Option<NextTry>,
    /// Whether Kite accepted what it refuses now.
    expired: bool,
}

/// When refused credentials are tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NextTry {
    /// By the monotonic clock.
    pub(crate) at: Instant,
    /// The same in epoch seconds, for people.
    pub(crate) wall: i64,
}

/// The moment of an answer, by both clocks, and a random number from 0 to 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnswerTime {
    pub(crate) at: Instant,
    /// Epoch microseconds.
    pub(crate) us: i64,
    pub(crate) random: f64,
}

impl CredentialState {
    /// Whether these are other files than before.
    #[must_use]
    pub(crate) fn is_change(&self, found: &CredentialFiles) -> bool {
        self.found.as_ref() != Some(found)
    }

    /// The files were read. Returns whether dialling makes sense now.
    pub(crate) fn on_read(&mut self, found: CredentialFiles) -> bool {
        if self.is_change(&found) {
            self.found = Some(found);
            if self.is_dial_worthwhile() {
                self.forget_refusals();
            } else if self.next_try.is_none() {
                // An old refusal, after which nothing would try them again.
                self.refused = None;
            }
        }
        self.is_dial_worthwhile()
    }

    /// Kite accepted or refused credentials that were read just before the dial. Returns whether
    /// every connection may dial; if not, one of them tries at [`CredentialState::next_try`].
    ///
    /// The dial may have read older or newer files than [`CredentialState::on_read`]. A refusal of
    /// older ones says nothing about the present files; a second refusal of the same ones counts. If
    /// one of two concurrent dials is refused and the other accepted, the last answer counts.
    pub(crate) fn on_checked(
        &mut self,
        credentials: Credentials,
        accepted: bool,
        time: AnswerTime,
    ) -> bool {
        let again = !accepted && self.refused.as_ref() == Some(&credentials);
        let (now, before) = if accepted {
            (&mut self.accepted, &mut self.refused)
        } else {
            (&mut self.refused, &mut self.accepted)
        };
        let contrary = before.take_if(|before| *before == credentials).is_some();
        if !again {
            self.expired = !accepted && contrary;
        }
        *now = Some(credentials);
        let worthwhile = !again && self.is_dial_worthwhile();
        if worthwhile {
            self.forget_refusals();
        } else if !accepted {
            self.on_refused(time);
        }
        worthwhile
    }

    /// Answers to dials that were under way together count as one.
    fn on_refused(&mut self, time: AnswerTime) {
        if self.next_try.is_none_or(|next| time.at >= next.at) {
            self.refusals = self.refusals.saturating_add(1);
            let wait = backoff::after_refusal(self.refusals, time.random);
            let wall = time.us.saturating_add(wait.as_micros() as i64);
            self.next_try = Some(NextTry {
                at: time.at + wait,
                wall: wall.div_euclid(1_000_000),
            });
        }
    }

    const fn forget_refusals(&mut self) {
        self.refusals = 0;
        self.next_try = None;
    }

    /// When one connection tries the refused credentials again, if they were refused.
    #[must_use]
    pub(crate) fn next_try(&self) -> Option<NextTry> {
        let complete = matches!(self.found, Some(CredentialFiles::Complete(_)));
        self.next_try.filter(|_| complete)
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
        self.forget_refusals();
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
        use contract::report::{CredentialRemark, CredentialsReport as State};
        match &self.found {
            None => State::Unread,
            Some(CredentialFiles::Missing(files)) => State::Missing {
                files: files.clone(),
            },
            Some(CredentialFiles::Complete(found)) => match Some(found) {
                found if found == self.accepted.as_ref() => State::Accepted,
                refused if refused == self.refused.as_ref() => State::Refused {
                    next_try: self.next_try.map(|next| next.wall),
                    remark: remark(found).or_else(|| {
                        let never = !self.expired;
                        never.then_some(CredentialRemark::NeverAccepted)
                    }),
                },
                _ => State::Present {
                    remark: remark(found),
                },
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use contract::report::{CredentialRemark, CredentialsReport as State};

    use super::*;

    const REFUSED: bool = false;
    const ACCEPTED: bool = true;

    /// A state, and the time since its start.
    struct Case {
        state: CredentialState,
        start: Instant,
        seconds: u64,
    }

    impl Case {
        fn new() -> Self {
            #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
            let start = Instant::now();
            Self {
                state: CredentialState::default(),
                start,
                seconds: 0,
            }
        }

        fn reads(&mut self, token: &str) -> bool {
            self.state
                .on_read(CredentialFiles::Complete(credentials(token)))
        }

        fn answers(&mut self, token: &str, accepted: bool) -> bool {
            let time = AnswerTime {
                at: self.start + Duration::from_secs(self.seconds),
                us: self.seconds as i64 * 1_000_000,
                random: 0.5,
            };
            self.state.on_checked(credentials(token), accepted, time)
        }

        /// Seconds from the start to the next try.
        fn next_try(&self) -> Option<u64> {
            let next = self.state.next_try()?;
            let seconds = next.at.duration_since(self.start).as_secs();
            assert_eq!(next.wall, seconds as i64);
            Some(seconds)
        }

        fn is_refused(&self) -> bool {
            matches!(self.state.report(), State::Refused { .. })
        }
    }

    fn credentials(token: &str) -> Credentials {
        Credentials {
            api_key: "key".into(),
            access_token: token.into(),
        }
    }

    #[test]
    fn refused_credentials_wait_and_others_are_dialled_with_at_once() {
        let mut case = Case::new();
        assert_eq!(case.state.report(), State::Unread);
        assert!(case.reads("old"));
        let present = || State::Present { remark: None };
        assert_eq!(case.state.report(), present());
        assert!(!case.answers("old", REFUSED));
        let (next_try, remark) = (Some(15), Some(CredentialRemark::NeverAccepted));
        assert_eq!(case.state.report(), State::Refused { next_try, remark });
        assert!(!case.reads("old"));
        assert!(case.reads("new"));
        assert_eq!((case.state.report(), case.next_try()), (present(), None));
        assert!(case.answers("new", ACCEPTED));
        assert_eq!(case.state.report(), State::Accepted);
    }

    /// One that was accepted is an access token, and has expired.
    #[test]
    fn a_refusal_is_remarked_on_if_the_token_was_never_accepted() {
        let mut case = Case::new();
        let remark = |case: &Case| match case.state.report() {
            State::Refused { remark, .. } => remark,
            other => panic!("{other:?}"),
        };
        case.reads("one");
        case.answers("one", ACCEPTED);
        for _ in 0..3 {
            case.answers("one", REFUSED);
            assert_eq!(remark(&case), None);
            case.seconds += 600;
        }
        case.reads("two");
        case.answers("two", REFUSED);
        assert_eq!(remark(&case), Some(CredentialRemark::NeverAccepted));
        case.reads("'three");
        let report = State::Present {
            remark: Some(CredentialRemark::Quotes),
        };
        assert_eq!(case.state.report(), report);
        case.answers("'three", REFUSED);
        assert_eq!(remark(&case), Some(CredentialRemark::Quotes));
    }

    #[test]
    fn each_refused_try_doubles_the_wait_and_concurrent_ones_count_once() {
        let mut case = Case::new();
        case.reads("new");
        for _ in 0..3 {
            case.answers("new", REFUSED);
        }
        assert_eq!(case.next_try(), Some(15));
        case.seconds = 15;
        case.answers("new", REFUSED);
        assert_eq!(case.next_try(), Some(45));
        case.seconds = 46;
        assert!(case.answers("new", ACCEPTED), "all may dial");
        assert_eq!(case.next_try(), None);
        case.answers("new", REFUSED);
        assert_eq!(case.next_try(), Some(61), "from the beginning");
    }

    #[test]
    fn a_refusal_of_what_the_files_held_before_does_not_count() {
        let mut case = Case::new();
        case.reads("new");
        assert!(case.answers("old", REFUSED));
        assert!(case.reads("old"), "nothing else would try them");
    }

    #[test]
    fn a_refusal_of_what_the_files_hold_before_anybody_said_so_counts_at_the_second_time() {
        let mut case = Case::new();
        case.reads("old");
        assert!(case.answers("new", REFUSED));
        assert!(!case.answers("new", REFUSED));
        assert!(!case.reads("new"));
        assert!(case.is_refused() && case.next_try() == Some(15));
    }

    #[test]
    fn an_acceptance_takes_a_refusal_of_the_same_back() {
        let mut case = Case::new();
        case.reads("new");
        assert!(!case.answers("new", REFUSED));
        assert!(case.answers("new", ACCEPTED));
        assert_eq!(case.state.report(), State::Accepted);
        assert!(!case.answers("new", REFUSED));
        assert!(case.is_refused());
    }

    #[test]
    fn an_acceptance_of_others_says_nothing_about_the_files() {
        let mut case = Case::new();
        case.reads("new");
        case.answers("new", REFUSED);
        assert!(!case.answers("other", ACCEPTED));
        assert!(case.is_refused() && case.next_try() == Some(15));
        assert!(case.reads("other"), "they were newer, not older");
        assert_eq!(case.state.report(), State::Accepted);
        case.state.on_read(CredentialFiles::Missing(Vec::new()));
        assert!(
            !case.answers("other", ACCEPTED),
            "there is nothing to dial with"
        );
    }

    #[test]
    fn missing_files_are_named_and_not_dialled_with() {
        let mut case = Case::new();
        let missing = || CredentialFiles::Missing(vec!["api_key".to_owned()]);
        assert!(!case.state.on_read(missing()));
        let files = vec!["api_key".to_owned()];
        assert_eq!(case.state.report(), State::Missing { files });
        case.reads("old");
        case.answers("old", REFUSED);
        case.state.on_read(missing());
        assert_eq!(case.next_try(), None);
        assert!(!case.reads("old"), "they wait as before");
        assert_eq!(case.next_try(), Some(15));
    }

    #[test]
    fn another_endpoint_may_think_otherwise() {
        let mut case = Case::new();
        case.reads("old");
        case.answers("old", REFUSED);
        case.state.forget();
        assert!(case.state.is_dial_worthwhile() && case.next_try().is_none());
    }
}
