//! Paused accounts and sets, duplicate keys, and stale sets.

use super::*;

pub(super) fn with_key(
    mut account: ObservedAccount,
    key: Option<u64>,
    created: i64,
) -> ObservedAccount {
    account.secret = Secret::Present {
        version: "1".to_owned(),
        key: key.map(ValueFingerprint::sample),
        names: Vec::new(),
        token: None,
        immutable: Immutable::No,
        login: None,
    };
    account.object.meta.created = jiff::Timestamp::constant(created, 0);
    account
}

/// Tokens per account that has any.
fn counts(world: &Observed) -> BTreeMap<String, usize> {
    placed(world)
        .into_iter()
        .map(|(account, tokens)| (account, tokens.len()))
        .filter(|(_, tokens)| *tokens > 0)
        .collect()
}

#[test]
fn a_paused_account_gives_away_what_others_have_room_for() {
    let mut world = observed(
        vec![small("a", 10), small("b", 6)],
        vec![set("s", &equities(0..10), &[])],
    );
    let memory = run(&mut world, start());
    assert_eq!(counts(&world), [("a".to_owned(), 10)].into());
    change(&mut world.accounts[0], |spec| spec.paused = true);
    let paused = plan(&world, &memory, later(start(), 1));
    assert_eq!(account_is(&paused, "a"), "False Paused");
    assert_eq!(is(&paused, "s"), "False PartiallyScheduled");
    assert!(paused.accounts[0].workload.is_some(), "the pod stays");
    apply(&mut world, &paused);
    // It goes on with what the other takes until the other has it.
    let both = [("a".to_owned(), 6), ("b".to_owned(), 6)];
    assert_eq!(counts(&world), both.into());
    change(&mut world.accounts[0], |spec| spec.paused = false);
    stream(&mut world);
    let back = plan(&world, &paused.memory, later(start(), 2));
    apply(&mut world, &back);
    assert_eq!(
        counts(&world),
        [("a".to_owned(), 4), ("b".to_owned(), 6)].into()
    );
}

#[test]
fn the_only_account_may_be_paused() {
    let mut world = observed(vec![account("a")], vec![set("s", &equities(0..3), &[])]);
    let memory = run(&mut world, start());
    change(&mut world.accounts[0], |spec| spec.paused = true);
    let paused = plan(&world, &memory, later(start(), 1));
    let (state, reason, message) = reason(&paused, "s");
    assert_eq!((state.as_str(), reason.as_str()), ("False", "NoAccount"));
    assert!(
        message.contains("(a) can be used: see the Ready condition of each"),
        "{message}"
    );
    let AssignmentChange::Write(assignment) = &paused.accounts[0].assignment else {
        panic!("the sockets must close")
    };
    assert!(assignment.instruments.is_empty());
}

#[test]
fn a_paused_set_leaves_what_others_want_too() {
    let mut world = observed(
        vec![account("a")],
        vec![
            set("s", &equities(0..3), &[]),
            aged("t", 1, &equities(2..5), &[]),
        ],
    );
    let memory = run(&mut world, start());
    edit(&mut world.sets[0], |spec| spec.paused = true);
    let paused = plan(&world, &memory, later(start(), 1));
    assert_eq!(is(&paused, "s"), "False Paused");
    let status = &paused.sets[0].status;
    assert_eq!(
        (status.scheduled, status.waiting, &status.instruments),
        (Some(0), Some(0), &Some("0/3".to_owned()))
    );
    let condition = report::find(&status.conditions, ConditionType::Paused).unwrap();
    assert_eq!(condition.status, "True");
    apply(&mut world, &paused);
    assert_eq!(placed(&world)["a"], equities(2..5));
}

#[test]
fn only_the_oldest_account_of_a_key_runs() {
    let mut world = observed(
        vec![
            with_key(account("a"), Some(7), 200),
            with_key(account("b"), Some(7), 100),
        ],
        vec![set("s", &equities(0..3), &[])],
    );
    let memory = run(&mut world, start());
    assert_eq!(counts(&world), [("b".to_owned(), 3)].into());
    let second = plan(&world, &memory, later(start(), 1));
    assert_eq!(account_is(&second, "a"), "False DuplicateApiKey");
    let ready = report::find(&second.accounts[0].status.conditions, ConditionType::Ready);
    let message = &ready.unwrap().message;
    assert!(
        message.contains("trading/b has the same API key"),
        "{message}"
    );
    // Without the older one the younger runs.
    world.accounts.remove(1);
    let alone = plan(&world, &second.memory, later(start(), 2));
    apply(&mut world, &alone);
    assert_eq!(counts(&world), [("a".to_owned(), 3)].into());
}

#[test]
fn a_paused_account_leaves_its_key_to_the_next() {
    let mut older = with_key(account("b"), Some(7), 100);
    change(&mut older, |spec| spec.paused = true);
    let accounts = vec![with_key(account("a"), Some(7), 200), older];
    let mut world = observed(accounts, vec![set("s", &equities(0..3), &[])]);
    let memory = run(&mut world, start());
    assert_eq!(counts(&world), [("a".to_owned(), 3)].into());
    change(&mut world.accounts[1], |spec| spec.paused = false);
    let back = plan(&world, &memory, later(start(), 1));
    apply(&mut world, &back);
    assert_eq!(counts(&world), [("b".to_owned(), 3)].into());
}

/// Kite would treat both as one: the younger has to wait until the older one's key is known to
/// differ.
#[test]
fn a_key_that_may_be_an_older_accounts_is_not_dialled_with() {
    let mut older = with_key(account("b"), Some(7), 100);
    older.secret = Secret::Unknown;
    let mut younger = set("s", &equities(0..3), &[]);
    edit(&mut younger, |spec| {
        spec.account_ref = Some(crds::set::AccountRef {
            name: "a".to_owned(),
        });
    });
    let mut world = observed(
        vec![with_key(account("a"), Some(7), 200), older],
        vec![younger],
    );
    let blind = plan(&world, &Memory::default(), start());
    assert_eq!(is(&blind, "s"), "Unknown Pending");
    apply(&mut world, &blind);
    assert_eq!(counts(&world), BTreeMap::new());
    world.accounts[1].secret = with_key(account("b"), Some(8), 100).secret;
    let seen = plan(&world, &blind.memory, later(start(), 1));
    apply(&mut world, &seen);
    assert_eq!(counts(&world), [("a".to_owned(), 3)].into());
}

#[test]
fn a_key_is_its_accounts_as_long_as_sockets_are_open_with_it() {
    let accounts = vec![
        with_key(account("a"), Some(7), 200),
        with_key(account("b"), Some(7), 100),
    ];
    let mut world = observed(accounts, vec![set("s", &equities(0..3), &[])]);
    let memory = run(&mut world, start());
    assert_eq!(counts(&world), [("b".to_owned(), 3)].into());
    world.accounts[1].secret = Secret::Missing;
    let gone = plan(&world, &memory, later(start(), 1));
    assert_eq!(account_is(&gone, "a"), "False DuplicateApiKey");
}

/// Its instruments go on while its spec cannot be read, with the key that it had.
#[test]
fn an_account_that_cannot_be_read_still_has_its_key() {
    let accounts = vec![
        with_key(account("a"), Some(7), 200),
        with_key(account("b"), Some(7), 100),
    ];
    let mut world = observed(accounts, vec![set("s", &equities(0..3), &[])]);
    let memory = run(&mut world, start());
    world.accounts[1].object.spec = Err(InvalidSpec {
        field: "spec".to_owned(),
        problem: "no".to_owned(),
    });
    world.accounts[1].secret = Secret::Unreadable;
    let blind = plan(&world, &memory, later(start(), 1));
    assert_eq!(account_is(&blind, "a"), "False DuplicateApiKey");
    assert_eq!(account_is(&blind, "b"), "False Invalid");
}

/// Outside a cluster every object has the same identity but for its name.
#[test]
fn accounts_of_a_folder_differ_by_name() {
    let mut accounts = ["a", "b"].map(|name| with_key(account(name), Some(7), 0));
    for account in &mut accounts {
        account.object.meta.uid = "local".to_owned();
    }
    let plan = plan(
        &observed(accounts.into(), Vec::new()),
        &Memory::default(),
        start(),
    );
    assert_eq!(account_is(&plan, "a"), "Unknown PodNotReady");
    assert_eq!(account_is(&plan, "b"), "False DuplicateApiKey");
}

#[test]
fn keys_that_are_not_known_or_of_another_kite_are_no_duplicates() {
    let mut elsewhere = with_key(account("b"), Some(7), 100);
    change(&mut elsewhere, |spec| {
        spec.endpoint.websocket = "ws://127.0.0.1:7071".to_owned();
    });
    let world = observed(
        vec![
            with_key(account("a"), Some(7), 200),
            elsewhere,
            with_key(account("c"), None, 300),
        ],
        Vec::new(),
    );
    let plan = plan(&world, &Memory::default(), start());
    for account in ["a", "b", "c"] {
        assert_eq!(
            account_is(&plan, account),
            "Unknown PodNotReady",
            "{account}"
        );
    }
}

#[test]
fn nothing_is_placed_before_the_key_is_known_and_nothing_taken_away() {
    let mut world = observed(vec![account("a")], vec![set("s", &equities(0..3), &[])]);
    world.accounts[0].secret = Secret::Unknown;
    let first = plan(&world, &Memory::default(), start());
    assert_eq!(is(&first, "s"), "Unknown Pending");
    apply(&mut world, &first);
    assert_eq!(counts(&world), BTreeMap::new());
    world.accounts[0].secret = Secret::Unreadable;
    let memory = run(&mut world, start());
    assert_eq!(counts(&world), [("a".to_owned(), 3)].into());
    // An operator that starts anew.
    world.accounts[0].secret = Secret::Unknown;
    edit(&mut world.sets[0], |spec| {
        spec.instruments.tokens = equities(0..2);
    });
    let again = plan(&world, &memory, later(start(), 1));
    apply(&mut world, &again);
    assert_eq!(counts(&world), [("a".to_owned(), 3)].into());
}

#[test]
fn a_set_whose_newest_tick_is_old_is_stale_by_the_pods_own_clock() {
    let mut world = observed(vec![account("a")], vec![set("s", &equities(0..3), &[])]);
    let memory = run(&mut world, start());
    // 200 ms old when it was scraped; the wall clocks differ by years in this world.
    let fresh = plan(&world, &memory, later(start(), 29));
    assert_eq!(is(&fresh, "s"), "True Streaming");
    let stale = plan(&world, &memory, later(start(), 30));
    let (state, reason, message) = reason(&stale, "s");
    assert_eq!((state.as_str(), reason.as_str()), ("False", "Stale"));
    assert!(message.contains("more than 30 s ago"), "{message}");
    let streaming = report::find(&stale.sets[0].status.conditions, ConditionType::Streaming);
    assert_eq!(streaming.unwrap().reason, "Stale");
    assert_eq!(account_is(&stale, "a"), "True Streaming");

    edit(&mut world.sets[0], |spec| {
        spec.stale_after = std::time::Duration::from_secs(60).into();
    });
    assert_eq!(
        is(&plan(&world, &memory, later(start(), 30)), "s"),
        "True Streaming"
    );
}

#[test]
fn a_set_that_is_seldom_traded_is_given_time() {
    let mut world = observed(vec![account("a")], vec![set("s", &equities(0..3), &[])]);
    let memory = run(&mut world, start());
    let mut report = world.accounts[0].scrape.report.as_deref().unwrap().clone();
    report.sets[0].usual_interval_ms = Some(20_000);
    world.accounts[0].scrape.report = Some(Arc::new(report));
    let is_at = |seconds| is(&plan(&world, &memory, later(start(), seconds)), "s");
    assert_eq!(
        (is_at(99), is_at(101)),
        ("True Streaming".into(), "False Stale".into())
    );
}

#[test]
fn pods_that_are_not_poked_are_said_to_be_slow() {
    let mut world = observed(vec![account("a")], vec![set("s", &equities(0..3), &[])]);
    world.settings.poke = false;
    let memory = run(&mut world, start());
    let plan = plan(&world, &memory, later(start(), 1));
    let ready = report::find(&plan.accounts[0].status.conditions, ConditionType::Ready);
    let message = &ready.unwrap().message;
    assert!(message.contains("poke.enabled is false"), "{message}");
}

#[test]
fn an_account_that_ends_is_emptied_and_nothing_of_it_is_made_again() {
    let mut world = observed(
        vec![small("a", 10), small("b", 10)],
        vec![set("s", &equities(0..10), &[])],
    );
    let memory = run(&mut world, start());
    assert_eq!(counts(&world), [("a".to_owned(), 10)].into());
    world.accounts[0].object.meta.deleting = true;
    let ends = plan(&world, &memory, later(start(), 1));
    assert_eq!(account_is(&ends, "a"), "False Terminating");
    let AssignmentChange::Write(assignment) = &ends.accounts[0].assignment else {
        panic!("the sockets must close")
    };
    assert!(assignment.instruments.is_empty());
    assert!(ends.accounts[0].workload.is_none());
    apply(&mut world, &ends);
    assert_eq!(counts(&world), [("b".to_owned(), 10)].into());
    // Its objects go before it does.
    world.accounts[0].assignment = LastAssignment::Absent;
    let gone = plan(&world, &ends.memory, later(start(), 2));
    assert_eq!(gone.accounts[0].assignment, AssignmentChange::None);
}

#[test]
fn an_account_that_ends_has_its_key_until_its_sockets_are_closed() {
    let mut world = observed(
        vec![with_key(account("a"), Some(1), 10)],
        vec![set("s", &equities(0..3), &[])],
    );
    let memory = run(&mut world, start());
    world.accounts[0].object.meta.deleting = true;
    world.accounts.push(with_key(account("b"), Some(1), 20));
    let closing = plan(&world, &memory, later(start(), 1));
    assert_eq!(account_is(&closing, "b"), "False DuplicateApiKey");
    world.accounts[0].scrape = Scrape::default();
    let unheard = plan(&world, &memory, later(start(), 1));
    assert_eq!(account_is(&unheard, "b"), "False DuplicateApiKey");
    world.accounts[0].process = Process::Absent;
    let closed = plan(&world, &closing.memory, later(start(), 2));
    apply(&mut world, &closed);
    assert_eq!(counts(&world), [("b".to_owned(), 3)].into());
}

#[test]
fn a_set_that_ends_streams_nothing_and_says_so() {
    let mut world = observed(vec![account("a")], vec![set("s", &equities(0..3), &[])]);
    let memory = run(&mut world, start());
    world.sets[0].meta.deleting = true;
    let ends = plan(&world, &memory, later(start(), 1));
    assert_eq!(is(&ends, "s"), "False Terminating");
    apply(&mut world, &ends);
    assert_eq!(counts(&world), BTreeMap::new());
}
