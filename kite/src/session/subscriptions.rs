//! What one connection should stream, what its socket was told and what it has confirmed, and the
//! commands between these.
//!
//! Owns the difference. A change never names a token that it does not concern. The server answers no
//! command: only a token's first packet confirms it, so what stays unconfirmed is asked for again, a
//! few times.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::{Command, Mode, Token};

/// A token that has not done what it was asked to for this long is asked again.
pub const CONFIRM_WITHIN: Duration = Duration::from_secs(3);

/// A token is asked so often on one socket: what stays silent then is unknown to Kite, or has
/// nothing to tell.
pub const MOST_ASKS: u8 = 3;

/// Desired and sent subscriptions of one connection.
#[derive(Clone, Debug, Default)]
pub struct Subscriptions {
    desired: BTreeMap<Token, Mode>,
    sent: BTreeMap<Token, Sent>,
    in_step: bool,
    check_at: Option<Instant>,
}

/// What the socket was told about one token.
#[derive(Clone, Copy, Debug)]
struct Sent {
    told: Told,
    at: Instant,
    asks: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// To stream; `None` when the mode has to be said once more.
    Stream(Option<Mode>),
    /// To stream, in vain: it is to leave before it joins again, because the server counts twice
    /// what is subscribed to twice.
    InVain,
    /// To leave, and it is to join again.
    Leave,
}

/// Tokens of a live socket that have not done what they were asked to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unconfirmed {
    /// No packet came.
    pub unseen: Vec<Token>,
    /// Packets came, but none in the mode that was asked for.
    pub other_mode: Vec<Token>,
}

impl Subscriptions {
    /// Replaces what should be streamed.
    pub fn set_desired(&mut self, desired: BTreeMap<Token, Mode>) {
        self.desired = desired;
        self.in_step = false;
    }

    /// What should be streamed.
    #[must_use]
    pub const fn desired(&self) -> &BTreeMap<Token, Mode> {
        &self.desired
    }

    /// Forgets what was sent: a new socket knows nothing.
    pub fn reset_sent(&mut self) {
        self.sent.clear();
        self.check_at = None;
        self.in_step = self.desired.is_empty();
    }

    /// When to say what is unconfirmed, if ever.
    #[must_use]
    pub const fn check_at(&self) -> Option<Instant> {
        self.check_at
    }

    /// Whether it is time to say what is unconfirmed; asked for once.
    pub fn take_check(&mut self, now: Instant) -> bool {
        let due = self.check_at.is_some_and(|at| now >= at);
        if due {
            self.check_at = None;
        }
        due
    }

    /// Says what is unconfirmed at `now`. What has had its time is asked again, the rest when its
    /// time has passed; what was asked [`MOST_ASKS`] times is left alone.
    pub fn on_unconfirmed(&mut self, tokens: &Unconfirmed, now: Instant) {
        self.check_at = None;
        for token in &tokens.unseen {
            self.ask_again(*token, Told::InVain, now);
        }
        for token in &tokens.other_mode {
            self.ask_again(*token, Told::Stream(None), now);
        }
    }

    fn ask_again(&mut self, token: Token, told: Told, now: Instant) {
        let Some(sent) = self.sent.get_mut(&token) else {
            return;
        };
        let due = sent.at + CONFIRM_WITHIN;
        if sent.asks >= MOST_ASKS || !matches!(sent.told, Told::Stream(_)) {
            return;
        }
        if now >= due {
            sent.told = told;
            self.in_step = false;
        } else {
            self.check_by(due);
        }
    }

    fn check_by(&mut self, at: Instant) {
        self.check_at = Some(self.check_at.map_or(at, |known| known.min(at)));
    }

    /// The next command that brings the socket nearer to what is desired; it counts as sent.
    ///
    /// Departures go first, so that a full connection has room for arrivals. A subscribe means quote
    /// mode until told otherwise.
    pub fn next_command(&mut self, now: Instant) -> Option<Command> {
        if self.in_step {
            return None;
        }
        let command = self
            .departures()
            .or_else(|| self.arrivals(now))
            .or_else(|| self.mode_changes(now));
        self.in_step = command.is_none();
        command
    }

    fn departures(&mut self) -> Option<Command> {
        let mut gone = Vec::new();
        let desired = &self.desired;
        self.sent.retain(|token, sent| {
            let stays = desired.contains_key(token);
            if sent.told == Told::InVain || (!stays && sent.told != Told::Leave) {
                gone.push(*token);
                sent.told = Told::Leave;
            }
            stays
        });
        (!gone.is_empty()).then_some(Command::Unsubscribe(gone))
    }

    fn arrivals(&mut self, now: Instant) -> Option<Command> {
        let asks = |token: &Token| match self.sent.get(token) {
            None => Some(0),
            Some(sent) => (sent.told == Told::Leave).then_some(sent.asks),
        };
        let new: Vec<(Token, u8)> = self
            .desired
            .keys()
            .filter_map(|token| Some((*token, asks(token)?)))
            .collect();
        if new.is_empty() {
            return None;
        }
        for (token, asks) in &new {
            self.tell(*token, Some(Mode::Quote), asks + 1, now);
        }
        let tokens = new.into_iter().map(|(token, _)| token);
        Some(Command::Subscribe(tokens.collect()))
    }

    fn mode_changes(&mut self, now: Instant) -> Option<Command> {
        Mode::ALL.into_iter().find_map(|mode| {
            let asks = |token: &Token| {
                let sent = self.sent.get(token)?;
                match sent.told {
                    Told::Stream(Some(told)) => (told != mode).then_some(sent.asks),
                    // Said in vain before.
                    Told::Stream(None) => Some(sent.asks + 1),
                    Told::InVain | Told::Leave => None,
                }
            };
            let wanted = self.desired.iter().filter(|(_, wanted)| **wanted == mode);
            let changed: Vec<(Token, u8)> = wanted
                .filter_map(|(token, _)| Some((*token, asks(token)?)))
                .collect();
            if changed.is_empty() {
                return None;
            }
            for (token, asks) in &changed {
                self.tell(*token, Some(mode), *asks, now);
            }
            let tokens = changed.into_iter().map(|(token, _)| token);
            Some(Command::SetMode(mode, tokens.collect()))
        })
    }

    fn tell(&mut self, token: Token, mode: Option<Mode>, asks: u8, now: Instant) {
        let told = Told::Stream(mode);
        self.sent.insert(
            token,
            Sent {
                told,
                at: now,
                asks,
            },
        );
        self.check_by(now + CONFIRM_WITHIN);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn desired(entries: &[(u32, Mode)]) -> BTreeMap<Token, Mode> {
        entries
            .iter()
            .map(|(token, mode)| (Token(*token), *mode))
            .collect()
    }

    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
        Instant::now()
    }

    fn drain(subscriptions: &mut Subscriptions, now: Instant) -> Vec<Command> {
        std::iter::from_fn(|| subscriptions.next_command(now)).collect()
    }

    /// What a server streams after `commands`.
    fn streamed(mut server: BTreeMap<Token, Mode>, commands: &[Command]) -> BTreeMap<Token, Mode> {
        for command in commands {
            match command {
                Command::Subscribe(tokens) => {
                    server.extend(tokens.iter().map(|token| (*token, Mode::Quote)));
                }
                Command::Unsubscribe(tokens) => tokens.iter().for_each(|token| {
                    server.remove(token);
                }),
                Command::SetMode(mode, tokens) => {
                    server.extend(tokens.iter().map(|token| (*token, *mode)));
                }
            }
        }
        server
    }

    #[test]
    fn a_change_names_only_what_changed() {
        let now = start();
        let mut subscriptions = Subscriptions::default();
        subscriptions.set_desired(desired(&[
            (1, Mode::Full),
            (2, Mode::Quote),
            (3, Mode::Full),
        ]));
        drain(&mut subscriptions, now);
        subscriptions.set_desired(desired(&[
            (1, Mode::Full),
            (3, Mode::Ltp),
            (4, Mode::Quote),
        ]));
        assert_eq!(
            drain(&mut subscriptions, now),
            [
                Command::Unsubscribe(vec![Token(2)]),
                Command::Subscribe(vec![Token(4)]),
                Command::SetMode(Mode::Ltp, vec![Token(3)]),
            ]
        );
    }

    #[test]
    fn a_new_socket_is_told_everything_again() {
        let now = start();
        let mut subscriptions = Subscriptions::default();
        subscriptions.set_desired(desired(&[(1, Mode::Full)]));
        let first = drain(&mut subscriptions, now);
        assert_eq!(drain(&mut subscriptions, now), []);
        subscriptions.reset_sent();
        assert_eq!(drain(&mut subscriptions, now), first);
    }

    fn unseen(tokens: &[u32]) -> Unconfirmed {
        Unconfirmed {
            unseen: tokens.iter().copied().map(Token).collect(),
            other_mode: Vec::new(),
        }
    }

    #[test]
    fn what_is_not_confirmed_leaves_and_joins_again_a_few_times() {
        let mut now = start();
        let mut subscriptions = Subscriptions::default();
        subscriptions.set_desired(desired(&[(1, Mode::Full), (2, Mode::Quote)]));
        drain(&mut subscriptions, now);
        for _ in 1..MOST_ASKS {
            let due = subscriptions.check_at().unwrap();
            assert_eq!(due, now + CONFIRM_WITHIN);
            now = due;
            subscriptions.on_unconfirmed(&unseen(&[1]), now);
            assert_eq!(
                drain(&mut subscriptions, now),
                [
                    Command::Unsubscribe(vec![Token(1)]),
                    Command::Subscribe(vec![Token(1)]),
                    Command::SetMode(Mode::Full, vec![Token(1)]),
                ]
            );
        }
        now = subscriptions.check_at().unwrap();
        subscriptions.on_unconfirmed(&unseen(&[1]), now);
        assert_eq!(drain(&mut subscriptions, now), []);
        assert_eq!(subscriptions.check_at(), None);
    }

    #[test]
    fn a_mode_that_does_not_come_is_said_again_without_leaving() {
        let now = start();
        let mut subscriptions = Subscriptions::default();
        subscriptions.set_desired(desired(&[(1, Mode::Full)]));
        drain(&mut subscriptions, now);
        let tokens = Unconfirmed {
            unseen: Vec::new(),
            other_mode: vec![Token(1)],
        };
        for round in 1..=3 {
            let now = now + CONFIRM_WITHIN * round;
            subscriptions.on_unconfirmed(&tokens, now);
            let said = drain(&mut subscriptions, now);
            let again = Command::SetMode(Mode::Full, vec![Token(1)]);
            let expected = (round < u32::from(MOST_ASKS)).then_some(again);
            assert_eq!(said, expected.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_newcomer_has_its_own_time() {
        let now = start();
        let mut subscriptions = Subscriptions::default();
        subscriptions.set_desired(desired(&[(1, Mode::Quote)]));
        drain(&mut subscriptions, now);
        let later = now + CONFIRM_WITHIN / 2;
        subscriptions.set_desired(desired(&[(1, Mode::Quote), (2, Mode::Quote)]));
        drain(&mut subscriptions, later);
        let due = subscriptions.check_at().unwrap();
        subscriptions.on_unconfirmed(&unseen(&[2]), due);
        assert_eq!(drain(&mut subscriptions, due), []);
        assert_eq!(subscriptions.check_at(), Some(later + CONFIRM_WITHIN));
    }

    fn any_desired() -> impl Strategy<Value = BTreeMap<Token, Mode>> {
        proptest::collection::btree_map(
            (0_u32..40).prop_map(Token),
            proptest::sample::select(Mode::ALL.to_vec()),
            0..30,
        )
    }

    proptest! {
        #[test]
        fn any_change_leads_to_what_is_desired_and_is_never_over_the_limit(
            changes in proptest::collection::vec(
                (any_desired(), proptest::collection::vec((0_u32..40, any::<bool>()), 0..20)), 1..6)
        ) {
            let mut subscriptions = Subscriptions::default();
            let mut server = BTreeMap::new();
            let mut now = start();
            for (next, silent) in changes {
                now += CONFIRM_WITHIN;
                let mut tokens = Unconfirmed::default();
                for (token, seen) in silent {
                    let list = if seen { &mut tokens.other_mode } else { &mut tokens.unseen };
                    list.push(Token(token));
                }
                subscriptions.on_unconfirmed(&tokens, now);
                subscriptions.set_desired(next.clone());
                for command in drain(&mut subscriptions, now) {
                    let before = server.len();
                    server = streamed(server, std::slice::from_ref(&command));
                    prop_assert!(server.len() <= before.max(next.len()));
                }
                prop_assert_eq!(&server, &next);
            }
        }
    }
}
