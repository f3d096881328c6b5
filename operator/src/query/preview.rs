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
    // What the next pass would decide, without the manifests and with them.
    let memories = (&*snapshot.memory, &*snapshot.memory);
    let review = |observed| Review::new(observed, memories, &snapshot.journal, snapshot.now);
    let (before, after) = (review(&snapshot.observed), review(&changes.observed));
    let (before, after) = (before.outlook(), after.outlook());
    Ok(compare(&changes.named, changes.answer, &before, after))
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
        let namespace = match scope.resolve(said.or(default)) {
            Ok(Some(namespace)) => namespace,
            Ok(None) => {
                let why = "it has no namespace: name one in its metadata, or with --namespace";
                return self.refuse(&document, why.to_owned());
            }
            Err(unmanaged) => return self.refuse(&document, unmanaged.to_string()),
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
            token: None,
            session: Secret::Missing,
            session_token: None,
            login_link: None,
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
        token: None,
        immutable: Immutable::No,
        login: None,
    }
}

/// What the manifests name, and what else would change.
fn compare(
    all_named: &BTreeSet<(bool, Key)>,
    mut answer: PreviewAnswer,
    before: &Outlook<'_>,
    after: Outlook<'_>,
) -> PreviewAnswer {
    for (key, set) in after.sets {
        let named = all_named.contains(&(false, key.clone()));
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
        let named = all_named.contains(&(true, key.clone()));
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
    for (held, to) in after.holders {
        let from = before.holders.get(&held).copied();
        if let Some(from) = from.filter(|from| *from != to) {
            *moves.entry((held.0, from, to)).or_default() += 1;
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
mod tests;
