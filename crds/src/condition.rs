//! Condition types and reasons of both kinds, and how a condition follows its predecessor.
//!
//! Owns the words; must not decide which of them holds (the planner does).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use std::fmt;

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $doc:literal])+ $variant:ident,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[doc = $doc])+ $variant,)+ }

        impl $name {
            /// Every value, in order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word as it stands in an object.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)+ }
            }

            /// What the word means.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+),)+ }
            }

            /// The value of a word as it stands in an object; `None` for a word of another version.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|it| it.as_str() == word)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// The type of a condition.
    ConditionType {
        /// Both kinds: data flows, or nothing has to flow. This is what `kubectl wait` is for.
        Ready,
        /// Account: the Secret is complete and Kite accepts what it holds.
        CredentialsValid,
        /// Account: every socket it needs is up.
        Connected,
        /// Account: it has room for one more instrument.
        CapacityAvailable,
        /// Set: every token and symbol it names exists.
        Resolved,
        /// Set: every instrument that exists has an account.
        Scheduled,
        /// Set: every scheduled instrument is subscribed and has been seen, or is known to be silent.
        Streaming,
        /// Both kinds: the spec says so.
        Paused,
    }
}

words! {
    /// The state of a condition.
    State {
        /// It holds.
        True,
        /// It is known not to hold.
        False,
        /// Nothing is known yet.
        Unknown,
    }
}

words! {
    /// Why a condition is what it is. The reason of `Ready` is the column REASON of `kubectl get`.
    Reason {
        /// The operator sees the object for the first time.
        Pending,
        /// There is no instruments table of this API endpoint yet; what was placed before keeps streaming.
        InstrumentsUnavailable,
        /// None of the set's tokens and symbols exists.
        NothingResolved,
        /// Some of the set's tokens and symbols do not exist.
        PartiallyResolved,
        /// All of the set's tokens and symbols exist.
        AllResolved,
        /// Some instruments wait for an account with room.
        PartiallyScheduled,
        /// Every instrument has an account.
        AllScheduled,
        /// No account has room.
        CapacityShort,
        /// There is room for more.
        CapacityFree,
        /// No account of the namespace matches the set.
        NoAccount,
        /// The accounts a set may use differ in `endpoint` or `mock`.
        AccountsDisagree,
        /// An older set publishes the same instruments on the same channel from another account.
        ChannelConflict,
        /// Sockets or subscriptions are not up yet.
        Connecting,
        /// Every socket that is needed is up.
        Connected,
        /// Everything is up, but no packet came, or none for longer than `staleAfter`.
        Stale,
        /// Ticks flow.
        Streaming,
        /// The account has nothing assigned: no socket is open, the pod stays.
        Idle,
        /// `spec.paused` is set.
        Paused,
        /// `spec.paused` is not set.
        NotPaused,
        /// The object is being deleted and something still holds it: its sockets close.
        Terminating,
        /// An older account has the same API key: only that one runs.
        DuplicateApiKey,
        /// Nothing has been dialled with these credentials yet.
        Unverified,
        /// Kite accepts the credentials.
        Verified,
        /// Kite refused the access token (403). A new one in the Secret is taken up without a restart.
        TokenExpired,
        /// The Secret does not exist.
        SecretMissing,
        /// The Secret lacks a key.
        KeyMissing,
        /// The ingest pod is not running, or does not answer.
        PodNotReady,
        /// The ingest pod cannot reach Redis, or Redis refuses what is published.
        RedisUnavailable,
        /// An object with the name of one the account would own exists and belongs to somebody else.
        NameTaken,
        /// The object cannot be read; the message names the field.
        Invalid,
    }
}

/// What holds now, before it becomes a [`Condition`] with a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndatedCondition {
    /// Which condition it is about.
    pub kind: ConditionType,
    /// Whether it holds.
    pub state: State,
    /// Why.
    pub reason: Reason,
    /// The same for people: which object, what is wrong, what to do.
    pub message: String,
}

impl UndatedCondition {
    /// Makes the condition that follows `previous`: the transition time is kept unless the state flips.
    #[must_use]
    pub fn after(
        self,
        previous: &[Condition],
        generation: Option<i64>,
        now: jiff::Timestamp,
    ) -> Condition {
        let since = previous
            .iter()
            .find(|condition| {
                condition.type_ == self.kind.as_str() && condition.status == self.state.as_str()
            })
            .map_or(Time(now), |condition| {
                condition.last_transition_time.clone()
            });
        Condition {
            type_: self.kind.as_str().to_owned(),
            status: self.state.as_str().to_owned(),
            reason: self.reason.as_str().to_owned(),
            message: self.message,
            observed_generation: generation,
            last_transition_time: since,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn ready(state: State, reason: Reason) -> UndatedCondition {
        UndatedCondition {
            kind: ConditionType::Ready,
            state,
            reason,
            message: String::new(),
        }
    }

    #[test]
    fn transition_time_moves_only_when_the_state_flips() {
        let (early, late) = (Timestamp::UNIX_EPOCH, Timestamp::constant(60, 0));
        let first = ready(State::True, Reason::Streaming).after(&[], Some(1), early);
        let same = ready(State::True, Reason::PartiallyResolved).after(
            std::slice::from_ref(&first),
            Some(2),
            late,
        );
        assert_eq!(same.last_transition_time.0, early);
        assert_eq!(
            (same.reason.as_str(), same.observed_generation),
            ("PartiallyResolved", Some(2))
        );
        let flipped = ready(State::False, Reason::Stale).after(&[same], Some(2), late);
        assert_eq!(flipped.last_transition_time.0, late);
    }

    #[test]
    fn another_type_gives_no_history() {
        let other = UndatedCondition {
            kind: ConditionType::Connected,
            ..ready(State::True, Reason::Connected)
        };
        let other = other.after(&[], None, Timestamp::UNIX_EPOCH);
        let now = Timestamp::constant(5, 0);
        assert_eq!(
            ready(State::True, Reason::Idle)
                .after(&[other], None, now)
                .last_transition_time
                .0,
            now
        );
    }

    #[test]
    fn reasons_are_valid_in_a_condition() {
        let allowed = regex::Regex::new("^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$").unwrap();
        assert!(
            Reason::ALL
                .iter()
                .all(|reason| allowed.is_match(reason.as_str()))
        );
    }
}
