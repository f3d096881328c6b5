//! Instruments that leave an account that works, for another one: the account goes on with them until the other has them.
//!
//! Pure. Owns which rows these are, and what the files of both accounts say of them. Nothing is lost: the two publish in
//! turn, as [`super::moves`] says, or both for a while, and then the leaving account says so in each tick. Must not choose
//! accounts.

mod withheld;

use std::time::{Duration, Instant};

use contract::{Assignment, Boundary, MovePart, Row};
use kite::Token;
use rustc_hash::{FxHashMap, FxHashSet};

use super::arrivals::Arrivals;
use super::handover_rows::{self, LeavingRow};
use super::move_times::MoveTimes;
use super::moves::{MoveStages, Stage};
use crate::plan::ids::{AccountIx, SetIx};
use crate::plan::input::{AccountInput, AccountSpec, Lost, Suspension};
use crate::plan::placement::{PlacedAccount, PlacedSet};

/// Whether the account's user waits for it to stop, or to become smaller.
pub(super) fn is_restricted(account: &AccountInput<'_>, spec: &AccountSpec) -> bool {
    let suspension = account.eligibility.suspension();
    let paused = matches!(suspension, Some(Suspension::Paused));
    paused
        || account
            .base
            .is_some_and(|base| base.capacity() > spec.capacity())
}

/// What is known of every account and set, to find what leaves one of them.
struct Handover<'w, 'a> {
    accounts: &'w [PlacedAccount<'a>],
    arrivals: Arrivals<'w, 'a>,
    /// The account that takes over, by namespace and id of a move.
    takers: FxHashMap<(&'w str, &'a str), AccountIx>,
    longest: Duration,
    now: Instant,
}

/// Where an instrument goes that leaves an account.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Destination {
    /// To these accounts, each for a set.
    Of(Vec<(SetIx, AccountIx)>),
    /// To this account, by a move that was begun.
    Begun(AccountIx),
    /// Not known while a set cannot be resolved.
    Unknown,
}

/// An account, an instrument, and the move by which it takes it.
type IncomingMove = (AccountIx, Token, (String, Option<Boundary>));

/// Adds to the documents what accounts go on with until others have it, and returns which accounts do. `documents`: those
/// that are built in this pass, each with its rows.
pub(super) fn hand_over<'a>(
    documents: &mut [Option<Assignment>],
    accounts: &[PlacedAccount<'a>],
    sets: &[PlacedSet<'a>],
    times: MoveTimes,
    now: Instant,
) -> Vec<bool> {
    let mut goes_on = vec![false; documents.len()];
    let handover = Handover::new(accounts, sets, times, now);
    let mut stages = MoveStages::new(accounts, handover.arrivals.reports(), times, now);
    let mut taken: Vec<IncomingMove> = Vec::new();
    for at in (0..documents.len()).map(AccountIx::new) {
        let leaving = handover.leaving(at, documents);
        let account = &accounts[at.at()].held_over.account;
        let (Some(document), Some(base)) = (&documents[at.at()], account.base) else {
            continue;
        };
        let former = Some(base.capacity()).filter(|_| handover.may_last(account));
        let capacity = document.capacity().max(former.unwrap_or_default());
        let room = capacity.saturating_sub(document.instruments.len());
        let mut rows = Vec::new();
        for (row, to) in leaving {
            if rows.len() == room {
                break;
            }
            match handover.stage(at, row, to, &mut stages, documents) {
                Stage::Given => {}
                Stage::BothPublish => rows.push(LeavingRow { row, by: None }),
                Stage::Move(id, to, boundaries) => {
                    taken.push((to, row.token, (id.clone(), boundaries.taking)));
                    let by = Some((id, boundaries.giving));
                    rows.push(LeavingRow { row, by });
                }
            }
        }
        let staying = handover.staying(at, documents);
        goes_on[at.at()] = !(rows.is_empty() && staying.is_empty());
        if let Some(document) = &mut documents[at.at()] {
            handover_rows::keep_outputs(document, base, &staying);
            handover_rows::go_on(document, base, rows);
            if document.instruments.len() > document.capacity() {
                // It becomes smaller when the others have what has no room in it.
                document.connections = base.connections;
                document.tokens_per_connection = base.tokens_per_connection;
            }
        }
    }
    taken.extend(handover.withheld(documents));
    for (to, token, by) in taken {
        if let Some(document) = &mut documents[to.at()] {
            handover_rows::take(document, token, by);
        }
    }
    goes_on
}

impl<'w, 'a> Handover<'w, 'a> {
    fn new(
        accounts: &'w [PlacedAccount<'a>],
        sets: &'w [PlacedSet<'a>],
        times: MoveTimes,
        now: Instant,
    ) -> Self {
        let inputs = || accounts.iter().map(|placed| &placed.held_over.account);
        let takers = inputs().enumerate().flat_map(|(at, account)| {
            let moves = account.base.into_iter().flat_map(|base| &base.moves);
            let taken = moves.filter(|it| it.part == MovePart::To);
            let namespace = account.namespace();
            taken.map(move |it| ((namespace, it.id.as_str()), AccountIx::new(at)))
        });
        Self {
            accounts,
            arrivals: Arrivals::new(accounts, sets, now),
            takers: takers.collect(),
            longest: times.longest,
            now,
        }
    }

    /// What happens to a row that leaves.
    fn stage(
        &self,
        from: AccountIx,
        row: &Row,
        to: Destination,
        stages: &mut MoveStages<'_>,
        documents: &[Option<Assignment>],
    ) -> Stage {
        let sets = match to {
            Destination::Of(sets) => sets,
            Destination::Begun(to) => return stages.of(from, to, row, documents),
            Destination::Unknown => return Stage::BothPublish,
        };
        // A boundary divides between two accounts.
        let one = sets.first().filter(|(_, first)| {
            let mut others = sets.iter();
            others.all(|(_, to)| to == first)
        });
        let stage = one.map(|(_, to)| stages.of(from, *to, row, documents));
        match stage {
            Some(stage) if stage != Stage::BothPublish => stage,
            _ if sets
                .iter()
                .all(|(set, to)| self.arrivals.has_arrived(*set, *to)) =>
            {
                Stage::Given
            }
            _ => Stage::BothPublish,
        }
    }

    /// The rows of the account's base that are not in its new document, although they go on elsewhere.
    fn leaving(
        &self,
        at: AccountIx,
        documents: &[Option<Assignment>],
    ) -> Vec<(&'a Row, Destination)> {
        let account = &self.accounts[at.at()].held_over.account;
        let document = documents[at.at()].as_ref();
        let base = account.base.filter(|_| self.may_go_on(account));
        let (Some(base), Some(document)) = (base, document) else {
            return Vec::new();
        };
        let sets = base.sets.iter();
        let sets: Vec<Option<SetIx>> = sets
            .map(|name| self.arrivals.set(account.namespace(), name))
            .collect();
        // What no socket carries is of no use to anybody.
        let lost: FxHashSet<u32> = match &account.outage.lost {
            Lost::Tokens(tokens) => tokens.iter().copied().collect(),
            Lost::Nothing | Lost::Everything => FxHashSet::default(),
        };
        let stays = |row: &Row| {
            let rows = &document.instruments;
            rows.binary_search_by_key(&row.token, |row| row.token)
                .is_ok()
        };
        let rows = base.instruments.iter();
        let rows = rows.filter(|row| {
            let published = !row.outputs.is_empty() && !base.withholds(row);
            published && !lost.contains(&row.token.0) && !stays(row)
        });
        let leaving = rows.filter_map(|row| {
            let to = self.destination(at, base, &sets, row, documents)?;
            Some((row, to))
        });
        leaving.collect()
    }

    /// Where a row goes: to another account where any of its sets is placed with it. A row that was leaving already has no
    /// sets any more: it goes where its channels are.
    fn destination(
        &self,
        from: AccountIx,
        base: &Assignment,
        sets: &[Option<SetIx>],
        row: &Row,
        documents: &[Option<Assignment>],
    ) -> Option<Destination> {
        let own = row
            .sets
            .iter()
            .filter_map(|set| *sets.get(usize::from(*set))?);
        let own = self.arrivals.elsewhere(own, row.token, from);
        if !own.is_empty() {
            return Some(Destination::Of(own));
        }
        let given = base.move_of(row).filter(|it| it.part == MovePart::From);
        if !row.handover && given.is_none() {
            return None;
        }
        let all = self.arrivals.anywhere_else(row.token, from);
        let same = self.of_its_channels(&all, base, row, documents);
        if !same.is_empty() {
            return Some(Destination::Of(same));
        }
        let namespace = self.accounts[from.at()].held_over.account.namespace();
        let begun = given.and_then(|it| self.takers.get(&(namespace, it.id.as_str())));
        if let Some(to) = begun {
            return Some(Destination::Begun(*to));
        }
        if !all.is_empty() {
            return Some(Destination::Of(all));
        }
        self.arrivals
            .awaits_sets(from)
            .then_some(Destination::Unknown)
    }

    /// Those of `sets` that publish the row where the account did: others have the instrument elsewhere for channels of their
    /// own.
    fn of_its_channels(
        &self,
        sets: &[(SetIx, AccountIx)],
        base: &Assignment,
        row: &Row,
        documents: &[Option<Assignment>],
    ) -> Vec<(SetIx, AccountIx)> {
        let sets = sets.iter().filter(|(_, to)| {
            let known = self.accounts[to.at()].held_over.account.base;
            let there = documents[to.at()].as_ref().or(known.map(|it| &**it));
            there.is_some_and(|there| handover_rows::share_a_channel(there, base, row))
        });
        sets.copied().collect()
    }

    /// The rows of the account's base that stay in its new document for something else, and with fewer outputs, although another
    /// account has not got the rest yet.
    fn staying(&self, at: AccountIx, documents: &[Option<Assignment>]) -> Vec<&'a Row> {
        let account = &self.accounts[at.at()].held_over.account;
        let base = account.base.filter(|_| self.may_go_on(account));
        let (Some(base), Some(document)) = (base, &documents[at.at()]) else {
            return Vec::new();
        };
        let loses = |row: &&Row| {
            let rows = &document.instruments;
            let at = rows.binary_search_by_key(&row.token, |row| row.token);
            at.is_ok_and(|at| rows[at].outputs.len() < row.outputs.len())
        };
        let rows = base.instruments.iter();
        let rows = rows.filter(|row| !base.withholds(row) && base.lists(row));
        let rows = rows.filter(loses).filter(|row| {
            let sets = self.arrivals.anywhere_else(row.token, at);
            self.of_its_channels(&sets, base, row, documents)
                .iter()
                .any(|(set, to)| !self.arrivals.has_arrived(*set, *to))
        });
        rows.collect()
    }

    /// Whether the account works, and is not to stop at once.
    fn may_go_on(&self, account: &AccountInput<'_>) -> bool {
        let may = match account.eligibility.suspension() {
            None => true,
            Some(Suspension::Paused) => self.may_last(account),
            Some(Suspension::Terminating | Suspension::Duplicate(_)) => false,
        };
        may && account.outage.lost != Lost::Everything
            && account.spec.as_ref().is_ok_and(|spec| {
                account.base.is_some_and(|base| {
                    (&spec.websocket, &spec.redis_url, spec.mock)
                        == (&base.websocket, &base.redis_url, base.account.mock)
                })
            })
    }

    /// Whether its user has not waited too long for it to stop, or to become smaller.
    fn may_last(&self, account: &AccountInput<'_>) -> bool {
        let since = account.remembered.and_then(|it| it.restricted_since);
        since.is_none_or(|since| self.now.saturating_duration_since(since) < self.longest)
    }
}

#[cfg(test)]
mod tests;
