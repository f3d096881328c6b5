//! Commands that Redis rejects on an open link, and how long a rejection counts.
//!
//! Decides whether a rejection is over, and whether a link rejects everything. Owns the messages
//! that say what to do. Pure.

use std::time::{Duration, Instant};

use super::temporary::Temporary;

/// Rejections count for this long after the last one, even if other commands succeed: the server
/// may reject some channels and accept others.
const REFUSED_FOR: Duration = Duration::from_secs(5);

/// A link on which everything was rejected for this long is opened again: the login may have
/// changed in its files, or the name may lead to another server.
const REFUSING_LIMIT: Duration = Duration::from_secs(5);

/// The state of rejections.
#[derive(Debug, Default)]
pub struct Rejections(Option<Rejection>);

/// A command was rejected, and the rejection is not known to be over.
#[derive(Debug)]
struct Rejection {
    /// The server's error text.
    text: Vec<u8>,
    /// When it was last rejected.
    last: Instant,
    /// Since when the present link has rejected everything; `None` while it has rejected nothing.
    since: Option<Instant>,
    /// Whether a later command succeeded.
    succeeded: bool,
}

impl Rejections {
    /// A link was opened. A rejection of the previous one is not known to be over, and says nothing
    /// about this one.
    pub fn on_open(&mut self) {
        if let Some(refusal) = &mut self.0 {
            refusal.since = None;
        }
    }

    /// A command was rejected with `text`. Returns whether this is a new rejection.
    pub fn on_refused(&mut self, text: &[u8], now: Instant) -> bool {
        let news = self.text(now) != Some(text);
        let known = self.0.get_or_insert_with(|| Rejection {
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

    /// A command succeeded.
    #[inline]
    pub fn on_success(&mut self) {
        if let Some(refusal) = &mut self.0 {
            refusal.succeeded = true;
            refusal.since = None;
        }
    }

    /// The server's error text, while it counts.
    #[must_use]
    pub fn text(&self, now: Instant) -> Option<&[u8]> {
        let refusal = self.0.as_ref()?;
        let over = refusal.succeeded && now.saturating_duration_since(refusal.last) >= REFUSED_FOR;
        (!over).then_some(&refusal.text)
    }

    /// Whether a new link should be tried.
    #[must_use]
    pub fn is_link_useless(&self, now: Instant) -> bool {
        let since = self.0.as_ref().and_then(|refusal| refusal.since);
        since.is_some_and(|since| now.saturating_duration_since(since) >= REFUSING_LIMIT)
    }
}

/// The message about keys that are rejected with `text`.
pub(crate) fn about_keys(text: &str) -> String {
    let state = Temporary::of(text.as_bytes());
    if state == Some(Temporary::Elsewhere) {
        // Without the text, which names a different slot each time.
        return "redis is a node of a Redis Cluster and refuses most keys: name it in spec.redis.cluster.nodes, \
                not in a redis URL"
            .to_owned();
    }
    let advice = match code(text) {
        "NOPERM" => {
            "allow its user to write them, or turn off publish.lastValue and publish.stream of the sets"
        }
        "WRONGTYPE" => {
            "PREFIX:last or PREFIX:stream has a value of another type: delete it, or change publish.channelPrefix"
        }
        _ => match state {
            Some(Temporary::NoWrites(cure)) => cure,
            _ => return format!("redis refuses keys of last values or streams: {text}"),
        },
    };
    format!("redis refuses keys of last values or streams ({text}): {advice}")
}

/// The message about messages that are rejected with `text`.
pub(crate) fn about_messages(text: &str) -> String {
    match code(text) {
        "NOPERM" => format!(
            "redis refuses what is published: {text}: allow its user PUBLISH (or SPUBLISH) on every channel of the sets"
        ),
        _ => format!("redis refuses what is published: {text}"),
    }
}

fn code(text: &str) -> &str {
    text.split(' ').next().unwrap_or_default()
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
        let (start, mut rejections) = (start(), Rejections::default());
        rejections.on_open();
        assert!(!rejections.is_link_useless(after(start, 100)));
        assert!(rejections.on_refused(b"NOPERM", start));
        assert!(
            !rejections.on_refused(b"NOPERM", after(start, 4)),
            "no news"
        );
        assert!(!rejections.is_link_useless(after(start, 4)));
        assert!(rejections.is_link_useless(after(start, 5)));
    }

    #[test]
    fn a_quiet_link_after_one_that_refused_stays() {
        let (start, mut rejections) = (start(), Rejections::default());
        rejections.on_refused(b"NOPERM", start);
        rejections.on_open();
        assert!(!rejections.is_link_useless(after(start, 3600)));
        assert_eq!(
            rejections.text(after(start, 3600)),
            Some(b"NOPERM".as_slice()),
            "nobody knows whether it would be carried out now"
        );
        rejections.on_refused(b"NOPERM", after(start, 3600));
        assert!(!rejections.is_link_useless(after(start, 3604)));
        assert!(rejections.is_link_useless(after(start, 3605)));
    }

    #[test]
    fn a_success_ends_it_after_a_while() {
        let (start, mut rejections) = (start(), Rejections::default());
        rejections.on_refused(b"NOPERM", start);
        rejections.on_success();
        assert!(!rejections.is_link_useless(after(start, 5)));
        assert!(rejections.text(after(start, 4)).is_some());
        assert_eq!(rejections.text(after(start, 5)), None);
        assert!(rejections.on_refused(b"NOPERM", after(start, 5)), "again");
    }

    #[test]
    fn some_that_are_refused_count_though_others_succeed() {
        let (start, mut rejections) = (start(), Rejections::default());
        for second in 0..20 {
            let now = after(start, second);
            rejections.on_refused(b"NOPERM", now);
            assert!(!rejections.is_link_useless(now));
            rejections.on_success();
            assert!(rejections.text(now).is_some());
        }
    }

    #[test]
    fn advice_fits_what_is_wrong() {
        for (text, advice) in [
            (
                "NOPERM No permissions to access a key",
                "allow its user to write",
            ),
            ("OOM command not allowed", "maxmemory"),
            ("MISCONF Redis is configured to save", "disk"),
            ("NOREPLICAS Not enough good replicas", "min-replicas"),
            ("WRONGTYPE Operation against a key", "channelPrefix"),
        ] {
            let said = about_keys(text);
            assert!(said.contains(text) && said.contains(advice), "{said}");
        }
        let clustered = about_keys("MOVED 1 127.0.0.1:7");
        assert!(clustered.contains("spec.redis.cluster.nodes") && !clustered.contains("127"));
        let other = about_keys("ERR unknown");
        assert!(other.ends_with(": ERR unknown"), "{other}");
    }

    #[test]
    fn messages_need_channels() {
        let said =
            about_messages("NOPERM this user has no permissions to access one of the channels");
        assert!(said.contains("every channel"), "{said}");
        assert!(about_messages("ERR x").ends_with("published: ERR x"));
    }
}
