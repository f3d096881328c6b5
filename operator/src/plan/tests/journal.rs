//! Why instruments came to their account: the causes that the planner has for each move.

use super::*;
use crate::plan::review::Review;

struct Run {
    world: Observed,
    memory: Memory,
    journal: Journal,
}

impl Run {
    /// Three instruments of the set `s` on the account `a`, which the journal knows.
    fn new() -> Self {
        let mut asking = set("s", &equities(0..3), &[]);
        only(&mut asking, "a");
        let mut world = observed(vec![small("a", 9), small("b", 9)], vec![asking]);
        let memory = run(&mut world, start());
        let mut journal = Journal::default();
        let steady = plan(&world, &memory, start());
        journal.note(&steady, start().wall);
        Self {
            world,
            memory,
            journal,
        }
    }

    /// What is said after a change of EQ0, of the moves of its set, and of all moves to `b`.
    fn after(mut self, change: impl FnOnce(&mut Observed)) -> (String, [Vec<String>; 2]) {
        change(&mut self.world);
        let now = later(start(), 61);
        let moved = plan(&self.world, &self.memory, now);
        self.journal.note(&moved, now.wall);
        let memories = (&self.memory, &moved.memory);
        let review = Review::new(&self.world, memories, &self.journal, now);
        let key = |name: &str| Key::new(NAMESPACE, name);
        let of_set = review.set(&key("s")).unwrap().moves;
        let of_account = review.account(&key("b")).unwrap().moves;
        let causes = [of_set, of_account].map(|moves| {
            let causes = moves.into_iter().map(|it| it.why.unwrap_or_default());
            let mut causes: Vec<String> = causes.collect();
            causes.sort();
            causes
        });
        (review.instrument(&key("s"), "EQ0").unwrap().why, causes)
    }
}

fn only(set: &mut ObservedSet, account: &str) {
    edit(set, |spec| {
        spec.account_ref = Some(crds::set::AccountRef {
            name: account.to_owned(),
        });
    });
}

fn anywhere(world: &mut Observed) {
    edit(&mut world.sets[0], |spec| spec.account_ref = None);
}

#[test]
fn a_set_that_goes_elsewhere_says_so() {
    let (why, [moves, _]) = Run::new().after(|world| only(&mut world.sets[0], "b"));
    assert_eq!(why, "it came from a: the set may not use a any more");
    assert_eq!(moves, ["the set may not use a any more"]);
}

#[test]
fn an_account_that_pauses_says_so() {
    let (why, [moves, _]) = Run::new().after(|world| {
        anywhere(world);
        change(&mut world.accounts[0], |spec| spec.paused = true);
    });
    assert_eq!(why, "it came from a: a is paused");
    assert_eq!(moves, ["a is paused"]);
}

#[test]
fn an_account_that_shrinks_says_so() {
    let (_, [moves, _]) = Run::new().after(|world| {
        anywhere(world);
        change(&mut world.accounts[0], |spec| {
            spec.tokens_per_connection = 1;
        });
    });
    assert_eq!(moves, ["the capacity of a was lowered"]);
}

/// Two sets move for different causes: each instrument has that of its own set.
#[test]
fn each_set_has_its_own_cause() {
    let mut run = Run::new();
    let mut other = aged("t", 9, &equities(5..8), &[]);
    only(&mut other, "a");
    run.world.sets.push(other);
    run.memory = super::run(&mut run.world, start());
    let steady = plan(&run.world, &run.memory, start());
    run.journal.note(&steady, start().wall);
    let shrunk = |world: &mut Observed| {
        only(&mut world.sets[0], "b");
        edit(&mut world.sets[1], |spec| spec.account_ref = None);
        change(&mut world.accounts[0], |spec| {
            spec.tokens_per_connection = 1;
        });
    };
    let (why, [of_set, all]) = run.after(shrunk);
    assert_eq!(why, "it came from a: the set may not use a any more");
    assert_eq!(of_set, ["the set may not use a any more"]);
    let both = [
        "the capacity of a was lowered",
        "the set may not use a any more",
    ];
    assert_eq!(all, both);
}
