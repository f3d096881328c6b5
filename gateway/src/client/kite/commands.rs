//! What clients of Kite's protocol ask.
//!
//! Owns the comparison with what streams, with their rights and their limits.

use std::time::Instant;

use kite::limits::{TOKENS_PER_CONNECTION, TOO_MANY_TOKENS};
use kite::{Command, Mode, Token};
use rustc_hash::FxHashSet;

use super::KiteSession;
use crate::instrument::InstrumentId;

impl KiteSession {
    /// Returns what the client is told about it.
    pub(super) fn on_text(&mut self, text: &str) -> Vec<String> {
        let now = self.gateway.clock.now();
        if self.commands.take(now).is_none() {
            return vec![self.gateway.limits.too_many_commands()];
        }
        // What is no command is ignored, as Kite does.
        Command::parse(text).map_or_else(|_| Vec::new(), |it| self.carry_out(&it, now))
    }

    fn carry_out(&self, command: &Command, now: Instant) -> Vec<String> {
        match command {
            Command::Subscribe(tokens) => {
                let hub = &self.gateway.hub;
                let mut seen = FxHashSet::default();
                let mut tokens = tokens.clone();
                tokens.retain(|token| seen.insert(token.0));
                let new = tokens
                    .iter()
                    .filter(|it| !hub.has(self.client, self.id(**it)));
                let most = self.gateway.limits.tokens_of(&self.rights);
                if hub.total(self.client) + new.count() > most.min(TOKENS_PER_CONNECTION.into()) {
                    return vec![too_many_tokens(most)];
                }
                self.follow(&tokens, Mode::Quote, false, now)
            }
            Command::SetMode(mode, tokens) => self.follow(tokens, *mode, true, now),
            Command::Unsubscribe(tokens) => {
                for token in tokens {
                    self.gateway.hub.unsubscribe(self.client, self.id(*token));
                }
                Vec::new()
            }
        }
    }

    const fn id(&self, token: Token) -> InstrumentId {
        InstrumentId {
            token: token.0,
            is_mock: self.is_mock,
        }
    }

    /// Subscribes, or changes the mode of what is subscribed to (`known`).
    fn follow(&self, tokens: &[Token], mode: Mode, known: bool, now: Instant) -> Vec<String> {
        let (mut errors, mut missing) = (Vec::new(), 0_usize);
        let directory = self.gateway.directory.borrow().clone().unwrap_or_default();
        let hub = &self.gateway.hub;
        let Some(allowed) = self.rights.mode(mode) else {
            return vec!["the token allows none of these modes".to_owned()];
        };
        for token in tokens {
            let id = self.id(*token);
            if known && !hub.has(self.client, id) {
                continue;
            }
            let row = directory.get(id);
            let row = row.filter(|it| self.rights.allow(&it.exchange, &it.tradingsymbol));
            let Some(row) = row else {
                missing += 1;
                continue;
            };
            hub.subscribe(self.client, (id, &row.channel), allowed, now);
            if mode > row.mode && errors.is_empty() {
                errors.push(format!("set streams {}: {}", row.mode, row.name()));
            }
        }
        if missing > 0 {
            errors.push(format!("{missing} of these instruments do not stream here"));
        }
        errors
    }
}

fn too_many_tokens(most: usize) -> String {
    if most < TOKENS_PER_CONNECTION.into() {
        format!("Can't subscribe to more than {most} instruments.")
    } else {
        TOO_MANY_TOKENS.to_owned()
    }
}
