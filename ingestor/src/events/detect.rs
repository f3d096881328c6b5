//! Detects the events of connections.
//!
//! Owns when something is an event: an open socket that ended, the one gap of each instrument that follows, a socket
//! that is mute and later ticks again, a token that expired or was replaced. Pure; times are
//! arguments.

use std::sync::Arc;

use contract::report::CredentialsReport as State;
use kite::MarketSession;
use kite::limits::CONNECTIONS_PER_API_KEY;

use super::event::{AccountEvent, EventKind};
use crate::pipeline::market::SessionChange;
use crate::pipeline::moves::Overlap;

const MICROS: i64 = 1_000_000;

/// The state of the connections, and the events that were not taken yet.
#[derive(Debug, Default)]
pub(crate) struct EventDetector {
    connections: [ConnectionHistory; CONNECTIONS_PER_API_KEY as usize],
    /// Whether it was told that these credentials are refused.
    expiry_told: bool,
    pending: Vec<AccountEvent>,
}

#[derive(Clone, Copy, Debug, Default)]
struct ConnectionHistory {
    up: bool,
    /// When the last tick other than a first packet arrived, epoch microseconds.
    last_tick_us: Option<i64>,
    /// Ticks may be missing since then, epoch seconds.
    gap_from: Option<i64>,
    mute: bool,
}

impl EventDetector {
    /// The events since the last call.
    pub(crate) fn take(&mut self) -> Vec<AccountEvent> {
        std::mem::take(&mut self.pending)
    }

    /// A socket is open.
    pub(crate) fn on_opened(&mut self, connection: u8, now_us: i64) {
        let history = &mut self.connections[usize::from(connection)];
        if !std::mem::replace(&mut history.up, true) {
            self.push(now_us, EventKind::Connected { connection });
        }
    }

    /// Whether ticks of the connection may be missing since its socket was lost.
    pub(crate) fn has_gap(&self, connection: u8) -> bool {
        self.connections[usize::from(connection)].gap_from.is_some()
    }

    /// Instruments left a connection without a tick since its socket was lost: who has them now does not know since when.
    pub(crate) fn on_left(
        &mut self,
        connection: u8,
        tokens: Vec<u32>,
        prefixes: Vec<Arc<str>>,
        now_us: i64,
    ) {
        let gap_from = self.connections[usize::from(connection)].gap_from;
        let Some(from) = gap_from.filter(|_| !tokens.is_empty()) else {
            return;
        };
        let kind = gap(connection, from, tokens, now_us);
        let ts = now_us.div_euclid(MICROS);
        self.pending.push(AccountEvent { ts, prefixes, kind });
    }

    /// The connection has nothing to stream any more: what ticks later did not tick on it before.
    pub(crate) fn on_emptied(&mut self, connection: u8) {
        let history = &mut self.connections[usize::from(connection)];
        *history = ConnectionHistory {
            up: history.up,
            ..ConnectionHistory::default()
        };
    }

    /// A socket is opened again while its markets rest: nobody misses anything, and nobody is told.
    pub(crate) fn on_renewed(&mut self, connection: u8) {
        self.on_emptied(connection);
    }

    /// A socket or a dial ended. `streams`: whether the connection has anything to stream.
    pub(crate) fn on_ended(&mut self, connection: u8, reason: &str, streams: bool, now_us: i64) {
        if !streams {
            self.on_emptied(connection);
        }
        let history = &mut self.connections[usize::from(connection)];
        if !std::mem::take(&mut history.up) {
            return;
        }
        if let Some(last) = history.last_tick_us {
            history.gap_from.get_or_insert(last.div_euclid(MICROS));
        }
        let reason = reason.to_owned();
        self.push(now_us, EventKind::Disconnected { connection, reason });
    }

    /// A socket is replaced because it sends heartbeats and no ticks.
    pub(crate) fn on_mute(&mut self, connection: u8, now_us: i64) {
        let history = &mut self.connections[usize::from(connection)];
        if !std::mem::replace(&mut history.mute, true) {
            self.push(now_us, EventKind::Mute { connection });
        }
    }

    /// Ticks other than first packets arrived; `tokens` are those of the connection that readers know.
    #[inline]
    pub(crate) fn on_ticks(
        &mut self,
        connection: u8,
        now_us: i64,
        tokens: impl FnOnce() -> Vec<u32>,
    ) {
        let history = &mut self.connections[usize::from(connection)];
        history.last_tick_us = Some(now_us);
        if history.mute || history.gap_from.is_some() {
            self.flows_again(connection, now_us, tokens);
        }
    }

    fn flows_again(&mut self, connection: u8, now_us: i64, tokens: impl FnOnce() -> Vec<u32>) {
        let history = &mut self.connections[usize::from(connection)];
        let (mute, since) = (std::mem::take(&mut history.mute), history.gap_from.take());
        if mute {
            self.push(now_us, EventKind::Fresh { connection });
        }
        // What no reader gets leaves no gap.
        if let Some((from, tokens)) = since.map(|from| (from, tokens()))
            && !tokens.is_empty()
        {
            self.push(now_us, gap(connection, from, tokens, now_us));
        }
    }

    /// A session has begun: readers are told when a class begins to trade, and when it ends.
    pub(crate) fn on_session(&mut self, change: SessionChange, now_us: i64) {
        let opens = change.now.session == MarketSession::Open;
        if !opens && change.before != MarketSession::Open {
            return;
        }
        let kind = EventKind::Market {
            class: change.class,
            opens,
            since: change.now.since.unwrap_or(now_us.div_euclid(MICROS)),
            until: change.now.until,
        };
        self.push(now_us, kind);
    }

    /// The files hold other credentials than before.
    pub(crate) const fn on_credentials_changed(&mut self) {
        self.expiry_told = false;
    }

    /// Kite accepted or refused credentials: `state` is that of the credentials in the files,
    /// `others` whether Kite knew others before.
    pub(crate) fn on_credentials_checked(&mut self, state: &State, others: bool, now_us: i64) {
        match state {
            State::Refused { .. } if !std::mem::replace(&mut self.expiry_told, true) => {
                self.push(now_us, EventKind::TokenExpired);
            }
            State::Accepted if others => self.push(now_us, EventKind::TokenRotated),
            _ => {}
        }
    }

    /// Instruments left for another account that already published them.
    pub(crate) fn on_overlap(&mut self, overlap: Overlap, now_us: i64) {
        let Overlap { from, to, tokens } = overlap;
        self.push(now_us, EventKind::Overlap { from, to, tokens });
    }

    /// An order of the account changed.
    pub(crate) fn on_order(&mut self, order: String, now_us: i64) {
        self.push(now_us, EventKind::Order(order));
    }

    fn push(&mut self, now_us: i64, kind: EventKind) {
        let ts = now_us.div_euclid(MICROS);
        let prefixes = Vec::new();
        self.pending.push(AccountEvent { ts, prefixes, kind });
    }
}

/// A gap that ends now.
fn gap(connection: u8, from: i64, tokens: Vec<u32>, now_us: i64) -> EventKind {
    let to = now_us.div_euclid(MICROS) + 1;
    EventKind::Gap {
        connection,
        from,
        to,
        tokens,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(detector: &mut EventDetector) -> Vec<String> {
        let kind = |event: AccountEvent| {
            let text = format!("{:?}", event.kind);
            text.split(' ').next().unwrap_or_default().to_owned()
        };
        detector.take().into_iter().map(kind).collect()
    }

    fn tokens() -> Vec<u32> {
        vec![7]
    }

    #[test]
    fn a_reconnect_is_three_events_and_one_gap() {
        let mut detector = EventDetector::default();
        detector.on_opened(0, MICROS);
        detector.on_ticks(0, 10 * MICROS + 999_999, tokens);
        assert_eq!(kinds(&mut detector), ["Connected"]);
        detector.on_ended(0, "lost", true, 12 * MICROS);
        // Dials that fail are not events.
        detector.on_ended(0, "refused", true, 13 * MICROS);
        detector.on_opened(0, 14 * MICROS);
        assert_eq!(kinds(&mut detector), ["Disconnected", "Connected"]);
        detector.on_ticks(0, 15 * MICROS, tokens);
        detector.on_ticks(0, 16 * MICROS, tokens);
        let gap = EventKind::Gap {
            connection: 0,
            from: 10,
            to: 16,
            tokens: tokens(),
        };
        let (ts, prefixes) = (15, Vec::new());
        let kind = gap;
        assert_eq!(detector.take(), [AccountEvent { ts, prefixes, kind }]);
    }

    #[test]
    fn a_gap_lasts_until_ticks_come_however_often_the_socket_is_lost() {
        let mut detector = EventDetector::default();
        detector.on_opened(1, 0);
        detector.on_ticks(1, MICROS, tokens);
        for second in 2..5 {
            detector.on_mute(1, second * MICROS);
            detector.on_ended(1, "mute", true, second * MICROS);
            detector.on_opened(1, second * MICROS);
        }
        detector.on_ticks(1, 9 * MICROS, tokens);
        let all = kinds(&mut detector);
        let count = |kind: &str| all.iter().filter(|one| *one == kind).count();
        assert_eq!(
            (
                count("Mute"),
                count("Fresh"),
                count("Gap"),
                count("Disconnected")
            ),
            (1, 1, 1, 3)
        );
    }

    #[test]
    fn a_connection_of_which_readers_get_nothing_leaves_no_gap() {
        let mut detector = EventDetector::default();
        detector.on_opened(0, 0);
        detector.on_ticks(0, MICROS, Vec::new);
        detector.on_ended(0, "lost", true, 2 * MICROS);
        detector.on_opened(0, 3 * MICROS);
        detector.on_ticks(0, 4 * MICROS, Vec::new);
        // It is over, also if a tick comes that readers get.
        detector.on_ticks(0, 5 * MICROS, tokens);
        assert_eq!(
            kinds(&mut detector),
            ["Connected", "Disconnected", "Connected"]
        );
    }

    #[test]
    fn what_nobody_wants_any_more_leaves_no_gap() {
        let mut detector = EventDetector::default();
        detector.on_opened(0, 0);
        detector.on_ticks(0, MICROS, tokens);
        detector.on_ended(0, "nothing is assigned", false, 2 * MICROS);
        detector.on_opened(0, 3 * MICROS);
        detector.on_ticks(0, 4 * MICROS, tokens);
        assert_eq!(
            kinds(&mut detector),
            ["Connected", "Disconnected", "Connected"]
        );
    }

    /// They stream elsewhere meanwhile, and come back to the same socket, or to the next one.
    #[test]
    fn instruments_that_left_and_came_back_have_no_gap() {
        let mut detector = EventDetector::default();
        detector.on_opened(0, 0);
        detector.on_ticks(0, MICROS, tokens);
        detector.on_emptied(0);
        detector.on_ended(0, "lost", true, 60 * MICROS);
        detector.on_opened(0, 61 * MICROS);
        detector.on_ticks(0, 62 * MICROS, tokens);
        let reconnect = ["Connected", "Disconnected", "Connected"];
        assert_eq!(kinds(&mut detector), reconnect);
        detector.on_ended(0, "lost", true, 63 * MICROS);
        detector.on_emptied(0);
        detector.on_opened(0, 120 * MICROS);
        detector.on_ticks(0, 121 * MICROS, tokens);
        assert_eq!(kinds(&mut detector), ["Disconnected", "Connected"]);
    }

    /// They are of no use here any more, and readers wait for ticks of another account.
    #[test]
    fn what_leaves_without_a_tick_since_its_socket_was_lost_has_a_gap() {
        let mut detector = EventDetector::default();
        detector.on_opened(0, 0);
        detector.on_ticks(0, 5 * MICROS, tokens);
        let prefixes = || vec![Arc::from("x")];
        detector.on_left(0, vec![1], prefixes(), 6 * MICROS);
        detector.on_ended(0, "lost", true, 7 * MICROS);
        assert!(detector.has_gap(0));
        detector.take();
        detector.on_left(0, Vec::new(), prefixes(), 37 * MICROS);
        detector.on_left(0, vec![1, 2], prefixes(), 37 * MICROS);
        let kind = EventKind::Gap {
            connection: 0,
            from: 5,
            to: 38,
            tokens: vec![1, 2],
        };
        let (ts, prefixes) = (37, prefixes());
        assert_eq!(detector.take(), [AccountEvent { ts, prefixes, kind }]);
        // What stayed has its own, when it ticks again.
        detector.on_opened(0, 60 * MICROS);
        detector.on_ticks(0, 61 * MICROS, tokens);
        assert_eq!(kinds(&mut detector), ["Connected", "Gap"]);
    }

    #[test]
    fn a_refusal_is_told_once_and_a_new_token_when_it_is_accepted() {
        let mut detector = EventDetector::default();
        detector.on_credentials_checked(&State::Accepted, false, 0);
        assert!(detector.take().is_empty(), "the first token is no event");
        let refused = State::Refused {
            next_try: None,
            remark: None,
        };
        for _ in 0..3 {
            detector.on_credentials_checked(&refused, false, 0);
        }
        // Kite was wrong for a while: that is no new token, and no second expiry.
        detector.on_credentials_checked(&State::Accepted, false, 0);
        detector.on_credentials_checked(&refused, false, 0);
        assert_eq!(kinds(&mut detector), ["TokenExpired"]);
        detector.on_credentials_changed();
        detector.on_credentials_checked(&refused, true, 0);
        detector.on_credentials_checked(&State::Accepted, true, 0);
        assert_eq!(kinds(&mut detector), ["TokenExpired", "TokenRotated"]);
    }
}
