//! Invariants of every plan of every sequence.

use std::collections::BTreeSet;
use std::sync::Arc;

use contract::{Assignment, Chain};
use kite::Token;

use super::render::render;
use super::{PASSES, Pass, cases, chains, moves, places, play, publishers, setting};
use crate::plan::*;

/// Sequences that once violated an invariant, and how. A change of what is played makes others of them.
const MENDED: &[(&str, &[u64])] = &[
    (
        "an account whose endpoint had no list was expected to get what its chains need",
        &[2_888, 6_522],
    ),
    (
        "the new account of a move that was never written for it may not be changed any more",
        &[8_625, 302_985, 210_737],
    ),
    (
        "a row that its account goes on with named the class of another document",
        &[2_216],
    ),
    (
        "a slug that was refused at one Redis stayed reserved at another, until a later pass saw the two in the other order",
        &[65_007],
    ),
    (
        "the assignment of another account lay where nothing was remembered: what had been there may move",
        &[22_750],
    ),
    (
        "an account that may not be changed has another set's instrument: that set stays there, and this one publishes elsewhere",
        &[76_687],
    ),
    (
        "what stayed for its price alone was still published for a set that was gone",
        &[2_383],
    ),
    (
        "what was placed anew for an older set took the channel of a younger one that has the instrument elsewhere",
        &[2_407],
    ),
    (
        "an account has an instrument for one set and goes on with it for another, whose new account has yet to get it",
        &[1_204, 4_577],
    ),
    (
        "two accounts give the same instrument to a third one, which takes it by one move",
        &[2_172, 2_894, 7_284],
    ),
    (
        "what an account publishes for a set that leaves ends by reports",
        &[33_725],
    ),
    (
        "what an account still had, because it was leaving, drew a set to it that displaced another one",
        &[43_762],
    ),
    (
        "a set's status says what was while it is not read, and an account's rows do not any more",
        &[178_901],
    ),
    (
        "publishers again, of futures among options",
        &[183_742, 229_435],
    ),
    (
        "a row that stays for its price said that it is handed over",
        &[300_879],
    ),
    (
        "what is withheld by a move that nobody gives claimed no channel, which another account took",
        &[
            152_956, 299_566, 338_907, 342_480, 483_989, 86_283, 242_881, 430_986, 585_667,
            732_282, 716_865, 868_310,
        ],
    ),
    (
        "an older set took a channel, and a rebalance moved it on in the same pass",
        &[902_988],
    ),
    (
        "a file that somebody has written over in the middle of a move",
        &[995_264],
    ),
    (
        "an account that was to take an instrument gives it to a third one",
        &[459_781, 954_239, 520_539, 622_077, 728_478, 752_720],
    ),
];

/// So many sequences that fail are looked for in each thread.
const MOST_FAILED: usize = 10;

#[test]
fn every_plan_of_a_sequence_is_sound() {
    // As many as `PLAN_SEQUENCES` says: ten thousand in `make test`, a million in `make soak`.
    let count = setting("PLAN_SEQUENCES").and_then(|text| text.parse().ok());
    let count = count.unwrap_or_else(|| cases(60));
    let threads = std::thread::available_parallelism().map_or(1, |it| it.get() as u64);
    let fails = |seed: &u64| std::panic::catch_unwind(|| is_sound(*seed, false)).is_err();
    let failed: Vec<u64> = std::thread::scope(|scope| {
        let threads = (0..threads).map(|first| {
            let seeds = (first..count).step_by(threads as usize);
            scope.spawn(move || seeds.filter(fails).take(MOST_FAILED).collect::<Vec<u64>>())
        });
        let threads: Vec<_> = threads.collect();
        let seeds = MENDED.iter().flat_map(|(_, seeds)| *seeds);
        seeds.for_each(|seed| is_sound(*seed, true));
        let failed = threads.into_iter().map(|it| it.join().unwrap());
        failed.flatten().collect()
    });
    assert!(failed.is_empty(), "these sequences fail: {failed:?}");
}

/// Plays a sequence; one of its plans is made twice, or `every` one.
fn is_sound(seed: u64, every: bool) {
    let mut number = 0;
    play(seed, |pass| {
        number += 1;
        let problem = check(pass).and_then(|()| {
            if every || seed % PASSES as u64 + 1 == number {
                order_does_not_matter(pass)
            } else {
                Ok(())
            }
        });
        assert_eq!(problem, Ok(()), "seed {seed}, pass {number}");
    });
}

fn check(pass: &Pass<'_>) -> Result<(), String> {
    is_whole(pass)?;
    is_valid(pass)?;
    places::has_room(pass)?;
    publishers::one_publisher(pass)?;
    moves::keep_every_tick(pass)?;
    places::each_is_placed_once_or_waits(pass)?;
    chains::are_whole(pass)?;
    nothing_changes_without_a_cause(pass)?;
    moves::have_causes(pass)
}

/// Every object has its decision, once and in order, and the plan looks ahead.
fn is_whole(pass: &Pass<'_>) -> Result<(), String> {
    let seen = |mut keys: Vec<Key>| {
        keys.sort();
        keys
    };
    let (observed, plan) = (pass.observed, pass.plan);
    let accounts = observed.accounts.iter();
    let sets = observed.sets.iter();
    let whole = seen(accounts.map(|it| it.object.meta.key.clone()).collect())
        == plan
            .accounts
            .iter()
            .map(|it| it.key.clone())
            .collect::<Vec<_>>()
        && seen(sets.map(|it| it.meta.key.clone()).collect())
            == plan
                .sets
                .iter()
                .map(|it| it.key.clone())
                .collect::<Vec<_>>();
    ensure(whole, || "objects are missing".to_owned())?;
    let ahead = plan.next.is_none_or(|next| next > pass.now.monotonic);
    ensure(ahead, || "the next pass is due already".to_owned())
}

/// Assignments can be used, are this account's, and grow in generation when they are written.
fn is_valid(pass: &Pass<'_>) -> Result<(), String> {
    for account in &pass.plan.accounts {
        let Some(assignment) = account.assignment.assignment() else {
            continue;
        };
        let key = &account.key;
        assignment.check().map_err(|why| format!("{key}: {why}"))?;
        let own = assignment.account.uid == account.uid && assignment.account.name == key.name;
        ensure(own, || format!("{key} has another's assignment"))?;
        let of_chain = assignment.chains.iter().flat_map(Chain::references);
        let of_chain: BTreeSet<Token> = of_chain.collect();
        let useless = assignment.instruments.iter().find(|row| {
            let (published, wanted) = (!row.outputs.is_empty(), !row.sets.is_empty());
            match assignment.gives(row) {
                true => !published || wanted,
                false => {
                    published != wanted
                        || !row.reference && !wanted && !of_chain.contains(&row.token)
                }
            }
        });
        ensure(useless.is_none(), || format!("{key} streams {useless:?}"))?;
        let there = lying_there(pass.observed, key);
        if let (AssignmentChange::Write(new), Some(there)) = (&account.assignment, there) {
            let grows = new.generation > there.generation
                || there.generation >= 1 << 53
                || there.account.uid != account.uid;
            ensure(grows, || format!("{key}: generation {}", new.generation))?;
        }
    }
    Ok(())
}

/// If no input of the decisions changed, the decisions are the same.
fn nothing_changes_without_a_cause(pass: &Pass<'_>) -> Result<(), String> {
    let Some((observed, plan)) = pass.before else {
        return Ok(());
    };
    let processes_decide = pass.observed.settings.failover_after.is_some();
    let hands_over = plan
        .accounts
        .iter()
        .filter_map(|it| it.assignment.assignment());
    let mut hands_over = hands_over.flat_map(|it| &it.instruments);
    let hands_over = hands_over.any(|row| row.handover || row.move_at.is_some())
        || publishers::goes_on(observed, plan);
    let mut plans = [plan, pass.plan].into_iter();
    let rebalances = plans.any(|plan| moves::is_rebalancing(plan, None, None));
    let decides = processes_decide || hands_over || rebalances || follows_money(pass.observed);
    if !pass.remembers || decides || has_cause(observed, pass.observed, plan) {
        return Ok(());
    }
    for (old, new) in plan.accounts.iter().zip(&pass.plan.accounts) {
        let (Some(old), Some(new)) = (old.assignment.assignment(), new.assignment.assignment())
        else {
            continue;
        };
        let mut old = Assignment::clone(old);
        // What the process reads may have become known.
        old.version = new.version;
        // Kite has said something else of its tokens.
        if answers(observed, &new.account.name) != answers(pass.observed, &new.account.name) {
            old.credentials = new.credentials;
        }
        // Another trading day has begun.
        let classes = |of: &Assignment| -> Vec<String> {
            of.sessions.iter().map(|it| it.class.clone()).collect()
        };
        if classes(&old) == classes(new) {
            old.sessions.clone_from(&new.sessions);
        }
        ensure(old.same_content(new), || {
            format!("{} changes", new.account.name)
        })?;
    }
    Ok(())
}

/// What Kite said of the tokens of the accounts of this name.
fn answers(observed: &Observed, name: &str) -> Vec<[Option<TokenCheck>; 2]> {
    let accounts = observed.accounts.iter();
    let mut accounts: Vec<_> = accounts
        .filter(|it| it.object.meta.key.name == name)
        .collect();
    accounts.sort_by(|a, b| a.object.meta.key.cmp(&b.object.meta.key));
    let accounts = accounts.into_iter();
    let answers = accounts.map(|it| [it.token.clone(), it.session_token.clone()]);
    answers.collect()
}

/// Whether prices and the time decide what a set selects.
fn follows_money(observed: &Observed) -> bool {
    let specs = observed
        .sets
        .iter()
        .filter_map(|set| set.spec.as_ref().ok());
    let mut options = specs.flat_map(|spec| &spec.options);
    options.any(|options| options.strikes.follow_money())
}

/// Whether anything changed except statuses, time, and the state of processes.
fn has_cause(old: &Observed, new: &Observed, plan: &Plan) -> bool {
    let tables = |observed: &Observed| {
        let rows = |table: &Table| match table {
            Table::Loaded(table) => Some(Arc::as_ptr(table)),
            Table::Missing { .. } => None,
        };
        let tables = observed.tables.iter();
        tables
            .map(|(api, table)| (api.clone(), rows(table)))
            .collect::<Vec<_>>()
    };
    let accounts = |observed: &Observed| {
        let mut accounts: Vec<_> = observed
            .accounts
            .iter()
            .map(|it| {
                let object = (it.object.meta.clone(), it.object.spec.clone());
                (object, it.foreign.clone(), it.secret.clone())
            })
            .collect();
        accounts.sort_by(|a, b| a.0.0.key.cmp(&b.0.0.key));
        accounts
    };
    let sets = |observed: &Observed| {
        let sets = observed.sets.iter();
        let mut sets: Vec<_> = sets.map(|it| (it.meta.clone(), it.spec.clone())).collect();
        sets.sort_by(|a, b| a.0.key.cmp(&b.0.key));
        sets
    };
    // Which key counts may depend on sockets, and whether a list is accepted on time.
    let depends = new.accounts.iter().any(|account| {
        account.object.meta.deleting || !matches!(account.secret, Secret::Present { .. })
    });
    let as_decided = plan.accounts.iter().all(|account| {
        let there = lying_there(new, &account.key).map(|there| there.generation);
        let decided = account.assignment.assignment().map(|new| new.generation);
        there <= decided && decided.is_some()
    });
    depends
        || !as_decided
        || plan.lists.values().any(|list| list.suspect)
        || old.settings != new.settings
        || tables(old) != tables(new)
        || accounts(old) != accounts(new)
        || sets(old) != sets(new)
}

/// The same input gives the same plan, and the order in which objects are listed changes nothing.
fn order_does_not_matter(pass: &Pass<'_>) -> Result<(), String> {
    let mut shuffled = pass.observed.clone();
    shuffled.accounts.reverse();
    shuffled.sets.reverse();
    let mut texts = [String::new(), String::new()];
    let again = plan(&shuffled, pass.memory, pass.now);
    for (text, plan) in texts.iter_mut().zip([pass.plan, &again]) {
        render(text, plan, pass.now).map_err(|why| why.to_string())?;
    }
    ensure(texts[0] == texts[1], || {
        let mut lines = texts[0].lines().zip(texts[1].lines());
        format!("another order gives {:?}", lines.find(|(a, b)| a != b))
    })
}

pub(super) fn lying_there<'a>(observed: &'a Observed, key: &Key) -> Option<&'a Assignment> {
    let mut accounts = observed.accounts.iter();
    let account = accounts.find(|account| account.object.meta.key == *key)?;
    match &account.assignment {
        LastAssignment::Readable { assignment, .. } => Some(assignment),
        LastAssignment::Absent | LastAssignment::Unreadable { .. } => None,
    }
}

pub(super) fn ensure(holds: bool, problem: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(problem()) }
}
