//! What happens to connections, credentials and orders.
//!
//! Owns the kinds of events and their members. Pure; what happened when is decided by
//! [`super::detect`].

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::message::EventBody;
use crate::directory::listing::DirectoryListing;

/// Something that happened at a time, epoch seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// When.
    pub(crate) ts: i64,
    /// What.
    pub(crate) kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// A socket is open.
    Connected {
        /// Which.
        connection: u8,
    },
    /// A socket that was open is not any more.
    Disconnected {
        /// Which.
        connection: u8,
        /// Why.
        reason: String,
    },
    /// Ticks flow again after a socket was lost: between the two times some may be missing.
    Gap {
        /// Which.
        connection: u8,
        /// The last tick before, epoch seconds.
        from: i64,
        /// The first tick after, epoch seconds.
        to: i64,
        /// The instruments.
        tokens: Vec<u32>,
    },
    /// A socket sends heartbeats and no ticks.
    Stale {
        /// Which.
        connection: u8,
    },
    /// It ticks again.
    Fresh {
        /// Which.
        connection: u8,
    },
    /// Kite refuses the access token.
    TokenExpired,
    /// Kite accepts another one than before.
    TokenRotated,
    /// An order of the account changed: Kite's JSON.
    Order(String),
}

impl Event {
    /// What readers are told; `None` for an order, which goes elsewhere.
    #[must_use]
    pub(crate) fn body(&self, listing: &DirectoryListing) -> Option<EventBody> {
        let all = &listing.prefixes;
        let of = |kind, members| Some(EventBody::new(kind, &members, all));
        match &self.kind {
            EventKind::Connected { connection } => of("connected", json!({"conn": connection})),
            EventKind::Disconnected { connection, reason } => of(
                "disconnected",
                json!({"conn": connection, "reason": reason}),
            ),
            EventKind::Stale { connection } => of("stale", json!({"conn": connection})),
            EventKind::Fresh { connection } => of("fresh", json!({"conn": connection})),
            EventKind::TokenExpired => of("token_expired", json!({})),
            EventKind::TokenRotated => of("token_rotated", json!({})),
            EventKind::Gap {
                connection,
                from,
                to,
                tokens,
            } => {
                let members =
                    json!({"conn": connection, "from_ts": from, "to_ts": to, "tokens": tokens});
                Some(EventBody::new(
                    "gap",
                    &members,
                    &prefixes_of(listing, tokens),
                ))
            }
            EventKind::Order(_) => None,
        }
    }
}

/// The prefixes that any of `tokens` is published under; all where nothing of them is kept.
fn prefixes_of(listing: &DirectoryListing, tokens: &[u32]) -> Vec<Arc<str>> {
    let mut found = BTreeMap::new();
    for entry in tokens.iter().filter_map(|token| listing.entries.get(token)) {
        for prefix in &entry.prefixes {
            found.insert(Arc::clone(prefix), ());
        }
    }
    if found.is_empty() {
        return listing.prefixes.clone();
    }
    found.into_keys().collect()
}
