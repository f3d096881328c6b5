use super::*;

fn judgement(state: State, reason: Reason) -> Judgement {
    Judgement {
        state,
        reason,
        message: "why".to_owned(),
        due: None,
    }
}

const WANTED: Asked<'_> = Asked::Wanted {
    selected: 5,
    unresolved: 0,
    samples: &[],
    allowed: 1,
    matching: "acct-a",
};

/// State (or the kind of finding), reason and message for one holder with all five instruments.
fn found(
    change: impl FnOnce(&mut SetFacts<'_>, &mut Holder<'_>),
) -> (&'static str, Reason, String) {
    found_with(&judgement(State::True, Reason::Streaming), change)
}

/// The same, if the holder is judged like this.
fn found_with(
    ready: &Judgement,
    change: impl FnOnce(&mut SetFacts<'_>, &mut Holder<'_>),
) -> (&'static str, Reason, String) {
    let mut holder = Holder {
        name: "acct-a",
        ready,
        unasked: false,
        acknowledged: true,
        streaming: 5,
        silent: 0,
        flows: false,
    };
    let mut facts = SetFacts {
        asked: WANTED,
        scheduled: 5,
        waiting: 0,
        conflicts: (0, ""),
        holders: &[],
        freshness: None,
    };
    change(&mut facts, &mut holder);
    let holders = [holder];
    if facts.scheduled > 0 {
        facts = SetFacts {
            holders: &holders,
            ..facts
        };
    }
    match set(&facts) {
        Finding::Holds(reason, message) => ("True", reason, message),
        Finding::Fails(reason, message) => ("False", reason, message),
        Finding::Unknown(reason, message) => ("Unknown", reason, message),
        Finding::Trouble {
            passing,
            lasting,
            message,
        } => {
            // The right word at once where its account has failed.
            let expected = match ready.state {
                State::False => lasting,
                State::True | State::Unknown => Reason::Connecting,
            };
            assert_eq!(passing, expected);
            ("Trouble", lasting, message)
        }
        Finding::Waits(reason, message) => ("Waits", reason, message),
        Finding::Unasked => ("Unasked", Reason::Pending, String::new()),
    }
}

fn row(change: impl FnOnce(&mut SetFacts<'_>, &mut Holder<'_>)) -> (&'static str, Reason) {
    let (state, reason, _) = found(change);
    (state, reason)
}

/// A second socket that does not open is the trouble of the sets on it, and of no other.
#[test]
fn what_flows_whole_is_ready_whatever_else_its_account_waits_for() {
    let expired = judgement(State::False, Reason::TokenExpired);
    let (state, reason, _) = found_with(&expired, |_, holder| holder.flows = true);
    assert_eq!((state, reason), ("True", Reason::Streaming));
    let (state, reason, _) = found_with(&expired, |_, _| {});
    assert_eq!((state, reason), ("Trouble", Reason::TokenExpired));
}

#[test]
fn no_table_and_nothing_placed() {
    let held = Asked::Held(Reason::InstrumentsUnavailable, "502");
    let is = row(|facts, _| (facts.asked, facts.scheduled) = (held, 0));
    assert_eq!(is, ("Unknown", Reason::InstrumentsUnavailable));
    // What was placed goes on, and is said to.
    let (state, reason, message) = found(|facts, _| facts.asked = held);
    assert_eq!((state, reason), ("True", Reason::Streaming));
    assert!(message.contains("502"), "{message}");
}

#[test]
fn what_cannot_be_read_or_had() {
    let is = row(|facts, _| facts.asked = Asked::Unreadable("spec.mode: x"));
    assert_eq!(is, ("False", Reason::Invalid));
    let is = row(|facts, _| facts.asked = Asked::Refused(Reason::AccountsDisagree, ""));
    assert_eq!(is, ("False", Reason::AccountsDisagree));
}

#[test]
fn no_name_resolves() {
    let samples = ["NSE:A".to_owned(), "7".to_owned()];
    let asked = Asked::Wanted {
        selected: 0,
        unresolved: 2,
        samples: &samples,
        allowed: 1,
        matching: "acct-a",
    };
    let none = SetFacts {
        asked,
        scheduled: 0,
        waiting: 0,
        conflicts: (0, ""),
        holders: &[],
        freshness: None,
    };
    let Finding::Fails(reason, message) = set(&none) else {
        panic!("must fail")
    };
    assert_eq!(reason, Reason::NothingResolved);
    assert!(message.contains("NSE:A, 7"), "{message}");
}

#[test]
fn some_wait_for_capacity() {
    assert_eq!(
        row(|facts, _| facts.waiting = 1),
        ("False", Reason::PartiallyScheduled)
    );
    let is = row(|facts, _| (facts.waiting, facts.scheduled) = (5, 0));
    assert_eq!(is, ("False", Reason::CapacityShort));
    let nobody = Asked::Wanted {
        selected: 5,
        unresolved: 0,
        samples: &[],
        allowed: 0,
        matching: "acct-a",
    };
    let is = row(|facts, _| (facts.asked, facts.waiting, facts.scheduled) = (nobody, 5, 0));
    assert_eq!(is, ("False", Reason::NoAccount));
    assert_eq!(
        row(|facts, _| facts.conflicts = (1, "x")),
        ("False", Reason::ChannelConflict)
    );
}

#[test]
fn placed_but_not_flowing() {
    assert_eq!(
        row(|_, holder| holder.acknowledged = false),
        ("Trouble", Reason::Connecting)
    );
    assert_eq!(
        row(|_, holder| holder.streaming = 0),
        ("Trouble", Reason::Stale)
    );
    assert_eq!(
        row(|_, holder| holder.unasked = true),
        ("Unasked", Reason::Pending)
    );
}

#[test]
fn a_holder_that_is_not_ready_lends_its_reason() {
    let expired = judgement(State::False, Reason::TokenExpired);
    let (kind, reason, message) = found_with(&expired, |_, _| {});
    assert_eq!((kind, reason), ("Trouble", Reason::TokenExpired));
    assert_eq!(message, "account acct-a: why");
}

#[test]
fn a_holder_that_is_on_its_way_is_waited_for() {
    let dialling = judgement(State::Unknown, Reason::Connecting);
    let (kind, reason, _) = found_with(&dialling, |_, holder| holder.streaming = 0);
    assert_eq!((kind, reason), ("Waits", Reason::Connecting));
}

#[test]
fn all_live() {
    assert_eq!(row(|_, _| {}), ("True", Reason::Streaming));
    let asked = Asked::Wanted {
        selected: 5,
        unresolved: 1,
        samples: &[],
        allowed: 1,
        matching: "acct-a",
    };
    assert_eq!(
        row(|facts, _| facts.asked = asked),
        ("True", Reason::PartiallyResolved)
    );
    // Some that had their time are counted elsewhere and change nothing.
    let quiet = |holder: &mut Holder<'_>| (holder.streaming, holder.silent) = (1, 4);
    assert_eq!(row(|_, holder| quiet(holder)), ("True", Reason::Streaming));
    // Who has not had it yet is waited for.
    let (state, reason, message) = found(|_, holder| (holder.streaming, holder.silent) = (3, 1));
    assert_eq!((state, reason), ("Waits", Reason::Connecting));
    assert!(
        message.starts_with("3 of 5 instruments stream"),
        "{message}"
    );
}

#[test]
fn what_is_placed_counts_more_than_that_no_account_can_be_used_now() {
    assert_eq!(unplaced(0, 0), Reason::NoAccount);
    assert_eq!(unplaced(0, 2), Reason::CapacityShort);
    assert_eq!(unplaced(5, 2), Reason::PartiallyScheduled);
    assert_eq!(unplaced(5, 0), Reason::PartiallyScheduled);
}
