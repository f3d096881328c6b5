//! Reused step results only save work: they change no decision.

use super::render::render;
use super::{Pass, cases, play};
use crate::plan::memory::StepResults;
use crate::plan::*;

/// A plan and its memory as text.
fn rendering(plan: &Plan, now: Now) -> String {
    let mut text = String::new();
    render(&mut text, plan, now).unwrap();
    text + &format!("{:?}", plan.memory.remembered)
}

/// A sequence in which the clock is set back while nothing else changes.
const CLOCK_SET_BACK: u64 = 64_721;

/// One in which a process goes on contradicting its assignment.
const CONTRADICTED: u64 = 2_669;

#[test]
fn a_plan_is_the_same_with_and_without_the_results_of_the_last_pass() {
    let mut reused = [0, 0];
    for seed in (0..cases(150)).chain([CLOCK_SET_BACK, CONTRADICTED]) {
        play(seed, |pass: &Pass<'_>| {
            let without = Memory {
                results: StepResults::default(),
                ..pass.memory.clone()
            };
            let without = plan(pass.observed, &without, pass.now);
            let now = pass.now;
            assert_eq!(
                rendering(pass.plan, now),
                rendering(&without, now),
                "seed {seed}"
            );
            let (before, after) = (&pass.memory.results, &pass.plan.memory.results);
            reused[0] += after.placements.shared_with(&before.placements);
            reused[1] += after.set_results.shared_with(&before.set_results);
        });
    }
    assert!(!reused.contains(&0), "not reused: {reused:?}");
}
