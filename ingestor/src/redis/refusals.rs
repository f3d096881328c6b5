//! Whether Redis refuses what is published, as far as its answers tell.
//!
//! Owns how long a refusal counts. Pure; must not repeat what the server was sent.

use std::time::{Duration, Instant};

/// A refusal counts for this long after the last one, even if other commands succeed: the server may
/// refuse some channels and take others.
const REFUSED_FOR: Duration = Duration::from_secs(5);

/// A link on which everything was refused for this long is opened anew: the login may have changed
/// in its files, or another server answers to the name.
const REFUSING_LIMIT: Duration = Duration::from_secs(5);

/// The refusals that are not known to be over.
#[derive(Debug, Default)]
pub struct Refusals {
    newest: Option<Refusal>,
}

#[derive(Debug)]
struct Refusal {
    /// What the server said, as it said it.
    text: Vec<u8>,
    /// When it last did.
    last: Instant,
    /// The first one on this link after which nothing has succeeded.
    first: Option<Instant>,
    /// Whether a later command succeeded.
    succeeded: bool,
}

impl Refusals {
    /// A command was answered with an error. Returns whether that is news.
    pub fn on_refused(&mut self, text: &[u8], now: Instant) -> bool {
        let known = self.newest.get_or_insert_with(|| Refusal {
            text: Vec::new(),
            last: now,
            first: None,
            succeeded: false,
        });
        known.last = now;
        known.first.get_or_insert(now);
        known.succeeded = false;
        let news = known.text != text;
        if news {
            known.text = text.to_vec();
        }
        news
    }

    /// A command was carried out.
    #[inline]
    pub const fn on_success(&mut self) {
        if let Some(known) = &mut self.newest {
            known.succeeded = true;
            known.first = None;
        }
    }

    /// Another link was opened: it has refused nothing yet.
    pub const fn on_opened(&mut self) {
        if let Some(known) = &mut self.newest {
            known.first = None;
        }
    }

    /// Forgets them: the server is another one.
    pub fn forget(&mut self) {
        self.newest = None;
    }

    /// What the server says, as long as it may still refuse at `now`.
    #[must_use]
    pub fn text(&self, now: Instant) -> Option<&[u8]> {
        let known = self.newest.as_ref()?;
        let counts = !known.succeeded || now.saturating_duration_since(known.last) < REFUSED_FOR;
        counts.then_some(&known.text)
    }

    /// Whether the link was refused everything for so long that another may fare better. A link that
    /// was not asked since may do.
    #[must_use]
    pub fn is_hopeless(&self) -> bool {
        self.newest.as_ref().is_some_and(|known| {
            known
                .first
                .is_some_and(|first| known.last.saturating_duration_since(first) >= REFUSING_LIMIT)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Instant {
        service::clock::Clock::system().now()
    }

    #[test]
    fn a_link_is_hopeless_once_it_was_refused_everything_for_a_while() {
        let (start, mut refusals) = (start(), Refusals::default());
        assert!(refusals.on_refused(b"NOPERM", start));
        assert!(!refusals.on_refused(b"NOPERM", start + Duration::from_secs(4)));
        assert!(!refusals.is_hopeless());
        refusals.on_refused(b"NOPERM", start + Duration::from_secs(5));
        assert!(refusals.is_hopeless());
        refusals.on_success();
        assert!(!refusals.is_hopeless());
    }

    /// A market that has closed: one tick was refused, and no other comes all night.
    #[test]
    fn a_quiet_link_is_left_alone_however_long_ago_it_refused() {
        let (start, mut refusals) = (start(), Refusals::default());
        refusals.on_refused(b"NOPERM", start);
        refusals.on_refused(b"NOPERM", start + Duration::from_secs(6));
        refusals.on_opened();
        assert!(!refusals.is_hopeless());
        refusals.on_refused(b"NOPERM", start + Duration::from_secs(60));
        assert!(!refusals.is_hopeless());
        let night = start + Duration::from_secs(40_000);
        assert_eq!(refusals.text(night), Some(&b"NOPERM"[..]));
    }

    #[test]
    fn refusals_among_successes_count_for_five_seconds() {
        let (start, mut refusals) = (start(), Refusals::default());
        assert_eq!(refusals.text(start), None);
        refusals.on_refused(b"NOPERM", start);
        refusals.on_success();
        assert!(refusals.text(start + Duration::from_secs(4)).is_some());
        assert_eq!(refusals.text(start + REFUSED_FOR), None);
        refusals.on_refused(b"OOM", start + REFUSED_FOR);
        refusals.forget();
        assert_eq!(refusals.text(start + REFUSED_FOR), None);
    }
}
