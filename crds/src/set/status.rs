//! The status of an `InstrumentSet`.
//!
//! Owns its fields and their bounds: no list per token, and less than four kilobytes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Number;

use crate::rebalance::RebalanceStatus;

/// Most entries of `status.unresolved`.
pub const MAX_UNRESOLVED_SAMPLES: usize = 10;
/// Most entries of `status.renamed`.
pub const MAX_RENAMED: usize = 10;
/// Most entries of `status.atm`.
pub const MAX_ATM: usize = 10;

/// The observed state of the set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstrumentSetStatus {
    /// The generation of the spec that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready, Resolved, Scheduled, Streaming and Paused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Streaming and selected instruments: `442/450`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instruments: Option<String>,
    /// Instruments that the set selects, each counted once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selected: Option<u32>,
    /// Instruments that have an account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled: Option<u32>,
    /// Instruments from which the present socket has received a packet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streaming: Option<u32>,
    /// Instruments that wait for an account with room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<u32>,
    /// Instruments that are subscribed but have sent nothing for more than 10 seconds: illiquid, or unknown to Kite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent: Option<u32>,
    /// Some of what the set selects and the instruments list lacks: names, and selectors by their place
    /// (`options[1]: NIFTYY has no options; the nearest is NIFTY`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_UNRESOLVED_SAMPLES))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub unresolved: Vec<String>,
    /// How many names and selectors find nothing in the instruments list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unresolved_count: Option<u32>,
    /// Some of the symbols that the instruments list has no longer and that stream under the name they have today.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_RENAMED))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub renamed: Vec<RenamedInstrument>,
    /// The strike at the money of some of the chains that the set selects by it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_ATM))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub atm: Vec<AtmStrike>,
    /// How many such chains there are, one for each expiry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub atm_count: Option<u32>,
    /// How many of the selected instruments stay although the money has left them behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained: Option<u32>,
    /// How many instruments are subscribed to for their price, which says where the money is. They take places on accounts;
    /// nothing is published for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub references: Option<u32>,
    /// The accounts that carry the set: `acct-a,acct-c`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<String>,
    /// How many instruments of the set each account carries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub assignments: Vec<AccountShare>,
    /// How many of its instruments go from one account to another just now; none of their ticks is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moving: Option<u32>,
    /// When the newest tick of the set arrived, in whole seconds. Times are written every max(10, objects ÷ 5) seconds, and
    /// up to a fifth later; objects are all accounts and sets of the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_tick_time: Option<Time>,
    /// When the result of looking up the names last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Time>,
    /// What the annotation `kiteticker.dev/rebalance` asked for last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebalance: Option<RebalanceStatus>,
}

/// An instrument that has another name than the set says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RenamedInstrument {
    /// The symbol in the set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Its symbol in the instruments list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// The strike at the money of one chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AtmStrike {
    /// The underlying.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub underlying: Option<String>,
    /// The exchange of the options.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<String>,
    /// The day of expiry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<String>,
    /// The strike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strike: Option<Number>,
    /// The price that it was chosen by, as it was when this status was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Number>,
    /// What that is the price of: `future` of this expiry, `spot` (the underlying), or `close`, one of before the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<PriceSource>,
}

/// What a price is the price of.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum PriceSource {
    /// The future of the chain.
    Future,
    /// The underlying.
    Spot,
    /// Either of them before the session.
    Close,
}

/// An account's share of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountShare {
    /// The account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Instruments of the set that it carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instruments: Option<u32>,
}
