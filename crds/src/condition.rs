//! Condition types and reasons of both kinds, and how a condition follows its predecessor.
//!
//! Owns the words. Must not decide which of them applies: the planner does.

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

            /// The word used in an object.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)+ }
            }

            /// What the word means.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+),)+ }
            }

            /// The value of a word in an object; `None` for a word of another version.
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
        /// Both kinds: data flows, or nothing has to flow. Meant for `kubectl wait`.
        Ready,
        /// Account: the Secret is complete, and Kite accepts its credentials.
        CredentialsValid,
        /// Account: every socket it needs is up.
        Connected,
        /// Account: it has room for one more instrument.
        CapacityAvailable,
        /// Set: everything that it selects is in the instruments list.
        Resolved,
        /// Set: every selected instrument has an account.
        Scheduled,
        /// Set: every scheduled instrument is subscribed and has sent a packet, or is known to be silent.
        Streaming,
        /// Both kinds: `spec.paused` is true.
        Paused,
    }
}

words! {
    /// The state of a condition.
    State {
        /// It holds.
        True,
        /// It does not hold.
        False,
        /// It is not known whether it holds.
        Unknown,
    }
}

words! {
    /// Why a condition is what it is. The reason of `Ready` is the column REASON of `kubectl get`.
    Reason {
        /// The operator does not know enough yet: the object is new, or a Secret or report has not been read.
        Pending,
        /// The instruments list of this API endpoint is not available; what was placed before keeps streaming.
        InstrumentsUnavailable,
        /// Nothing that the set selects is in the instruments list.
        NothingResolved,
        /// Something that the set selects is not in the instruments list.
        PartiallyResolved,
        /// All that the set selects is in the instruments list.
        AllResolved,
        /// The set selects more than 20,000 instruments: what it has stays, and nothing is added.
        TooManyInstruments,
        /// The set selects strikes around the money, and no price of the underlying has come yet: what it has stays.
        WaitingForPrice,
        /// Some instruments wait for an account with room.
        PartiallyScheduled,
        /// Every instrument has an account.
        AllScheduled,
        /// No account has room.
        CapacityShort,
        /// The account has room for more.
        CapacityFree,
        /// No account in the namespace matches the set.
        NoAccount,
        /// The accounts that a set may use differ in `endpoint` or `mock`.
        AccountsDisagree,
        /// An older set publishes the same instruments on the same channel from another account.
        ChannelConflict,
        /// Sockets or subscriptions are not up yet.
        Connecting,
        /// Every socket that is needed is up.
        Connected,
        /// Everything is up, but no packet has arrived, or none for longer than `staleAfter`.
        Stale,
        /// Ticks flow.
        Streaming,
        /// Everything is up, and the markets of all instruments are closed: nothing ticks.
        MarketClosed,
        /// No instrument is assigned to the account: no socket is open, the pod stays.
        Idle,
        /// `spec.paused` is true.
        Paused,
        /// `spec.paused` is false.
        NotPaused,
        /// The object is being deleted, and a finalizer still holds it: its sockets close.
        Terminating,
        /// An older account has the same API key: only that one runs.
        DuplicateApiKey,
        /// These credentials have not been used yet.
        Unverified,
        /// Kite accepts the credentials.
        Verified,
        /// Kite refused the access token (403). A new one in the Secret is used at once and without a
        /// restart; the same is tried again at intervals of up to five minutes.
        TokenExpired,
        /// The access token has ended, and the Secret has an `api_secret`: log in with the link in `status.loginURL`, or put
        /// today's access token into the Secret.
        LoginRequired,
        /// Kite has ended the access token, and the connections that were opened with it stream on; one that is lost
        /// cannot be reopened. A new token in the Secret is used for the next.
        RunningOnDeadToken,
        /// The Secret does not exist.
        SecretMissing,
        /// A key is missing in the Secret.
        KeyMissing,
        /// The ingest pod is not running, or does not answer.
        PodNotReady,
        /// The ingest pod cannot reach Redis, or Redis refuses what is published.
        RedisUnavailable,
        /// An object that the account needs exists already and was not made for this account.
        NameTaken,
        /// The object cannot be read; the message names the field.
        Invalid,
    }
}

/// A condition without its history; the history makes it a [`Condition`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndatedCondition {
    /// The type of the condition.
    pub kind: ConditionType,
    /// Whether it holds.
    pub state: State,
    /// Why.
    pub reason: Reason,
    /// A text for people: which object, what is wrong, what to do.
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
