//! Files and answers in every order.

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
        let time = self.now();
        let files = CredentialFiles::Complete(credentials(token));
        self.state.on_read(files, time)
    }

    fn misses(&mut self) -> bool {
        let time = self.now();
        let files = CredentialFiles::Missing(vec!["api_key".to_owned()]);
        self.state.on_read(files, time)
    }

    fn now(&self) -> ObservedAt {
        ObservedAt {
            at: self.start + Duration::from_secs(self.seconds),
            us: self.seconds as i64 * 1_000_000,
            random: 0.5,
        }
    }

    fn answers(&mut self, token: &str, accepted: bool) -> bool {
        let time = self.now();
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

/// A try of the refused ones was under way when the files changed.
#[test]
fn late_refusals_of_what_the_files_held_before_do_not_hold_up_the_new_ones() {
    let mut case = Case::new();
    case.reads("old");
    case.answers("old", REFUSED);
    case.seconds = 15;
    assert!(case.reads("new"));
    for _ in 0..3 {
        assert!(case.answers("old", REFUSED), "each connection may get one");
    }
    assert_eq!((case.is_refused(), case.next_try()), (false, None));
    // More are those of files that changed back, which nobody has said yet.
    case.answers("old", REFUSED);
    assert!(!case.answers("old", REFUSED));
}

#[test]
fn files_that_alternate_are_tried_a_few_times_a_minute() {
    let mut case = Case::new();
    let mut dials = 0;
    for second in 0..600 {
        case.seconds = second;
        for token in ["one", "other"] {
            let tried = case.next_try().is_some_and(|at| second >= at);
            if case.reads(token) || tried {
                dials += 1;
                case.answers(token, REFUSED);
            }
        }
    }
    assert!((20..=70).contains(&dials), "{dials} in ten minutes");
    // They change no more.
    let next = case.next_try().unwrap();
    assert!(next <= 600 + 60, "{next}");
    case.seconds = next;
    assert!(case.answers("other", ACCEPTED));
    assert!(case.reads("third"));
}

#[test]
fn the_fifth_token_in_a_minute_waits_and_says_until_when() {
    let mut case = Case::new();
    for token in ["one", "two", "three", "four"] {
        assert!(case.reads(token), "{token}");
        case.answers(token, REFUSED);
        case.seconds += 5;
    }
    assert!(!case.reads("five"));
    assert!(case.is_refused());
    assert_eq!(case.next_try(), Some(30), "the wait after four");
    case.seconds = 60;
    assert!(case.reads("six"));
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
    case.misses();
    assert!(
        !case.answers("other", ACCEPTED),
        "there is nothing to dial with"
    );
}

#[test]
fn missing_files_are_named_and_not_dialled_with() {
    let mut case = Case::new();
    assert!(!case.misses());
    let files = vec!["api_key".to_owned()];
    assert_eq!(case.state.report(), State::Missing { files });
    case.reads("old");
    case.answers("old", REFUSED);
    case.misses();
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
