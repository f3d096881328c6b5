//! What an operator needs to move the instruments of an account that does not work: for how long its connections are down,
//! and what each of them carries.

#![allow(
    clippy::unwrap_used,
    reason = "a stage that cannot be set up fails its test"
)]

mod stage;

use contract::Report;
use contract::report::{ConnectionInstruments, ConnectionReport, ConnectionState};
use stage::kite_server::KiteServer;
use stage::scene::Scene;
use stage::{ACCESS_TOKEN, Folders, assignment, option, servers, token};

const TODAY: &str = "fake-token-of-today";

/// For so long a connection is down in these tests before it matters.
const A_WHILE_MS: u64 = 1_500;

/// The only connection of a report, if it has just one.
fn only(report: &Report) -> Option<&ConnectionReport> {
    match &report.connections[..] {
        [one] => Some(one),
        _ => None,
    }
}

fn is(state: ConnectionState) -> impl Fn(&Report) -> bool {
    move |report| only(report).is_some_and(|one| one.state == state)
}

fn down(report: &Report) -> Option<u64> {
    only(report)?.down_ms
}

/// Credentials that are missing, refused, and refused by another endpoint are one outage.
#[tokio::test]
async fn an_outage_is_counted_from_the_first_need_until_a_socket_is_up() {
    let (kite, redis, _) = servers().await;
    let other = KiteServer::start().await;
    kite.accept_only(TODAY);
    other.accept_only(TODAY);
    let mut assigned = assignment(&kite, redis.port());
    assigned.instruments = vec![option(1)];
    let mut scene = Scene::between(kite, redis, Folders::new(), assigned).await;
    let mut before = A_WHILE_MS;
    let missing = |report: &Report| down(report) > Some(before);
    let report = scene.ingestor.until("an outage", missing).await;
    assert!(is(ConnectionState::Idle)(&report), "{report:#?}");
    // Not waited for: a new outage would have to grow first.
    let mut still = async |scene: &Scene, generation| {
        let so = |report: &Report| {
            let applied = report.assignment.as_ref().map(|it| it.generation);
            applied == Some(generation) && is(ConnectionState::Refused)(report)
        };
        let report = scene.ingestor.until("a refusal", so).await;
        let longer = down(&report).unwrap();
        assert!(longer >= before, "{before} ms, then {report:#?}");
        before = longer;
    };
    scene.folders.credentials_of(ACCESS_TOKEN);
    still(&scene, 1).await;
    scene.reassign(|assigned| assigned.instruments = vec![option(2), option(3)]);
    still(&scene, 2).await;
    scene.reassign(|assigned| assigned.websocket = other.origin());
    still(&scene, 3).await;

    scene.folders.credentials_of(TODAY);
    let live = scene.ingestor.until("live", is(ConnectionState::Live));
    assert_eq!(down(&live.await), None);
}

#[tokio::test]
async fn the_lists_of_all_connections_add_up_to_the_assignment() {
    let mut scene = Scene::with(1..=5, |assigned| assigned.tokens_per_connection = 3).await;
    let report = scene
        .ingestor
        .until("both", |report| report.connections.len() == 2)
        .await;
    let list = async |scene: &Scene, index: u8| -> ConnectionInstruments {
        let path = format!("/v1/report?connection={index}");
        let (status, text) = scene.ingestor.get(&path).await;
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    };
    let lists = [list(&scene, 0).await, list(&scene, 1).await];
    let tokens = |numbers: &[u32]| -> Vec<u32> { numbers.iter().map(|it| token(*it).0).collect() };
    assert_eq!(lists[0].tokens, tokens(&[1, 2, 3]));
    assert_eq!(lists[1].tokens, tokens(&[4, 5]));
    for (index, list) in lists.iter().enumerate() {
        let counted = report.connections[index].instruments as usize;
        assert_eq!(
            (usize::from(list.index), list.tokens.len()),
            (index, counted)
        );
        assert_eq!((&list.epoch, list.generation), (&report.epoch, 1));
    }
    assert_eq!(list(&scene, 2).await.tokens, Vec::<u32>::new());

    // One leaves the first connection, and one that is new takes its place.
    scene.reassign(|assigned| {
        assigned.instruments.remove(0);
        assigned.instruments.push(option(6));
    });
    let second = |report: &Report| report.assignment.as_ref().map(|it| it.generation) == Some(2);
    scene.ingestor.until("the change", second).await;
    let changed = list(&scene, 0).await;
    assert_eq!(
        (changed.generation, changed.tokens),
        (2, tokens(&[2, 3, 6]))
    );
    assert_eq!(list(&scene, 1).await.tokens, tokens(&[4, 5]));

    let (status, text) = scene.ingestor.get("/v1/report?connection=3").await;
    assert_eq!((status, text.as_str()), (404, "there is no connection 3"));
    for wrong in ["x", "-1", "", "1.5"] {
        let path = format!("/v1/report?connection={wrong}");
        let (status, text) = scene.ingestor.get(&path).await;
        assert_eq!((status, text.lines().count()), (400, 1), "{wrong}: {text}");
    }
}
