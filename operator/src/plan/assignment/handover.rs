//! Instruments that leave an account that works, for another one: the account goes on with them until the other has them.
//!
//! Pure. Owns which rows these are, and what the files of both accounts say of them. Nothing is lost: the two publish in
//! turn, as [`super::moves`] says, or both for a while, and then the leaving account says so in each tick. Must not choose
//! accounts.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use contract::{Assignment, MovePart, Report, Row};
use kite::Token;
use rustc_hash::FxHashMap;

use super::handover_rows::{self, LeavingRow};
use super::moves::{MoveStages, Stage};
use crate::plan::ids::{AccountIx, SetIx};
use crate::plan::input::{AccountInput, AccountSpec, Lost, Suspension};
use crate::plan::placement::{Outcome, PlacedAccount, PlacedSet};

/// For how long an account goes on at most that is paused, or has less room than it had: who wants that waits for it.
/// Without `poke` an assignment takes up to a minute and a half, and a move takes three of them and a boundary.
pub(crate) const fn longest_handover(poke: bool) -> Duration {
    Duration::from_secs(if poke { 60 } else { 420 })
}

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
    /// What each account runs, as far as its process reports it.
    reports: Vec<Option<&'a Report>>,
    sets: &'w [PlacedSet<'a>],
    names: FxHashMap<(&'w str, &'w str), SetIx>,
    /// The account that takes over, by namespace and id of a move.
    takers: FxHashMap<(&'w str, &'a str), AccountIx>,
    /// By set: where each of its tokens is placed.
    placed: RefCell<FxHashMap<SetIx, FxHashMap<Token, AccountIx>>>,
    /// Whether an account has all of a set that is placed there.
    arrived: RefCell<FxHashMap<(SetIx, AccountIx), bool>>,
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

/// Adds to the documents what accounts go on with until others have it, and returns which accounts do. `documents`: those that are built in this pass, each
/// with its rows.
pub(super) fn hand_over<'a>(
    documents: &mut [Option<Assignment>],
    accounts: &[PlacedAccount<'a>],
    sets: &[PlacedSet<'a>],
    poke: bool,
    now: Instant,
) -> Vec<bool> {
    let mut goes_on = vec![false; documents.len()];
    let handover = Handover::new(accounts, sets, poke, now);
    let mut stages = MoveStages::new(accounts, &handover.reports, poke, now);
    let mut taken = Vec::new();
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
                Stage::Handover => rows.push(LeavingRow { row, by: None }),
                Stage::Move(id, to, boundaries) => {
                    taken.push((to, row.token, (id.clone(), boundaries.taking)));
                    let by = Some((id, boundaries.giving));
                    rows.push(LeavingRow { row, by });
                }
            }
        }
        let staying = handover.staying(at, document);
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
        poke: bool,
        now: Instant,
    ) -> Self {
        let inputs = || accounts.iter().map(|placed| &placed.held_over.account);
        let report = |account: &AccountInput<'a>| {
            let scrape = &account.observed.scrape;
            let report = scrape.report.as_deref().filter(|_| scrape.answers(now));
            report.filter(|_| account.report().is_some())
        };
        let names = sets.iter().enumerate();
        let names = names.map(|(at, placed)| {
            let set = &placed.set;
            ((set.namespace(), set.name()), SetIx::new(at))
        });
        let takers = inputs().enumerate().flat_map(|(at, account)| {
            let moves = account.base.into_iter().flat_map(|base| &base.moves);
            let taken = moves.filter(|it| it.part == MovePart::To);
            let namespace = account.namespace();
            taken.map(move |it| ((namespace, it.id.as_str()), AccountIx::new(at)))
        });
        Self {
            accounts,
            reports: inputs().map(report).collect(),
            sets,
            names: names.collect(),
            takers: takers.collect(),
            placed: RefCell::default(),
            arrived: RefCell::default(),
            longest: longest_handover(poke),
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
            Destination::Unknown => return Stage::Handover,
        };
        // A boundary divides between two accounts.
        let one = sets.first().filter(|(_, first)| {
            let mut others = sets.iter();
            others.all(|(_, to)| to == first)
        });
        let stage = one.map(|(_, to)| stages.of(from, *to, row, documents));
        match stage {
            Some(stage) if stage != Stage::Handover => stage,
            _ if sets.iter().all(|(set, to)| self.has_arrived(*set, *to)) => Stage::Given,
            _ => Stage::Handover,
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
            .map(|name| {
                let names = &self.names;
                names.get(&(account.namespace(), name.as_str())).copied()
            })
            .collect();
        // What no socket carries is of no use to anybody.
        let lost = match &account.outage.lost {
            Lost::Tokens(tokens) => tokens.as_slice(),
            Lost::Nothing | Lost::Everything => &[],
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
            let to = self.destination(at, base, &sets, row)?;
            Some((row, to))
        });
        leaving.collect()
    }

    /// Where a row goes: to another account where any of its sets is placed with it. A row that was leaving already has no
    /// sets any more.
    fn destination(
        &self,
        from: AccountIx,
        base: &Assignment,
        sets: &[Option<SetIx>],
        row: &Row,
    ) -> Option<Destination> {
        let own = row
            .sets
            .iter()
            .filter_map(|set| *sets.get(usize::from(*set))?);
        let own = self.elsewhere(own, row.token, from);
        if !own.is_empty() {
            return Some(Destination::Of(own));
        }
        let given = base.move_of(row).filter(|it| it.part == MovePart::From);
        if !row.handover && given.is_none() {
            return None;
        }
        let all = self.elsewhere(self.sets_of(from), row.token, from);
        if !all.is_empty() {
            return Some(Destination::Of(all));
        }
        let namespace = self.accounts[from.at()].held_over.account.namespace();
        let begun = given.and_then(|it| self.takers.get(&(namespace, it.id.as_str())));
        let pending = |set: SetIx| self.sets[set.at()].request.is_pending();
        match begun {
            Some(to) => Some(Destination::Begun(*to)),
            None => self
                .sets_of(from)
                .any(pending)
                .then_some(Destination::Unknown),
        }
    }

    /// The sets of the account's namespace.
    fn sets_of(&self, account: AccountIx) -> impl Iterator<Item = SetIx> {
        let namespace = self.accounts[account.at()].held_over.account.namespace();
        let all = self.names.iter();
        let all = all.filter(move |((of, _), _)| *of == namespace);
        all.map(|(_, set)| *set)
    }

    /// Those of the sets that have the token on another account than `from`, each with it.
    fn elsewhere(
        &self,
        sets: impl Iterator<Item = SetIx>,
        token: Token,
        from: AccountIx,
    ) -> Vec<(SetIx, AccountIx)> {
        let elsewhere = sets.filter_map(|set| {
            let to = self.placed_on(set, token).filter(|to| *to != from)?;
            Some((set, to))
        });
        let mut elsewhere: Vec<(SetIx, AccountIx)> = elsewhere.collect();
        elsewhere.sort_unstable();
        elsewhere
    }

    /// The rows of the account's base that stay in its new document for something else, and with fewer outputs, although another
    /// account has not got the rest yet.
    fn staying(&self, at: AccountIx, document: &Assignment) -> Vec<&'a Row> {
        let account = &self.accounts[at.at()].held_over.account;
        let Some(base) = account.base.filter(|_| self.may_go_on(account)) else {
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
            let sets = self.elsewhere(self.sets_of(at), row.token, at);
            sets.iter().any(|(set, to)| !self.has_arrived(*set, *to))
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

    /// The account on which a set has the token.
    fn placed_on(&self, set: SetIx, token: Token) -> Option<AccountIx> {
        let placed = &self.sets[set.at()];
        let resolved = placed.request.resolved()?;
        let mut known = self.placed.borrow_mut();
        let tokens = known.entry(set).or_insert_with(|| {
            let routed = resolved.lookup.routes.instruments.iter();
            let placed = routed.zip(&placed.placement.outcomes);
            let placed = placed.filter_map(|(routed, outcome)| match outcome {
                Some(Outcome::Placed(account)) => Some((routed.token, *account)),
                Some(Outcome::Waiting | Outcome::Conflict) | None => None,
            });
            placed.collect()
        });
        tokens.get(&token).copied()
    }

    /// Whether the account's process has all that is placed there of the set, and has heard of each instrument or waited
    /// for it in vain, and can publish it.
    fn has_arrived(&self, set: SetIx, account: AccountIx) -> bool {
        if let Some(known) = self.arrived.borrow().get(&(set, account)) {
            return *known;
        }
        let arrived = self.arrives(set, account).unwrap_or(false);
        self.arrived.borrow_mut().insert((set, account), arrived);
        arrived
    }

    fn arrives(&self, set: SetIx, account: AccountIx) -> Option<bool> {
        let base = self.accounts[account.at()].held_over.account.base?;
        let report = self.reports[account.at()]?;
        let name = self.sets[set.at()].set.name();
        let position = base.sets.iter().position(|known| known == name)?;
        let position = u16::try_from(position).ok()?;
        let rows = base.instruments.iter();
        let has = rows.filter(|row| row.sets.contains(&position)).count();
        let outcomes = self.sets[set.at()].placement.outcomes.iter();
        let here = |outcome: &&Option<Outcome>| **outcome == Some(Outcome::Placed(account));
        let placed = outcomes.filter(here).count();
        let runs = report.assignment.as_ref()?.generation == base.generation;
        let report_of_set = report.sets.iter().find(|it| it.name == name)?;
        let heard = report_of_set.streaming.saturating_add(report_of_set.silent) as usize;
        let is_mute = report_of_set.streaming == 0 && placed > 0;
        Some(report.redis.connected && runs && has == placed && heard >= placed && !is_mute)
    }
}

#[cfg(test)]
mod tests {
    use contract::Assignment;
    use crds::TickerAccountSpec;
    use serde_json::json;

    use crate::plan::fixture::*;
    use crate::plan::*;

    fn named(name: &str, account: &str, tokens: std::ops::Range<u32>) -> ObservedSet {
        let mut set = set(name, &equities(tokens), &[]);
        refer(&mut set, account);
        set
    }

    fn refer(set: &mut ObservedSet, account: &str) {
        let account = json!({"name": account});
        edit(set, |spec| {
            spec.account_ref = Some(serde_json::from_value(account).unwrap());
        });
    }

    fn assignment(world: &Observed, at: usize) -> &Assignment {
        world.accounts[at].assignment.readable().unwrap().0
    }

    /// How many rows each account publishes, and how many of them are handed over.
    fn rows(world: &Observed) -> [(usize, usize); 2] {
        [0, 1].map(|at| {
            let rows = &assignment(world, at).instruments;
            (rows.len(), rows.iter().filter(|row| row.handover).count())
        })
    }

    fn step(world: &mut Observed, memory: &Memory, now: Now) -> Plan {
        let plan = plan(world, memory, now);
        apply(world, &plan);
        plan
    }

    /// A set that goes from one account to another.
    fn moving() -> (Observed, Plan) {
        let sets = vec![named("s", "a", 0..5)];
        let mut world = observed(vec![account("a"), account("b")], sets);
        let memory = run(&mut world, start());
        refer(&mut world.sets[0], "b");
        let plan = step(&mut world, &memory, start());
        (world, plan)
    }

    #[test]
    fn the_account_goes_on_until_the_other_has_everything() {
        let (mut world, plan) = moving();
        assert_eq!(rows(&world), [(5, 5), (5, 0)]);
        let row = &assignment(&world, 0).instruments[0];
        assert_eq!((row.sets.len(), row.outputs.len()), (0, 1));
        let status = &plan.sets[0].status;
        assert_eq!(
            (status.scheduled, status.accounts.as_deref()),
            (Some(5), Some("b"))
        );

        // The other has not said that it has them; nor that each has sent a packet.
        let again = step(&mut world, &plan.memory, start());
        assert_eq!(rows(&world), [(5, 5), (5, 0)]);
        stream(&mut world);
        let report = Arc::make_mut(world.accounts[1].scrape.report.as_mut().unwrap());
        report.sets[0].streaming = 4;
        let again = step(&mut world, &again.memory, start());
        assert_eq!(rows(&world), [(5, 5), (5, 0)]);
        // Also after a restart.
        step(&mut world, &Memory::default(), start());
        assert_eq!(rows(&world), [(5, 5), (5, 0)]);
        let report = Arc::make_mut(world.accounts[1].scrape.report.as_mut().unwrap());
        report.sets[0].silent = 1;
        step(&mut world, &again.memory, start());
        assert_eq!(rows(&world), [(0, 0), (5, 0)]);
    }

    #[test]
    fn a_paused_account_goes_on_for_a_minute_at_most_and_only_with_what_others_take() {
        let pause =
            |world: &mut Observed| change(&mut world.accounts[0], |spec| spec.paused = true);
        let paused = |places| {
            let sets = vec![set("s", &equities(0..5), &[])];
            let mut world = observed(vec![account("a"), small("b", places)], sets);
            change(&mut world.accounts[1], |spec| spec.paused = true);
            let memory = run(&mut world, start());
            change(&mut world.accounts[1], |spec| spec.paused = false);
            assert_eq!(rows(&world), [(5, 0), (0, 0)]);
            pause(&mut world);
            let plan = step(&mut world, &memory, start());
            (world, plan)
        };
        let (world, _) = paused(3);
        assert_eq!(
            rows(&world),
            [(3, 3), (3, 0)],
            "what has no room elsewhere stops at once"
        );
        let (mut world, plan) = paused(5);
        assert_eq!(rows(&world), [(5, 5), (5, 0)]);
        let plan = step(&mut world, &plan.memory, later(start(), 59));
        assert_eq!(rows(&world)[0], (5, 5));
        assert!(plan.next <= Some(later(start(), 60).monotonic));
        step(&mut world, &plan.memory, later(start(), 60));
        assert_eq!(rows(&world), [(0, 0), (5, 0)]);
    }

    /// Two sets with prefixes of their own, on `a`.
    fn two() -> (Observed, Memory) {
        let mut sets = vec![named("s", "a", 0..5), named("t", "a", 0..5)];
        for set in &mut sets {
            let prefix = json!({"channelPrefix": set.meta.key.name});
            edit(set, |spec| {
                spec.publish = serde_json::from_value(prefix).unwrap();
            });
        }
        let accounts = vec![account("a"), account("b"), account("c")];
        let mut world = observed(accounts, sets);
        let memory = run(&mut world, start());
        (world, memory)
    }

    fn outputs(world: &Observed, at: usize) -> usize {
        let rows = &assignment(world, at).instruments;
        rows.iter().map(|row| row.outputs.len()).sum()
    }

    /// The account has the instruments for another set, too.
    #[test]
    fn what_stays_for_another_set_goes_on_for_the_one_that_leaves() {
        let (mut world, memory) = two();
        refer(&mut world.sets[0], "b");
        let plan = step(&mut world, &memory, start());
        let again = step(&mut world, &plan.memory, start());
        assert_eq!((outputs(&world, 0), outputs(&world, 1)), (10, 5));
        stream(&mut world);
        step(&mut world, &again.memory, start());
        assert_eq!((outputs(&world, 0), outputs(&world, 1)), (5, 5));
    }

    #[test]
    fn an_account_goes_on_until_each_of_several_others_has_its_part() {
        let (mut world, memory) = two();
        refer(&mut world.sets[0], "b");
        refer(&mut world.sets[1], "c");
        let plan = step(&mut world, &memory, start());
        assert_eq!(rows(&world), [(5, 5), (5, 0)]);
        stream(&mut world);
        let report = Arc::make_mut(world.accounts[2].scrape.report.as_mut().unwrap());
        report.redis.connected = false;
        let plan = step(&mut world, &plan.memory, start());
        assert_eq!((rows(&world)[0], outputs(&world, 0)), ((5, 5), 10));
        stream(&mut world);
        step(&mut world, &plan.memory, start());
        assert_eq!(rows(&world)[0], (0, 0));
    }

    #[test]
    fn an_account_that_becomes_smaller_waits_until_the_others_have_the_rest() {
        let sets = vec![set("s", &equities(0..5), &[])];
        let mut world = observed(vec![small("a", 5), small("b", 5)], sets);
        let memory = run(&mut world, start());
        let shrink = |spec: &mut TickerAccountSpec| spec.tokens_per_connection = 2;
        change(&mut world.accounts[0], shrink);
        let mut late = world.clone();
        let plan = step(&mut world, &memory, start());
        assert_eq!(rows(&world), [(5, 3), (3, 0)]);
        assert_eq!(assignment(&world, 0).tokens_per_connection, 5);
        stream(&mut world);
        step(&mut world, &plan.memory, start());
        assert_eq!(rows(&world), [(2, 0), (3, 0)]);
        assert_eq!(assignment(&world, 0).tokens_per_connection, 2);

        let plan = step(&mut late, &memory, start());
        assert_eq!(rows(&late), [(5, 3), (3, 0)]);
        step(&mut late, &plan.memory, later(start(), 60));
        assert_eq!(rows(&late), [(2, 0), (3, 0)], "not for ever");
    }

    /// The minute is that of who waits for it, whatever was handed over before.
    #[test]
    fn the_time_counts_from_the_pause() {
        let (mut world, plan) = moving();
        let late = later(start(), 300);
        let plan = step(&mut world, &plan.memory, late);
        change(&mut world.accounts[0], |spec| spec.paused = true);
        let plan = step(&mut world, &plan.memory, late);
        assert_eq!(rows(&world), [(5, 5), (5, 0)]);
        let plan = step(&mut world, &plan.memory, later(late, 59));
        assert_eq!(rows(&world)[0], (5, 5));
        step(&mut world, &plan.memory, later(late, 60));
        assert_eq!(rows(&world), [(0, 0), (5, 0)]);
    }

    #[test]
    fn what_is_deleted_or_has_the_key_of_another_or_is_not_wanted_stops_at_once() {
        let sets = vec![set("s", &equities(0..5), &[])];
        let mut world = observed(vec![account("a"), account("b")], sets);
        let memory = run(&mut world, start());
        world.accounts[0].object.meta.deleting = true;
        let mut deleted = world.clone();
        step(&mut deleted, &memory, start());
        assert_eq!(rows(&deleted), [(0, 0), (5, 0)]);
        world.accounts[0].object.meta.deleting = false;
        edit(&mut world.sets[0], |spec| {
            spec.instruments.tokens.truncate(2);
        });
        step(&mut world, &memory, start());
        assert_eq!(rows(&world), [(2, 0), (0, 0)]);
    }

    use std::sync::Arc;
}
