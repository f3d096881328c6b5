//! What manifests would change.

use serde::{Deserialize, Serialize};

use super::{Shorten, halve};

/// The plan with some manifests in place of those in force, compared with the present plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewAnswer {
    /// Sets that the manifests define, and those whose numbers change.
    #[serde(default)]
    pub sets: Vec<SetPreview>,
    /// Accounts that the manifests define, and those whose numbers change.
    #[serde(default)]
    pub accounts: Vec<AccountPreview>,
    /// Instruments that would change their account.
    #[serde(default)]
    pub moves: Vec<MovePreview>,
    /// Objects that would be refused.
    #[serde(default)]
    pub refused: Vec<RefusedObject>,
    /// What was assumed or is not used, for people.
    #[serde(default)]
    pub remarks: Vec<String>,
    /// Whether something is left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// A set before and after.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetPreview {
    /// Its namespace; empty outside of a cluster.
    #[serde(default)]
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Now. Missing: it would be new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<SetState>,
    /// Then.
    pub after: SetState,
}

/// What a plan says about a set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetState {
    /// Instruments that it selects.
    pub selected: u32,
    /// Those that have an account.
    pub scheduled: u32,
    /// Those that have none.
    pub waiting: u32,
    /// Why it gets nothing, or not everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// An account before and after.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountPreview {
    /// Its namespace; empty outside of a cluster.
    #[serde(default)]
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its instruments now. Missing: it would be new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u32>,
    /// Its instruments then.
    pub after: u32,
    /// How many fit then.
    pub capacity: u32,
    /// Why it would stream nothing, or would stay as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Instruments that would go from one account to another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovePreview {
    /// Namespace of both; empty outside of a cluster.
    #[serde(default)]
    pub namespace: String,
    /// The account that has them.
    pub from: String,
    /// The account that would have them.
    pub to: String,
    /// How many they are.
    pub instruments: u32,
}

/// An object that would be refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedObject {
    /// Its kind and name.
    pub object: String,
    /// Why, with the field.
    pub why: String,
}

impl Shorten for PreviewAnswer {
    fn shorten(&mut self) -> bool {
        let shorter = halve(&mut self.sets)
            | halve(&mut self.accounts)
            | halve(&mut self.moves)
            | halve(&mut self.refused)
            | halve(&mut self.remarks);
        self.truncated |= shorter;
        shorter
    }
}
