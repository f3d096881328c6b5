//! How much each account, connection and set receives.

use serde::{Deserialize, Serialize};

use super::{Shorten, halve};

/// Every account and set, as the newest reports of their processes describe them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopAnswer {
    /// The operator's version.
    #[serde(default)]
    pub operator_version: String,
    /// How long ago the operator planned last, in milliseconds.
    #[serde(default)]
    pub plan_age_ms: u64,
    /// By namespace and name.
    #[serde(default)]
    pub accounts: Vec<AccountTop>,
    /// By namespace and name.
    #[serde(default)]
    pub sets: Vec<SetTop>,
    /// Documents that are not used, and why: of an operator without a cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// Whether accounts or sets are left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// The condition `Ready` of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadyState {
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Its reason.
    pub reason: String,
    /// Its message.
    #[serde(default)]
    pub message: String,
}

/// One account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountTop {
    /// Its namespace; empty outside of a cluster.
    #[serde(default)]
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether it is ready, once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<ReadyState>,
    /// Its pod or process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// How old the newest report is, in milliseconds. Missing: there is none, and what follows is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_age_ms: Option<u64>,
    /// Why the process does not answer at present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_answer: Option<String>,
    /// Instruments assigned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned: Option<u32>,
    /// Instruments from which the present socket has received a packet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streaming: Option<u32>,
    /// Instruments that fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u32>,
    /// Ticks in the last whole second before the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticks_per_second: Option<u32>,
    /// Receive time of the newest tick, microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_tick_us: Option<i64>,
    /// Its connections, by index.
    #[serde(default)]
    pub connections: Vec<ConnectionTop>,
}

/// One connection of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionTop {
    /// Its number, from 0.
    pub index: u8,
    /// Its state: `Live`, `Waiting` and so on.
    pub state: String,
    /// Instruments it should carry.
    pub instruments: u32,
    /// Those from which the present socket has received a packet.
    pub streaming: u32,
    /// Ticks in the last whole second before the report. Missing: an older ingest process does not report it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticks_per_second: Option<u32>,
    /// Receive time of its newest tick, microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_tick_us: Option<i64>,
    /// Sockets opened after the first.
    #[serde(default)]
    pub reconnects: u64,
    /// Why the last socket or dial ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// One set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetTop {
    /// Its namespace; empty outside of a cluster.
    #[serde(default)]
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether it is ready, once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<ReadyState>,
    /// Its mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Instruments that it selects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selected: Option<u32>,
    /// Those that wait for an account with room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<u32>,
    /// Those from which the present socket has received a packet, by the newest reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streaming: Option<u32>,
    /// Ticks in the last whole second before the reports. Missing: none of its processes reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticks_per_second: Option<u32>,
    /// Receive time of the newest tick, microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_tick_us: Option<i64>,
    /// The accounts that stream it.
    #[serde(default)]
    pub accounts: Vec<String>,
}

impl Shorten for TopAnswer {
    fn shorten(&mut self) -> bool {
        let shorter = if self.sets.len() >= self.accounts.len() {
            halve(&mut self.sets)
        } else {
            halve(&mut self.accounts)
        };
        self.truncated |= shorter;
        shorter
    }
}
