//! Which accounts a set may use, and which channels.

use super::*;

#[test]
fn accounts_are_chosen_by_name_and_label() {
    let selector = |name: &str| {
        Some(serde_json::from_value(serde_json::json!({"matchLabels": {"name": name}})).unwrap())
    };
    let mut labelled = aged("t", 1, &equities(3..5), &[]);
    edit(&mut labelled, |spec| spec.account_selector = selector("a"));
    let mut named = set("s", &equities(0..3), &[]);
    edit(&mut named, |spec| {
        spec.account_ref = Some(crds::set::AccountRef {
            name: "b".to_owned(),
        });
    });
    let mut nobody = aged("u", 2, &equities(0..3), &[]);
    edit(&mut nobody, |spec| spec.account_selector = selector("c"));
    let mut world = observed(
        vec![account("a"), account("b")],
        vec![labelled, named, nobody],
    );
    run(&mut world, start());
    assert_eq!(
        placed(&world),
        BTreeMap::from([("a".into(), equities(3..5)), ("b".into(), equities(0..3))])
    );
    let plan = plan(&world, &Memory::default(), start());
    assert_eq!(is(&plan, "u"), "False NoAccount");
    assert_eq!(plan.sets[2].status.waiting, Some(3));
}

#[test]
fn accounts_that_disagree_run_nothing_of_the_set() {
    let mut real = account("b");
    change(&mut real, |spec| spec.mock = false);
    let mut world = observed(
        vec![account("a"), real],
        vec![set("s", &equities(0..3), &[])],
    );
    run(&mut world, start());
    let plan = plan(&world, &Memory::default(), start());
    assert_eq!(is(&plan, "s"), "False AccountsDisagree");
    assert!(placed(&world).values().all(Vec::is_empty));
    assert_eq!(account_is(&plan, "a"), "True Idle");
}

/// A new account of another kind must not stop what streams.
#[test]
fn an_account_that_disagrees_later_keeps_new_things_out_and_nothing_else() {
    let mut world = observed(vec![account("a")], vec![set("s", &equities(0..3), &[])]);
    let memory = run(&mut world, start());
    let mut other = account("b");
    change(&mut other, |spec| spec.mock = false);
    world.accounts.push(other);
    edit(&mut world.sets[0], |spec| {
        spec.instruments.tokens = equities(0..5);
    });
    let disagree = plan(&world, &memory, later(start(), 1));
    assert_eq!(is(&disagree, "s"), "False AccountsDisagree");
    apply(&mut world, &disagree);
    assert_eq!(placed(&world)["a"], equities(0..3));
    // An account that must stream nothing does not count.
    change(&mut world.accounts[1], |spec| spec.paused = true);
    let agree = plan(&world, &disagree.memory, later(start(), 2));
    apply(&mut world, &agree);
    assert_eq!(placed(&world)["a"], equities(0..5));
}

/// Mock ticks must not go to the channels of real ones.
#[test]
fn rows_do_not_follow_their_account_to_another_market() {
    let mut world = observed(vec![account("a")], vec![set("s", &equities(0..3), &[])]);
    let memory = run(&mut world, start());
    change(&mut world.accounts[0], |spec| {
        spec.mock = false;
        spec.endpoint.api = "http://127.0.0.1:7079".to_owned();
    });
    let plan = plan(&world, &memory, later(start(), 1));
    assert_eq!(is(&plan, "s"), "Unknown Pending");
    apply(&mut world, &plan);
    assert!(placed(&world)["a"].is_empty());
}

#[test]
fn the_younger_set_yields_on_a_channel() {
    let on = |name: &str, age, account: &str, tokens: Vec<u32>| {
        let mut set = aged(name, age, &tokens, &[]);
        edit(&mut set, |spec| {
            spec.account_ref = Some(crds::set::AccountRef {
                name: account.to_owned(),
            });
        });
        set
    };
    let sets = vec![
        on("old", 0, "a", equities(0..2)),
        on("young", 1, "b", equities(1..4)),
    ];
    let mut world = observed(vec![account("a"), account("b")], sets);
    run(&mut world, start());
    let same = plan(&world, &Memory::default(), start());
    assert_eq!(
        (is(&same, "old"), is(&same, "young")),
        ("True Streaming".into(), "False ChannelConflict".into())
    );
    assert!(reason(&same, "young").2.contains("NSE:EQ1"));
    assert_eq!(placed(&world)["b"], equities([2, 3]));
    // Ticks that are not real never share a channel with real ones.
    change(&mut world.accounts[1], |spec| spec.mock = false);
    run(&mut world, start());
    assert!(placed(&world)["b"].is_empty());
    let mixed = plan(&world, &Memory::default(), start());
    assert!(
        reason(&mixed, "young").2.contains("mock"),
        "{:?}",
        reason(&mixed, "young")
    );
}

#[test]
fn two_underlyings_with_one_slug_are_an_error_of_the_later_set() {
    let sets = vec![
        set("s", &[], &["NFO:M&M26DEC3000PE"]),
        aged("t", 1, &[], &["NFO:MM26DEC3000PE", "NSE:INFY"]),
    ];
    let mut world = observed(vec![account("a")], sets);
    run(&mut world, start());
    let plan = plan(&world, &Memory::default(), start());
    assert_eq!(
        (is(&plan, "s"), is(&plan, "t")),
        ("True Streaming".into(), "False ChannelConflict".into())
    );
    assert!(reason(&plan, "t").2.contains("ticker:mm"));
    assert_eq!(placed(&world)["a"], [408_065, 12_192_514]);
}
