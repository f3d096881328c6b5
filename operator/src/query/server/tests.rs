use std::sync::mpsc;

use axum::http::Request;
use futures::stream;
use tower::ServiceExt as _;

use super::*;
use crate::plan::fixture::{account, equities, observed, run, set, start};

fn server(feed: &watch::Sender<Option<Arc<Snapshot>>>) -> QueryServer {
    let reports: ReportSource = Arc::new(|account: &ObservedAccount| account.scrape.clone());
    QueryServer::new(feed.subscribe(), reports, Clock::system())
}

fn snapshot() -> Arc<Snapshot> {
    let mut world = observed(vec![account("a")], vec![set("s", &equities(0..3), &[])]);
    let memory = run(&mut world, start());
    Arc::new(Snapshot::sample(world, memory))
}

async fn ask(server: &QueryServer, path: &str) -> (u16, serde_json::Value) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let answer = server.clone().router().oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    let body = to_bytes(answer.into_body(), LARGEST_ANSWER).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn questions_are_answered_once_there_is_something_to_say() {
    let feed = watch::Sender::new(None);
    let server = server(&feed);
    let (status, answer) = ask(&server, "/v1/top").await;
    assert_eq!(status, 503);
    assert!(
        answer["error"]
            .as_str()
            .unwrap()
            .contains("has not planned yet")
    );

    feed.send_replace(Some(snapshot()));
    let (status, answer) = ask(&server, "/v1/top").await;
    assert_eq!((status, &answer["sets"][0]["name"]), (200, &"s".into()));
    let (status, answer) = ask(&server, "/v1/explain?kind=set&name=s").await;
    assert_eq!(
        (status, &answer["kind"], &answer["selected"]),
        (200, &"set".into(), &3.into())
    );
    let (status, answer) = ask(&server, "/v1/explain?kind=set&name=s&symbol=EQ0").await;
    assert_eq!((status, &answer["state"]), (200, &"placed".into()));
    let (status, answer) = ask(&server, "/v1/explain?kind=account&name=b").await;
    assert_eq!(status, 404);
    assert_eq!(
        answer["error"],
        "there is no TickerAccount trading/b: did you mean a?"
    );
    let (status, answer) = ask(&server, "/v1/find?query=nifty%20fut").await;
    assert_eq!(
        (status, &answer["instruments"][0]["symbol"]),
        (200, &"NFO:NIFTY26DECFUT".into())
    );
    // Objects of others are not answered as if there were none.
    for question in [
        "explain?kind=set&name=s&",
        "explain?kind=account&name=a&",
        "find?query=nifty&",
        "top?",
    ] {
        let (status, answer) = ask(&server, &format!("/v1/{question}namespace=elsewhere")).await;
        assert_eq!(status, 404, "{question}: {answer}");
        let error = answer["error"].as_str().unwrap();
        assert!(
            error.contains("manages namespace trading only, not elsewhere"),
            "{error}"
        );
    }
    for wrong in ["/v1/find?query=", "/v1/find", "/v1/explain?kind=pod&name=a"] {
        let (status, answer) = ask(&server, wrong).await;
        assert!(
            status == 400 && answer["error"].is_string(),
            "{wrong}: {status} {answer}"
        );
    }
}

#[tokio::test]
async fn one_question_is_answered_at_a_time_and_none_for_longer_than_a_second() {
    let feed = watch::Sender::new(Some(snapshot()));
    let server = server(&feed);
    let (go, goes) = mpsc::channel::<()>();
    let slow = {
        let server = server.clone();
        tokio::spawn(async move {
            let compute = move |_: &Snapshot| {
                let _end: Result<(), _> = goes.recv();
                Ok(contract::answer::TopAnswer::default())
            };
            server.answer(compute).await.status().as_u16()
        })
    };
    while server.turn.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    let (status, answer) = ask(&server, "/v1/top").await;
    assert_eq!(status, 503);
    assert!(
        answer["error"]
            .as_str()
            .unwrap()
            .starts_with("another question")
    );
    assert_eq!(slow.await.unwrap(), 504, "it is given up");
    // Its computing goes on, and the next question waits for its end.
    assert_eq!(ask(&server, "/v1/top").await.0, 503);
    go.send(()).unwrap();
    while server.turn.available_permits() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(ask(&server, "/v1/top").await.0, 200);
}

async fn post(server: &QueryServer, body: Body) -> u16 {
    let request = Request::post(PREVIEW_PATH).body(body).unwrap();
    let answer = server.clone().router().oneshot(request).await.unwrap();
    answer.status().as_u16()
}

#[tokio::test(start_paused = true)]
async fn manifests_that_do_not_come_or_are_too_many_are_given_up() {
    let feed = watch::Sender::new(Some(snapshot()));
    let server = server(&feed);
    let slow = {
        let server = server.clone();
        let never = Body::from_stream(stream::pending::<Result<Vec<u8>, std::io::Error>>());
        tokio::spawn(async move { post(&server, never).await })
    };
    while server.turn.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        post(&server, Body::from("x")).await,
        503,
        "nothing of it is read"
    );
    assert_eq!(slow.await.unwrap(), 408);
    let broken = Err(std::io::Error::other("reset"));
    let broken = Body::from_stream(stream::iter([Ok(vec![b'x']), broken]));
    assert_eq!(post(&server, broken).await, 400);
    let large = Body::from(vec![b'x'; LARGEST_QUESTION + 1]);
    assert_eq!(post(&server, large).await, 413);
    assert_eq!(post(&server, Body::from(vec![0xff, 0xfe])).await, 400);
    assert_eq!(post(&server, Body::from("kind: X")).await, 200);
}

#[test]
fn an_answer_that_is_too_large_is_cut() {
    use contract::answer::{SetTop, TopAnswer};

    let set = SetTop {
        name: "x".repeat(1_000),
        ..SetTop::default()
    };
    let answer = TopAnswer {
        sets: vec![set; 5_000],
        ..TopAnswer::default()
    };
    let body = bounded(answer).unwrap();
    assert!(body.len() <= LARGEST_ANSWER && body.len() > LARGEST_ANSWER / 4);
    let cut: TopAnswer = serde_json::from_slice(&body).unwrap();
    assert!(cut.truncated && cut.sets.len() < 5_000);
    let one = TopAnswer {
        operator_version: "x".repeat(LARGEST_ANSWER),
        ..TopAnswer::default()
    };
    assert_eq!(
        bounded(one).unwrap_err().0,
        StatusCode::INTERNAL_SERVER_ERROR
    );
}
