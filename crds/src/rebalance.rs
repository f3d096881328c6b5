//! The rebalance that an annotation asks for, as both kinds show it in their status.
//!
//! Owns types only. The annotation is [`crate::names::ANNOTATION_REBALANCE`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many characters of a request count.
pub const MAX_REQUEST: usize = 63;

/// A request that begins so moves nothing.
pub const DRY_RUN: &str = "dry-run:";

/// The rebalance that the annotation `kiteticker.dev/rebalance` asked for last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct RebalanceStatus {
    /// The value of the annotation. Each new value is one request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// How far it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<RebalanceState>,
    /// How many instruments have moved so far; of a dry run, how many would move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moves: Option<u32>,
}

/// `Planned`: nothing moves, because it is a dry run, or others move first. `Moving`: at most 500 instruments at a time move.
/// `Done`: nothing is left to move, or what is left finds no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum RebalanceState {
    /// Nothing moves.
    Planned,
    /// Instruments move.
    Moving,
    /// Nothing is left to move.
    Done,
}
