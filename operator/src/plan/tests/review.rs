//! What the planner says about its decisions.

use std::time::Duration;

use contract::answer::PlacementState;
use contract::report::ConnectionState;
use serde_json::json;

use super::failover::cut;
use super::money;
use super::*;
use crate::plan::review::Review;

/// Looks at the decisions that were made last.
fn look<T>(world: &Observed, memory: &Memory, see: impl FnOnce(&Review<'_>) -> T) -> T {
    see(&Review::new(
        world,
        (memory, memory),
        &Journal::default(),
        start(),
    ))
}

fn key(name: &str) -> Key {
    Key::new(NAMESPACE, name)
}

fn only(name: &str, account: &str, set: &mut ObservedSet) {
    assert_eq!(set.meta.key.name, name);
    edit(set, |spec| {
        spec.account_ref = Some(crds::set::AccountRef {
            name: account.to_owned(),
        });
    });
}

#[test]
fn a_set_says_what_it_selects_where_it_is_and_what_waits() {
    let mut asking = set("s", &equities(0..4), &["NSE:INFY", "NSE:NONE"]);
    edit(&mut asking, |spec| {
        spec.exclude = vec!["NSE:EQ3".to_owned()];
    });
    let (small, mut paused) = (small("a", 3), account("b"));
    change(&mut paused, |spec| spec.paused = true);
    let mut world = observed(vec![small, paused], vec![asking]);
    let memory = run(&mut world, start());
    let explained = look(&world, &memory, |review| review.set(&key("s")).unwrap());

    assert_eq!((explained.selected, explained.excluded), (4, 1));
    assert_eq!((explained.missing_count, explained.missing.len()), (1, 1));
    let selectors = explained.selectors.iter();
    let selectors: Vec<_> = selectors
        .map(|it| (it.selector.as_str(), it.instruments))
        .collect();
    assert_eq!(
        selectors,
        [
            ("instruments.tokens: 4 tokens", 4),
            ("instruments.symbols: 2 symbols", 1)
        ]
    );
    let accounts = explained.accounts.iter();
    let accounts: Vec<_> = accounts
        .map(|it| (it.name.as_str(), it.usable, it.used, it.capacity))
        .collect();
    assert_eq!(accounts, [("a", true, 3, 3), ("b", false, 0, 0)]);
    let why = |at: usize| explained.accounts[at].why.clone().unwrap();
    assert_eq!(why(0), "it is full");
    assert!(why(1).contains("spec.paused is true"), "{}", why(1));
    assert_eq!(
        (explained.placed.len(), explained.placed[0].instruments),
        (1, 3)
    );
    let waiting = &explained.waiting[0];
    assert_eq!((explained.waiting.len(), waiting.instruments), (1, 1));
    assert!(
        waiting.why.contains("has room (a has 3 of 3)"),
        "{}",
        waiting.why
    );
    assert_eq!(explained.ready.unwrap().reason, "PartiallyScheduled");

    look(&world, &memory, |review| {
        let of = |symbol: &str| review.instrument(&key("s"), symbol).unwrap();
        let there = of("NSE:EQ0");
        assert_eq!(
            (there.state, there.account.as_deref()),
            (PlacementState::Placed, Some("a"))
        );
        assert_eq!(there.selected_by, ["instruments.tokens: 4 tokens"]);
        assert_eq!(there.channel.as_deref(), Some("ticker:equity"));
        assert_eq!(there.acknowledged, Some(true));
        assert!(there.why.contains("the only account"), "{}", there.why);
        // By its token, and without the exchange in small letters.
        assert_eq!(of(&equities([0])[0].to_string()), there);
        assert_eq!(of("eq0"), there);
        let waits: Vec<_> = ["EQ0", "EQ1", "EQ2", "INFY"].map(of).into();
        let waits = waits.iter().find(|it| it.state == PlacementState::Waiting);
        assert!(waits.unwrap().why.contains("has room"));
        assert_eq!(of("EQ3").state, PlacementState::Excluded);
        assert_eq!(of("EQ9").state, PlacementState::NotSelected);
        let unknown = review.instrument(&key("s"), "NSE:INFYY").unwrap_err();
        assert!(
            unknown.to_string().ends_with("did you mean NSE:INFY?"),
            "{unknown}"
        );
    });
}

#[test]
fn what_does_not_exist_has_a_neighbour() {
    let mut world = observed(
        vec![account("first")],
        vec![set("nifty", &[], &["NSE:INFY"])],
    );
    let memory = run(&mut world, start());
    look(&world, &memory, |review| {
        let unknown = |name: &str| review.set(&key(name)).unwrap_err().to_string();
        assert_eq!(
            unknown("nifti"),
            "there is no InstrumentSet trading/nifti: did you mean nifty?"
        );
        assert!(unknown("quite-different").ends_with("there are nifty"));
        let unknown = review.account(&Key::new("elsewhere", "first")).unwrap_err();
        assert!(
            unknown
                .to_string()
                .ends_with("there is none in namespace elsewhere"),
            "{unknown}"
        );
    });
}

#[test]
fn an_instrument_that_cannot_be_looked_up_names_what_is_missing() {
    let world = observed(vec![account("a")], vec![set("s", &[], &["NSE:INFY"])]);
    let said = |world: &Observed| {
        look(world, &Memory::default(), |review| {
            let unknown = review.instrument(&key("s"), "NSE:INFY").unwrap_err();
            unknown.to_string()
        })
    };
    let mut unfetched = world.clone();
    for table in unfetched.tables.values_mut() {
        let why = "no answer".to_owned();
        *table = Table::Missing { why };
    }
    assert_eq!(
        said(&unfetched),
        "the instruments list of account a is not available: no answer"
    );
    let mut elsewhere = world;
    only("s", "b", &mut elsewhere.sets[0]);
    let error = said(&elsewhere);
    let start = "set s has no instruments list in which NSE:INFY could be looked up: ";
    assert!(
        error.starts_with(start) && error.len() > start.len(),
        "{error}"
    );
}

#[test]
fn two_publishers_of_one_channel_are_named() {
    let (mut older, mut younger) = (
        aged("older", 1, &equities(0..1), &[]),
        aged("younger", 2, &equities(0..1), &[]),
    );
    only("older", "a", &mut older);
    only("younger", "b", &mut younger);
    let mut world = observed(vec![account("a"), account("b")], vec![older, younger]);
    let memory = run(&mut world, start());
    look(&world, &memory, |review| {
        let explained = review.set(&key("younger")).unwrap();
        let why = &explained.waiting[0].why;
        assert!(why.contains("older set: set older on a"), "{why}");
        let not_chosen = explained.accounts[0].why.as_deref();
        assert_eq!(not_chosen, Some("spec.accountRef of the set names b"));
        let instrument = review.instrument(&key("younger"), "EQ0").unwrap();
        assert_eq!(instrument.state, PlacementState::Conflict);
        let uses = instrument.instrument.used_by.iter();
        let uses: Vec<_> = uses
            .map(|it| (it.set.as_str(), it.account.as_deref(), it.waits.is_some()))
            .collect();
        assert_eq!(uses, [("older", Some("a"), false), ("younger", None, true)]);
    });
}

#[test]
fn an_account_says_what_it_has_and_what_may_come() {
    let mut first = account("a");
    change(&mut first, |spec| {
        spec.headroom_connections = 1;
        spec.tokens_per_connection = 10;
    });
    let mut world = observed(vec![first], vec![set("s", &equities(0..4), &[])]);
    let memory = run(&mut world, start());
    look(&world, &memory, |review| {
        let account = review.account(&key("a")).unwrap();
        assert_eq!(
            (account.used, account.capacity, account.headroom_connections),
            (4, 20, 1)
        );
        assert_eq!((account.usable, account.why), (true, None));
        assert_eq!(
            (account.generation, account.acknowledged),
            (Some(1), Some(1))
        );
        assert_eq!(
            (account.sets[0].name.as_str(), account.sets[0].instruments),
            ("s", 4)
        );
        assert_eq!(account.connections[0].state, "Live");
        assert_eq!(account.ready.unwrap().reason, "Streaming");
    });
}

#[test]
fn what_goes_to_another_account_is_counted_apart_until_it_is_there() {
    let mut asking = set("s", &equities(0..3), &[]);
    only("s", "a", &mut asking);
    let mut world = observed(vec![account("a"), account("b")], vec![asking]);
    let memory = run(&mut world, start());
    for account in &mut world.accounts {
        // They know all that this version does.
        let report = Arc::make_mut(account.scrape.report.as_mut().unwrap());
        let known = contract::report::FEATURES.iter();
        report.features = known.map(|it| (*it).to_owned()).collect();
    }
    only("s", "b", &mut world.sets[0]);
    let now = later(start(), 1);
    let moving = plan(&world, &memory, now);
    let mut journal = Journal::default();
    journal.note(&plan(&world, &memory, now), now.wall);
    let review = Review::new(&world, (&memory, &moving.memory), &journal, now);
    let of = |name: &str| review.account(&key(name)).unwrap();
    let numbers = |name: &str| (of(name).used, of(name).leaving, of(name).references);
    assert_eq!(numbers("a"), (0, 3, 0));
    assert_eq!(numbers("b"), (3, 0, 0));
    let explained = review.set(&key("s")).unwrap();
    assert_eq!(
        (explained.placed[0].name.as_str(), explained.placed.len()),
        ("b", 1)
    );
}

#[test]
fn strikes_say_where_the_money_is_and_whose_price_says_so() {
    let mut world = money::world(vec![account("a")], &money::nifty(&json!({"aroundATM": 1})));
    let now = money::morning();
    let first = money::step(&mut world, &Memory::default(), now);
    let journal = Journal::default();
    let waits = {
        let none = Memory::default();
        let review = Review::new(&world, (&none, &first.memory), &journal, now);
        review.set(&key("s")).unwrap()
    };
    let because = waits.unresolved_because.unwrap();
    assert!(
        because.contains("until a price of NSE:NIFTY 50 comes") && !waits.removed,
        "{because}"
    );
    assert_eq!(waits.references[0].symbol, "NSE:NIFTY 50");
    assert_eq!(
        (
            waits.references[0].accounts.len(),
            waits.references[0].price.clone()
        ),
        (1, None)
    );

    money::report(&mut world, &[(money::NIFTY, 24_960.0)], now);
    let known = money::step(&mut world, &first.memory, now);
    let review = Review::new(&world, (&first.memory, &known.memory), &journal, now);
    let explained = review.set(&key("s")).unwrap();
    assert_eq!(explained.references[0].price.as_deref(), Some("24960"));
    let selector = &explained.selectors[0];
    assert_eq!(
        selector.selector,
        "options[0]: NIFTY, the nearest expiry, 1 strikes on each side of the money"
    );
    let money = &selector.money[0];
    assert_eq!(
        (money.strike, money.price, money.source.as_str()),
        (25_000.0, 24_960.0, "spot")
    );
    assert_eq!((selector.instruments, explained.selected), (3, 3));
    let account = review.account(&key("a")).unwrap();
    assert_eq!((account.used, account.references), (4, 1));
}

#[test]
fn a_failover_is_remembered_with_its_cause() {
    let mut world = observed(
        vec![small("a", 9), small("b", 9), small("c", 9)],
        vec![set("s", &equities(0..4), &[])],
    );
    world.settings.failover_after = Some(Duration::from_secs(30));
    let memory = run(&mut world, start());
    let mut journal = Journal::default();
    let now = later(start(), 60);
    let steady = plan(&world, &memory, now);
    assert!(journal.is_behind(&steady));
    journal.note(&steady, now.wall);
    assert!(!journal.is_behind(&steady), "nothing is noted twice");
    let from = placed(&world)
        .into_iter()
        .find(|(_, tokens)| tokens.len() == 4);
    let from = from.unwrap().0;
    let others = ["a", "b", "c"].into_iter().filter(|name| *name != from);
    // Others stream something, so that they may take over.
    for (at, name) in others.enumerate() {
        let name_of_set = format!("t{at}");
        let token = equities([100 + u32::try_from(at).unwrap()]);
        let mut more = aged(&name_of_set, 5, &token, &[]);
        only(&name_of_set, name, &mut more);
        world.sets.push(more);
    }
    let memory = run(&mut world, start());
    journal.note(&plan(&world, &memory, now), now.wall);
    cut(&mut world, &from, ConnectionState::Refused, 40, now);
    for account in &mut world.accounts {
        account.scrape.at = Some(now.monotonic);
    }
    let moved = plan(&world, &memory, now);
    assert_eq!(
        moved.failovers.iter().map(|it| it.instruments).sum::<u32>(),
        4
    );
    journal.note(&moved, now.wall);
    let review = Review::new(&world, (&memory, &moved.memory), &journal, now);
    let explained = review.set(&key("s")).unwrap();
    let total: u32 = explained.moves.iter().map(|it| it.instruments).sum();
    assert_eq!(
        (total, explained.moves[0].from.as_deref()),
        (4, Some(&*from))
    );
    assert_eq!(
        explained.moves[0].why.as_deref(),
        Some("Kite refuses its credentials")
    );
    let one = review.instrument(&key("s"), "EQ0").unwrap();
    assert_eq!(one.from.as_deref(), Some(&*from));
    assert_eq!(one.since, Some(now.wall.as_second()));
    assert_eq!(
        one.why,
        format!("it failed over from {from}: Kite refuses its credentials")
    );
    let left = review.account(&key(&from)).unwrap();
    assert_eq!(left.used, 0);
    assert!(!left.moves.is_empty());
}

/// What is asked must not differ from what was decided.
#[test]
fn a_review_makes_the_decisions_of_the_plan() {
    let sets = vec![
        aged("s", 1, &equities(0..30), &[]),
        aged("t", 2, &equities(10..40), &[]),
    ];
    let mut world = observed(vec![small("a", 20), small("b", 12)], sets);
    let memory = run(&mut world, start());
    let plan = plan(&world, &memory, start());
    let journal = Journal::default();
    let review = Review::new(&world, (&memory, &plan.memory), &journal, start());
    let outlook = review.outlook();
    for set in &plan.sets {
        let seen = &outlook.sets[&set.key];
        let (status, numbers) = (&set.status, (seen.selected, seen.scheduled, seen.waiting));
        assert_eq!(status.selected, Some(numbers.0), "{}", set.key);
        assert_eq!(status.scheduled, Some(numbers.1), "{}", set.key);
        assert_eq!(status.waiting, Some(numbers.2), "{}", set.key);
    }
    let placed = placed(&world);
    for (key, account) in outlook.accounts {
        assert_eq!(
            account.instruments as usize,
            placed[&key.name].len(),
            "{key}"
        );
    }
}
