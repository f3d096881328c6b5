//! Selectors: instruments that a set describes instead of naming them, so that they stay right from day to day.
//!
//! Owns their fields and bounds. Must not know an instruments list.

use crate::rule::{DATE, TRADINGSYMBOL, UNDERLYING, rule};
use kube::KubeSchema;
use kube::core::Rule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Number;

/// Most entries of `options`, and of `futures`.
pub const MAX_CHAINS: usize = 64;
/// Most entries of `equities`.
pub const MAX_EQUITIES: usize = 8;
/// Most entries of `equities[].symbols`.
pub const MAX_EQUITY_SYMBOLS: usize = 2_000;
/// Most entries of `exclude`, and of `pin`.
pub const MAX_EXCEPTIONS: usize = 1_000;
/// Longest symbol of an instrument.
pub const MAX_SYMBOL_LENGTH: usize = 64;
/// Most instruments that a set may select.
pub const MAX_SELECTED: usize = 20_000;

/// Options of one underlying: some expiries, some strikes of each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OptionSelector {
    /// The underlying, as the column `name` of the list writes it: `NIFTY`, `SENSEX`, `RELIANCE`, `CRUDEOIL`.
    #[schemars(length(max = 32), regex(pattern = UNDERLYING))]
    pub underlying: String,
    /// The exchange of the options. Default: the first of NFO, BFO, MCX, CDS, BCD and NCO that lists some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<DerivativesExchange>,
    /// Which expiries.
    pub expiries: Expiries,
    /// Which strikes of each expiry.
    pub strikes: Strikes,
    /// Calls, puts or both. Default: both.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub types: Vec<OptionKind>,
}

/// Futures of one underlying.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FutureSelector {
    /// The underlying, as the column `name` of the list writes it: `NIFTY`, `RELIANCE`, `CRUDEOIL`.
    #[schemars(length(max = 32), regex(pattern = UNDERLYING))]
    pub underlying: String,
    /// The exchange of the futures. Default: the first of NFO, BFO, MCX, CDS, BCD and NCO that lists some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<DerivativesExchange>,
    /// Which expiries.
    pub expiries: Expiries,
}

/// Shares of one exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = one_way_to_shares())]
pub struct EquitySelector {
    /// NSE or BSE. Default: NSE.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub exchange: EquityExchange,
    /// Trading symbols without the exchange: `INFY`, `M&M`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_EQUITY_SYMBOLS), inner(length(max = MAX_SYMBOL_LENGTH), regex(pattern = TRADINGSYMBOL)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub symbols: Vec<String>,
    /// Every share that has futures or options.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub with_derivatives: bool,
}

/// Which expiries: exactly one of the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = one_way_to_expiries())]
pub struct Expiries {
    /// So many expiries, the nearest first. A contract counts until its exchange closes on the day of its expiry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 32))]
    pub nearest: Option<u32>,
    /// The last expiry of so many calendar months, the nearest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 12))]
    pub monthly: Option<u32>,
    /// These days: `2026-12-29`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 10), regex(pattern = DATE)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub dates: Vec<String>,
}

/// Which strikes of an expiry: exactly one of the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = one_way_to_strikes())]
pub struct Strikes {
    /// The strike at the money and so many strikes on each side of it, as far as they are listed: 10 selects 21. It follows
    /// the price of the expiry's future, or else of the underlying.
    #[serde(rename = "aroundATM", default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 200))]
    pub around_atm: Option<u32>,
    /// Strikes at most so many percent from the strike at the money: 5 selects 23750 to 26250 around 25000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 50))]
    #[x_kube(validation = not_only_the_money())]
    pub within_percent: Option<Number>,
    /// From one strike to another, both included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<StrikeRange>,
    /// Every strike.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub all: bool,
}

/// Strikes in the currency of the contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = in_order())]
pub struct StrikeRange {
    /// The lowest.
    pub min: Number,
    /// The highest.
    pub max: Number,
}

impl Strikes {
    /// Whether the strike at the money decides which.
    #[must_use]
    pub const fn follow_money(&self) -> bool {
        self.around_atm.is_some() || self.within_percent.is_some()
    }
}

macro_rules! exchanges {
    ($(#[$docs:meta])* $name:ident { $($(#[$variant_docs:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$docs])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "UPPERCASE")]
        pub enum $name { $($(#[$variant_docs])* $variant),+ }

        impl $name {
            /// All, in the order in which a name without an exchange is looked for.
            pub const ALL: &[Self] = &[$(Self::$variant),+];
        }
    };
}

exchanges! {
    /// An exchange for futures and options.
    DerivativesExchange {
        /// Derivatives of NSE.
        Nfo,
        /// Derivatives of BSE.
        Bfo,
        /// Commodities.
        Mcx,
        /// Currencies of NSE.
        Cds,
        /// Currencies of BSE.
        Bcd,
        /// Commodities of NSE.
        Nco,
    }
}

exchanges! {
    /// An exchange for shares.
    #[derive(Default)]
    EquityExchange {
        /// The National Stock Exchange.
        #[default]
        Nse,
        /// BSE.
        Bse,
    }
}

impl DerivativesExchange {
    /// Its name in the list.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nfo => "NFO",
            Self::Bfo => "BFO",
            Self::Mcx => "MCX",
            Self::Cds => "CDS",
            Self::Bcd => "BCD",
            Self::Nco => "NCO",
        }
    }
}

impl EquityExchange {
    /// Its name in the list.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nse => "NSE",
            Self::Bse => "BSE",
        }
    }

    /// Where the derivatives of its shares are listed.
    #[must_use]
    pub const fn derivatives(self) -> DerivativesExchange {
        match self {
            Self::Nse => DerivativesExchange::Nfo,
            Self::Bse => DerivativesExchange::Bfo,
        }
    }
}

/// A kind of option.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum OptionKind {
    /// Calls.
    #[serde(rename = "CE")]
    Call,
    /// Puts.
    #[serde(rename = "PE")]
    Put,
}

fn one_way_to_expiries() -> Rule {
    rule(
        "[has(self.nearest), has(self.monthly), has(self.dates) && size(self.dates) > 0].filter(it, it).size() == 1",
        "set exactly one of nearest (such as 2), monthly (such as 1) and dates (such as [\"2026-12-29\"])",
    )
}

fn one_way_to_strikes() -> Rule {
    rule(
        "[has(self.aroundATM), has(self.withinPercent), has(self.range), has(self.all) && self.all].filter(it, it).size() == 1",
        "set exactly one of aroundATM (such as 10), withinPercent (such as 5), range (such as {min: 24000, max: 26000}) and \
         all (true)",
    )
}

/// Not a bound of the schema: see the test of whole bounds in `crd`.
fn not_only_the_money() -> Rule {
    rule(
        "self >= 0.1",
        "must be at least 0.1: for the strike at the money alone, set aroundATM to 0",
    )
}

fn one_way_to_shares() -> Rule {
    rule(
        "(has(self.symbols) && size(self.symbols) > 0) != (has(self.withDerivatives) && self.withDerivatives)",
        "set exactly one of symbols (such as [INFY, TCS]) and withDerivatives (true)",
    )
}

fn in_order() -> Rule {
    rule(
        "self.min <= self.max",
        "min must not be above max: exchange the two",
    )
}
