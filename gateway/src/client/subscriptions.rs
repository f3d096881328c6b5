//! The instruments of one client: which of those that it names it gets, and why not the others.
//!
//! Owns the comparison with what streams, with its rights and its limits.

use std::time::Instant;

use kite::Mode;
use serde_json::{Value, json};

use super::conversation::Conversation;
use crate::directory::{InstrumentDirectory, NotFound};
use crate::instrument::InstrumentId;
use crate::protocol::answer::{self, Reason, Rejection, Wanted};
use crate::protocol::command::{Instruments, Subscribe};

impl Conversation {
    pub(super) fn subscribe(&mut self, id: Option<&Value>, wanted: Subscribe, now: Instant) {
        let Some(mode) = self.rights.mode(wanted.mode) else {
            let text = "the token allows none of these modes";
            self.answers.push(answer::error(id, text));
            return;
        };
        self.max_hz = wanted.max_hz.or(self.max_hz);
        self.batch = wanted.batch.unwrap_or(self.batch);
        self.set_pace();
        let directory = self.gateway.directory.borrow().clone().unwrap_or_default();
        let named = named(&directory, &wanted.instruments, wanted.mock);
        let mut rejected = wanted.instruments.rejected;
        let (mut added, mut total) = (Vec::new(), self.gateway.hub.total(self.client));
        let most = self.gateway.limits.tokens_of(&self.rights);
        for (what, found) in named {
            let outcome = found.and_then(|instrument| {
                self.follow(&directory, instrument, mode, (total, most), now)
            });
            match outcome {
                Ok(Some(token)) => {
                    added.push(token);
                    total += 1;
                }
                Ok(None) => {}
                Err(reason) => rejected.push(Rejection { what, reason }),
            }
        }
        self.answers
            .push(answer::subscribed(id, &added, total, &rejected));
    }

    /// Subscribes to one instrument; returns its token if that is new.
    fn follow(
        &self,
        directory: &InstrumentDirectory,
        instrument: InstrumentId,
        mode: Mode,
        (total, most): (usize, usize),
        now: Instant,
    ) -> Result<Option<u32>, Reason> {
        let row = directory.get(instrument).ok_or(Reason::NotStreaming)?;
        if !self.rights.allow(&row.exchange, &row.tradingsymbol) {
            return Err(Reason::NotPermitted);
        }
        let hub = &self.gateway.hub;
        if total >= most && !hub.has(self.client, instrument) {
            return Err(Reason::Limit);
        }
        let is_new = hub.subscribe(self.client, (instrument, &row.channel), mode, now);
        Ok(is_new.then_some(instrument.token))
    }

    pub(super) fn unsubscribe(&mut self, id: Option<&Value>, instruments: &Instruments) {
        let hub = &self.gateway.hub;
        let directory = self.gateway.directory.borrow().clone().unwrap_or_default();
        let mut removed = Vec::new();
        let by_name = instruments.symbols.iter();
        let by_name = by_name.filter_map(|name| Some(directory.by_name(name, true).ok()?.token));
        for token in instruments.tokens.iter().copied().chain(by_name) {
            // What no longer streams can be left too.
            let both = [false, true].map(|is_mock| InstrumentId { token, is_mock });
            if both
                .into_iter()
                .fold(false, |was, it| hub.unsubscribe(self.client, it) | was)
            {
                removed.push(token);
            }
        }
        let total = hub.total(self.client);
        self.answers.push(answer::unsubscribed(id, &removed, total));
    }

    pub(super) fn list(&mut self, id: Option<&Value>) {
        let directory = self.gateway.directory.borrow().clone().unwrap_or_default();
        let subscriptions = self.gateway.hub.subscriptions(self.client);
        let subscriptions: Vec<Value> = subscriptions
            .into_iter()
            .map(|(id, mode)| {
                let name = directory.get(id).map(|row| row.name());
                json!({"token": id.token, "symbol": name, "mode": mode, "is_mock": id.is_mock})
            })
            .collect();
        self.answers.push(answer::list(id, &subscriptions));
    }

    /// After another token: what it does not allow ends, and the client is told.
    pub(super) fn keep_to_rights(&mut self, now: Instant) {
        let directory = self.gateway.directory.borrow().clone().unwrap_or_default();
        let hub = &self.gateway.hub;
        hub.keep_orders(self.client, &self.rights.orders);
        let most = self.gateway.limits.tokens_of(&self.rights);
        let (mut removed, mut kept) = (Vec::new(), 0);
        for (id, mode) in hub.subscriptions(self.client) {
            let row = directory.get(id);
            // Of one that no longer streams nobody can say whether it is allowed.
            let row = row.filter(|row| self.rights.allow(&row.exchange, &row.tradingsymbol));
            match (row, self.rights.mode(mode)) {
                (Some(row), Some(allowed)) if kept < most => {
                    kept += 1;
                    if allowed != mode {
                        hub.subscribe(self.client, (id, &row.channel), allowed, now);
                    }
                }
                _ => {
                    hub.unsubscribe(self.client, id);
                    removed.push(id.token);
                }
            }
        }
        if !removed.is_empty() {
            let total = hub.total(self.client);
            self.answers
                .push(answer::unsubscribed(None, &removed, total));
        }
    }
}

/// Each instrument that a client names, as it was written, and what it stands for.
fn named(
    directory: &InstrumentDirectory,
    instruments: &Instruments,
    mock: bool,
) -> Vec<(Wanted, Result<InstrumentId, Reason>)> {
    let reason = |error| match error {
        NotFound::Nowhere => Reason::NotStreaming,
        NotFound::OnlyMock => Reason::Mock,
    };
    let tokens = instruments.tokens.iter().map(|token| {
        let found = directory.by_token(*token, mock).map_err(reason);
        (Wanted::Token((*token).into()), found)
    });
    let symbols = instruments.symbols.iter().map(|name| {
        let found = directory.by_name(name, mock).map_err(reason);
        (Wanted::Symbol(name.clone()), found)
    });
    tokens.chain(symbols).collect()
}
