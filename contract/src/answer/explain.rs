//! Why something is where it is, or waits.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::find::FoundInstrument;
use super::top::{ConnectionTop, ReadyState};
use super::{Shorten, halve};

/// An explanation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum ExplainAnswer {
    /// Of an InstrumentSet.
    Set(SetExplanation),
    /// Of a TickerAccount.
    Account(AccountExplanation),
    /// Of one instrument of a set.
    Instrument(Box<InstrumentExplanation>),
}

/// Why a set has what it has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SetExplanation {
    /// Its namespace; empty outside of a cluster.
    #[serde(default)]
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether it is ready, once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<ReadyState>,
    /// Why it cannot be resolved now; what it has stays, unless `removed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unresolved_because: Option<String>,
    /// Whether nothing may stream for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
    /// Instruments that it selects, with those of `retained`.
    #[serde(default)]
    pub selected: u32,
    /// What each of its selectors selects.
    #[serde(default)]
    pub selectors: Vec<SelectorExplanation>,
    /// Instruments that `exclude` leaves out.
    #[serde(default)]
    pub excluded: u32,
    /// Some of the names and selectors that find nothing in the instruments list.
    #[serde(default)]
    pub missing: Vec<String>,
    /// How many there are.
    #[serde(default)]
    pub missing_count: u32,
    /// The accounts of its namespace, and whether it may use them.
    #[serde(default)]
    pub accounts: Vec<CandidateAccount>,
    /// The accounts that stream it, with how many of its instruments.
    #[serde(default)]
    pub placed: Vec<AccountShareExplanation>,
    /// Instruments that nobody streams, by the reason.
    #[serde(default)]
    pub waiting: Vec<WaitingInstruments>,
    /// Instruments that stay although the money has left them behind.
    #[serde(default)]
    pub retained: u32,
    /// Instruments that are subscribed to for their price.
    #[serde(default)]
    pub references: Vec<ForwardPrice>,
    /// Moves of its instruments since the operator started, the newest first.
    #[serde(default)]
    pub moves: Vec<MoveRecord>,
    /// Whether something is left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// What one selector selects.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SelectorExplanation {
    /// Its place and its content: `options[0]: NIFTY, 2 nearest expiries, 10 strikes around the money`.
    pub selector: String,
    /// Instruments that it selects by itself, before `exclude`.
    pub instruments: u32,
    /// Where the money is, by expiry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub money: Vec<MoneyExplanation>,
    /// What it does not find.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

/// Where the money of one chain is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MoneyExplanation {
    /// The underlying.
    pub underlying: String,
    /// The exchange of the options.
    pub exchange: String,
    /// The day of expiry.
    pub expiry: Date,
    /// The strike at the money.
    pub strike: f64,
    /// The price that it was chosen by.
    pub price: f64,
    /// What that is the price of: `future`, `spot` or `close`.
    pub source: String,
}

/// An account that a set could use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CandidateAccount {
    /// Its name.
    pub name: String,
    /// Whether the set may use it.
    pub usable: bool,
    /// Why not, or what limits it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Instruments that it has.
    pub used: u32,
    /// Instruments that fit.
    pub capacity: u32,
}

/// An account's share of a set, or a set's share of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountShareExplanation {
    /// The account or the set.
    pub name: String,
    /// How many instruments.
    pub instruments: u32,
}

/// Instruments that nobody streams.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingInstruments {
    /// Why, and what to do.
    pub why: String,
    /// How many they are.
    pub instruments: u32,
    /// The first few.
    pub first: Vec<String>,
}

/// An instrument whose price says where the money is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardPrice {
    /// `EXCHANGE:TRADINGSYMBOL`.
    pub symbol: String,
    /// The accounts that subscribe to it.
    #[serde(default)]
    pub accounts: Vec<String>,
    /// The newest price, as decimal text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<String>,
    /// How old it is, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<u64>,
}

/// Instruments that changed their account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveRecord {
    /// When, epoch seconds.
    pub at: i64,
    /// The account that had them. Missing: none had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The account that has them since.
    pub to: String,
    /// How many they are.
    pub instruments: u32,
    /// Why, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Why an account has what it has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountExplanation {
    /// Its namespace; empty outside of a cluster.
    #[serde(default)]
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether it is ready, once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<ReadyState>,
    /// Whether it may be given instruments.
    pub usable: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Instruments that fit.
    pub capacity: u32,
    /// Sockets that stay free for other programs.
    #[serde(default)]
    pub headroom_connections: u8,
    /// Instruments that it should stream.
    pub used: u32,
    /// Instruments that it subscribes to for their price alone.
    #[serde(default)]
    pub references: u32,
    /// Instruments that another account takes over at present.
    #[serde(default)]
    pub leaving: u32,
    /// Whether instruments of others may move to it.
    pub standing: String,
    /// What no socket of it carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
    /// Its pod or process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// The generation that should be in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// The generation that its process runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<u64>,
    /// How old the newest report is, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_age_ms: Option<u64>,
    /// Its connections, by index.
    #[serde(default)]
    pub connections: Vec<ConnectionTop>,
    /// Its sets, with how many instruments of each.
    #[serde(default)]
    pub sets: Vec<AccountShareExplanation>,
    /// Moves from or to it since the operator started, the newest first.
    #[serde(default)]
    pub moves: Vec<MoveRecord>,
    /// Whether something is left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// What became of an instrument of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PlacementState {
    /// An account streams it.
    Placed,
    /// No account has room.
    Waiting,
    /// It cannot be published on its channel.
    Conflict,
    /// The set names it in `exclude`.
    Excluded,
    /// The set does not select it.
    NotSelected,
    /// The set cannot be resolved: it stays as it is.
    HeldOver,
    /// One that a later version makes.
    #[serde(other)]
    Other,
}

/// Why an instrument of a set is where it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstrumentExplanation {
    /// Namespace of the set; empty outside of a cluster.
    #[serde(default)]
    pub namespace: String,
    /// The set.
    pub set: String,
    /// The instrument, and all sets that select it.
    pub instrument: FoundInstrument,
    /// The selectors that select it.
    #[serde(default)]
    pub selected_by: Vec<String>,
    /// What became of it.
    pub state: PlacementState,
    /// The account that streams it for the set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The connection that carries it, if its process says so. The operator does not ask; who shows the answer does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<u8>,
    /// Why it is there, or why it waits and what to do.
    pub why: String,
    /// Since when it is there, epoch seconds, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
    /// The account that had it before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The channel of its ticks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Whether it stays although the money has left it behind.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retained: bool,
    /// Whether its account's process runs the assignment with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<bool>,
    /// Whether the process says that it is subscribed and has sent nothing so far.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub silent: bool,
    /// Whether sets that select it are left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

impl ExplainAnswer {
    /// Whether something is left out.
    #[must_use]
    pub fn truncated(&self) -> bool {
        match self {
            Self::Set(set) => set.truncated,
            Self::Account(account) => account.truncated,
            Self::Instrument(instrument) => instrument.truncated,
        }
    }
}

impl Shorten for ExplainAnswer {
    fn shorten(&mut self) -> bool {
        match self {
            Self::Set(set) => {
                let shorter = halve(&mut set.accounts)
                    | halve(&mut set.placed)
                    | halve(&mut set.selectors)
                    | halve(&mut set.references)
                    | halve(&mut set.moves);
                set.truncated |= shorter;
                shorter
            }
            Self::Account(account) => {
                let shorter = halve(&mut account.sets) | halve(&mut account.moves);
                account.truncated |= shorter;
                shorter
            }
            Self::Instrument(instrument) => {
                let shorter = halve(&mut instrument.instrument.used_by);
                instrument.truncated |= shorter;
                shorter
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::find::InstrumentUse;
    use super::*;

    #[test]
    fn an_instrument_says_that_sets_are_left_out() {
        let mut answer: ExplainAnswer = serde_json::from_value(serde_json::json!({
            "kind": "instrument", "set": "s", "state": "placed", "why": "w",
            "instrument": {"symbol": "NSE:INFY", "token": 1, "type": "EQ"},
        }))
        .unwrap();
        assert!(!answer.shorten() && !answer.truncated());
        if let ExplainAnswer::Instrument(it) = &mut answer {
            it.instrument.used_by = vec![InstrumentUse::default(); 3];
        }
        assert!(answer.shorten() && answer.truncated());
    }
}
