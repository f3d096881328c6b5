//! Moves: instruments that go from one account to another.
//!
//! Owns the members by which two processes that do not know each other agree on who publishes a packet: the exchange's own
//! second in it decides, so that no clock of a machine has a part in it. Must not decide when a move goes on.

use serde::{Deserialize, Serialize};

/// The maximum number of moves in one assignment.
pub const MOST_MOVES: usize = 100;

/// Some instruments of an account that go to one other, or come from it. The assignments of both have it under the same
/// id; rows name it by its position. A process that does not know this member publishes the rows as any others: its
/// report lacks [`FEATURE_MOVES`](crate::report::FEATURE_MOVES).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// Its name, the same for both accounts.
    pub id: String,
    /// Whether this account gives or takes.
    pub part: MovePart,
    /// From when on which of them publishes. Without it the giving account publishes everything and the taking one, which
    /// subscribes already, nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary: Option<Boundary>,
}

/// The part of one account in a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MovePart {
    /// Its instruments go to another account.
    From,
    /// It takes them over.
    To,
}

/// The exchange second that divides the packets of a move. The giving account publishes those of before, the taking one
/// the others. A packet without a time is the taking account's from when it has the boundary on, and the other's until
/// then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boundary {
    /// Epoch seconds, as the exchange writes them into packets; [`Self::AT_ONCE`] where none has told it.
    pub second: i64,
    /// So many seconds after it has got the boundary, by its own monotonic clock, the giving account publishes nothing
    /// more and the taking one everything, whatever seconds have come.
    pub within_s: u16,
}

impl Boundary {
    /// The second of a boundary that every packet with a time is past.
    pub const AT_ONCE: i64 = 0;
}
