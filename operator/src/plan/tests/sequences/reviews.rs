//! What is said about a plan is what was decided, whatever the world.

use contract::answer::PlacementState;

use super::{Pass, cases, play};
use crate::plan::review::Review;
use crate::plan::*;

/// The most instruments of a set that are asked about.
const ASKED: usize = 3;

#[test]
fn a_review_says_what_was_decided_and_never_fails() {
    let mut journal = Journal::default();
    for seed in 0..cases(60) {
        let mut number = 0;
        play(seed, |pass| {
            number += 1;
            journal.note(pass.plan, pass.now.wall);
            let problem = check(pass, &journal);
            assert_eq!(problem, Ok(()), "seed {seed}, pass {number}");
        });
    }
}

fn check(pass: &Pass<'_>, journal: &Journal) -> Result<(), String> {
    let memories = (pass.memory, &pass.plan.memory);
    let review = Review::new(pass.observed, memories, journal, pass.now);
    let outlook = review.outlook();
    for set in &pass.plan.sets {
        let seen = &outlook.sets[&set.key];
        let explained = review.set(&set.key).map_err(|it| it.to_string())?;
        let placed: u32 = explained.placed.iter().map(|it| it.instruments).sum();
        let waiting: u32 = explained.waiting.iter().map(|it| it.instruments).sum();
        if explained.unresolved_because.is_none() {
            let numbers = (set.status.selected, set.status.waiting);
            ensure(numbers.0 == Some(seen.selected), &set.key, &(numbers, seen))?;
            let all = explained.selected == seen.selected && explained.retained <= placed;
            ensure(
                all && placed + waiting == seen.selected,
                &set.key,
                &explained,
            )?;
            ensure(
                seen.scheduled + seen.waiting == seen.selected,
                &set.key,
                seen,
            )?;
        } else {
            ensure(waiting == 0, &set.key, &explained)?;
        }
        asked(&review, &set.key, pass)?;
    }
    for account in &pass.plan.accounts {
        let explained = review.account(&account.key).map_err(|it| it.to_string())?;
        let of_sets = explained.sets.iter().map(|it| it.instruments);
        let most = of_sets.max().unwrap_or(0);
        ensure(most <= explained.used, &account.key, &explained)?;
        let decided = account.assignment.assignment().map(|it| it.generation);
        let same = decided.is_none() || explained.generation == decided;
        ensure(same, &account.key, &explained)?;
    }
    Ok(())
}

/// Each instrument that is said to be somewhere is in that account's assignment.
fn asked(review: &Review<'_>, set: &Key, pass: &Pass<'_>) -> Result<(), String> {
    let accounts = pass.plan.accounts.iter();
    let decided = accounts.filter_map(|it| Some((&it.key, it.assignment.assignment()?)));
    for (key, assignment) in decided.filter(|(key, _)| key.namespace == set.namespace) {
        let Some(at) = assignment.sets.iter().position(|name| *name == set.name) else {
            continue;
        };
        let at = u16::try_from(at).unwrap();
        let rows = assignment.instruments.iter();
        let rows = rows.filter(|row| row.sets.contains(&at) && !row.handover);
        for row in rows.take(ASKED) {
            // It may be in no list any more.
            let token = row.token.0.to_string();
            let Ok(explained) = review.instrument(set, &token) else {
                continue;
            };
            let known = match explained.state {
                PlacementState::Placed => explained.account.as_ref() == Some(&key.name),
                // Another may have it too.
                PlacementState::HeldOver => explained.account.is_some(),
                _ => false,
            };
            ensure(known, set, &(key, &explained))?;
            ensure(!explained.why.is_empty(), set, &explained)?;
        }
    }
    Ok(())
}

fn ensure(holds: bool, key: &Key, what: &dyn std::fmt::Debug) -> Result<(), String> {
    if holds {
        Ok(())
    } else {
        Err(format!("{key}: {what:#?}"))
    }
}
