//! Commands that Redis refuses on an open link, and how long that counts.
//!
//! Owns telling a refusal that is over from one that is not, and a link that is no good from one on
//! which nothing was tried. Pure.

use std::time::{Duration, Instant};

/// Refusals count for this long after the last one, even if other commands succeed: the server may
/// refuse some channels and take others.
const REFUSED_FOR: Duration = Duration::from_secs(5);

/// A link on which everything was refused for this long is opened anew: the login may have changed
/// in its files, or another server answers to the name.
const REFUSING_LIMIT: Duration = Duration::from_secs(5);

/// What is known of refusals.
#[derive(Debug, Default)]
pub struct Refusing(Option<Refusal>);

/// A command was refused, and it is not known to be over.
#[derive(Debug)]
struct Refusal {
    /// What the server said, as it said it.
    text: Vec<u8>,
    /// When it last did.
    last: Instant,
    /// Since when the present link has refused everything; `None` while it refused nothing yet.
    since: Option<Instant>,
    /// Whether a later command succeeded.
    succeeded: bool,
}

impl Refusing {
    /// A link was opened. What the one before refused is not known to be over, and says nothing
    /// about this one.
    pub fn on_open(&mut self) {
        if let Some(refusal) = &mut self.0 {
            refusal.since = None;
        }
    }

    /// A command was refused with `text`. Returns whether that is news.
    pub fn on_refused(&mut self, text: &[u8], now: Instant) -> bool {
        let news = self.text(now) != Some(text);
        let known = self.0.get_or_insert_with(|| Refusal {
            text: Vec::new(),
            last: now,
            since: None,
            succeeded: false,
        });
        known.last = now;
        known.succeeded = false;
        known.since.get_or_insert(now);
        if news {
            known.text = text.to_vec();
        }
        news
    }

    /// A command was carried out.
    #[inline]
    pub fn on_success(&mut self) {
        if let Some(refusal) = &mut self.0 {
            refusal.succeeded = true;
            refusal.since = None;
        }
    }

    /// What the server said, while it counts.
    #[must_use]
    pub fn text(&self, now: Instant) -> Option<&[u8]> {
        let refusal = self.0.as_ref()?;
        let over = refusal.succeeded && now.saturating_duration_since(refusal.last) >= REFUSED_FOR;
        (!over).then_some(&refusal.text)
    }

    /// Whether another link may do what this one does not.
    #[must_use]
    pub fn is_link_useless(&self, now: Instant) -> bool {
        let since = self.0.as_ref().and_then(|refusal| refusal.since);
        since.is_some_and(|since| now.saturating_duration_since(since) >= REFUSING_LIMIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_link_that_refuses_everything_is_useless_after_a_while() {
        let (start, mut refusing) = (start(), Refusing::default());
        refusing.on_open();
        assert!(!refusing.is_link_useless(after(start, 100)));
        assert!(refusing.on_refused(b"NOPERM", start));
        assert!(!refusing.on_refused(b"NOPERM", after(start, 4)), "no news");
        assert!(!refusing.is_link_useless(after(start, 4)));
        assert!(refusing.is_link_useless(after(start, 5)));
    }

    #[test]
    fn a_quiet_link_after_one_that_refused_stays() {
        let (start, mut refusing) = (start(), Refusing::default());
        refusing.on_refused(b"NOPERM", start);
        refusing.on_open();
        assert!(!refusing.is_link_useless(after(start, 3600)));
        assert_eq!(
            refusing.text(after(start, 3600)),
            Some(b"NOPERM".as_slice()),
            "nobody knows whether it would be carried out now"
        );
        refusing.on_refused(b"NOPERM", after(start, 3600));
        assert!(!refusing.is_link_useless(after(start, 3604)));
        assert!(refusing.is_link_useless(after(start, 3605)));
    }

    #[test]
    fn a_success_ends_it_after_a_while() {
        let (start, mut refusing) = (start(), Refusing::default());
        refusing.on_refused(b"NOPERM", start);
        refusing.on_success();
        assert!(!refusing.is_link_useless(after(start, 5)));
        assert!(refusing.text(after(start, 4)).is_some());
        assert_eq!(refusing.text(after(start, 5)), None);
        assert!(refusing.on_refused(b"NOPERM", after(start, 5)), "again");
    }

    #[test]
    fn some_that_are_refused_count_though_others_succeed() {
        let (start, mut refusing) = (start(), Refusing::default());
        for second in 0..20 {
            let now = after(start, second);
            refusing.on_refused(b"NOPERM", now);
            assert!(!refusing.is_link_useless(now));
            refusing.on_success();
            assert!(refusing.text(now).is_some());
        }
    }
}
