//! Properties of every plan, for any input.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::is;
use super::worlds::Dice;
use crate::plan::fixture::*;
use crate::plan::*;

/// A world of a few small accounts and sets, some by one account only.
fn any_world() -> impl Strategy<Value = Observed> {
    let accounts = proptest::collection::vec(1_u16..40, 1..4);
    let one = (
        0_i64..3,
        proptest::collection::btree_set(0..60_u32, 0..30),
        0_usize..4,
        any::<bool>(),
    );
    (accounts, proptest::collection::vec(one, 0..5)).prop_map(|(accounts, sets)| {
        let accounts: Vec<ObservedAccount> = accounts
            .into_iter()
            .zip("abcd".chars())
            .map(|(places, name)| small(&name.to_string(), places))
            .collect();
        let sets = sets
            .into_iter()
            .enumerate()
            .map(|(at, (age, tokens, account, prefix))| {
                let mut set = aged(&format!("s{at}"), age, &equities(tokens), &[]);
                edit(&mut set, |spec| {
                    let name = accounts
                        .get(account)
                        .map(|account| account.object.meta.key.name.clone());
                    spec.account_ref = name.map(|name| crds::set::AccountRef { name });
                    spec.publish.channel_prefix = prefix.then(|| "x".to_owned());
                });
                set
            });
        observed(accounts.clone(), sets.collect())
    })
}

/// What must hold of any plan for a readable world with a table.
fn check(world: &Observed, plan: &Plan) -> Result<(), TestCaseError> {
    let mut publishers = BTreeMap::new();
    for account in &plan.accounts {
        let Some(assignment) = account.assignment.assignment() else {
            continue;
        };
        prop_assert_eq!(assignment.check(), Ok(()));
        for row in &assignment.instruments {
            prop_assert!(!row.outputs.is_empty() && !row.sets.is_empty());
            for output in &row.outputs {
                let channel = &assignment.channels[usize::from(output.channel)];
                let clash = publishers.insert((channel.clone(), row.token), account.key.clone());
                prop_assert_eq!(clash, None);
            }
        }
    }
    for (set, decided) in world.sets.iter().map(|set| {
        (
            set,
            plan.sets
                .iter()
                .find(|decided| decided.key == set.meta.key)
                .unwrap(),
        )
    }) {
        let wanted = set.spec.as_deref().unwrap().instruments.tokens.len();
        let status = &decided.status;
        let conflicts = is(plan, &set.meta.key.name) == "False ChannelConflict";
        let (scheduled, waiting) = (status.scheduled.unwrap(), status.waiting.unwrap());
        prop_assert!(conflicts || usize::try_from(scheduled + waiting).unwrap() == wanted);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_plan_is_sound_repeatable_and_settles_at_once(mut world in any_world(), rotate in 0_usize..5) {
        let first = plan(&world, &Memory::default(), start());
        check(&world, &first)?;
        // The order in which objects are listed does not matter.
        let mut shuffled = world.clone();
        let (accounts, sets) = (shuffled.accounts.len(), shuffled.sets.len());
        shuffled.accounts.rotate_left(rotate % accounts.max(1));
        shuffled.sets.rotate_left(rotate % sets.max(1));
        shuffled.sets.reverse();
        let same = plan(&shuffled, &Memory::default(), start());
        for (one, other) in first.accounts.iter().zip(&same.accounts) {
            prop_assert_eq!((&one.assignment, &one.status), (&other.assignment, &other.status));
        }
        for (one, other) in first.sets.iter().zip(&same.sets) {
            prop_assert_eq!(&one.status, &other.status);
        }
        // After it is applied, nothing is left to do, with and without memory.
        apply(&mut world, &first);
        for memory in [first.memory, Memory::default()] {
            let again = plan(&world, &memory, start());
            prop_assert!(again.accounts.iter().all(|account| matches!(account.assignment, AssignmentChange::AlreadyWritten(_))));
        }
    }

    #[test]
    fn what_is_not_known_never_shrinks_an_assignment(
        mut world in any_world(),
        broken_set in any::<prop::sample::Index>(),
        broken_account in any::<prop::sample::Index>(),
        loss in 0_u8..4,
        remembers in any::<bool>(),
    ) {
        let memory = run(&mut world, start());
        let before = placed(&world);
        match loss {
            0 => world.tables.clear(),
            1 if !world.sets.is_empty() => {
                let at = broken_set.index(world.sets.len());
                world.sets[at].spec = Err(invalid_spec());
            }
            2 => {
                let at = broken_account.index(world.accounts.len());
                world.accounts[at].object.spec = Err(invalid_spec());
            }
            _ => for account in &mut world.accounts {
                account.process = Process::Unknown;
                account.scrape.failing =
                    Some(Failing { since: start().monotonic, attempts: 99, why: "gone".to_owned() });
            },
        }
        let memory = if remembers { memory } else { Memory::default() };
        let plan = plan(&world, &memory, later(start(), 60));
        apply(&mut world, &plan);
        prop_assert_eq!(placed(&world), before);
    }
}

/// Two sets that come at about the same time for the last hundred places.
#[test]
fn two_sets_that_race_for_the_last_places_never_get_more() {
    const PLACES: u16 = 200;
    let old = set("old", &equities(0..100), &[]);
    let mut streaming = observed(vec![small("a", PLACES)], vec![old]);
    let remembered = run(&mut streaming, start());
    for seed in 0..1_000 {
        let mut dice = Dice::new(seed);
        let (mut world, mut memory) = (streaming.clone(), remembered.clone());
        let mut now = start();
        let mut all: BTreeSet<u32> = (0..100).collect();
        let racing = [("x", 100), ("y", if dice.percent(30) { 120 } else { 250 })];
        for (name, first) in racing {
            let wanted = first..first + dice.number(51, 150);
            all.extend(wanted.clone());
            let age = i64::from(dice.number(0, 2));
            let mut racing = aged(name, age, &equities(wanted), &[]);
            edit(&mut racing, |spec| spec.priority = dice.one(&[-5, 0, 0, 5]));
            world.sets.push(racing);
            // The plan may be made before the last one is visible, or by an operator that has just started.
            for _ in 0..dice.below(3) {
                now = later(now, 1);
                let plan = plan(&world, &memory, now);
                is_within(&plan, usize::from(PLACES), seed);
                memory = plan.memory.clone();
                if dice.percent(70) {
                    apply(&mut world, &plan);
                    if dice.percent(30) {
                        memory = Memory::default();
                    }
                }
            }
        }
        let last = plan(&world, &memory, later(now, 1));
        is_within(&last, usize::from(PLACES), seed);
        let rows = last.accounts[0].assignment.assignment().unwrap();
        let expected = all.len().min(usize::from(PLACES));
        assert_eq!(rows.instruments.len(), expected, "seed {seed}");
    }
}

fn is_within(plan: &Plan, places: usize, seed: u64) {
    let assignment = plan.accounts[0].assignment.assignment().unwrap();
    assert!(assignment.instruments.len() <= places, "seed {seed}");
    assert_eq!(assignment.check(), Ok(()), "seed {seed}");
    for set in &plan.sets {
        let status = &set.status;
        let placed = status.scheduled.unwrap() + status.waiting.unwrap();
        assert_eq!(Some(placed), status.selected, "seed {seed}, {}", set.key);
    }
}
