//! Rebalances that an annotation asks for.

use std::ops::Range;

use contract::Row;
use crds::rebalance::{RebalanceState, RebalanceStatus};

use super::money::fetched;
use super::*;

/// Equities of the list.
const LISTED: u32 = 1_500;

struct Run {
    world: Observed,
    memory: Memory,
    now: Now,
}

impl Run {
    fn new(accounts: Vec<ObservedAccount>, sets: Vec<ObservedSet>) -> Self {
        let mut world = observed(accounts, sets);
        let rows = (0..LISTED).map(|at| equity(FIRST_EQUITY + at, &format!("EQ{at}")));
        let dump = kite::instruments::Dump {
            instruments: rows.collect(),
            ..Default::default()
        };
        world.tables.insert(API.to_owned(), fetched(dump, start()));
        let memory = run(&mut world, start());
        let now = start();
        Self { world, memory, now }
    }

    fn pass(&mut self) -> Plan {
        self.now = later(self.now, 61);
        let plan = plan(&self.world, &self.memory, self.now);
        apply(&mut self.world, &plan);
        stream(&mut self.world);
        self.memory = plan.memory.clone();
        plan
    }

    /// How many each account publishes for a set, and how many it goes on with until others have them.
    fn counts(&self) -> Vec<(usize, usize)> {
        let count = |account: &ObservedAccount| {
            let rows = &account.assignment.readable().unwrap().0.instruments;
            let leaving = rows.iter().filter(|row| row.handover).count();
            (rows.len() - leaving, leaving)
        };
        self.world.accounts.iter().map(count).collect()
    }

    /// Every instrument is published for its set by one account.
    fn assert_whole(&self, instruments: usize) {
        let rows = self.world.accounts.iter();
        let rows = rows.flat_map(|it| &it.assignment.readable().unwrap().0.instruments);
        let wanted: Vec<&Row> = rows.filter(|row| !row.handover).collect();
        let tokens: std::collections::BTreeSet<_> = wanted.iter().map(|row| row.token).collect();
        assert_eq!((wanted.len(), tokens.len()), (instruments, instruments));
    }
}

fn ask(meta: &mut Meta, text: &str) {
    meta.rebalance = Some(text.to_owned());
}

fn is(status: &Option<RebalanceStatus>) -> (&str, RebalanceState, u32) {
    let status = status.as_ref().unwrap();
    let request = status.request.as_deref().unwrap();
    (request, status.state.unwrap(), status.moves.unwrap())
}

fn named(name: &str, tokens: Range<u32>) -> ObservedSet {
    set(name, &equities(tokens), &[])
}

/// A set on two full accounts, to which a third one has come.
fn spread() -> Run {
    let mut run = Run::new(
        vec![small("a", 600), small("b", 600)],
        vec![named("s", 0..1_200)],
    );
    run.world.accounts.push(account("c"));
    run.pass();
    assert_eq!(run.counts(), [(600, 0), (600, 0), (0, 0)]);
    run
}

#[test]
fn a_set_moves_in_parts_and_nothing_is_missing_meanwhile() {
    let mut run = spread();
    ask(&mut run.world.sets[0].meta, "dry-run:monday");
    let plan = run.pass();
    let planned = ("dry-run:monday", RebalanceState::Planned, 1_200);
    assert_eq!(is(&plan.sets[0].status.rebalance), planned);
    assert_eq!(is(&run.pass().sets[0].status.rebalance), planned);
    assert_eq!(run.counts(), [(600, 0), (600, 0), (0, 0)]);

    ask(&mut run.world.sets[0].meta, "monday");
    let mut moves = Vec::new();
    loop {
        let plan = run.pass();
        run.assert_whole(1_200);
        let leaving: usize = run.counts().iter().map(|it| it.1).sum();
        assert!(leaving <= 500, "{:?}", run.counts());
        let (request, state, moved) = is(&plan.sets[0].status.rebalance);
        assert_eq!(request, "monday");
        moves.push(moved);
        if state == RebalanceState::Done {
            break;
        }
        assert!(moves.len() < 20, "{moves:?}");
        // A restart goes on with what the status and the assignments say.
        if moves.len() == 3 {
            run.memory = Memory::default();
        }
    }
    assert_eq!((moves.first(), moves.last()), (Some(&500), Some(&1_200)));
    let steps = moves.windows(2).map(|two| two[1] - two[0]);
    assert!(steps.max() <= Some(500), "{moves:?}");
    assert_eq!(run.counts(), [(0, 0), (0, 0), (1_200, 0)]);

    // The same text asks for nothing more, nor does taking it away and writing it again.
    run.world.accounts.push(small("d", 2_000));
    for text in [Some("monday"), None, Some("monday")] {
        run.world.sets[0].meta.rebalance = text.map(str::to_owned);
        let plan = run.pass();
        let done = ("monday", RebalanceState::Done, 1_200);
        assert_eq!(is(&plan.sets[0].status.rebalance), done);
    }
    assert_eq!(run.counts()[2], (1_200, 0));
}

#[test]
fn the_event_says_why() {
    let mut run = spread();
    ask(&mut run.world.sets[0].meta, "monday");
    let plan = run.pass();
    let moved = plan.events.iter();
    let moved: Vec<&str> = moved
        .filter(|it| it.reason == EventReason::Moved)
        .map(|it| it.message.as_str())
        .collect();
    let expected = "500 instruments move from account a to account c: the annotation kiteticker.dev/rebalance asks for it";
    assert_eq!(moved, [expected]);
}

#[test]
fn a_text_that_is_taken_away_stops_it() {
    let mut run = spread();
    ask(&mut run.world.sets[0].meta, "monday");
    run.pass();
    run.world.sets[0].meta.rebalance = None;
    for _ in 0..4 {
        assert_eq!(run.pass().sets[0].status.rebalance, None);
    }
    assert_eq!(run.counts(), [(100, 0), (600, 0), (500, 0)]);
}

#[test]
fn the_sets_of_an_account_are_spread() {
    let sets = (0..4).map(|at| named(&format!("s{at}"), 100 * at..100 * (at + 1)));
    let mut run = Run::new(vec![small("a", 400)], sets.collect());
    run.world.accounts.push(account("b"));
    run.pass();
    assert_eq!(run.counts(), [(400, 0), (0, 0)]);
    change(&mut run.world.accounts[1], |spec| {
        (spec.connections, spec.tokens_per_connection) = (1, 400);
    });
    ask(&mut run.world.accounts[0].object.meta, "b came");
    for _ in 0..3 {
        run.pass();
        run.assert_whole(400);
    }
    let plan = run.pass();
    let done = ("b came", RebalanceState::Done, 200);
    assert_eq!(is(&plan.accounts[0].status.rebalance), done);
    assert_eq!(run.counts(), [(200, 0), (200, 0)]);
    let of_sets = plan.sets.iter().map(|it| it.status.accounts.as_deref());
    let of_sets: Vec<_> = of_sets.collect();
    assert!(of_sets.iter().all(|it| matches!(it, Some("a" | "b"))));
}

#[test]
fn places_of_others_headroom_and_what_waits_are_not_touched() {
    let mut run = Run::new(
        vec![small("a", 20), small("b", 10)],
        vec![named("s", 0..20), named("t", 20..30), named("u", 30..40)],
    );
    assert_eq!(run.counts(), [(20, 0), (10, 0)]);
    let before = placed(&run.world);
    ask(&mut run.world.sets[0].meta, "x");
    ask(&mut run.world.accounts[0].object.meta, "x");
    let plan = run.pass();
    assert_eq!(placed(&run.world), before);
    let done = ("x", RebalanceState::Done, 0);
    assert_eq!(is(&plan.sets[0].status.rebalance), done);
    assert_eq!(is(&plan.accounts[0].status.rebalance), done);
    assert_eq!(plan.sets[2].status.waiting, Some(10));

    change(&mut run.world.accounts[1], |spec| {
        (spec.connections, spec.headroom_connections) = (3, 2);
    });
    ask(&mut run.world.accounts[0].object.meta, "y");
    run.pass();
    assert_eq!(run.counts(), [(20, 0), (10, 0)]);
}

#[test]
fn a_set_that_cannot_be_asked_waits() {
    let mut run = spread();
    run.world.tables.clear();
    ask(&mut run.world.sets[0].meta, "monday");
    let plan = run.pass();
    let waiting = plan.sets[0].status.rebalance.clone().unwrap();
    assert_eq!(waiting.state, Some(RebalanceState::Planned));
    assert_eq!(run.counts(), [(600, 0), (600, 0), (0, 0)]);
}
