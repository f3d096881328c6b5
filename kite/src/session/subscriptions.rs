//! What one connection should stream, what its socket was told, and the commands between the two.
//!
//! Owns the difference. A change never names a token that it does not concern.

use std::collections::BTreeMap;

use crate::{Command, Mode, Token};

/// Desired and sent subscriptions of one connection.
#[derive(Clone, Debug, Default)]
pub struct Subscriptions {
    desired: BTreeMap<Token, Mode>,
    sent: BTreeMap<Token, Mode>,
    in_step: bool,
}

impl Subscriptions {
    /// Replaces what should be streamed.
    pub fn set_desired(&mut self, desired: BTreeMap<Token, Mode>) {
        self.in_step = desired == self.sent;
        self.desired = desired;
    }

    /// What should be streamed.
    #[must_use]
    pub const fn desired(&self) -> &BTreeMap<Token, Mode> {
        &self.desired
    }

    /// Forgets what was sent: a new socket knows nothing.
    pub fn reset_sent(&mut self) {
        self.sent.clear();
        self.in_step = self.desired.is_empty();
    }

    /// The next command that brings the socket nearer to what is desired; it counts as sent.
    ///
    /// Departures go first, so that a full connection has room for arrivals. The server answers no
    /// command, and a subscribe means quote mode until told otherwise.
    pub fn next_command(&mut self) -> Option<Command> {
        if self.in_step {
            return None;
        }
        let command = self
            .departures()
            .or_else(|| self.arrivals())
            .or_else(|| self.mode_changes());
        self.in_step = command.is_none();
        command
    }

    fn departures(&mut self) -> Option<Command> {
        let gone: Vec<Token> = self
            .sent
            .keys()
            .filter(|token| !self.desired.contains_key(token))
            .copied()
            .collect();
        for token in &gone {
            self.sent.remove(token);
        }
        (!gone.is_empty()).then_some(Command::Unsubscribe(gone))
    }

    fn arrivals(&mut self) -> Option<Command> {
        let new: Vec<Token> = self
            .desired
            .keys()
            .filter(|token| !self.sent.contains_key(token))
            .copied()
            .collect();
        self.sent
            .extend(new.iter().map(|token| (*token, Mode::Quote)));
        (!new.is_empty()).then_some(Command::Subscribe(new))
    }

    fn mode_changes(&mut self) -> Option<Command> {
        Mode::ALL.into_iter().find_map(|mode| {
            let changed: Vec<Token> = self
                .desired
                .iter()
                .filter(|(token, wanted)| {
                    **wanted == mode && self.sent.get(token).is_some_and(|sent| *sent != mode)
                })
                .map(|(token, _)| *token)
                .collect();
            self.sent.extend(changed.iter().map(|token| (*token, mode)));
            (!changed.is_empty()).then_some(Command::SetMode(mode, changed))
        })
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

    fn drain(subscriptions: &mut Subscriptions) -> Vec<Command> {
        std::iter::from_fn(|| subscriptions.next_command()).collect()
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
        let mut subscriptions = Subscriptions::default();
        subscriptions.set_desired(desired(&[
            (1, Mode::Full),
            (2, Mode::Quote),
            (3, Mode::Full),
        ]));
        drain(&mut subscriptions);
        subscriptions.set_desired(desired(&[
            (1, Mode::Full),
            (3, Mode::Ltp),
            (4, Mode::Quote),
        ]));
        assert_eq!(
            drain(&mut subscriptions),
            [
                Command::Unsubscribe(vec![Token(2)]),
                Command::Subscribe(vec![Token(4)]),
                Command::SetMode(Mode::Ltp, vec![Token(3)]),
            ]
        );
    }

    #[test]
    fn a_new_socket_is_told_everything_again() {
        let mut subscriptions = Subscriptions::default();
        subscriptions.set_desired(desired(&[(1, Mode::Full)]));
        let first = drain(&mut subscriptions);
        assert_eq!(drain(&mut subscriptions), []);
        subscriptions.reset_sent();
        assert_eq!(drain(&mut subscriptions), first);
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
            changes in proptest::collection::vec(any_desired(), 1..6)
        ) {
            let mut subscriptions = Subscriptions::default();
            let mut server = BTreeMap::new();
            for next in changes {
                subscriptions.set_desired(next.clone());
                for command in drain(&mut subscriptions) {
                    let before = server.len();
                    server = streamed(server, std::slice::from_ref(&command));
                    prop_assert!(server.len() <= before.max(next.len()));
                }
                prop_assert_eq!(&server, &next);
            }
        }
    }
}
