use serde_json::json;

use super::*;
use crate::plan::Memory;
use crate::plan::fixture::{NAMESPACE, equities, observed, run, set, small, start};

fn snapshot() -> Snapshot {
    let mut world = observed(vec![small("a", 4)], vec![set("s", &equities(0..3), &[])]);
    let memory = run(&mut world, start());
    Snapshot::sample(world, memory)
}

fn a_set(name: &str, tokens: &[u32]) -> Value {
    json!({
        "apiVersion": "kiteticker.dev/v1alpha1", "kind": "InstrumentSet", "metadata": {"name": name},
        "spec": {"instruments": {"tokens": tokens}},
    })
}

fn an_account(name: &str, tokens: u32) -> Value {
    json!({
        "apiVersion": "kiteticker.dev/v1alpha1", "kind": "TickerAccount", "metadata": {"name": name},
        "spec": {
            "credentialsSecretRef": {"name": "kite"}, "mock": true, "connections": 1, "tokensPerConnection": tokens,
            "endpoint": {"websocket": "ws://127.0.0.1:7070", "api": crate::plan::fixture::API},
        },
    })
}

fn of(objects: &[Value]) -> PreviewAnswer {
    let text = json!({"kind": "List", "items": objects}).to_string();
    preview(&snapshot(), &text, None).unwrap()
}

#[test]
fn a_set_that_grows_waits_for_room_until_an_account_comes() {
    let grown = a_set("s", &equities(0..6));
    let answer = of(std::slice::from_ref(&grown));
    let set = &answer.sets[0];
    let before = set.before.as_ref().unwrap();
    assert_eq!(
        (before.selected, before.scheduled, before.waiting),
        (3, 3, 0)
    );
    assert_eq!(
        (set.after.selected, set.after.scheduled, set.after.waiting),
        (6, 4, 2)
    );
    assert!(set.after.problem.as_ref().unwrap().contains("a has 4 of 4"));
    let account = &answer.accounts[0];
    assert_eq!((account.before, account.after), (Some(3), 4));
    assert!(answer.moves.is_empty() && answer.refused.is_empty());

    let answer = of(&[grown, an_account("b", 10)]);
    assert_eq!(
        (
            answer.sets[0].after.scheduled,
            answer.sets[0].after.problem.clone()
        ),
        (6, None)
    );
    let new = answer.accounts.iter().find(|it| it.name == "b").unwrap();
    assert_eq!((new.before, new.after, new.capacity), (None, 2, 10));
    assert!(
        answer.remarks[0].contains("b is new: its Secret is assumed"),
        "{:?}",
        answer.remarks
    );
}

#[test]
fn an_account_that_shrinks_or_pauses_shows_what_moves() {
    let mut paused = an_account("a", 4);
    paused["spec"]["paused"] = json!(true);
    let answer = of(&[paused, an_account("b", 10)]);
    let moves = &answer.moves[0];
    assert_eq!((&*moves.from, &*moves.to, moves.instruments), ("a", "b", 3));
    let old = answer.accounts.iter().find(|it| it.name == "a").unwrap();
    assert!(old.problem.as_ref().unwrap().contains("spec.paused"));
    assert_eq!((old.before, old.after), (Some(3), 0));
}

#[test]
fn what_the_cluster_would_refuse_is_said_and_the_rest_is_planned() {
    let mut bad = a_set("bad", &[]);
    bad["spec"] = json!({"mode": "fast"});
    let mut elsewhere = a_set("elsewhere", &[1]);
    elsewhere["metadata"]["namespace"] = json!("other");
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "kite"}, "stringData": {"api_key": "hunter2"},
    });
    let answer = of(&[bad, elsewhere, secret, a_set("new", &equities(0..1))]);
    let refused: Vec<&str> = answer.refused.iter().map(|it| &*it.object).collect();
    assert_eq!(
        refused,
        ["InstrumentSet trading/bad", "InstrumentSet elsewhere"]
    );
    assert!(
        answer.refused[0].why.contains("spec.mode"),
        "{:?}",
        answer.refused
    );
    assert!(
        answer.refused[1].why.contains("namespace trading only"),
        "{:?}",
        answer.refused
    );
    let new = answer.sets.iter().find(|it| it.name == "new").unwrap();
    assert_eq!(
        (
            new.namespace.as_str(),
            new.before.clone(),
            new.after.scheduled
        ),
        (NAMESPACE, None, 1)
    );
    let text = serde_json::to_string(&answer).unwrap();
    assert!(text.contains("Secret kite is not used") && !text.contains("hunter2"));
}

#[test]
fn what_is_in_force_changes_nothing_and_nonsense_is_refused() {
    let answer = of(&[a_set("s", &equities(0..3))]);
    let set = &answer.sets[0];
    assert_eq!(set.before.as_ref(), Some(&set.after));
    assert!(answer.accounts.is_empty() && answer.moves.is_empty());
    for wrong in ["", "{", "[[["] {
        let refused = preview(&snapshot(), wrong, None);
        assert!(refused.is_err(), "{wrong}: {refused:?}");
    }
}

#[test]
fn without_a_namespace_nothing_of_all_is_planned() {
    let mut snapshot = Snapshot::sample(observed(Vec::new(), Vec::new()), Memory::default());
    snapshot.scope = Scope::All;
    let text = a_set("s", &[1]).to_string();
    let answer = preview(&snapshot, &text, None).unwrap();
    assert!(answer.refused[0].why.contains("no namespace"));
    let answer = preview(&snapshot, &text, Some("ticker")).unwrap();
    assert_eq!(answer.sets[0].namespace, "ticker");
}
