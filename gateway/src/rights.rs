//! Who a client is and what it may do, as its token says.
//!
//! Owns the comparison with instruments and accounts. Pure; must not know how a token is read.

use kite::Mode;

use crate::protocol::answer::UserShown;

/// What the token of a client allows. What it does not restrict is allowed, but for order updates.
#[derive(Clone, Debug)]
pub(crate) struct Rights {
    pub(crate) user: UserShown,
    /// When the token expires, Unix seconds.
    pub(crate) expires: f64,
    /// Its number among tokens, by which it can be revoked.
    pub(crate) jti: Option<String>,
    pub(crate) is_admin: bool,
    /// Patterns over `ticks:{exchange}:{tradingsymbol}`.
    pub(crate) channels: Option<Vec<String>>,
    pub(crate) max_tokens: Option<usize>,
    pub(crate) max_hz: Option<f64>,
    pub(crate) modes: Option<Vec<Mode>>,
    /// Accounts whose order updates may be read.
    pub(crate) orders: Vec<String>,
}

impl Rights {
    /// Whether an instrument may be read.
    pub(crate) fn allow(&self, exchange: &str, tradingsymbol: &str) -> bool {
        let Some(patterns) = &self.channels else {
            return true;
        };
        let name = format!("ticks:{exchange}:{tradingsymbol}");
        patterns.iter().any(|it| matches(it, &name))
    }

    /// The richest mode up to `mode` that is allowed.
    pub(crate) fn mode(&self, mode: Mode) -> Option<Mode> {
        match &self.modes {
            None => Some(mode),
            Some(modes) => modes.iter().copied().filter(|it| *it <= mode).max(),
        }
    }

    /// The rate that a client gets who asks for `max_hz`.
    pub(crate) fn hz(&self, max_hz: Option<f64>) -> Option<f64> {
        match (max_hz, self.max_hz) {
            (Some(wanted), Some(most)) => Some(wanted.min(most)),
            (wanted, most) => wanted.or(most),
        }
    }
}

/// Whether `text` fits a pattern in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = text.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let mut rest = rest;
    let mut last = None;
    for part in parts {
        // Of the text between two stars, the first place is as good as any.
        if let Some(part) = last.replace(part) {
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
    }
    match last {
        Some(last) => rest.ends_with(last),
        None => rest.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, text, fits) in [
            ("ticks:NFO:*", "ticks:NFO:A", true),
            ("ticks:NFO:*", "ticks:NSE:A", false),
            ("*", "", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("*NIFTY*PE", "ticks:NFO:NIFTY1PE", true),
            ("*NIFTY*PE", "ticks:NFO:NIFTY1CE", false),
            ("a*b*c", "axbybzc", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn a_text_fits_itself_with_any_part_left_out(text in "[a-c]{0,8}", from in 0..9_usize, len in 0..9_usize) {
            let from = from.min(text.len());
            let to = (from + len).min(text.len());
            let pattern = format!("{}*{}", &text[..from], &text[to..]);
            prop_assert!(matches(&pattern, &text));
        }
    }
}
