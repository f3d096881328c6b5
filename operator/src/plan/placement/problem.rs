//! What is to be placed, as numbers, and what becomes of it.
//!
//! Must not decide anything.

use kite::Token;

use crate::plan::ids::{AccountIx, ChannelId, SetIx, TargetId};

/// An account, by [`AccountIx`].
#[derive(Clone, Debug, Default)]
pub(crate) struct AccountSlot {
    /// Tokens that fit at most.
    pub(crate) capacity: usize,
    /// The Redis its ticks go to, where that can be told.
    pub(crate) target: Option<TargetId>,
    /// Nothing may come or go.
    pub(crate) frozen: bool,
    /// What it streams so far, ascending by token.
    pub(crate) current: Vec<Current>,
}

/// A token that an account streams so far.
#[derive(Clone, Debug)]
pub(crate) struct Current {
    /// The token.
    pub(crate) token: Token,
    /// The sets it is streamed for.
    pub(crate) sets: Vec<SetIx>,
    /// The channels it is published on, where it stays whatever is asked for.
    pub(crate) fixed: Option<Vec<ChannelId>>,
}

/// What a set asks for, by [`SetIx`]: the order of precedence.
#[derive(Clone, Debug, Default)]
pub(crate) struct SetRequest {
    /// The accounts it may use, ascending.
    pub(crate) allowed: Vec<AccountIx>,
    /// What it wants, each token once.
    pub(crate) items: Vec<Item>,
}

/// A token and where its ticks go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    /// The token.
    pub(crate) token: Token,
    /// The channel.
    pub(crate) channel: ChannelId,
}

/// What became of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// This account streams it.
    Placed(AccountIx, Reason),
    /// No account has room.
    Waiting,
    /// Another account publishes the token on the channel.
    Conflict,
}

/// Why an account streams an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It streamed it for this set before.
    Kept,
    /// It streams the token anyway.
    Shared,
    /// It had room, and most of the set or the best fit for it.
    Room,
}

impl AccountSlot {
    fn current(&self, token: Token) -> Option<&Current> {
        let at = self
            .current
            .binary_search_by_key(&token, |current| current.token)
            .ok()?;
        self.current.get(at)
    }

    pub(super) fn streams_for(&self, token: Token, set: SetIx) -> bool {
        self.current(token)
            .is_some_and(|current| current.sets.contains(&set))
    }

    /// With only what stays whatever is asked for.
    pub(super) fn without_sets(&self) -> Self {
        if self.frozen {
            return self.clone();
        }
        let fixed = self.current.iter().filter(|it| it.fixed.is_some());
        let current = fixed
            .map(|it| Current {
                sets: Vec::new(),
                ..it.clone()
            })
            .collect();
        Self { current, ..*self }
    }
}

impl SetRequest {
    pub(super) fn allows(&self, account: AccountIx) -> bool {
        self.allowed.binary_search(&account).is_ok()
    }
}
