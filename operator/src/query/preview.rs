//! What manifests would change: the plan is made once more, with them in place of the objects in force.
//!
//! Pure. Owns what is assumed of objects that do not exist yet. Nothing of it is applied.

use std::collections::{BTreeMap, BTreeSet};

use contract::answer::{
    AccountPreview, MovePreview, PreviewAnswer, RefusedObject, SetPreview, SetState,
};
use crds::TickerAccountSpec;
use serde_json::Value;
use service::clock::Now;

use super::snapshot::{Scope, Snapshot};
use crate::manifest::{self, Document, ManifestObject};
use crate::plan::review::{AccountOutlook, Outlook, Review, SetOutlook};
use crate::plan::{
    Immutable, InvalidSpec, Key, LastAssignment, Meta, Object, Observed, ObservedAccount, Process,
    Scrape, Secret,
};

/// The identity of an object that does not exist yet.
const NEW_UID: &str = "not-created-yet";

/// Plans with the manifests in `text`. `namespace`: of those that name none.
pub(super) fn preview(
    snapshot: &Snapshot,
    text: &str,
    namespace: Option<&str>,
) -> Result<PreviewAnswer, String> {
    let objects = manifest::objects(text).map_err(|why| format!("the manifests: {why}"))?;
    if objects.is_empty() {
        return Err("there is no manifest in the request".to_owned());
    }
    let mut changes = Changes {
        observed: snapshot.observed.clone(),
        named: BTreeSet::new(),
        answer: PreviewAnswer::default(),
        now: snapshot.now,
    };
    for object in &objects {
        changes.add(object, &snapshot.scope, namespace);
    }
    let outlook = |observed: &Observed| {
        Review::new(observed, &snapshot.memory, &snapshot.journal, snapshot.now).outlook()
    };
    let (before, after) = (outlook(&snapshot.observed), outlook(&changes.observed));
    Ok(compare(changes, &before, after))
}

/// What is observed, with some objects replaced.
struct Changes {
    observed: Observed,
    /// What the manifests define, accounts and sets.
    named: BTreeSet<(bool, Key)>,
    answer: PreviewAnswer,
    now: Now,
}

impl Changes {
    fn add(&mut self, manifest: &Value, scope: &Scope, default: Option<&str>) {
        let said = manifest.pointer("/metadata/namespace");
        let said = said.and_then(Value::as_str);
        let document = manifest::document(manifest);
        let namespace = match (scope, said.or(default)) {
            (Scope::Local, _) => String::new(),
            (Scope::Namespace(own), None) => own.clone(),
            (Scope::Namespace(own), Some(said)) if own == said => own.clone(),
            (Scope::Namespace(own), Some(said)) => {
                let why = format!("this operator manages namespace {own} only, not {said}");
                return self.refuse(&document, why);
            }
            (Scope::All, Some(said)) => said.to_owned(),
            (Scope::All, None) => {
                let why = "it has no namespace: name one in its metadata, or with --namespace";
                return self.refuse(&document, why.to_owned());
            }
        };
        match document {
            Document::Account(name, object) => {
                let key = Key::new(namespace, name);
                match &object.spec {
                    Err(why) => self.refused(&format!("TickerAccount {key}"), why),
                    Ok(_) => self.account(&key, object),
                }
            }
            Document::Set(name, object) => {
                let key = Key::new(namespace, name);
                match &object.spec {
                    Err(why) => self.refused(&format!("InstrumentSet {key}"), why),
                    Ok(_) => self.set(&key, object),
                }
            }
            Document::Secret(name, _) => self.answer.remarks.push(format!(
                "Secret {name} is not used: credentials are assumed to be right"
            )),
            Document::Foreign(why) => self.answer.remarks.push(why),
            Document::Unusable(why) => self.refuse_as("a document", why),
        }
    }

    fn refuse(&mut self, document: &Document, why: String) {
        let object = match document.name() {
            Some((kind, name)) => format!("{kind} {name}"),
            None => "a document".to_owned(),
        };
        self.refuse_as(&object, why);
    }

    fn refused(&mut self, object: &str, why: &InvalidSpec) {
        self.refuse_as(object, why.to_string());
    }

    fn refuse_as(&mut self, object: &str, why: String) {
        self.answer.refused.push(RefusedObject {
            object: object.to_owned(),
            why,
        });
    }

    fn account(&mut self, key: &Key, manifest: ManifestObject<TickerAccountSpec>) {
        self.named.insert((true, key.clone()));
        let accounts = &mut self.observed.accounts;
        let known = accounts.iter_mut().find(|it| it.object.meta.key == *key);
        if let Some(known) = known {
            let secret = |spec: &Result<_, _>| {
                let spec: Result<&std::sync::Arc<TickerAccountSpec>, _> = spec.as_ref();
                spec.ok()
                    .map(|spec| spec.credentials_secret_ref.name.clone())
            };
            if secret(&known.object.spec) != secret(&manifest.spec) {
                known.secret = assumed_secret();
            }
            replace(&mut known.object, manifest);
            return;
        }
        accounts.push(ObservedAccount {
            object: new_object(key, manifest, self.now),
            assignment: LastAssignment::Absent,
            foreign: Vec::new(),
            unwritten: None,
            process: Process::Absent,
            scrape: Scrape::default(),
            secret: assumed_secret(),
            redis_secret: None,
        });
        self.answer.remarks.push(format!(
            "TickerAccount {key} is new: its Secret is assumed to exist, with an API key of its own"
        ));
    }

    fn set(&mut self, key: &Key, manifest: ManifestObject<crds::InstrumentSetSpec>) {
        self.named.insert((false, key.clone()));
        let sets = &mut self.observed.sets;
        match sets.iter_mut().find(|it| it.meta.key == *key) {
            Some(known) => replace(known, manifest),
            None => sets.push(new_object(key, manifest, self.now)),
        }
    }
}

fn replace<Spec, Status>(known: &mut Object<Spec, Status>, manifest: ManifestObject<Spec>) {
    known.meta.labels = manifest.labels;
    if manifest.rebalance.is_some() {
        known.meta.rebalance = manifest.rebalance;
    }
    known.spec = manifest.spec;
}

fn new_object<Spec, Status>(
    key: &Key,
    manifest: ManifestObject<Spec>,
    now: Now,
) -> Object<Spec, Status> {
    Object {
        meta: Meta {
            key: key.clone(),
            uid: NEW_UID.to_owned(),
            generation: Some(1),
            created: now.wall,
            labels: manifest.labels,
            deleting: false,
            rebalance: manifest.rebalance,
        },
        spec: manifest.spec,
        status: None,
    }
}

fn assumed_secret() -> Secret {
    Secret::Present {
        version: NEW_UID.to_owned(),
        key: None,
        names: Vec::new(),
        immutable: Immutable::No,
    }
}

/// What the manifests name, and what else would change.
fn compare(changes: Changes, before: &Outlook, after: Outlook) -> PreviewAnswer {
    let mut answer = changes.answer;
    for (key, set) in after.sets {
        let named = changes.named.contains(&(false, key.clone()));
        let was = before.sets.get(&key).map(state);
        let will = state(&set);
        if named || was.as_ref() != Some(&will) {
            answer.sets.push(SetPreview {
                namespace: key.namespace,
                name: key.name,
                before: was,
                after: will,
            });
        }
    }
    for (key, account) in after.accounts {
        let named = changes.named.contains(&(true, key.clone()));
        let was = before.accounts.get(&key);
        let same = |was: &AccountOutlook| {
            (was.instruments, was.capacity) == (account.instruments, account.capacity)
        };
        if named || !was.is_some_and(same) {
            answer.accounts.push(AccountPreview {
                namespace: key.namespace,
                name: key.name,
                before: was.map(|was| was.instruments),
                after: account.instruments,
                capacity: account.capacity,
                problem: account.problem,
            });
        }
    }
    let mut moves: BTreeMap<(&str, &str, &str), u32> = BTreeMap::new();
    for ((namespace, token), to) in &after.holders {
        let from = before.holders.get(&(namespace.clone(), *token));
        if let Some(from) = from.filter(|from| *from != to) {
            *moves.entry((namespace, from, to)).or_default() += 1;
        }
    }
    let moves = moves.into_iter();
    answer.moves = moves
        .map(|((namespace, from, to), instruments)| MovePreview {
            namespace: namespace.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
            instruments,
        })
        .collect();
    answer.remarks.sort_unstable();
    answer.remarks.dedup();
    answer
}

fn state(set: &SetOutlook) -> SetState {
    SetState {
        selected: set.selected,
        scheduled: set.scheduled,
        waiting: set.waiting,
        problem: set.problem.clone(),
    }
}

#[cfg(test)]
mod tests {
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
}
