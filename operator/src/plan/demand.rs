//! What each set asks of the accounts, before anything is placed.
//!
//! Owns which accounts a set may use, what it wants of them and on which channel, and what it can
//! never have because an older set forbids it.

mod route;

use contract::Shape;
use crds::condition::Reason;
use kite::Instrument;
use rustc_hash::FxHashMap;

use super::input::{Account, Choice, Set};
use super::input::{AccountInput, PlanningInput, SetInput};
use super::ready::set::{SHOWN, list};
use super::select::{self, Selection};
use super::{Secret, Table, Unreadable};
use crate::instruments::InstrumentTable;
use route::Routes;

/// What a set asks for.
pub(crate) enum Demand<'a> {
    /// Nobody can tell: what it has stays.
    Unreadable(Unreadable),
    /// Nothing that can be had: what it has is taken away.
    Refused { reason: Reason, message: String },
    /// It cannot be looked up now: what it has stays.
    Held { reason: Reason, message: String },
    /// This.
    Wanted(Box<Wants<'a>>),
}

/// What a set wants and from whom.
pub(crate) struct Wants<'a> {
    /// What its names mean.
    pub(crate) selection: Selection<'a>,
    /// Positions of the accounts it may use, ascending.
    pub(crate) allowed: Vec<usize>,
    /// Names of some that match, whether it may use them or not.
    pub(crate) matching: String,
    /// What it wants of them; an underlying stands beside its chain.
    pub(crate) wants: Vec<Wanted<'a>>,
    /// Instruments it cannot have on their channel, whoever streams them.
    pub(crate) clashes: Clashes,
}

/// An instrument and where its ticks go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) instrument: &'a Instrument,
    /// Position in [`Channels`].
    pub(crate) channel: u32,
    pub(crate) shape: Shape,
}

/// Instruments that an older set keeps from their channel.
#[derive(Debug, Default)]
pub(crate) struct Clashes {
    pub(crate) count: u32,
    /// The first of them, for people.
    pub(crate) example: Option<String>,
}

impl Clashes {
    fn add(&mut self, example: String) {
        self.count += 1;
        self.example.get_or_insert(example);
    }
}

/// Channels by number.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    names: Vec<String>,
    numbers: FxHashMap<String, u32>,
}

impl Channels {
    pub(crate) fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        number
    }

    pub(crate) fn name(&self, number: u32) -> &str {
        self.names.get(number as usize).map_or("", String::as_str)
    }
}

/// Redis servers by number.
#[derive(Debug, Default)]
pub(crate) struct Targets(Channels);

impl Targets {
    pub(crate) fn number(&mut self, url: &str) -> u32 {
        self.0.number(url)
    }
}

/// What older sets have settled for a Redis server: no younger one may say otherwise.
#[derive(Debug, Default)]
pub(crate) struct Precedents {
    /// Whether a channel carries ticks that are not real.
    mock: FxHashMap<(u32, u32), bool>,
    /// The underlying behind a slug.
    slugs: FxHashMap<(u32, String), String>,
}

impl Precedents {
    /// Notes a channel that is in use.
    pub(crate) fn note(&mut self, target: u32, channel: u32, mock: bool) {
        self.mock.entry((target, channel)).or_insert(mock);
    }
}

/// Whether what a set has stays although it cannot be asked.
pub(crate) fn stands(set: &SetInput<'_>, accounts: &[AccountInput<'_>]) -> bool {
    matches!(
        from_accounts(set, accounts),
        Err(Demand::Held { .. } | Demand::Unreadable(_))
    )
}

/// Asks every set, the oldest first.
pub(crate) fn ask<'a>(
    input: &PlanningInput<'a>,
    channels: &mut Channels,
    targets: &mut Targets,
    precedents: &mut Precedents,
) -> Vec<Demand<'a>> {
    input
        .sets
        .iter()
        .map(|set| match from_accounts(set, &input.accounts) {
            Err(demand) => demand,
            Ok((spec, table, first)) => {
                let usable = |at: &usize| input.accounts[*at].eligibility.is_active();
                let matched = set.matched.iter().map(|at| at.at());
                let allowed: Vec<usize> = matched.filter(usable).collect();
                let mut servers: Vec<u32> = allowed
                    .iter()
                    .filter_map(|at| input.accounts[*at].spec.as_ref().ok())
                    .map(|account| targets.number(&account.redis_url))
                    .collect();
                servers.sort_unstable();
                servers.dedup();
                let selection = select::select(spec, table);
                let mut routes = Routes {
                    channels,
                    precedents,
                    servers: &servers,
                    mock: first.mock,
                };
                let (wants, clashes) = routes.route(&selection, table, spec.naming);
                Demand::Wanted(Box::new(Wants {
                    selection,
                    allowed,
                    matching: names(set, &input.accounts),
                    wants,
                    clashes,
                }))
            }
        })
        .collect()
}

/// The table a set is looked up in and an account whose settings count for all it may use.
fn from_accounts<'w, 'a>(
    set: &'w SetInput<'a>,
    accounts: &'w [AccountInput<'a>],
) -> Result<(&'w Set<'a>, &'a InstrumentTable, &'w Account), Demand<'a>> {
    let spec = set
        .spec
        .as_ref()
        .map_err(|problem| Demand::Unreadable(problem.clone()))?;
    if set.observed.meta.deleting {
        return Err(Demand::Refused {
            reason: Reason::Terminating,
            message: "it is being deleted and a finalizer holds it: none of its instruments is streamed for it"
                .to_owned(),
        });
    }
    if spec.paused {
        return Err(Demand::Refused {
            reason: Reason::Paused,
            message: "spec.paused is set: none of its instruments is streamed for it".to_owned(),
        });
    }
    if set.matched.is_empty() {
        return Err(Demand::Refused {
            reason: Reason::NoAccount,
            message: nobody(spec.accounts),
        });
    }
    let mut readable: Vec<_> = set
        .matched
        .iter()
        .filter_map(|at| {
            let account = &accounts[at.at()];
            Some((account, account.spec.as_ref().ok()?))
        })
        .collect();
    // Those that stream nothing whatever is asked of them come last and need not agree.
    readable.sort_by_key(|(account, _)| account.eligibility.suspension().is_some());
    let mut readable = readable.into_iter();
    let Some((named, first)) = readable.next() else {
        return Err(Demand::Held {
            reason: Reason::NoAccount,
            message: format!(
                "no account that matches can be read ({}): see the Ready condition of each",
                names(set, accounts)
            ),
        });
    };
    for (other, differing) in
        readable.filter(|(account, _)| account.eligibility.suspension().is_none())
    {
        let same = (&first.api, &first.websocket, first.mock)
            == (&differing.api, &differing.websocket, differing.mock);
        if !same {
            // An account that is made in passing must not take away what streams.
            return Err(Demand::Held {
                reason: Reason::AccountsDisagree,
                message: format!(
                    "accounts {} and {} differ in endpoint or mock: choose accounts that agree with accountRef or \
                     accountSelector",
                    named.name(),
                    other.name()
                ),
            });
        }
    }
    if let Some(unseen) = unseen(set, accounts) {
        return Err(Demand::Held {
            reason: Reason::Pending,
            message: format!("the Secret of account {} was not looked at yet", unseen),
        });
    }
    if let Some(why) = &named.suspect_list {
        return Err(without_table(&first.api, why));
    }
    match named.table {
        Some(Table::Loaded(table)) => Ok((spec, table, first)),
        Some(Table::Missing { why }) => Err(without_table(&first.api, why)),
        None => Err(without_table(&first.api, "not fetched yet")),
    }
}

/// Why no account matches, and what to do.
fn nobody(choice: Choice<'_>) -> String {
    match choice {
        Choice::Named(name) => {
            format!(
                "no TickerAccount {name} is known in this namespace: create it, or name another in spec.accountRef"
            )
        }
        Choice::Labelled(_) => "no TickerAccount of this namespace has the labels of \
                                spec.accountSelector: label one, or change the selector"
            .to_owned(),
        Choice::Any => "no TickerAccount is known in this namespace: create one".to_owned(),
    }
}

/// The accounts that match, for people: the first few.
pub(crate) fn names(set: &SetInput<'_>, accounts: &[AccountInput<'_>]) -> String {
    let names = set.matched.iter().take(SHOWN + 1);
    let names = names.map(|at| accounts[at.at()].name().to_owned());
    list(&names.collect::<Vec<_>>())
}

/// An account whose API key will be known in a moment: until then it may turn out to be another's.
fn unseen<'w>(set: &SetInput<'_>, accounts: &'w [AccountInput<'_>]) -> Option<&'w str> {
    let matched = set.matched.iter().map(|at| &accounts[at.at()]);
    let mut usable = matched
        .filter(|account| account.spec.is_ok() && account.eligibility.suspension().is_none());
    usable.find_map(|account| {
        let own = (account.observed.secret == Secret::Unknown).then(|| account.name());
        own.or(account.possible_duplicate_of)
    })
}

fn without_table<'a>(api: &str, why: &str) -> Demand<'a> {
    Demand::Held {
        reason: Reason::InstrumentsUnavailable,
        message: format!(
            "the instruments of {api} are not known ({why}): nothing new is placed until they are"
        ),
    }
}
