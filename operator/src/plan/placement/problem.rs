//! The placement problem and its result, as numbers.
//!
//! Must not decide anything.

use kite::Token;

use crate::plan::ids::{AccountIx, ChannelId, SetIx, TargetId};

/// An account, by [`AccountIx`].
#[derive(Clone, Debug, Default)]
pub(crate) struct AccountSlot {
    /// The maximum number of tokens.
    pub(crate) capacity: usize,
    /// The Redis to which it publishes, if that is known.
    pub(crate) target: Option<TargetId>,
    /// Whether its tokens must stay as they are.
    pub(crate) frozen: bool,
    /// Its current tokens, ascending.
    pub(crate) current: Vec<Current>,
}

/// A current token of an account.
#[derive(Clone, Debug)]
pub(crate) struct Current {
    /// The token.
    pub(crate) token: Token,
    /// The sets for which it streams.
    pub(crate) sets: Vec<SetIx>,
    /// Its channels, if it stays whatever the sets select.
    pub(crate) fixed: Option<Vec<ChannelId>>,
}

/// The request of a set, by [`SetIx`]: the order of precedence.
#[derive(Clone, Debug, Default)]
pub(crate) struct SetRequest {
    /// The accounts it may use, ascending.
    pub(crate) allowed: Vec<AccountIx>,
    /// The items that it requests, each token once.
    pub(crate) items: Vec<Item>,
}

/// A token and its channel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    /// The token.
    pub(crate) token: Token,
    /// The channel.
    pub(crate) channel: ChannelId,
}

/// The result for an item.
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
    /// It already streams the token for this set.
    Kept,
    /// It already streams the token for another set.
    Shared,
    /// It had room, and either most of the set or the best fit.
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

    /// With only the tokens that stay whatever the sets select.
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
