//! What the login server knows of logins under way, for minutes.
//!
//! Pure, with the time as an argument. Owns bounds: of each kind so many, and no older than a while.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use service::text::LineQuota;
use zeroize::Zeroizing;

use crate::login_link::LoginState;
use crate::plan::Key;
use crate::value_fingerprint::{ValueFingerprint, ValueFingerprints};

/// Requests that are answered each second, of all browsers together.
const REQUESTS: u32 = 5;

/// The most of a kind.
const MOST: usize = 64;

/// A request token is good for a few minutes.
const PENDING_FOR: Duration = Duration::from_secs(120);

/// How long the page of a login can be looked at.
const DONE_FOR: Duration = Duration::from_secs(600);

/// A login that waits for a button.
pub(super) struct Pending {
    pub(super) state: LoginState,
    pub(super) request_token: Zeroizing<String>,
}

/// A login that has led to a session.
#[derive(Clone)]
pub(super) struct Done {
    pub(super) account: Key,
    pub(super) at: Timestamp,
}

/// What is known of a request token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sending {
    /// It was not sent before.
    First,
    /// It was, and has led to a session.
    Succeeded,
    /// It was, and has led to none so far.
    Failed,
}

/// Logins under way, each by a random text.
pub(super) struct Attempts {
    quota: LineQuota,
    pending: BTreeMap<String, (Instant, Pending)>,
    done: BTreeMap<String, (Instant, Done)>,
    /// Request tokens that were sent to Kite, oldest first, and whether they have led to a session.
    sent: Vec<(ValueFingerprint, bool)>,
    fingerprints: ValueFingerprints,
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            quota: LineQuota::new(REQUESTS, Duration::from_secs(1) / REQUESTS),
            pending: BTreeMap::new(),
            done: BTreeMap::new(),
            sent: Vec::new(),
            fingerprints: ValueFingerprints::default(),
        }
    }
}

impl Attempts {
    /// Whether one more request is answered.
    pub(super) fn admits(&mut self, now: Instant) -> bool {
        self.quota.take(now).is_some()
    }

    /// Keeps a login until its button is pressed.
    pub(super) fn wait(&mut self, name: String, pending: Pending, now: Instant) {
        insert(&mut self.pending, name, pending, PENDING_FOR, now);
    }

    /// Takes it up again, once.
    pub(super) fn take(&mut self, name: &str, now: Instant) -> Option<Pending> {
        let (since, pending) = self.pending.remove(name)?;
        (now.saturating_duration_since(since) < PENDING_FOR).then_some(pending)
    }

    /// Notes that a request token is sent to Kite now, which is good once.
    pub(super) fn send(&mut self, request_token: &str) -> Sending {
        let Some(print) = self.fingerprints.of(request_token.as_bytes()) else {
            return Sending::Failed;
        };
        match self.sent.iter().find(|(known, _)| *known == print) {
            Some((_, true)) => Sending::Succeeded,
            Some((_, false)) => Sending::Failed,
            None => {
                if self.sent.len() == MOST {
                    self.sent.remove(0);
                }
                self.sent.push((print, false));
                Sending::First
            }
        }
    }

    /// Notes that it has led to a session.
    pub(super) fn succeed(&mut self, request_token: &str) {
        let print = self.fingerprints.of(request_token.as_bytes());
        for (known, succeeded) in &mut self.sent {
            *succeeded |= Some(*known) == print;
        }
    }

    /// Keeps a login that has succeeded.
    pub(super) fn finish(&mut self, name: String, done: Done, now: Instant) {
        insert(&mut self.done, name, done, DONE_FOR, now);
    }

    /// A login that has succeeded.
    pub(super) fn finished(&self, name: &str, now: Instant) -> Option<&Done> {
        let (since, done) = self.done.get(name)?;
        (now.saturating_duration_since(*since) < DONE_FOR).then_some(done)
    }

    /// When the last login of an account succeeded here.
    pub(super) fn last(&self, account: &Key) -> Option<Timestamp> {
        let done = self.done.values().map(|it| &it.1);
        done.filter(|it| it.account == *account)
            .map(|it| it.at)
            .max()
    }
}

fn insert<T>(
    all: &mut BTreeMap<String, (Instant, T)>,
    name: String,
    one: T,
    life: Duration,
    now: Instant,
) {
    all.retain(|_, (since, _)| now.saturating_duration_since(*since) < life);
    if all.len() >= MOST {
        let oldest = all.iter().min_by_key(|(_, (since, _))| *since);
        if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
            all.remove(&oldest);
        }
    }
    all.insert(name, (now, one));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Instant {
        service::clock::Clock::system().now()
    }

    fn done(account: &str, at: i64) -> Done {
        Done {
            account: Key::new("", account),
            at: Timestamp::from_second(at).unwrap(),
        }
    }

    #[test]
    fn five_requests_a_second_are_answered() {
        let (mut attempts, start) = (Attempts::default(), start());
        let admitted = (0..20).filter(|_| attempts.admits(start)).count();
        assert_eq!(admitted, 5);
        let later = start + Duration::from_secs(1);
        assert_eq!((0..20).filter(|_| attempts.admits(later)).count(), 5);
    }

    #[test]
    fn a_request_token_is_sent_once() {
        let mut attempts = Attempts::default();
        let sent = ["fake-one", "fake-two", "fake-one", ""].map(|it| attempts.send(it));
        use Sending::{Failed, First, Succeeded};
        assert_eq!(sent, [First, First, Failed, Failed]);
        attempts.succeed("fake-one");
        let again = ["fake-one", "fake-two"].map(|it| attempts.send(it));
        assert_eq!(again, [Succeeded, Failed]);
        for other in 0..MOST {
            assert_eq!(attempts.send(&format!("fake-other-{other}")), First);
        }
        assert_eq!(attempts.sent.len(), MOST);
    }

    #[test]
    fn what_is_under_way_is_bounded_and_forgotten() {
        let (mut attempts, start) = (Attempts::default(), start());
        for at in 0..2 * MOST {
            let now = start + Duration::from_millis(at as u64);
            attempts.finish(at.to_string(), done("a", at as i64), now);
        }
        assert_eq!(attempts.done.len(), MOST);
        assert!(attempts.finished("0", start).is_none());
        let newest = (2 * MOST - 1).to_string();
        assert!(attempts.finished(&newest, start).is_some());
        let last = attempts.last(&Key::new("", "a")).unwrap();
        assert_eq!(last.as_second(), 2 * MOST as i64 - 1);
        assert!(attempts.last(&Key::new("", "b")).is_none());
        assert!(attempts.finished(&newest, start + 2 * DONE_FOR).is_none());
    }
}
