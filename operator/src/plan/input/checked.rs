//! Accounts and sets as users wrote them, checked and with every default filled in.
//!
//! Owns types only: what stands in one of them needs no check again.

use crds::account::MarketHours;
use std::sync::Arc;
use std::time::Duration;

use contract::{Egress, Persistence};
use crds::InstrumentSetSpec;
use crds::account_selector::AccountSelector;
use crds::pod::PodSettings;
use crds::selector::{EquityExchange, FutureSelector, OptionSelector};
use kite::Mode;

/// An account that can be used.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AccountSpec {
    /// 1–3, without those that stay free.
    pub(crate) connections: u8,
    /// 1–3000.
    pub(crate) tokens_per_connection: u16,
    /// WebSocket origin.
    pub(crate) websocket: String,
    /// How it is dialled.
    pub(crate) egress: Egress,
    /// REST origin, without a slash at its end.
    pub(crate) api: String,
    /// Origin of the login page, without a slash at its end.
    pub(crate) login: String,
    /// The user who must log in; `None`: who did last.
    pub(crate) login_user: Option<String>,
    /// The Secret with the address of a webhook.
    pub(crate) webhook_secret: Option<String>,
    /// Whether its ticks are marked as mock.
    pub(crate) mock: bool,
    /// When its instruments are expected to tick.
    pub(crate) market_hours: MarketHours,
    /// Whether its process rests while all of its markets are closed.
    pub(crate) sleeps: bool,
    /// Whether it must stream nothing.
    pub(crate) paused: bool,
    /// Whether updates of its orders are published.
    pub(crate) order_updates: bool,
    /// Whether its events are published on `ticker:events`.
    pub(crate) events: bool,
    /// The Redis to which its ticks are published.
    pub(crate) redis_url: String,
    /// The settings of its process.
    pub(crate) workload: Workload,
}

impl AccountSpec {
    /// The maximum number of tokens.
    pub(crate) fn capacity(&self) -> usize {
        usize::from(self.connections) * usize::from(self.tokens_per_connection)
    }
}

/// A set that can be looked up.
#[derive(Clone, Debug)]
pub(crate) struct Set<'a> {
    /// What the user wrote.
    pub(crate) source: &'a Arc<InstrumentSetSpec>,
    /// How much to stream.
    pub(crate) mode: Mode,
    /// Whether its ticks carry the order book, which only full mode has.
    pub(crate) depth: bool,
    /// Whether ticks of its options carry Greeks.
    pub(crate) greeks: bool,
    /// What is stored in Redis beside the messages.
    pub(crate) keep: Persistence,
    /// Whether events are published on the channels of its prefix.
    pub(crate) events: bool,
    /// The names of its channels.
    pub(crate) naming: ChannelNaming<'a>,
    /// Which accounts it may use.
    pub(crate) accounts: Choice<'a>,
    /// The maximum age of its newest tick.
    pub(crate) stale_after: Duration,
    /// Whether it must stream nothing.
    pub(crate) paused: bool,
    /// The higher gets room first.
    pub(crate) priority: i32,
    /// What it selects.
    pub(crate) selectors: Vec<Selector<'a>>,
    /// Names that are left out whatever selects them.
    pub(crate) exclude: &'a [String],
}

impl Set<'_> {
    /// How many names it lists.
    pub(crate) fn names(&self) -> usize {
        let names = self.selectors.iter().map(|selector| match selector {
            Selector::Tokens(tokens) => tokens.len(),
            Selector::Symbols(symbols) | Selector::Shares(_, symbols) => symbols.len(),
            Selector::WithDerivatives(..) | Selector::Options(..) | Selector::Futures(..) => 0,
        });
        names.sum()
    }
}

/// One form of selecting instruments.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Selector<'a> {
    /// By token.
    Tokens(&'a [u32]),
    /// By `EXCHANGE:TRADINGSYMBOL`.
    Symbols(&'a [String]),
    /// Shares by tradingsymbol.
    Shares(EquityExchange, &'a [String]),
    /// Every share of an exchange that has derivatives, and the selector's place in `equities`.
    WithDerivatives(usize, EquityExchange),
    /// Options, and the selector's place in `options`.
    Options(usize, &'a OptionSelector),
    /// Futures, and the selector's place in `futures`.
    Futures(usize, &'a FutureSelector),
}

impl Selector<'_> {
    /// Whether prices decide what it selects.
    pub(crate) const fn follows_money(&self) -> bool {
        match self {
            Self::Options(_, options) => options.strikes.follow_money(),
            _ => false,
        }
    }

    /// Whether the time decides what it selects.
    pub(crate) const fn rolls(&self) -> bool {
        matches!(self, Self::Options(..) | Self::Futures(..))
    }
}

/// Which accounts of its namespace a set may use.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Choice<'a> {
    /// The account with this name.
    Named(&'a str),
    /// The accounts with matching labels.
    Labelled(&'a AccountSelector),
    /// All accounts of the namespace.
    Any,
}

/// How a set names its channels.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ChannelNaming<'a> {
    /// Their prefix.
    pub(crate) prefix: Option<&'a str>,
    /// Whether futures are published on the channel of the options.
    pub(crate) futures_with_options: bool,
}

/// The settings of an account's process; everything else reaches it in the assignment.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// The Secret with its credentials.
    pub secret: String,
    /// The Secret for Redis, if the account names one.
    pub redis_secret: Option<String>,
    /// Whether its keys for Sentinels are needed too.
    pub sentinel: bool,
    /// `spec.pod`: image, resources, and where it runs.
    pub pod: PodSettings,
}
