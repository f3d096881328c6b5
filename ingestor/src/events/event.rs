//! Events of connections, credentials and orders.
//!
//! Owns the kinds of events and their members. Pure; [`super::detect`] decides what happened when.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use super::message::EventBody;
use crate::directory::listing::DirectoryListing;

/// Something that happened at a time, epoch seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccountEvent {
    /// Its time.
    pub(crate) ts: i64,
    /// Its kind.
    pub(crate) kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// A socket is open.
    Connected {
        /// Its connection.
        connection: u8,
    },
    /// An open socket ended.
    Disconnected {
        /// Its connection.
        connection: u8,
        /// Why.
        reason: String,
    },
    /// Ticks flow again after a socket was lost: ticks between the two times may be missing.
    Gap {
        /// Its connection.
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
        /// Its connection.
        connection: u8,
    },
    /// The connection ticks again.
    Fresh {
        /// Its connection.
        connection: u8,
    },
    /// Kite refuses the access token.
    TokenExpired,
    /// Kite accepts another access token than before.
    TokenRotated,
    /// An order of the account changed: Kite's JSON.
    Order(String),
}

impl AccountEvent {
    /// The message for readers; `None` for an order, which has its own channel.
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
                let prefixes = prefixes_of(listing, tokens);
                Some(EventBody::new("gap", &members, &prefixes))
            }
            EventKind::Order(_) => None,
        }
    }
}

/// The prefixes under which any of `tokens` is published; all prefixes if they have no keys in
/// Redis.
fn prefixes_of(listing: &DirectoryListing, tokens: &[u32]) -> Vec<Arc<str>> {
    let entries = tokens.iter().filter_map(|token| listing.entries.get(token));
    let found: BTreeSet<_> = entries.flat_map(|entry| &entry.prefixes).collect();
    if found.is_empty() {
        return listing.prefixes.clone();
    }
    found.into_iter().cloned().collect()
}
