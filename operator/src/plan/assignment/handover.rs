//! Instruments that leave an account that works, for another one: the account goes on with them until the other has them.
//!
//! Pure. Owns which rows these are. Until then both publish them, and the leaving account says so in each tick: nothing is
//! lost, and a reader can tell what comes twice. Must not choose accounts.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use contract::{Assignment, Report, Row};
use kite::Token;
use rustc_hash::FxHashMap;

use crate::plan::ids::{AccountIx, SetIx};
use crate::plan::input::{AccountInput, Lost, Suspension};
use crate::plan::placement::{Outcome, PlacedAccount, PlacedSet};

/// For how long a paused account goes on at most: who pauses it wants it to stop. Without `poke` an assignment takes up to
/// a minute and a half to reach the other account.
pub(crate) const fn longest_handover(poke: bool) -> Duration {
    Duration::from_secs(if poke { 60 } else { 180 })
}

/// What is known of every account and set, to find what leaves one of them.
pub(super) struct Handover<'w, 'a> {
    accounts: Vec<Carrier<'a>>,
    sets: &'w [PlacedSet<'a>],
    names: FxHashMap<(&'w str, &'w str), SetIx>,
    /// By set: where each of its tokens is placed.
    placed: RefCell<FxHashMap<SetIx, FxHashMap<Token, AccountIx>>>,
    /// Whether an account has all of a set that is placed there.
    arrived: RefCell<FxHashMap<(SetIx, AccountIx), bool>>,
    longest: Duration,
    now: Instant,
}

/// What an account runs, as far as its process reports it.
struct Carrier<'a> {
    base: Option<&'a Assignment>,
    report: Option<&'a Report>,
}

impl<'w, 'a> Handover<'w, 'a> {
    pub(super) fn new(
        accounts: &[PlacedAccount<'a>],
        sets: &'w [PlacedSet<'a>],
        poke: bool,
        now: Instant,
    ) -> Self {
        let carrier = |placed: &PlacedAccount<'a>| {
            let account = &placed.held_over.account;
            let scrape = &account.observed.scrape;
            let report = scrape.report.as_deref().filter(|_| scrape.answers(now));
            Carrier {
                base: account.base.map(|base| &**base),
                report: report.filter(|_| account.report().is_some()),
            }
        };
        let names = sets.iter().enumerate();
        let names = names.map(|(at, placed)| {
            let set = &placed.set;
            ((set.namespace(), set.name()), SetIx::new(at))
        });
        Self {
            accounts: accounts.iter().map(carrier).collect(),
            sets,
            names: names.collect(),
            placed: RefCell::default(),
            arrived: RefCell::default(),
            longest: longest_handover(poke),
            now,
        }
    }

    /// The rows of the account's base that it goes on with, although they are placed on others; at most `room`.
    pub(super) fn leaving(&self, account: &AccountInput<'a>, room: usize) -> Vec<&'a Row> {
        let Some(base) = account.base.filter(|_| self.may_go_on(account)) else {
            return Vec::new();
        };
        let namespace = account.namespace();
        let sets = base.sets.iter();
        let sets: Vec<Option<SetIx>> = sets
            .map(|name| self.names.get(&(namespace, name.as_str())).copied())
            .collect();
        let leaves = |row: &&Row| {
            let mut sets = row
                .sets
                .iter()
                .filter_map(|set| *sets.get(usize::from(*set))?);
            sets.any(|set| self.is_awaited(set, row.token))
        };
        // A row that was leaving already belongs to no set any more.
        let still = |row: &&Row| row.handover && self.is_awaited_by_any(namespace, row.token);
        // What no socket carries is of no use to anybody.
        let lost = match &account.outage.lost {
            Lost::Tokens(tokens) => tokens.as_slice(),
            Lost::Nothing | Lost::Everything => &[],
        };
        let carried = |row: &&Row| !row.outputs.is_empty() && !lost.contains(&row.token.0);
        let rows = base.instruments.iter();
        let rows = rows.filter(|row| carried(row) && (leaves(row) || still(row)));
        rows.take(room).collect()
    }

    /// Whether the account works, and is not to stop at once.
    fn may_go_on(&self, account: &AccountInput<'_>) -> bool {
        let may = match account.eligibility.suspension() {
            None => true,
            Some(Suspension::Paused) => {
                let since = account.remembered.and_then(|it| it.handover_since);
                since.is_none_or(|since| self.now.saturating_duration_since(since) < self.longest)
            }
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

    /// Whether a set has the token on another account, which has not got all of the set yet.
    fn is_awaited(&self, set: SetIx, token: Token) -> bool {
        let placed = &self.sets[set.at()];
        let Some(resolved) = placed.request.resolved() else {
            return false;
        };
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
        let to = tokens.get(&token).copied();
        drop(known);
        to.is_some_and(|to| !self.has_arrived(set, to))
    }

    fn is_awaited_by_any(&self, namespace: &str, token: Token) -> bool {
        let sets = self.names.iter();
        let mut sets = sets.filter(|((of, _), _)| *of == namespace);
        sets.any(|(_, set)| self.is_awaited(*set, token))
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
        let Carrier { base, report } = &self.accounts[account.at()];
        let (base, report) = ((*base)?, (*report)?);
        let name = self.sets[set.at()].set.name();
        let position = base.sets.iter().position(|known| known == name)?;
        let position = u16::try_from(position).ok()?;
        let rows = base.instruments.iter();
        let has = rows.filter(|row| row.sets.contains(&position)).count();
        let outcomes = self.sets[set.at()].placement.outcomes.iter();
        let here = |outcome: &&Option<Outcome>| **outcome == Some(Outcome::Placed(account));
        let placed = outcomes.filter(here).count();
        let runs = report.assignment.as_ref()?.generation == base.generation;
        let heard = report.sets.iter().find(|it| it.name == name)?;
        let heard = heard.streaming.saturating_add(heard.silent) as usize;
        Some(report.redis.connected && runs && has == placed && heard >= placed)
    }
}

#[cfg(test)]
mod tests {
    use contract::Assignment;
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
