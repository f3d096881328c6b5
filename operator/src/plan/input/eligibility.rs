//! Whether an account may be given instruments, and the message if it may not.
//!
//! Owns types and texts. Must not decide which accounts are eligible.

use crds::condition::Reason;

use super::observed::Key;

/// What may be done with an account's instruments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Eligibility {
    /// It may gain and lose instruments.
    Active,
    /// It must stream nothing: its instruments move to other accounts or wait.
    Suspended(Suspension),
    /// Its assignment must stay as it is, whatever the sets select, and even if it must stream
    /// nothing.
    Frozen(Option<Suspension>),
}

/// Why an account must stream nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Suspension {
    /// `spec.paused` is true.
    Paused,
    /// It is being deleted, and a finalizer still holds it.
    Terminating,
    /// This older account has the same API key.
    Duplicate(Key),
}

impl Eligibility {
    /// Whether its assignment must stay as it is.
    pub(crate) fn is_frozen(&self) -> bool {
        matches!(self, Self::Frozen(_))
    }

    /// Whether it may be given instruments.
    pub(crate) fn is_active(&self) -> bool {
        *self == Self::Active
    }

    /// Why it must stream nothing.
    pub(crate) fn suspension(&self) -> Option<&Suspension> {
        match self {
            Self::Active => None,
            Self::Suspended(why) => Some(why),
            Self::Frozen(why) => why.as_ref(),
        }
    }

    /// The eligibility after a suspension was found.
    pub(crate) fn suspended(self, why: Suspension) -> Self {
        match self {
            Self::Active | Self::Suspended(_) => Self::Suspended(why),
            Self::Frozen(_) => Self::Frozen(Some(why)),
        }
    }
}

impl Suspension {
    /// The reason for conditions.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Paused => Reason::Paused,
            Self::Terminating => Reason::Terminating,
            Self::Duplicate(_) => Reason::DuplicateApiKey,
        }
    }

    /// The message for people.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Paused => {
                "spec.paused is true: its instruments move where their sets find room, or wait".to_owned()
            }
            Self::Terminating => {
                "it is being deleted, and a finalizer holds it: its instruments move where their sets find room, or wait"
                    .to_owned()
            }
            Self::Duplicate(older) => format!(
                "TickerAccount {older} has the same API key and is older: give this account its own API key, or \
                 delete one of the two"
            ),
        }
    }
}
