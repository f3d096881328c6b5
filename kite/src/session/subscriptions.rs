//! What one connection should stream, what was sent on its socket, what was confirmed, and the
//! commands for the difference.
//!
//! Owns the difference. A command never names a token that does not change. The server does not
//! answer commands: only a token's first packet confirms one, so unconfirmed commands are sent
//! again, a few times soon and then rarely.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::{Command, Mode, Token};

/// A token that has not confirmed its subscription or mode for this long is subscribed to again.
pub const CONFIRM_TIMEOUT: Duration = Duration::from_secs(3);

/// How often one socket tries each token at this pace: a token that stays silent is unknown to Kite,
/// does not trade, or belongs to a part of Kite that has failed.
pub const PROMPT_ATTEMPTS: u8 = 3;

/// How long a token that stays silent is left alone after that, each time.
pub const RETRY_EVERY: Duration = Duration::from_secs(5 * 60);

/// Desired and sent subscriptions of one connection.
#[derive(Clone, Debug, Default)]
pub struct Subscriptions {
    desired: BTreeMap<Token, Mode>,
    sent: BTreeMap<Token, SentSubscription>,
    up_to_date: bool,
    check_at: Option<Instant>,
}

/// The last command about one token.
#[derive(Clone, Copy, Debug)]
struct SentSubscription {
    state: SentState,
    at: Instant,
    attempts: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SentState {
    /// Subscribed, in this mode; `None` when the mode has to be set once more.
    Subscribed(Option<Mode>),
    /// Subscribed, but no packet arrived in time. It has to be unsubscribed first, because the
    /// server counts a second subscription of a token again.
    Unanswered,
    /// Unsubscribed, to be subscribed again.
    Unsubscribed,
}

/// Tokens of a live socket whose subscription or mode no packet has confirmed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unconfirmed {
    /// No packet arrived.
    pub unseen: Vec<Token>,
    /// Packets arrived, but none in the requested mode.
    pub other_mode: Vec<Token>,
}

impl Subscriptions {
    /// Replaces what should be streamed.
    pub fn set_desired(&mut self, desired: BTreeMap<Token, Mode>) {
        self.desired = desired;
        self.up_to_date = false;
    }

    /// What should be streamed.
    #[must_use]
    pub const fn desired(&self) -> &BTreeMap<Token, Mode> {
        &self.desired
    }

    /// Whether the present socket was told to stream anything.
    #[must_use]
    pub fn are_sent(&self) -> bool {
        !self.sent.is_empty()
    }

    /// Forgets what was sent, for a new socket.
    pub fn reset_sent(&mut self) {
        self.sent.clear();
        self.check_at = None;
        self.up_to_date = self.desired.is_empty();
    }

    /// When to check for unconfirmed tokens, if ever.
    #[must_use]
    pub const fn check_at(&self) -> Option<Instant> {
        self.check_at
    }

    /// Whether it is time to check for unconfirmed tokens; `true` once per check.
    pub fn take_check(&mut self, now: Instant) -> bool {
        let due = self.check_at.is_some_and(|at| now >= at);
        if due {
            self.check_at = None;
        }
        due
    }

    /// Handles the tokens that are unconfirmed at `now`. Commands that are older than
    /// [`CONFIRM_TIMEOUT`] are sent again, the others when that time has passed; after
    /// [`PROMPT_ATTEMPTS`] tries it is [`RETRY_EVERY`].
    pub fn on_unconfirmed(&mut self, tokens: &Unconfirmed, now: Instant) {
        self.check_at = None;
        for token in &tokens.unseen {
            self.retry(*token, SentState::Unanswered, now);
        }
        for token in &tokens.other_mode {
            self.retry(*token, SentState::Subscribed(None), now);
        }
    }

    fn retry(&mut self, token: Token, state: SentState, now: Instant) {
        let Some(sent) = self.sent.get_mut(&token) else {
            return;
        };
        if !matches!(sent.state, SentState::Subscribed(_)) {
            return;
        }
        let timeout = if sent.attempts < PROMPT_ATTEMPTS {
            CONFIRM_TIMEOUT
        } else {
            RETRY_EVERY
        };
        let due = sent.at + timeout;
        if now >= due {
            sent.state = state;
            self.up_to_date = false;
        } else {
            self.check_no_later_than(due);
        }
    }

    fn check_no_later_than(&mut self, at: Instant) {
        self.check_at = Some(self.check_at.map_or(at, |known| known.min(at)));
    }

    /// The next command towards the desired state; it counts as sent.
    ///
    /// Unsubscribes go first, so that a full connection has room for new tokens. A subscribe means
    /// quote mode until another mode is set.
    pub fn next_command(&mut self, now: Instant) -> Option<Command> {
        if self.up_to_date {
            return None;
        }
        let command = self
            .unsubscribe_command()
            .or_else(|| self.subscribe_command(now))
            .or_else(|| self.set_mode_command(now));
        self.up_to_date = command.is_none();
        command
    }

    fn unsubscribe_command(&mut self) -> Option<Command> {
        let mut gone = Vec::new();
        let desired = &self.desired;
        self.sent.retain(|token, sent| {
            let stays = desired.contains_key(token);
            if sent.state == SentState::Unanswered
                || (!stays && sent.state != SentState::Unsubscribed)
            {
                gone.push(*token);
                sent.state = SentState::Unsubscribed;
            }
            stays
        });
        (!gone.is_empty()).then_some(Command::Unsubscribe(gone))
    }

    fn subscribe_command(&mut self, now: Instant) -> Option<Command> {
        let attempts = |token: &Token| match self.sent.get(token) {
            None => Some(0),
            Some(sent) => (sent.state == SentState::Unsubscribed).then_some(sent.attempts),
        };
        let new: Vec<(Token, u8)> = self
            .desired
            .keys()
            .filter_map(|token| Some((*token, attempts(token)?)))
            .collect();
        if new.is_empty() {
            return None;
        }
        for (token, attempts) in &new {
            self.record_sent(*token, Some(Mode::Quote), attempts.saturating_add(1), now);
        }
        let tokens = new.into_iter().map(|(token, _)| token);
        Some(Command::Subscribe(tokens.collect()))
    }

    fn set_mode_command(&mut self, now: Instant) -> Option<Command> {
        Mode::ALL.into_iter().find_map(|mode| {
            let attempts = |token: &Token| {
                let sent = self.sent.get(token)?;
                match sent.state {
                    SentState::Subscribed(Some(sent_mode)) => {
                        (sent_mode != mode).then_some(sent.attempts)
                    }
                    // Sent before, and not confirmed in time.
                    SentState::Subscribed(None) => Some(sent.attempts.saturating_add(1)),
                    SentState::Unanswered | SentState::Unsubscribed => None,
                }
            };
            let in_mode = self.desired.iter().filter(|(_, desired)| **desired == mode);
            let changed: Vec<(Token, u8)> = in_mode
                .filter_map(|(token, _)| Some((*token, attempts(token)?)))
                .collect();
            if changed.is_empty() {
                return None;
            }
            for (token, attempts) in &changed {
                self.record_sent(*token, Some(mode), *attempts, now);
            }
            let tokens = changed.into_iter().map(|(token, _)| token);
            Some(Command::SetMode(mode, tokens.collect()))
        })
    }

    fn record_sent(&mut self, token: Token, mode: Option<Mode>, attempts: u8, now: Instant) {
        let state = SentState::Subscribed(mode);
        self.sent.insert(
            token,
            SentSubscription {
                state,
                at: now,
                attempts,
            },
        );
        self.check_no_later_than(now + CONFIRM_TIMEOUT);
    }
}

#[cfg(test)]
mod tests;
