//! Writes against an API server that answers as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use crds::pod::PodSettings;
use kube::api::ObjectMeta;
use serde_json::{Value, json};
use service::metrics::Registry;
use service::probe::Probes;

use super::*;
use crate::cluster::api_error::FailureReason;
use crate::cluster::apply::repair::Repair;
use crate::cluster::metrics::ReasonLabel;
use crate::plan::{Change, PriceBands, Workload};

/// The answers to come, and the requests that were made.
#[derive(Default)]
struct Script {
    answers: VecDeque<(u16, Value)>,
    requests: Vec<String>,
}

#[derive(Clone, Default)]
struct FakeServer(Arc<Mutex<Script>>);

impl FakeServer {
    fn expect(&self, code: u16, answer: Value) {
        self.0.lock().unwrap().answers.push_back((code, answer));
    }

    fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().requests)
    }

    fn applier(&self) -> Applier {
        let router = Router::new().fallback(answer).with_state(self.clone());
        let client = Client::new(router, "n");
        let clock = Clock::system();
        Applier::new(ApplyContext {
            event_sender: events::event_channel(client.clone()).0,
            client,
            metrics: Metrics::register(&mut Registry::default()),
            defaults: PodDefaults {
                wall_clock: None,
                image: "i".to_owned(),
                pull_policy: "Never".to_owned(),
                pull_secrets: Vec::new(),
                fixed_ids: true,
            },
            poke: false,
            repair: true,
            heartbeat: Probes::with_clock(clock.clone()).heartbeat("t", TIMEOUT),
            clock,
        })
    }
}

async fn answer(State(server): State<FakeServer>, method: Method, uri: Uri) -> Response {
    let mut script = server.0.lock().unwrap();
    script.requests.push(format!("{method} {}", uri.path()));
    let (code, answer) = script.answers.pop_front().expect("no such request");
    let code = StatusCode::from_u16(code).unwrap();
    (code, axum::Json(answer)).into_response()
}

fn refusal() -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 500,
        "message": "no", "reason": "InternalError"})
}

fn seconds(from: Instant, seconds: u64) -> Instant {
    from + Duration::from_secs(seconds)
}

fn account() -> Key {
    Key::new("n", "a")
}

/// The metadata of an object in its `version`th version.
fn meta(kind: OwnedKind, version: i64) -> ObjectMeta {
    ObjectMeta {
        name: Some(kind.key(&account()).name),
        namespace: Some("n".to_owned()),
        uid: Some("u".to_owned()),
        generation: Some(version),
        ..ObjectMeta::default()
    }
}

fn applied(kind: OwnedKind, version: i64) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": meta(kind, version)})
}

fn planned() -> AccountPlan {
    AccountPlan {
        bands: PriceBands::default(),
        key: account(),
        uid: "uid".to_owned(),
        assignment: AssignmentChange::None,
        asleep: false,
        workload: Some(Workload {
            secret: "s".to_owned(),
            redis_secret: None,
            sentinel: false,
            pod: PodSettings::default(),
        }),
        awaiting: false,
        expecting: false,
        status: Arc::default(),
        warning: None,
        change: Change::None,
    }
}

fn owned(service: i64, stateful_set: i64) -> AccountObjects {
    AccountObjects {
        names_are_ours: true,
        service: Some(meta(OwnedKind::Service, service)),
        stateful_set: Some(meta(OwnedKind::StatefulSet, stateful_set)),
        ..AccountObjects::default()
    }
}

/// Applies the workload once; the versions of Service and StatefulSet before and, if they are applied,
/// after.
struct Pass {
    service: (i64, Option<i64>),
    stateful_set: (i64, Option<i64>),
}

async fn pass(
    applier: &mut Applier,
    server: &FakeServer,
    plan: &AccountPlan,
    pass: Pass,
    now: Instant,
) {
    if let Some(after) = pass.service.1 {
        server.expect(200, applied(OwnedKind::Service, after));
    }
    if let Some(after) = pass.stateful_set.1 {
        server.expect(200, applied(OwnedKind::StatefulSet, after));
    }
    let owned = owned(pass.service.0, pass.stateful_set.0);
    let cache = applier.caches.remove(&plan.key);
    let mut cache = cache.unwrap_or_else(|| ApplyCache::of(&plan.uid));
    let account = PlannedAccount {
        plan,
        owned: &owned,
        now,
    };
    for done in applier.write_pod(account, &mut cache).await {
        applier.record(done);
    }
    applier.caches.insert(plan.key.clone(), cache);
    let left = server.0.lock().unwrap().answers.len();
    assert_eq!(left, 0, "requests that were not made");
}

fn failures(applier: &Applier) -> u64 {
    let counts = FailureReason::ALL.map(|reason| {
        let reason = reason.as_str();
        let label = ReasonLabel { reason };
        applier
            .context
            .metrics
            .apply_failures
            .get_or_create(&label)
            .get()
    });
    counts.iter().sum()
}

#[tokio::test]
async fn changes_that_take_nothing_from_us_are_no_contest() {
    let (server, plan) = (FakeServer::default(), planned());
    let (mut applier, start) = (server.applier(), Clock::system().now());
    let unchanged = (1, None);
    let first = Pass {
        service: (1, Some(1)),
        stateful_set: (1, Some(1)),
    };
    pass(&mut applier, &server, &plan, first, start).await;
    // `kubectl rollout restart` again and again: each is seen, and stays.
    for restart in 1..=5 {
        let version = 1 + i64::try_from(restart).unwrap();
        let restarted = Pass {
            service: unchanged,
            stateful_set: (version, Some(version)),
        };
        let now = seconds(start, 60 * restart);
        pass(&mut applier, &server, &plan, restarted, now).await;
        assert_eq!(applier.write_error(&plan.key), None);
    }
}

#[tokio::test]
async fn a_contest_about_one_object_delays_no_other_and_is_no_failure() {
    let (server, mut plan) = (FakeServer::default(), planned());
    let (mut applier, start) = (server.applier(), Clock::system().now());
    // The versions of the Service that are shown, and those that it has when it was applied.
    for (second, shown, after) in [
        (0, 1, Some(1)),
        (10, 2, Some(3)),
        (20, 4, None),
        (22, 4, Some(5)),
        (30, 6, None),
    ] {
        assert_eq!(applier.write_error(&plan.key), None, "before {second}");
        let changed = Pass {
            service: (shown, after),
            stateful_set: (1, (second == 0).then_some(1)),
        };
        pass(
            &mut applier,
            &server,
            &plan,
            changed,
            seconds(start, second),
        )
        .await;
    }
    let said = applier.write_error(&plan.key).unwrap();
    assert!(said.starts_with("Service n/kt-a cannot"), "{said}");
    assert!(said.contains("another program keeps changing it"), "{said}");
    assert_eq!(failures(&applier), 0);
    // A StatefulSet that has to change does not wait for it.
    if let Some(workload) = &mut plan.workload {
        workload.pod.image = Some("other".to_owned());
    }
    for (second, service, stateful_set) in [(31, None, (1, Some(2))), (34, Some(7), (2, None))] {
        let edited = Pass {
            service: (6, service),
            stateful_set,
        };
        let now = seconds(start, second);
        pass(&mut applier, &server, &plan, edited, now).await;
    }
    assert_eq!(applier.write_error(&plan.key), None);
}

#[tokio::test]
async fn a_pod_whose_deletion_failed_is_deleted_later() {
    let server = FakeServer::default();
    let (mut applier, start) = (server.applier(), Clock::system().now());
    let mut seen = owned(1, 1);
    seen.pod_never_ready = true;
    let revision = "controller-revision-hash".to_owned();
    seen.pod = Some(ObjectMeta {
        uid: Some("p".to_owned()),
        labels: Some([(revision, "old".to_owned())].into()),
        ..ObjectMeta::default()
    });
    let set = json!({"kind": "StatefulSet", "apiVersion": "apps/v1",
        "metadata": meta(OwnedKind::StatefulSet, 1),
        "status": {"observedGeneration": 1, "updateRevision": "new", "replicas": 1}});
    let mut repair = Repair::default();
    let mut deletions = Vec::new();
    for second in (0..300).step_by(10) {
        server.expect(200, set.clone());
        server.expect(if deletions.len() < 2 { 500 } else { 200 }, refusal());
        let now = seconds(start, second);
        let done = applier
            .repair_pod(&account(), &seen, &mut repair, now)
            .await;
        server.0.lock().unwrap().answers.clear();
        if let Some(mut done) = done {
            done.at = now;
            applier.record(done);
        }
        let deleted = |request: &String| request.starts_with("DELETE");
        if server.requests().iter().any(deleted) {
            deletions.push(second);
            let said = applier.write_error(&account());
            let told = said.is_some_and(|it| it.starts_with("Pod n/kt-a-0 cannot be deleted"));
            assert_eq!(told, deletions.len() == 2, "{deletions:?}");
        }
    }
    assert_eq!(deletions, [90, 120, 150]);
    // It is ready, or gone: there is nothing left to say.
    applier.record(FinishedWrite {
        target: WriteTarget::Repair(account()),
        result: Err(ApplyError {
            kind: "Pod",
            key: account(),
            verb: "deleted",
            source: ApiError::Timeout,
        }),
        at: start,
    });
    seen.pod_never_ready = false;
    let done = applier
        .repair_pod(&account(), &seen, &mut repair, start)
        .await;
    applier.record(done.unwrap());
    assert_eq!(applier.retries.next(start), None);
}
