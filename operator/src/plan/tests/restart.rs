//! What an operator that starts again says before it has asked about everything.

use contract::report::FEATURE_REFERENCES;

use super::*;

/// Forgets what an operator asks for after its start.
fn forget(world: &mut Observed) {
    world.tables.clear();
    for account in &mut world.accounts {
        account.secret = Secret::default();
        account.process = Process::default();
        account.scrape = Scrape::default();
    }
}

/// Each account and set whose status would be written, with what differs.
fn written(world: &Observed, plan: &Plan) -> Vec<String> {
    let accounts = plan.accounts.iter().zip(&world.accounts);
    let accounts = accounts.filter(|(plan, _)| plan.change != Change::None);
    let accounts = accounts.map(|(plan, observed)| {
        let key = &plan.key;
        let was = &observed.object.status;
        format!(
            "{key}: {:?}\n was {was:?}\n  is {:?}",
            plan.change, plan.status
        )
    });
    let sets = plan.sets.iter().zip(&world.sets);
    let sets = sets.filter(|(plan, _)| plan.change != Change::None);
    let sets = sets.map(|(plan, observed)| {
        let key = &plan.key;
        let was = &observed.status;
        format!(
            "{key}: {:?}\n was {was:?}\n  is {:?}",
            plan.change, plan.status
        )
    });
    accounts.chain(sets).collect()
}

/// Gives back what was forgotten, one thing after another, in several orders: nothing is written at any of them.
fn restarts_quietly(known: &Observed, now: Now) {
    let per_account = |world: &mut Observed, part: fn(&mut ObservedAccount, &ObservedAccount)| {
        let accounts = world.accounts.iter_mut().zip(&known.accounts);
        accounts.for_each(|(account, known)| part(account, known));
    };
    for order in ["sptr", "sprt", "strp", "tprs", "rpts"] {
        let mut world = known.clone();
        forget(&mut world);
        let mut memory = Memory::default();
        for (at, what) in (0..).zip(order.chars()) {
            let plan = plan(&world, &memory, later(now, at));
            let written = written(&world, &plan);
            assert!(written.is_empty(), "{order}, {at}: {}", written.join("\n"));
            assert!(plan.events.is_empty(), "{:?}", plan.events);
            memory = plan.memory;
            match what {
                's' => per_account(&mut world, |it, known| it.secret.clone_from(&known.secret)),
                'p' => per_account(&mut world, |it, known| {
                    it.process.clone_from(&known.process);
                }),
                'r' => per_account(&mut world, |it, known| it.scrape = known.scrape.clone()),
                't' => world.tables.clone_from(&known.tables),
                _ => unreachable!(),
            }
        }
        let plan = plan(&world, &memory, later(now, 9));
        let written = written(&world, &plan);
        assert!(
            written.is_empty(),
            "{order}, in the end: {}",
            written.join("\n")
        );
    }
}

#[test]
fn a_restart_writes_no_status() {
    let mut tied = set("s", &equities(0..3), &["NSE:INFY"]);
    refer_to(&mut tied, "a");
    let more = aged("t", 1, &equities(5..7), &["NSE:MISSING"]);
    let mut world = observed(vec![account("a"), account("b")], vec![tied, more]);
    run(&mut world, start());
    restarts_quietly(&world, start());
    // Some wait for room.
    for account in &mut world.accounts {
        change(account, |spec| {
            (spec.connections, spec.tokens_per_connection) = (1, 2);
        });
    }
    run(&mut world, start());
    assert_eq!(
        is(&plan(&world, &Memory::default(), start()), "s"),
        "False PartiallyScheduled"
    );
    restarts_quietly(&world, start());
}

#[test]
fn a_restart_writes_no_status_of_an_account_without_instruments() {
    let mut world = observed(vec![account("a")], vec![set("s", &equities(0..3), &[])]);
    run(&mut world, start());
    world.sets.clear();
    run(&mut world, start());
    // The rate of its last seconds.
    let report = world.accounts[0].scrape.report.as_deref().unwrap();
    assert_eq!((report.connections.len(), report.ticks_per_second), (0, 50));
    let status = world.accounts[0].object.status.as_deref().unwrap();
    assert_eq!(status.ticks_per_second, Some(0));
    restarts_quietly(&world, start());
}

#[test]
fn a_restart_writes_no_status_of_sets_that_follow_the_money() {
    let now = money::morning();
    let options = money::nifty(&serde_json::json!({"aroundATM": 1}));
    let mut world = money::world(vec![account("a")], &options);
    let mut memory = Memory::default();
    for seconds in 0..4 {
        let now = later(now, seconds);
        memory = money::step(&mut world, &memory, now).memory;
        money::report(&mut world, &[(money::NIFTY, 24_960.0)], now);
        let report = world.accounts[0].scrape.report.as_mut().unwrap();
        Arc::make_mut(report).features = vec![FEATURE_REFERENCES.to_owned()];
    }
    restarts_quietly(&world, later(now, 3));
}

fn refer_to(set: &mut ObservedSet, account: &str) {
    edit(set, |spec| {
        let name = account.to_owned();
        spec.account_ref = Some(crds::set::AccountRef { name });
    });
}
