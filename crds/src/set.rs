//! `InstrumentSet`: a list of instruments, where their ticks are published, and how many of them stream.

mod status;

use crate::account_selector::AccountSelector;
use crate::last_value_ttl::LastValueTtl;
use crate::rule::{self, DURATION, OBJECT_NAME, SESSION_OR_DURATION, SHORT_DURATION, SYMBOL, rule};
use crate::selector::{
    EquitySelector, FutureSelector, MAX_CHAINS, MAX_EQUITIES, MAX_EXCEPTIONS, MAX_SYMBOL_LENGTH,
    OptionSelector,
};
use kube::core::{Duration, Rule};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use status::{
    AccountShare, AtmStrike, InstrumentSetStatus, MAX_ATM, MAX_RENAMED, MAX_UNRESOLVED_SAMPLES,
    PriceSource, RenamedInstrument,
};

/// Most entries of `instruments.tokens`.
pub const MAX_TOKENS: usize = 20_000;
/// Most entries of `instruments.symbols`.
pub const MAX_SYMBOLS: usize = 8_000;
/// Longest `publish.channelPrefix`.
pub const MAX_CHANNEL_PREFIX: usize = 64;
/// Default of `staleAfter`: a liquid set ticks every second.
pub const STALE_AFTER: std::time::Duration = std::time::Duration::from_secs(30);
/// Default of `publish.lastValue.interval`: a reader that polls sees four prices a second.
pub const LAST_VALUE_INTERVAL: std::time::Duration = std::time::Duration::from_millis(250);

/// The instruments to stream, and where their ticks go.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "kiteticker.dev",
    version = "v1alpha1",
    kind = "InstrumentSet",
    namespaced,
    status = "InstrumentSetStatus",
    derive = "PartialEq",
    shortname = "iset",
    category = "kiteticker",
    doc = "Instruments to stream, how much of each, and the Redis channels their ticks go to.",
    validation = rule::object_name("an InstrumentSet")
)]
#[x_kube(validation = selects_something(), validation = one_way_to_accounts())]
pub struct InstrumentSetSpec {
    /// How much of each instrument to stream. If two sets select one instrument, the richer mode is used. Default:
    /// full.
    #[serde(default)]
    pub mode: SetMode,
    /// Instruments by token and by symbol. A set needs these, or at least one of `options`, `futures`, `equities` and `pin`;
    /// an instrument that is selected several times counts once.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub instruments: Instruments,
    /// Options by underlying, expiry and strike.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_CHAINS))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub options: Vec<OptionSelector>,
    /// Futures by underlying and expiry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_CHAINS))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub futures: Vec<FutureSelector>,
    /// Shares by exchange.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_EQUITIES))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub equities: Vec<EquitySelector>,
    /// Symbols that are left out whatever selects them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_EXCEPTIONS), inner(length(max = MAX_SYMBOL_LENGTH), regex(pattern = SYMBOL)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub exclude: Vec<String>,
    /// Symbols that are selected although no selector selects them. Not together with the same symbol in `exclude`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_EXCEPTIONS), inner(length(max = MAX_SYMBOL_LENGTH), regex(pattern = SYMBOL)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub pin: Vec<String>,
    /// How long an instrument stays that the money has left behind: until the next morning's list (Day), as long as no other
    /// needs its place, or not at all (None). Default: Day.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub retain: Retain,
    /// The only account to use. Without it and without `accountSelector`, every account in the namespace may be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_ref: Option<AccountRef>,
    /// The accounts in the namespace that may be used, by label. Not together with `accountRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_selector: Option<AccountSelector>,
    /// Which sets get free room first, and keep theirs if an account becomes smaller: the higher, of equal ones the older
    /// (-1000 to 1000). It takes no place from what streams. Default: 0.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    #[schemars(range(min = -1000, max = 1000))]
    pub priority: i32,
    /// How ticks are published.
    #[serde(default)]
    pub publish: Publish,
    /// How old the set's newest tick may be (1s to 24h) before `Ready` becomes False with the reason Stale. For a set
    /// that ticks rarely, five times its usual interval counts if that is longer. Default: 30s.
    #[serde(default = "stale_after")]
    #[schemars(with = "String", length(min = 2, max = 16), regex(pattern = DURATION))]
    #[x_kube(validation = stale_after_limits())]
    pub stale_after: Duration,
    /// Stops streaming for this set. Instruments that other sets select too go on. Default: false.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub paused: bool,
}

/// How long an instrument stays that the money has left behind.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub enum Retain {
    /// Until the next morning's list, as long as no other instrument needs its place.
    #[default]
    Day,
    /// Not at all.
    None,
}

/// How much of an instrument is streamed.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum SetMode {
    /// The last price only.
    Ltp,
    /// Also volume, prices of the day and total quantities.
    Quote,
    /// Also market depth, open interest and exchange time.
    #[default]
    Full,
}

impl SetMode {
    /// The word used in a manifest.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ltp => "ltp",
            Self::Quote => "quote",
            Self::Full => "full",
        }
    }
}

/// Instruments, named one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Instruments {
    /// Kite's instrument tokens. Kite gives a token to another contract after an expiry: prefer symbols.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_TOKENS), inner(range(min = 1, max = 4_294_967_295_u32)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub tokens: Vec<u32>,
    /// Symbols as `EXCHANGE:TRADINGSYMBOL`, the way Kite writes them: `NSE:INFY`, `NSE:NIFTY 50`, `NFO:NIFTY26DECFUT`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_SYMBOLS), inner(length(max = MAX_SYMBOL_LENGTH), regex(pattern = SYMBOL)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub symbols: Vec<String>,
}

/// Names an account in the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountRef {
    /// The account's name.
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME))]
    pub name: String,
}

/// How ticks are published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Publish {
    /// The start of every channel of the set: with `ticker:nifty`, options go to `ticker:nifty:options`. Default:
    /// `ticker:` and the name of each instrument's underlying.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_CHANNEL_PREFIX))]
    #[x_kube(validation = channel_characters(), validation = channel_end(), validation = channel_not_mock())]
    pub channel_prefix: Option<String>,
    /// Where futures are published: `futures` is the channel `PREFIX:futures`, `options` is `PREFIX:options`. Default:
    /// futures.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub futures_channel: FuturesChannel,
    /// Whether full-mode ticks carry market depth. Without it a tick is a third of the size. Default: true.
    #[serde(default = "with_depth")]
    pub depth: bool,
    /// Whether ticks of options carry implied volatility and Greeks. The account then also streams, in full mode, what the
    /// forward price of each expiry follows from, as far as it has room: the future, the underlying, and five calls and puts
    /// near the money, at most twelve instruments for an expiry and one for the next with a future, those that a set selects
    /// included. Default: true.
    #[serde(default = "with_greeks")]
    pub greeks: bool,
    /// Publishes events about the set's instruments and their account on the channel `PREFIX:events`, if any set of that
    /// prefix wants them. Turn it off if readers of `PREFIX:*` expect nothing but ticks. The channel `ticker:events` is
    /// the account's: `spec.events` of the TickerAccount. Default: true.
    #[serde(default = "with_events")]
    pub events: bool,
    /// Also keeps the newest tick of each instrument in Redis keys: `ltp:EXCHANGE:SYMBOL` and `ticker:TOKEN:ltp` hold
    /// the price, the hash `PREFIX:last` holds the whole tick by token, and the hash `ticker:instruments` lists what
    /// streams. Keys of mock accounts begin with `mock:`.
    #[serde(default)]
    pub last_value: LastValue,
    /// Also adds every tick to the Redis stream `PREFIX:stream`.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub stream: TickStream,
}

/// Where the ticks of futures go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FuturesChannel {
    /// To their own channel.
    #[default]
    Futures,
    /// To the channel of the options, for readers that expect them there.
    Options,
}

/// How the newest tick of each instrument is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastValue {
    /// Whether these keys are written. Default: true.
    #[serde(default = "with_last_value")]
    pub enabled: bool,
    /// How often a changed value is written, from 50ms to 1m. Default: 250ms.
    #[serde(default = "last_value_interval")]
    #[schemars(with = "String", length(min = 2, max = 16), regex(pattern = SHORT_DURATION))]
    #[x_kube(validation = last_value_interval_limits())]
    pub interval: Duration,
    /// When the keys `ltp:…` and `ticker:…:ltp` expire. Session: half an hour after the last session of the next trading day,
    /// or after 24 hours where that is not known. A duration from 1m to 168h counts from the last tick. Default: Session.
    #[serde(default)]
    #[schemars(with = "String", length(min = 2, max = 16), regex(pattern = SESSION_OR_DURATION))]
    #[x_kube(validation = last_value_ttl_limits())]
    pub ttl: LastValueTtl,
}

/// How ticks are kept in a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TickStream {
    /// Whether ticks are added to the stream. Default: false.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub enabled: bool,
    /// About how many ticks the stream holds. A tick takes about 400 bytes in Redis, with depth about a kilobyte.
    /// Default: the ticks of the last minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000_000))]
    pub max_len: Option<u32>,
}

impl Default for Publish {
    fn default() -> Self {
        Self {
            channel_prefix: None,
            futures_channel: FuturesChannel::default(),
            depth: with_depth(),
            greeks: with_greeks(),
            events: with_events(),
            last_value: LastValue::default(),
            stream: TickStream::default(),
        }
    }
}

impl Default for LastValue {
    fn default() -> Self {
        Self {
            enabled: with_last_value(),
            interval: last_value_interval(),
            ttl: LastValueTtl::default(),
        }
    }
}

fn with_last_value() -> bool {
    true
}

fn last_value_interval() -> Duration {
    LAST_VALUE_INTERVAL.into()
}

fn last_value_interval_limits() -> Rule {
    rule(
        "duration(self) >= duration('50ms') && duration(self) <= duration('1m')",
        "interval must be from 50ms to 1m: write it like 250ms or 2s",
    )
}

fn last_value_ttl_limits() -> Rule {
    rule(
        "self == 'Session' || (duration(self) >= duration('1m') && duration(self) <= duration('168h'))",
        "ttl must be Session, or from 1m to 168h: write it like 30m or 24h",
    )
}

fn with_events() -> bool {
    true
}

fn with_depth() -> bool {
    true
}

fn with_greeks() -> bool {
    true
}

fn stale_after() -> Duration {
    STALE_AFTER.into()
}

fn stale_after_limits() -> Rule {
    rule(
        "duration(self) >= duration('1s') && duration(self) <= duration('24h')",
        "staleAfter must be from 1s to 24h: write it like 30s, 5m or 1h30m",
    )
}

fn selects_something() -> Rule {
    rule(
        "has(self.instruments) && (has(self.instruments.tokens) && size(self.instruments.tokens) > 0 || \
         has(self.instruments.symbols) && size(self.instruments.symbols) > 0) || \
         has(self.options) && size(self.options) > 0 || has(self.futures) && size(self.futures) > 0 || \
         has(self.equities) && size(self.equities) > 0 || has(self.pin) && size(self.pin) > 0",
        "nothing is selected: list at least one entry in instruments.symbols, instruments.tokens, options, futures, \
         equities or pin",
    )
}

fn one_way_to_accounts() -> Rule {
    rule(
        "!(has(self.accountRef) && has(self.accountSelector))",
        "only one of accountRef and accountSelector may be set; without them, every account of the namespace is used",
    )
}

fn channel_characters() -> Rule {
    rule(
        "self.matches('^[A-Za-z0-9][-A-Za-z0-9_.:]*$')",
        "channelPrefix must start with a letter or digit and hold only letters, digits, '-', '_', '.' and ':'",
    )
}

fn channel_end() -> Rule {
    rule(
        "!self.endsWith(':')",
        "channelPrefix must not end with ':': the kind of channel is appended after a ':'",
    )
}

fn channel_not_mock() -> Rule {
    rule(
        "self != 'mock' && !self.startsWith('mock:')",
        "channelPrefix must not be 'mock' or start with 'mock:': that marks what mock accounts write",
    )
}
