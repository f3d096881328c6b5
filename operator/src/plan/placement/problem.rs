//! The placement problem and its result, as numbers.
//!
//! Must not decide anything.

use rustc_hash::FxHashSet;

use crate::plan::ids::{AccountIx, ChannelId, SetIx, TargetId, TokenIx};

/// An account, by [`AccountIx`].
#[derive(Clone, Debug, Default)]
pub(crate) struct AccountSlot {
    /// The maximum number of tokens.
    pub(crate) capacity: usize,
    /// The Redis to which it publishes, if that is known.
    pub(crate) target: Option<TargetId>,
    /// Whether its tokens must stay as they are.
    pub(crate) frozen: bool,
    /// Which tokens of others it may take over.
    pub(crate) refuge: Refuge,
    /// Those of its tokens that no socket carries.
    pub(crate) lost: LostTokens,
    /// How many tokens it goes on with until others have them.
    pub(crate) leaving: usize,
    /// The tokens it streams so far: once for each set that has it, once for none.
    pub(crate) current: Vec<(TokenIx, Option<SetIx>)>,
    /// Those of them that are held over whatever is asked for, with the channels they are published on.
    pub(crate) held_over: Vec<(TokenIx, Vec<ChannelId>)>,
}

/// Whether an account takes over tokens that others lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Refuge {
    /// It does.
    #[default]
    Proven,
    /// It does after all others, and only until it has so many.
    Untried(usize),
    /// It does not.
    None,
    /// It does not, and gets new tokens only if nobody else has room.
    Down,
}

/// Tokens that no socket carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum LostTokens {
    /// None.
    #[default]
    None,
    /// These.
    Some(FxHashSet<TokenIx>),
    /// All of the account.
    All,
}

impl LostTokens {
    pub(super) fn has(&self, token: TokenIx) -> bool {
        match self {
            Self::None => false,
            Self::Some(tokens) => tokens.contains(&token),
            Self::All => true,
        }
    }
}

/// The request of a set, by [`SetIx`]: the oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct SetRequest {
    /// The higher gets room first, and loses it last.
    pub(crate) priority: i32,
    /// The accounts it may use, ascending.
    pub(crate) allowed: Vec<AccountIx>,
    /// The items that it requests, each token once.
    pub(crate) items: Vec<Item>,
    /// Whether new items go to the account with most room instead of the one where they fit best.
    pub(crate) spreads: bool,
    /// Items that stay if nobody else wants their places, each with its distance from the money.
    pub(crate) retained: Vec<(Item, u32)>,
}

/// A token and its channels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    /// The token.
    pub(crate) token: TokenIx,
    /// The channel; `None` if nothing is published.
    pub(crate) channel: Option<ChannelId>,
    /// The channel of a chain that rests on it, if it is published there too.
    pub(crate) underlying: Option<ChannelId>,
}

/// The result for an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// This account streams it.
    Placed(AccountIx),
    /// No account has room.
    Waiting,
    /// Another account publishes the token on the channel.
    Conflict,
}

/// The accounts after `outcomes` is applied.
pub(super) fn settled(
    slots: &[AccountSlot],
    requests: &[SetRequest],
    outcomes: &[Vec<Outcome>],
) -> Vec<AccountSlot> {
    let mut next: Vec<AccountSlot> = slots.iter().map(AccountSlot::without_sets).collect();
    for (at, (request, outcomes)) in requests.iter().zip(outcomes).enumerate() {
        for (item, outcome) in request.items.iter().zip(outcomes) {
            if let Outcome::Placed(account) = outcome
                && !next[account.at()].frozen
            {
                let current = (item.token, Some(SetIx::new(at)));
                next[account.at()].current.push(current);
            }
        }
    }
    next
}

impl AccountSlot {
    /// How many tokens it may take over to be tried.
    pub(super) fn trials(&self) -> usize {
        match self.refuge {
            Refuge::Untried(most) => {
                let current = self.current.iter().map(|(token, _)| *token);
                most.saturating_sub(current.collect::<FxHashSet<_>>().len())
            }
            Refuge::Proven | Refuge::None | Refuge::Down => 0,
        }
    }

    /// With only the tokens that are held over whatever the sets select.
    fn without_sets(&self) -> Self {
        let mut slot = self.clone();
        if !self.frozen {
            slot.current = self
                .held_over
                .iter()
                .map(|(token, _)| (*token, None))
                .collect();
        }
        slot
    }
}

impl Item {
    /// On one channel at most.
    pub(super) const fn new(token: TokenIx, channel: Option<ChannelId>) -> Self {
        Self {
            token,
            channel,
            underlying: None,
        }
    }

    /// The channels that it is published on.
    pub(super) fn channels(&self) -> impl Iterator<Item = ChannelId> + Clone + use<> {
        [self.channel, self.underlying].into_iter().flatten()
    }
}

impl SetRequest {
    pub(super) fn allows(&self, account: AccountIx) -> bool {
        self.allowed.binary_search(&account).is_ok()
    }
}
