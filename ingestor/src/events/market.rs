//! The hash `ticker:market`: what each class of instruments does just now.
//!
//! Owns its key, its fields and their values. Every process of a Redis writes the same. Pure.

use std::sync::Arc;

use contract::SessionMoment;
use contract::assignment::Account;
use serde_json::json;

use crate::last_value::keys::key_start;

/// The classes of an account whose session is known, each with it.
pub(crate) type MarketClasses = Arc<[(String, SessionMoment)]>;

/// Its key.
pub(crate) fn key(account: &Account) -> String {
    format!("{}ticker:market", key_start(account.mock))
}

/// The value of a field: the session, since when and until when in epoch seconds, and what follows.
pub(crate) fn value(moment: &SessionMoment) -> String {
    let value = json!({
        "session": moment.session,
        "since": moment.since,
        "until": moment.until,
        "next": moment.next,
    });
    value.to_string()
}

#[cfg(test)]
mod tests {
    use kite::MarketSession;

    use super::*;
    use crate::pipeline::instruments::tests::sample;

    #[test]
    fn a_field_says_what_it_is_and_what_follows() {
        let moment = SessionMoment {
            session: MarketSession::Open,
            since: Some(1_796_096_700),
            until: 1_796_119_800,
            next: MarketSession::Closed,
        };
        let read: serde_json::Value = serde_json::from_str(&value(&moment)).unwrap();
        let expected = json!({
            "session": "open", "since": 1_796_096_700, "until": 1_796_119_800, "next": "closed",
        });
        assert_eq!(read, expected);
        let mut account = sample().account;
        assert_eq!(key(&account), "ticker:market");
        account.mock = true;
        assert_eq!(key(&account), "mock:ticker:market");
    }
}
