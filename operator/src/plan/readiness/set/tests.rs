use std::sync::{Arc, LazyLock};

use super::*;
use crate::instruments::InstrumentTable;
use crate::plan::fixture;
use crate::plan::ids::AccountIx;
use crate::plan::selection::{Lookup, Selection};

fn outcome(state: State, reason: Reason) -> ConditionOutcome {
    ConditionOutcome {
        state,
        reason,
        message: "why".to_owned(),
        warning: None,
        due: None,
    }
}

/// A request with this many instruments of a table, unknown names and accounts.
fn wanted(selected: u32, samples: &[String], unresolved: u32, allowed: usize) -> Request {
    static TABLE: LazyLock<Arc<InstrumentTable>> = LazyLock::new(|| Arc::new(fixture::table()));
    let rows = fixture::equities(0..selected);
    let selection = Selection {
        instruments: rows
            .into_iter()
            .map(|token| TABLE.row_of_token(kite::Token(token)).unwrap())
            .collect(),
        unresolved,
        samples: samples.to_vec(),
        ..Selection::default()
    };
    let spec = fixture::set("s", &[], &[]).spec.unwrap();
    Request::Resolved(Box::new(Resolved {
        money: Vec::new(),
        lookup: Arc::new(Lookup::sample(selection, &TABLE, &spec)),
        mock: true,
        priority: 0,
        allowed: (0..allowed).map(AccountIx::new).collect(),
        matching: "acct-a".to_owned(),
    }))
}

/// State (or the kind of finding), reason and message for one holder with all five instruments.
fn found<'f>(
    change: impl FnOnce(&mut SetFacts<'f>, &mut Holder<'_>),
) -> (&'static str, Reason, String) {
    found_with(&outcome(State::True, Reason::Streaming), change)
}

/// The same, if the account of the holder has this outcome.
fn found_with<'f>(
    ready: &ConditionOutcome,
    change: impl FnOnce(&mut SetFacts<'f>, &mut Holder<'_>),
) -> (&'static str, Reason, String) {
    let mut holder = Holder {
        without_forward: None,
        rests: false,
        market: MarketNow::default(),
        name: "acct-a",
        ready,
        unasked: false,
        lacks_token: false,
        acknowledged: true,
        streaming: 5,
        silent: 0,
        flows: false,
        instruments: 5,
        moving: 0,
        report: None,
        at: None,
    };
    static WANTED: LazyLock<Request> = LazyLock::new(|| wanted(5, &[], 0, 1));
    let mut facts = SetFacts {
        market: MarketNow::default(),
        silent_market: false,
        now: 0,
        stands: false,
        request: &WANTED,
        scheduled: 5,
        waiting: 0,
        conflicts: (0, ""),
        holders: &[],
        freshness: None,
    };
    change(&mut facts, &mut holder);
    let holders = [holder];
    let mut facts: SetFacts<'_> = facts;
    if facts.scheduled > 0 {
        facts = SetFacts {
            market: MarketNow::default(),
            now: 0,
            stands: false,
            holders: &holders,
            ..facts
        };
    }
    match set(&facts) {
        Observation::Ready {
            reason,
            message,
            warning,
        } => {
            let message = [Some(message), warning].into_iter().flatten();
            ("True", reason, message.collect::<Vec<_>>().join("; "))
        }
        Observation::Failed(reason, message) => ("False", reason, message),
        Observation::Unknown(reason, message) => ("Unknown", reason, message),
        Observation::Degraded {
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
        Observation::Waiting(reason, message) => ("Waits", reason, message),
        Observation::Unread(reason, message) => ("Unread", reason, message),
        Observation::Unasked => ("Unasked", Reason::Pending, String::new()),
    }
}

fn row<'f>(change: impl FnOnce(&mut SetFacts<'f>, &mut Holder<'_>)) -> (&'static str, Reason) {
    let (state, reason, _) = found(change);
    (state, reason)
}

/// A second socket that does not open concerns only the sets on it.
#[test]
fn what_flows_whole_is_ready_whatever_else_its_account_waits_for() {
    let expired = outcome(State::False, Reason::TokenExpired);
    let (state, reason, _) = found_with(&expired, |_, holder| holder.flows = true);
    assert_eq!((state, reason), ("True", Reason::Streaming));
    let (state, reason, _) = found_with(&expired, |_, _| {});
    assert_eq!((state, reason), ("Trouble", Reason::TokenExpired));
}

#[test]
fn no_table_and_nothing_placed() {
    let held = Request::Pending {
        reason: Reason::InstrumentsUnavailable,
        message: "502".to_owned(),
    };
    let is = row(|facts, _| (facts.request, facts.scheduled) = (&held, 0));
    assert_eq!(is, ("Unknown", Reason::InstrumentsUnavailable));
    // What was placed goes on, and is said to.
    let (state, reason, message) = found(|facts, _| facts.request = &held);
    assert_eq!((state, reason), ("True", Reason::Streaming));
    assert!(message.contains("502"), "{message}");
}

#[test]
fn what_cannot_be_read_or_had() {
    let invalid = Request::Pending {
        reason: Reason::Invalid,
        message: fixture::invalid_spec().to_string(),
    };
    let is = row(|facts, _| facts.request = &invalid);
    assert_eq!(is, ("False", Reason::Invalid));
    let denied = Request::Denied {
        reason: Reason::AccountsDisagree,
        message: String::new(),
    };
    let is = row(|facts, _| facts.request = &denied);
    assert_eq!(is, ("False", Reason::AccountsDisagree));
}

#[test]
fn no_name_resolves() {
    let samples = ["NSE:A".to_owned(), "7".to_owned()];
    let asked = wanted(0, &samples, 2, 1);
    let none = SetFacts {
        market: MarketNow::default(),
        silent_market: false,
        now: 0,
        stands: false,
        request: &asked,
        scheduled: 0,
        waiting: 0,
        conflicts: (0, ""),
        holders: &[],
        freshness: None,
    };
    let Observation::Failed(reason, message) = set(&none) else {
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
    let nobody = wanted(5, &[], 0, 0);
    let is = row(|facts, _| (facts.request, facts.waiting, facts.scheduled) = (&nobody, 5, 0));
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
    let expired = outcome(State::False, Reason::TokenExpired);
    let (kind, reason, message) = found_with(&expired, |_, _| {});
    assert_eq!((kind, reason), ("Trouble", Reason::TokenExpired));
    assert_eq!(message, "account acct-a: why");
}

#[test]
fn a_holder_that_is_on_its_way_is_waited_for() {
    let dialling = outcome(State::Unknown, Reason::Connecting);
    let (kind, reason, _) = found_with(&dialling, |_, holder| holder.streaming = 0);
    assert_eq!((kind, reason), ("Waits", Reason::Connecting));
}

#[test]
fn all_live() {
    assert_eq!(row(|_, _| {}), ("True", Reason::Streaming));
    let asked = wanted(5, &[], 1, 1);
    assert_eq!(
        row(|facts, _| facts.request = &asked),
        ("True", Reason::PartiallyResolved)
    );
    // Some that had their time are counted elsewhere and change nothing.
    let quiet = |holder: &mut Holder<'_>| (holder.streaming, holder.silent) = (1, 4);
    assert_eq!(row(|_, holder| quiet(holder)), ("True", Reason::Streaming));
    // Instruments that have not had it yet are waited for.
    let (state, reason, message) = found(|_, holder| (holder.streaming, holder.silent) = (3, 1));
    assert_eq!((state, reason), ("Waits", Reason::Connecting));
    assert!(
        message.starts_with("3 of 5 instruments stream"),
        "{message}"
    );
}

#[test]
fn what_is_placed_counts_more_than_that_no_account_can_be_used_now() {
    let reason = |scheduled, allowed| {
        let request = wanted(5, &[], 0, allowed);
        unplaced(scheduled, request.resolved().unwrap())
    };
    assert_eq!(reason(0, 0), Reason::NoAccount);
    assert_eq!(reason(0, 2), Reason::CapacityShort);
    assert_eq!(reason(5, 2), Reason::PartiallyScheduled);
    assert_eq!(reason(5, 0), Reason::PartiallyScheduled);
}
