//! What connections subscribe to, and the snapshots they get for it.
//!
//! Owns the rules of subscriptions. Must not know when instruments tick.

use kite::limits::TOO_MANY_TOKENS;
use kite::{Command, Mode, Packet, ServerText, Token};

use super::{Exchange, Outgoing, Watcher};
use crate::market::SimulationTime;

impl Exchange {
    /// Carries out a client's command. Kite does not answer commands; they only change what is
    /// streamed.
    pub fn command(&mut self, id: u64, command: &Command, now: SimulationTime) {
        self.go_on(now);
        match command {
            Command::Subscribe(tokens) => self.subscribe(id, tokens, now),
            Command::Unsubscribe(tokens) => self.unsubscribe(id, tokens),
            Command::SetMode(mode, tokens) => self.set_mode(id, *mode, tokens, now),
        }
    }

    fn subscribe(&mut self, id: u64, tokens: &[Token], now: SimulationTime) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if connection.subscribe(tokens).is_err() {
            connection.send(Outgoing::Text(
                ServerText::Error(TOO_MANY_TOKENS.to_owned()).to_json(),
            ));
            return;
        }
        for token in unique(tokens) {
            self.watch(token, id, Mode::Quote, now);
        }
        self.flush();
    }

    fn unsubscribe(&mut self, id: u64, tokens: &[Token]) {
        for token in tokens {
            if self
                .connections
                .get_mut(&id)
                .is_some_and(|open| open.unsubscribe(*token))
            {
                self.unwatch(*token, id);
            }
        }
    }

    fn set_mode(&mut self, id: u64, mode: Mode, tokens: &[Token], now: SimulationTime) {
        for token in tokens {
            if self
                .connections
                .get_mut(&id)
                .is_some_and(|open| open.set_mode(*token, mode))
            {
                self.watch(*token, id, mode, now);
            }
        }
        self.flush();
    }

    /// Begins to stream an instrument, or changes its mode, with a snapshot. Does nothing for a
    /// token that is not listed.
    fn watch(&mut self, token: Token, id: u64, mode: Mode, now: SimulationTime) {
        let Some(position) = self.market.universe().find(token) else {
            return;
        };
        self.watchers[position].retain(|watcher| watcher.connection != id);
        self.watchers[position].push(Watcher {
            connection: id,
            mode,
        });
        self.schedule.add(position, now.elapsed);
        let packet = self.snapshot(position, mode, now);
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.push(&packet);
        }
    }

    pub(super) fn unwatch(&mut self, token: Token, id: u64) {
        if let Some(position) = self.market.universe().find(token) {
            self.watchers[position].retain(|watcher| watcher.connection != id);
        }
    }

    /// The state of an instrument: of one that stands still, that of the end of its last session.
    fn snapshot(&mut self, position: usize, mode: Mode, now: SimulationTime) -> Packet {
        let listing = &self.market.universe().listings[position];
        let sessions = self.sessions.as_ref();
        match sessions.and_then(|it| it.still_since(listing, now.unix)) {
            None => self.market.snapshot(position, mode, now),
            Some(unix) => {
                let then = SimulationTime { unix, ..now };
                self.market.still_snapshot(position, mode, then)
            }
        }
    }
}

/// Duplicates count toward the limit, but data is sent once.
fn unique(tokens: &[Token]) -> impl Iterator<Item = Token> {
    let mut seen = rustc_hash::FxHashSet::default();
    tokens
        .iter()
        .copied()
        .filter(move |token| seen.insert(*token))
}
