//! When instruments came to their accounts since the operator started, and from which.
//!
//! Owns how much of it is kept. Must not decide where anything goes.

use std::collections::VecDeque;
use std::sync::Arc;

use contract::answer::MoveRecord;
use contract::{Assignment, Row};
use jiff::Timestamp;
use kite::Token;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::plan::input::Key;
use crate::plan::placement::RelocationCause;
use crate::plan::report::{Plan, SetRelocation};

/// The most records that are kept.
const MOST_RECORDS: usize = 500;

/// The most tokens in them together.
const MOST_TOKENS: usize = 200_000;

/// The most moves in an answer.
const MOST_SHOWN: usize = 20;

/// What came where, the newest last.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    records: VecDeque<Arrival>,
    tokens: usize,
    /// By account: the assignment that was noted last.
    known: FxHashMap<Key, Arc<Assignment>>,
}

/// Instruments that came to an account together.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub(super) at: Timestamp,
    /// The account that had them, if one had.
    pub(super) from: Option<Arc<str>>,
    /// The account that has them since.
    to: Key,
    /// Ascending.
    tokens: Arc<[Token]>,
    /// Whether no socket of `from` carried them.
    pub(super) failed_over: bool,
    /// Why they moved, if that is known.
    pub(super) why: Option<Arc<str>>,
}

/// Namespace, both accounts and the set of a move.
type MoveKey<'p> = (&'p str, &'p str, &'p str, &'p str);

impl Journal {
    /// Whether the plan has assignments that are not noted.
    #[must_use]
    pub fn is_behind(&self, plan: &Plan) -> bool {
        let mut accounts = plan.accounts.iter();
        let changed = accounts.any(|it| {
            let decided = it.assignment.assignment();
            decided.is_some_and(|decided| {
                let known = self.known.get(&it.key);
                known.is_none_or(|known| !Arc::ptr_eq(known, decided))
            })
        });
        changed || self.known.len() > plan.accounts.len()
    }

    /// Notes what the assignments of a plan change.
    pub fn note(&mut self, plan: &Plan, at: Timestamp) {
        let decided = plan.accounts.iter();
        let decided = decided.filter_map(|it| Some((&it.key, it.assignment.assignment()?)));
        let changes = decided.filter_map(|(key, now)| {
            let before = self.known.get(key);
            let same = before.is_some_and(|before| Arc::ptr_eq(before, now));
            (!same).then(|| Step::new(key, before, now))
        });
        let changes: Vec<Step<'_>> = changes.collect();
        let mut left: FxHashMap<(&str, Token), &str> = FxHashMap::default();
        for step in &changes {
            let account = step.account;
            let gone = step.left.iter();
            left.extend(gone.map(|token| ((&*account.namespace, *token), &*account.name)));
        }
        let mut causes: FxHashMap<MoveKey<'_>, Vec<RelocationCause>> = FxHashMap::default();
        for SetRelocation {
            set,
            from,
            to,
            cause,
        } in &plan.relocations
        {
            let key = (&*set.namespace, &**from, &**to, &*set.name);
            causes.entry(key).or_default().push(*cause);
        }
        for step in &changes {
            let to = step.account;
            let mut arrived: FxHashMap<(Option<&str>, Vec<RelocationCause>), Vec<Token>> =
                FxHashMap::default();
            for row in &step.arrived {
                let from = left.get(&(&*to.namespace, row.token)).copied();
                let sets = row.sets.iter();
                let sets = sets.filter_map(|set| step.now.sets.get(usize::from(*set)));
                let of_set = |set| {
                    let key: MoveKey<'_> = (&to.namespace, from?, &to.name, set);
                    causes.get(&key)
                };
                let mut why: Vec<RelocationCause> = sets
                    .filter_map(|set| of_set(set))
                    .flatten()
                    .copied()
                    .collect();
                why.sort_unstable();
                why.dedup();
                arrived.entry((from, why)).or_default().push(row.token);
            }
            for ((from, causes), mut tokens) in arrived {
                tokens.sort_unstable();
                tokens.dedup();
                self.push(Arrival {
                    at,
                    from: from.map(Arc::from),
                    to: to.clone(),
                    tokens: tokens.into(),
                    failed_over: causes == [RelocationCause::Lost],
                    why: from.and_then(|from| why(plan, (from, to), &causes)),
                });
            }
        }
        for step in changes {
            self.known
                .insert(step.account.clone(), Arc::clone(step.now));
        }
        let there: FxHashSet<&Key> = plan.accounts.iter().map(|it| &it.key).collect();
        self.known.retain(|key, _| there.contains(key));
    }

    fn push(&mut self, arrival: Arrival) {
        self.tokens += arrival.tokens.len();
        self.records.push_back(arrival);
        while self.records.len() > MOST_RECORDS || self.tokens > MOST_TOKENS {
            let Some(oldest) = self.records.pop_front() else {
                return;
            };
            self.tokens -= oldest.tokens.len();
        }
    }

    /// How a token came to an account, if that is known.
    pub(super) fn arrival(&self, account: &Key, token: Token) -> Option<&Arrival> {
        let mut newest = self.records.iter().rev();
        newest.find(|it| it.to == *account && it.tokens.binary_search(&token).is_ok())
    }

    /// Moves of these tokens of a namespace, the newest first.
    pub(super) fn moves_of(&self, namespace: &str, tokens: &FxHashSet<Token>) -> Vec<MoveRecord> {
        let newest = self.records.iter().rev();
        let newest = newest.filter(|it| it.to.namespace == namespace && it.from.is_some());
        let moves = newest.filter_map(|it| {
            let count = it.tokens.iter().filter(|token| tokens.contains(token));
            let count = count.count();
            (count > 0).then(|| it.record(count))
        });
        moves.take(MOST_SHOWN).collect()
    }

    /// Moves from or to an account, the newest first.
    pub(super) fn moves_at(&self, account: &Key) -> Vec<MoveRecord> {
        let newest = self.records.iter().rev();
        let at = newest.filter(|it| {
            let from = it.from.as_deref() == Some(&account.name);
            it.from.is_some()
                && it.to.namespace == account.namespace
                && (from || it.to.name == account.name)
        });
        at.map(|it| it.record(it.tokens.len()))
            .take(MOST_SHOWN)
            .collect()
    }
}

/// Why something moved. If a set moves some for one cause and some for another, it is not known which of it is which.
fn why(plan: &Plan, (from, to): (&str, &Key), causes: &[RelocationCause]) -> Option<Arc<str>> {
    let mut failovers = plan.failovers.iter();
    let failover = failovers.find(|it| it.to == *to && it.from.name == from);
    let texts = causes.iter().map(|cause| match (cause, failover) {
        (RelocationCause::Lost, Some(failover)) => failover.cause.message().to_owned(),
        (cause, _) => cause.message(from),
    });
    let texts = texts.collect::<Vec<_>>().join(", or ");
    (!texts.is_empty()).then(|| texts.into())
}

/// The change of one account's assignment.
struct Step<'a> {
    account: &'a Key,
    now: &'a Arc<Assignment>,
    left: Vec<Token>,
    arrived: Vec<&'a Row>,
}

impl<'a> Step<'a> {
    fn new(account: &'a Key, before: Option<&Arc<Assignment>>, now: &'a Arc<Assignment>) -> Self {
        let (mut left, mut arrived) = (Vec::new(), Vec::new());
        // What an account had when the operator started came before.
        if let Some(before) = before {
            let tokens = |rows| streamed(rows).map(|row| row.token).collect();
            let [before, after]: [FxHashSet<Token>; 2] = [tokens(before), tokens(now)];
            left.extend(before.difference(&after));
            arrived.extend(streamed(now).filter(|row| !before.contains(&row.token)));
        }
        Self {
            account,
            now,
            left,
            arrived,
        }
    }
}

impl Arrival {
    fn record(&self, tokens: usize) -> MoveRecord {
        MoveRecord {
            at: self.at.as_second(),
            from: self.from.as_deref().map(str::to_owned),
            to: self.to.name.clone(),
            instruments: super::count(tokens),
            why: self.why.as_deref().map(str::to_owned),
        }
    }
}

/// What an assignment streams for itself: neither for a price alone, nor until another account has it.
fn streamed(assignment: &Assignment) -> impl Iterator<Item = &Row> {
    let rows = assignment.instruments.iter();
    rows.filter(|row| !row.sets.is_empty() && !row.handover)
}
