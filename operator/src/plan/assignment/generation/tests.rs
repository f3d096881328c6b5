use super::*;
use crate::plan::fixture::{self, apply, edit, equities, observed, run, start, stream};
use crate::plan::input::LastAssignment;
use crate::plan::{AssignmentChange, Memory, Observed, Plan, plan};
use contract::Sealed;

fn world() -> Observed {
    observed(
        vec![fixture::account("a")],
        vec![fixture::set("s", &equities(0..3), &["NSE:NIFTY 50"])],
    )
}

fn written(plan: &Plan) -> &Assignment {
    match &plan.accounts[0].assignment {
        AssignmentChange::Write(assignment) => assignment,
        other => panic!("must be written: {other:?}"),
    }
}

fn there(observed: &Observed) -> Assignment {
    match &observed.accounts[0].assignment {
        LastAssignment::Readable { assignment, .. } => assignment.as_ref().clone(),
        other => panic!("must lie there: {other:?}"),
    }
}

fn restore(observed: &mut Observed, assignment: Assignment) {
    let sha256 = Sealed::new(&assignment).sha256;
    observed.accounts[0].assignment = LastAssignment::Readable {
        assignment: Arc::new(assignment),
        sha256,
    };
}

#[test]
fn the_first_generation_is_one_and_only_content_makes_another() {
    let mut world = world();
    let first = plan(&world, &Memory::default(), start());
    assert_eq!(written(&first).generation, 1);
    apply(&mut world, &first);
    let second = plan(&world, &first.memory, start());
    assert!(
        matches!(&second.accounts[0].assignment, AssignmentChange::AlreadyWritten(same) if same.generation == 1)
    );
    edit(&mut world.sets[0], |spec| {
        spec.instruments.tokens.push(fixture::FIRST_EQUITY + 9);
    });
    assert_eq!(
        written(&plan(&world, &second.memory, start())).generation,
        2
    );
}

#[test]
fn a_write_that_is_not_visible_yet_is_repeated_unchanged() {
    let world = world();
    let first = plan(&world, &Memory::default(), start());
    let second = plan(&world, &first.memory, start());
    assert_eq!(written(&second), written(&first));
}

#[test]
fn a_lost_or_restored_assignment_is_brought_back() {
    let mut world = world();
    let memory = run(&mut world, start());
    let old = there(&world);
    edit(&mut world.sets[0], |spec| spec.publish.depth = false);
    let newer = plan(&world, &memory, start());
    apply(&mut world, &newer);
    stream(&mut world);
    let current = there(&world);
    assert_eq!(current.generation, 2);
    // Deleted: what is remembered is written again.
    world.accounts[0].assignment = LastAssignment::Absent;
    assert_eq!(written(&plan(&world, &newer.memory, start())), &current);
    // From a backup: likewise, or, after a restart of the operator, later than what the process runs.
    restore(&mut world, old);
    assert_eq!(written(&plan(&world, &newer.memory, start())), &current);
    assert_eq!(
        written(&plan(&world, &Memory::default(), start())).generation,
        3
    );
}

/// Of two operators with one namespace, the other's assignment waits, and its status announces it.
#[test]
fn a_generation_that_is_only_announced_makes_no_other() {
    let mut world = world();
    let mut memory = run(&mut world, start());
    let mut other = Memory::default();
    let mut elsewhere = world.settings.clone();
    elsewhere.redis_url.push_str("/1");
    for second in 0..5 {
        let now = fixture::later(start(), second);
        let ours = std::mem::replace(&mut world.settings, elsewhere.clone());
        let waits = plan(&world, &other, now);
        world.settings = ours;
        assert_eq!(written(&waits).generation, 2);
        world.accounts[0].object.status = Some(Arc::clone(&waits.accounts[0].status));
        for known in [&memory, &Memory::default()] {
            let change = &plan(&world, known, now).accounts[0].assignment;
            assert!(
                matches!(change, AssignmentChange::AlreadyWritten(same) if same.generation == 1),
                "{change:?}"
            );
        }
        memory = plan(&world, &memory, now).memory;
        other = waits.memory;
    }
    // It still counts where nothing else is known.
    world.accounts[0].assignment = LastAssignment::Absent;
    world.accounts[0].scrape.report = None;
    assert_eq!(
        written(&plan(&world, &Memory::default(), start())).generation,
        3
    );
}

#[test]
fn a_process_that_runs_something_else_under_the_same_number_gets_a_new_one() {
    let mut world = world();
    let memory = run(&mut world, start());
    let mut other = there(&world);
    other.instruments.pop();
    world.accounts[0].scrape.report =
        Some(Arc::new(fixture::good(&other, &Sealed::new(&other).sha256)));
    assert_eq!(written(&plan(&world, &memory, start())).generation, 2);
}

/// How many new generations there are in two minutes of five passes a second if the process answers each
/// with `report`, whether the account says so at last, and whether its set takes that as acknowledged.
fn reissues(report: impl Fn(&mut contract::report::AppliedAssignment)) -> (u64, bool, bool) {
    let mut world = world();
    let mut memory = run(&mut world, start());
    let first = there(&world).generation;
    let (mut said, mut acknowledged) = (false, false);
    for pass in 0..600 {
        let mut answer = world.accounts[0].scrape.report.as_deref().unwrap().clone();
        report(answer.assignment.as_mut().unwrap());
        world.accounts[0].scrape.report = Some(Arc::new(answer));
        let mut now = fixture::later(start(), pass / 5);
        now.monotonic += std::time::Duration::from_millis(200 * (pass % 5));
        let plan = plan(&world, &memory, now);
        apply(&mut world, &plan);
        stream(&mut world);
        let message = &plan.accounts[0].status.conditions[0].message;
        said = message.contains("reports another assignment");
        let message = &plan.sets[0].status.conditions[0].message;
        acknowledged = !message.contains("has not applied");
        memory = plan.memory;
    }
    (there(&world).generation - first, said, acknowledged)
}

#[test]
fn a_process_that_goes_on_contradicting_gets_few_generations_and_is_named() {
    let (count, said, acknowledged) = reissues(|applied| applied.sha256 = "0".repeat(64));
    assert!((2..=8).contains(&count), "{count}");
    assert!(said && acknowledged);
    // Each passes over the one that was reported.
    let (count, said, acknowledged) = reissues(|applied| applied.generation += 1);
    assert!((4..=16).contains(&count), "{count}");
    assert!(said && !acknowledged, "a later one was never written");
    assert_eq!(reissues(|_| {}), (0, false, true));
}

/// Once is what a restored backup needs; nobody is to read of it.
#[test]
fn a_process_that_agrees_again_is_not_named() {
    let mut world = world();
    let memory = run(&mut world, start());
    let mut report = world.accounts[0].scrape.report.as_deref().unwrap().clone();
    report.assignment.as_mut().unwrap().generation += 6;
    world.accounts[0].scrape.report = Some(Arc::new(report));
    let mut memory = memory;
    for second in 1..5 {
        let plan = plan(&world, &memory, fixture::later(start(), second));
        apply(&mut world, &plan);
        stream(&mut world);
        let message = &plan.accounts[0].status.conditions[0].message;
        assert!(!message.contains("another assignment"), "{message}");
        memory = plan.memory;
    }
    assert_eq!(there(&world).generation, 8);
}

#[test]
fn a_new_account_of_an_old_name_starts_anew() {
    let mut world = world();
    let memory = run(&mut world, start());
    world.accounts[0].object.meta.uid = "another".to_owned();
    world.accounts[0].object.status = None;
    let plan = plan(&world, &memory, start());
    assert_eq!(
        (
            written(&plan).generation,
            written(&plan).account.uid.as_str()
        ),
        (1, "another")
    );
}

#[test]
fn a_change_of_one_set_leaves_the_others_acknowledged() {
    let mut world = world();
    world
        .sets
        .push(fixture::aged("t", 1, &equities(10..12), &[]));
    let memory = run(&mut world, start());
    edit(&mut world.sets[1], |spec| {
        spec.instruments.tokens.push(fixture::FIRST_EQUITY + 20);
    });
    let changed = plan(&world, &memory, start());
    let reasons: Vec<&str> = changed
        .sets
        .iter()
        .map(|set| set.status.conditions[0].reason.as_str())
        .collect();
    assert_eq!(reasons, ["Streaming", "Connecting"]);
    // The same after a restart of the operator, which sees the new assignment for the first time.
    apply(&mut world, &changed);
    let marks = &plan(&world, &changed.memory, start())
        .memory
        .remembered
        .accounts[&world.accounts[0].object.meta.key]
        .marks;
    assert_eq!((marks["s"].generation, marks["t"].generation), (1, 2));
}

/// Somebody wrote a status by hand, or a process lies: the status stays one that can be written.
#[test]
fn a_generation_that_cannot_be_is_not_believed() {
    let mut world = world();
    let memory = run(&mut world, start());
    let real = there(&world).generation;
    let mut report = world.accounts[0].scrape.report.as_deref().unwrap().clone();
    if let Some(applied) = &mut report.assignment {
        applied.generation = u64::MAX;
    }
    report.connections[0].reconnects = u64::MAX;
    world.accounts[0].scrape.report = Some(Arc::new(report));
    edit(&mut world.sets[0], |spec| {
        spec.instruments.tokens.truncate(2);
    });
    let plan = plan(&world, &memory, fixture::later(start(), 1));
    assert!(written(&plan).generation <= real + 1);
    let status = &plan.accounts[0].status;
    let generation = status.assignment_generation.unwrap();
    assert_eq!(generation.acknowledged, None);
    assert!(generation.desired.is_some());
    let reconnects = status.connection_status[0].reconnects.unwrap();
    assert!(i64::try_from(reconnects).is_ok());
}
