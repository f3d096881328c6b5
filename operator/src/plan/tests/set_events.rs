//! The events `Moved` and `Rolled` of sets.

use serde_json::json;

use super::money::{nifty, world};
use super::*;

/// A world that is planned and applied again and again, and streams what it is given.
struct Run {
    world: Observed,
    memory: Memory,
    now: Now,
}

impl Run {
    fn new(world: Observed, now: Now) -> Self {
        let memory = Memory::default();
        let mut run = Self { world, memory, now };
        for _ in 0..3 {
            assert_eq!(run.pass(0), [""; 0]);
        }
        run
    }

    /// The next pass, so many seconds later: what its events of sets say.
    fn pass(&mut self, seconds: u64) -> Vec<String> {
        self.now = later(self.now, seconds);
        let plan = plan(&self.world, &self.memory, self.now);
        apply(&mut self.world, &plan);
        stream(&mut self.world);
        self.memory = plan.memory;
        let events = plan.events.into_iter();
        let events = events.filter(|it| !matches!(it.reason, EventReason::Ready(_)));
        let text = |it: Event| format!("{} {} {}", it.key.name, it.reason, it.message);
        events.map(text).collect()
    }

    fn places(&mut self, account: usize, places: u16) {
        change(&mut self.world.accounts[account], |spec| {
            spec.tokens_per_connection = places;
        });
    }
}

fn refer(set: &mut ObservedSet, account: &str) {
    edit(set, |spec| {
        let name = account.to_owned();
        spec.account_ref = Some(crds::set::AccountRef { name });
    });
}

#[test]
fn a_move_is_told_with_its_cause_once_a_minute() {
    let sets = vec![set("s", &equities(0..6), &[])];
    let mut run = Run::new(observed(vec![small("a", 6), small("b", 6)], sets), start());
    run.places(0, 4);
    let lowered = "instruments move from account a to account b: the capacity of a was lowered";
    assert_eq!(run.pass(1), [format!("s Moved 2 {lowered}")]);
    assert_eq!(run.pass(1), [""; 0]);
    for places in [3, 1] {
        run.places(0, places);
        assert_eq!(run.pass(1), [""; 0]);
    }
    let plan = plan(&run.world, &run.memory, run.now);
    assert_eq!(plan.next, Some(later(run.now, 57).monotonic));
    assert_eq!(run.pass(56), [""; 0]);
    assert_eq!(run.pass(1), [format!("s Moved 3 {lowered}")]);
    assert_eq!(run.pass(60), [""; 0]);

    run.places(1, 9);
    refer(&mut run.world.sets[0], "b");
    let expected =
        "s Moved 1 instrument moves from account a to account b: the set may not use a any more";
    assert_eq!(run.pass(60), [expected]);
}

#[test]
fn a_paused_account_and_an_older_set_are_causes() {
    let sets = vec![set("s", &equities(0..3), &[])];
    let mut run = Run::new(observed(vec![account("a"), account("b")], sets), start());
    change(&mut run.world.accounts[0], |spec| spec.paused = true);
    let expected = "s Moved 3 instruments move from account a to account b: a is paused";
    assert_eq!(run.pass(1), [expected]);

    // An older set that may use the other account alone gets the channel there.
    let mut older = aged("older", -1, &equities(0..3), &[]);
    refer(&mut older, "a");
    change(&mut run.world.accounts[0], |spec| spec.paused = false);
    assert_eq!(run.pass(100), [""; 0]);
    run.world.sets.push(older);
    let expected = "s Moved 3 instruments move from account b to account a: another account publishes for an older set on the same channel";
    assert_eq!(run.pass(1), [expected]);
}

#[test]
fn an_expiry_is_told_with_the_one_that_came() {
    let afternoon = later(start(), 185 * 3_600 + 59 * 60);
    assert_eq!(
        kite::ist::civil(afternoon.wall).to_string(),
        "2025-12-02T15:29:00"
    );
    let world = world(vec![account("a")], &nifty(&json!({"all": true})));
    let mut run = Run::new(world, afternoon);
    let expected = "s Rolled expiry 2025-12-02 of NIFTY ended (21 instruments); 2025-12-30 of NIFTY came (21 instruments)";
    assert_eq!(run.pass(60), [expected]);
    assert_eq!(run.pass(60), [""; 0]);
    // Without a memory nothing is told twice either.
    run.memory = Memory::default();
    assert_eq!(run.pass(60), [""; 0]);
}

#[test]
fn what_users_take_away_does_not_roll() {
    let afternoon = later(start(), 185 * 3_600 + 59 * 60);
    let world = world(vec![account("a")], &nifty(&json!({"all": true})));
    let mut run = Run::new(world, afternoon);
    edit(&mut run.world.sets[0], |spec| spec.paused = true);
    assert_eq!(run.pass(60), [""; 0]);
}
