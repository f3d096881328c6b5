//! Events of connections, credentials, markets and orders.
//!
//! Owns the kinds of events and their members. Pure; [`super::detect`] decides what happened when.

use std::sync::Arc;

use serde_json::json;

use super::message::EventBody;

/// Something that happened at a time, epoch seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccountEvent {
    /// Its time.
    pub(crate) ts: i64,
    /// The prefixes under which its instruments were published, if they are not any more.
    pub(crate) prefixes: Vec<Arc<str>>,
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
    /// Ticks flow again after a socket was lost, or the instruments went to another account: ticks between the two times may
    /// be missing.
    Gap {
        /// Its connection.
        connection: u8,
        /// The last tick before, epoch seconds.
        from: i64,
        /// The first tick after, or when they left, epoch seconds.
        to: i64,
        /// The instruments.
        tokens: Vec<u32>,
    },
    /// Ticks of instruments that another account took over may be there twice, once of each account: it published from the
    /// first time on, and this one until the second.
    Overlap {
        /// The first second of the exchange that the other account published, epoch seconds.
        from: i64,
        /// The last one that this account published, epoch seconds.
        to: i64,
        /// The instruments.
        tokens: Vec<u32>,
    },
    /// A socket sends heartbeats and no ticks. Readers know it as `stale`.
    Mute {
        /// Its connection.
        connection: u8,
    },
    /// The connection ticks again.
    Fresh {
        /// Its connection.
        connection: u8,
    },
    /// A class of instruments begins to trade, or ends.
    Market {
        /// The class.
        class: String,
        /// Whether it trades from now on.
        opens: bool,
        /// When that began, epoch seconds.
        since: i64,
        /// Until when it stays so, epoch seconds.
        until: i64,
    },
    /// Kite refuses the access token.
    TokenExpired,
    /// Kite accepts another access token than before.
    TokenRotated,
    /// An order of the account changed: Kite's JSON.
    Order(String),
}

impl AccountEvent {
    /// The instruments that it is about; none if it concerns all of the account.
    #[must_use]
    pub(crate) fn tokens(&self) -> &[u32] {
        if let EventKind::Gap { tokens, .. } | EventKind::Overlap { tokens, .. } = &self.kind {
            tokens
        } else {
            &[]
        }
    }

    /// The message for readers of `prefixes`; `None` for an order, which has its own channel.
    #[must_use]
    pub(crate) fn body(&self, prefixes: &[Arc<str>]) -> Option<EventBody> {
        let of = |kind, members| Some(EventBody::new(kind, &members, prefixes));
        match &self.kind {
            EventKind::Connected { connection } => of("connected", json!({"conn": connection})),
            EventKind::Disconnected { connection, reason } => of(
                "disconnected",
                json!({"conn": connection, "reason": reason}),
            ),
            EventKind::Mute { connection } => of("stale", json!({"conn": connection})),
            EventKind::Fresh { connection } => of("fresh", json!({"conn": connection})),
            EventKind::Market {
                class,
                opens,
                since,
                until,
            } => {
                let kind = if *opens {
                    "market_open"
                } else {
                    "market_close"
                };
                let members = json!({"class": class, "since": since, "until": until});
                Some(EventBody::new(kind, &members, &[]))
            }
            EventKind::TokenExpired => of("token_expired", json!({})),
            EventKind::TokenRotated => of("token_rotated", json!({})),
            EventKind::Gap {
                connection,
                from,
                to,
                tokens,
            } => of(
                "gap",
                json!({"conn": connection, "from_ts": from, "to_ts": to, "tokens": tokens}),
            ),
            EventKind::Overlap { from, to, tokens } => of(
                "overlap",
                json!({"from_ts": from, "to_ts": to, "tokens": tokens}),
            ),
            EventKind::Order(_) => None,
        }
    }
}
