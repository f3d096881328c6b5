//! Whether Kite accepts the credentials, and whether dialling makes sense.
//!
//! Owns the rule that after a 403 no connection dials with the same credentials but one at a time, at
//! growing intervals, and with others at once, if they do not change all the time. Pure; times and random numbers are
//! arguments.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use kite::limits::CONNECTIONS_PER_API_KEY;
use kite::session::backoff;

use super::remark::remark;
use crate::input::credentials::{CredentialFiles, Credentials};

/// So many credentials in a row that Kite refuses are each tried at once.
const AT_ONCE: usize = 4;

/// In so much time. Further ones wait, so that files that alternate do not become dials without end.
const WINDOW: Duration = Duration::from_secs(60);

/// What is known of the credentials.
#[derive(Debug, Default)]
pub(crate) struct CredentialState {
    found: Option<CredentialFiles>,
    /// What the files held before. Dials with it may be under way.
    replaced: Option<Credentials>,
    /// Refusals of those since then.
    late_refusals: u8,
    /// What Kite accepted last, unless it refused the same since.
    accepted: Option<Credentials>,
    /// What Kite refused last, unless it accepted the same since.
    refused: Option<Credentials>,
    /// Tries of the same credentials that Kite refused, without concurrent ones.
    refusals: u32,
    next_try: Option<NextTry>,
    /// Whether Kite accepted what it refuses now.
    expired: bool,
    /// When Kite refused credentials that it had not refused last, the newest at the back.
    refused_at: VecDeque<Instant>,
    /// Whether the files changed too often to be tried at once.
    held: bool,
}

/// When refused credentials are tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NextTry {
    /// By the monotonic clock.
    pub(crate) at: Instant,
    /// The same in epoch seconds, for people.
    pub(crate) wall: i64,
}

/// When an answer or a change was seen, by both clocks, and a random number from 0 to 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ObservedAt {
    pub(crate) at: Instant,
    /// Epoch microseconds.
    pub(crate) us: i64,
    pub(crate) random: f64,
}

impl NextTry {
    /// At `at`, seen from `now`.
    fn new(at: Instant, now: ObservedAt) -> Self {
        let wait = at.saturating_duration_since(now.at);
        let wall = now.us.saturating_add(wait.as_micros() as i64);
        Self {
            at,
            wall: wall.div_euclid(1_000_000),
        }
    }
}

impl CredentialState {
    /// Whether these are other files than before.
    #[must_use]
    pub(crate) fn is_change(&self, found: &CredentialFiles) -> bool {
        self.found.as_ref() != Some(found)
    }

    /// The files were read. Returns whether dialling makes sense now.
    pub(crate) fn on_read(&mut self, found: CredentialFiles, time: ObservedAt) -> bool {
        if !self.is_change(&found) {
            return self.is_dial_worthwhile();
        }
        let complete = matches!(found, CredentialFiles::Complete(_));
        if let Some(CredentialFiles::Complete(before)) = self.found.replace(found) {
            self.replaced = Some(before);
            self.late_refusals = 0;
        }
        let at = self.at_once_again().filter(|at| *at > time.at);
        self.held = complete && at.is_some();
        if let Some(at) = at.filter(|_| complete) {
            let next = NextTry::new(at, time);
            let next = self.next_try.filter(|known| known.at < at).unwrap_or(next);
            self.next_try = Some(next);
        } else if self.is_dial_worthwhile() {
            self.forget_refusals();
        } else if self.next_try.is_none() {
            // An old refusal, after which nothing would try them again.
            self.refused = None;
        }
        self.is_dial_worthwhile()
    }

    /// What a dial would use now, unless Kite has refused it.
    pub(crate) fn usable(&self) -> Option<&Credentials> {
        match &self.found {
            Some(CredentialFiles::Complete(found)) => {
                Some(found).filter(|found| self.refused.as_ref() != Some(*found))
            }
            Some(CredentialFiles::Missing(_)) | None => None,
        }
    }

    /// When other credentials are tried at once again, if too many were refused lately.
    fn at_once_again(&self) -> Option<Instant> {
        let oldest = self.refused_at.front()?;
        (self.refused_at.len() == AT_ONCE).then(|| *oldest + WINDOW)
    }

    /// Kite accepted or refused credentials that were read just before the dial. Returns whether
    /// every connection may dial; if not, one of them tries at [`CredentialState::next_try`].
    ///
    /// The dial may have read older or newer files than [`CredentialState::on_read`]. A refusal of
    /// older ones says nothing about the present files, and each connection may get one; a second refusal of what is
    /// not known to be older counts. If one of two concurrent dials is refused and the other accepted, the last answer
    /// counts.
    pub(crate) fn on_checked(
        &mut self,
        credentials: Credentials,
        accepted: bool,
        time: ObservedAt,
    ) -> bool {
        if !accepted && self.is_late(&credentials) {
            return self.is_dial_worthwhile();
        }
        if accepted {
            self.refused_at.clear();
        } else if self.refused.as_ref() != Some(&credentials) {
            self.refused_at.push_back(time.at);
            if self.refused_at.len() > AT_ONCE {
                self.refused_at.pop_front();
            }
        }
        let present =
            matches!(&self.found, Some(CredentialFiles::Complete(it)) if *it == credentials);
        self.held &= !accepted && !present;
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

    /// Whether this is the answer to a dial that went out before the files changed.
    fn is_late(&mut self, refused: &Credentials) -> bool {
        let late =
            self.replaced.as_ref() == Some(refused) && self.late_refusals < CONNECTIONS_PER_API_KEY;
        self.late_refusals += u8::from(late);
        late
    }

    /// Answers to dials that were under way together count as one.
    fn on_refused(&mut self, time: ObservedAt) {
        if self.next_try.is_none_or(|next| time.at >= next.at) {
            self.refusals = self.refusals.saturating_add(1);
            let wait = backoff::after_refusal(self.refusals, time.random);
            self.next_try = Some(NextTry::new(time.at + wait, time));
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
        self.refused_at.clear();
        self.held = false;
        self.forget_refusals();
    }

    /// Whether there are credentials that were not refused, and that may be tried at once.
    #[must_use]
    pub(crate) fn is_dial_worthwhile(&self) -> bool {
        match &self.found {
            Some(CredentialFiles::Complete(found)) => {
                !self.held && self.refused.as_ref() != Some(found)
            }
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
                refused if self.held || refused == self.refused.as_ref() => State::Refused {
                    next_try: self.next_try.map(|next| next.wall),
                    remark: remark(found).or_else(|| {
                        let never = !self.expired && !self.held;
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
mod tests;
