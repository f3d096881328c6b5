//! Positions and numbers that are valid for one pass, each with its own type.
//!
//! Owns only which list a number indexes. None of them outlives that list.

/// Position of an account in the order of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AccountIx(u32);

/// Position of a set in the order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SetIx(u32);

/// Number of a token among those that a group of accounts streams or is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TokenIx(u32);

/// Number of a Redis channel, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ChannelId(u32);

/// Number of the Redis to which ticks are published, by its URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TargetId(u32);

/// Position of a channel among those of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RouteIx(u32);

macro_rules! number {
    ($name:ident) => {
        impl $name {
            /// The one with this position or number.
            pub(crate) fn new(at: usize) -> Self {
                Self(u32::try_from(at).unwrap_or(u32::MAX))
            }
        }
    };
}

macro_rules! position {
    ($name:ident) => {
        number!($name);

        impl $name {
            /// The position.
            pub(crate) fn at(self) -> usize {
                self.0 as usize
            }
        }
    };
}

position!(AccountIx);
position!(SetIx);
position!(TokenIx);
position!(RouteIx);
number!(ChannelId);
number!(TargetId);
