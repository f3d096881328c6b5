//! The steps of a move: the taking account subscribes, then both learn from which second of the exchange on it publishes.
//!
//! Pure, and without a memory: each step follows from what the two files say and the two processes report, so that an
//! operator may end at any of them. The order keeps every tick: the giving account gets the boundary after the taking one
//! has it, and leaves after it has said that it is past it. A file that comes late means ticks twice, never none. Must not
//! decide what moves.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use contract::assignment::MOST_MOVES;
use contract::report::{FEATURE_MOVES, MoveReport};
use contract::{Assignment, Boundary, Move, MovePart, Report, Row};
use kite::Token;
use rustc_hash::FxHashMap;

use super::move_times::MoveTimes;
use crate::plan::ids::AccountIx;
use crate::plan::placement::PlacedAccount;

/// What is published of a row that leaves an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Both accounts publish it until the taking one has it: one of their processes knows no moves.
    BothPublish,
    /// By the move of this id, to this account.
    Move(String, AccountIx, Boundaries),
    /// The account publishes nothing of it any more.
    Given,
}

/// What the two files say of a move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Boundaries {
    pub(super) giving: Option<Boundary>,
    pub(super) taking: Option<Boundary>,
}

/// One account, as a side of a move.
#[derive(Clone, Copy)]
struct Side<'a> {
    name: &'a str,
    base: Option<&'a Assignment>,
    /// What its process reports, if it answers.
    report: Option<&'a Report>,
    /// How old that is.
    age: Duration,
}

/// The name of the account that gives. The id of a move is `GIVER>TAKER:GENERATION`, of the taking account's file that has it
/// first: names of accounts have no `>`, and two moves of one pair of accounts differ by the generation.
pub(super) fn giver(id: &str) -> Option<&str> {
    id.split_once('>').map(|(giver, _)| giver)
}

/// Where the moves are, each looked at once.
pub(super) struct MoveStages<'a> {
    sides: Vec<Side<'a>>,
    /// By the two accounts and the id: namespaces have accounts of the same names.
    known: BTreeMap<(usize, usize, String), Stage>,
    /// By the taking account and the instrument: who gives it.
    givers: FxHashMap<(AccountIx, Token), AccountIx>,
    /// By account: in how many moves it has a part.
    parts: Vec<usize>,
    times: MoveTimes,
}

impl<'a> MoveStages<'a> {
    pub(super) fn new(
        accounts: &[PlacedAccount<'a>],
        reports: &[Option<&'a Report>],
        times: MoveTimes,
        now: Instant,
    ) -> Self {
        let side = |(placed, report): (&PlacedAccount<'a>, &Option<&'a Report>)| {
            let account = &placed.held_over.account;
            let at = account.observed.scrape.at.unwrap_or(now);
            Side {
                name: &account.observed.object.meta.key.name,
                base: account.base.map(|base| &**base),
                report: *report,
                age: now.saturating_duration_since(at),
            }
        };
        Self {
            sides: accounts.iter().zip(reports).map(side).collect(),
            known: BTreeMap::new(),
            givers: FxHashMap::default(),
            parts: vec![0; accounts.len()],
            times,
        }
    }

    /// The stage of a row of the base of `from` that goes to `to`.
    pub(super) fn of(
        &mut self,
        from: AccountIx,
        to: AccountIx,
        row: &Row,
        documents: &[Option<Assignment>],
    ) -> Stage {
        let (giving, taking) = (self.sides[from.at()], self.sides[to.at()]);
        let has_given = |it: &Move| it.part == MovePart::From && giving.is_past(it);
        if giving.move_of(row).is_some_and(has_given) {
            return Stage::Given;
        }
        // An account that may not be changed now goes on with what it was told.
        let taker = documents[to.at()].as_ref().or(taking.base);
        let takes = taker.is_some_and(|taker| {
            let rows = &taker.instruments;
            let at = rows.binary_search_by_key(&row.token, |row| row.token);
            // What it gives itself has no set.
            at.is_ok_and(|at| !rows[at].sets.is_empty())
        });
        let id = taking.move_id(giving.name, row).filter(|_| takes);
        let Some(id) = id else {
            return Stage::BothPublish;
        };
        // What was begun goes on, although a process may not have been asked so far.
        let begun = taking.find(&id, MovePart::To).is_some();
        let knows = |side: Side<'_>| side.knows_moves().unwrap_or(begun);
        if !(knows(giving) && knows(taking)) {
            return Stage::BothPublish;
        }
        // A boundary divides between two accounts: another one that has the instrument too says in each tick that it does.
        if *self.givers.entry((to, row.token)).or_insert(from) != from {
            return Stage::BothPublish;
        }
        let key = (from.at(), to.at(), id.clone());
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        if [from, to]
            .iter()
            .any(|it| self.parts[it.at()] == MOST_MOVES)
        {
            return Stage::BothPublish;
        }
        for side in [from, to] {
            self.parts[side.at()] += 1;
        }
        let boundaries = boundaries(&giving, &taking, &id, self.times);
        let stage = Stage::Move(id, to, boundaries);
        self.known.insert(key, stage.clone());
        stage
    }
}

impl<'a> Side<'a> {
    /// `None` if its process has not said it.
    fn knows_moves(&self) -> Option<bool> {
        let features = &self.report?.features;
        Some(features.iter().any(|it| it == FEATURE_MOVES))
    }

    /// The report, if it is of the process that runs the base.
    fn running(&self) -> Option<(&'a Assignment, &'a Report)> {
        let (base, report) = (self.base?, self.report?);
        let applied = report.assignment.as_ref()?;
        (applied.generation == base.generation).then_some((base, report))
    }

    fn move_of(&self, row: &Row) -> Option<&'a Move> {
        self.base?.move_of(row)
    }

    fn find(&self, id: &str, part: MovePart) -> Option<&'a Move> {
        let mut moves = self.base?.moves.iter();
        moves.find(|it| it.id == id && it.part == part)
    }

    fn report_of(&self, id: &str) -> Option<(&'a Assignment, &'a MoveReport)> {
        let (base, report) = self.running()?;
        let mut moves = report.moves.iter();
        Some((base, moves.find(|it| it.id == id)?))
    }

    /// Whether it has said that it publishes nothing of the move any more.
    fn is_past(&self, given: &Move) -> bool {
        let report = || self.report_of(&given.id);
        given.boundary.is_some() && report().is_some_and(|(_, report)| report.done)
    }

    /// Whether it runs what its base says, and can publish it.
    fn publishes(&self) -> bool {
        let running = self.running();
        running.is_some_and(|(_, report)| report.redis.connected)
    }

    /// The move by which this account takes the row from `giver`: the one that is under way, or a new one. `None` if it has
    /// the instrument already, or takes it from another account.
    fn move_id(&self, giver: &str, row: &Row) -> Option<String> {
        let rows = self.base.map_or(&[][..], |base| &base.instruments);
        match rows.binary_search_by_key(&row.token, |row| row.token) {
            Ok(at) => {
                let known = self.move_of(&rows[at])?;
                let takes = known.part == MovePart::To && self::giver(&known.id) == Some(giver);
                takes.then(|| known.id.clone())
            }
            Err(_) => {
                let generation = self.base.map_or(0, |base| base.generation);
                let next = generation.saturating_add(1);
                Some(format!("{giver}>{}:{next}", self.name))
            }
        }
    }

    /// Whether every instrument of the move has arrived here, or has been waited for in vain. A socket that brings nothing at
    /// all is not waited for in vain as long as `giving` gets something.
    fn has_arrived(&self, id: &str, giving: &Self) -> bool {
        let Some((base, report)) = self.report_of(id) else {
            return false;
        };
        let rows = base.instruments.iter();
        let of = |row: &&Row| base.move_of(row).is_some_and(|it| it.id == id);
        let instruments = rows.filter(of).count();
        let heard = report.seen.saturating_add(report.silent) as usize;
        let others = giving.report_of(id).map_or(0, |(_, report)| report.seen);
        let is_mute = report.seen == 0 && others > 0;
        let is_whole = report.instruments as usize == instruments && heard >= instruments;
        self.publishes() && is_whole && !is_mute
    }

    /// The exchange's second now, if any packet told it.
    fn second(&self, id: &str) -> Option<i64> {
        let second = self.report_of(id)?.1.second?;
        Some(second.saturating_add_unsigned(self.age.as_secs()))
    }
}

/// What the two files say next.
fn boundaries(giving: &Side<'_>, taking: &Side<'_>, id: &str, times: MoveTimes) -> Boundaries {
    let Some(taken) = taking.find(id, MovePart::To) else {
        return Boundaries::default();
    };
    let Some(boundary) = taken.boundary else {
        // Who is further knows more: what comes too late for a second that is past comes twice.
        let second = taking.second(id).max(giving.second(id));
        let boundary = Boundary {
            second: second.map_or(Boundary::AT_ONCE, |it| it.saturating_add(times.lead_s)),
            within_s: times.within_s,
        };
        return Boundaries {
            taking: taking.has_arrived(id, giving).then_some(boundary),
            giving: None,
        };
    };
    let has_it = giving.find(id, MovePart::From);
    let has_it = has_it.is_some_and(|given| given.boundary.is_some());
    Boundaries {
        // The taking account may have lost its socket meanwhile.
        giving: (has_it || taking.has_arrived(id, giving)).then_some(boundary),
        taking: Some(boundary),
    }
}

#[cfg(test)]
mod tests;
