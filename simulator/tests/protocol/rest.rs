//! The REST routes.

use std::io::Read;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::harness::{Simulator, within};

#[tokio::test]
async fn the_dump_is_csv_and_gzipped_on_demand() {
    let simulator = Simulator::start(&[]).await;
    let plain = simulator.get("/instruments").send().await.unwrap();
    assert_eq!(plain.headers()["content-type"], "text/csv");
    assert!(!plain.headers().contains_key("content-encoding"));
    let plain = plain.bytes().await.unwrap();
    let gzipped = simulator
        .get("/instruments")
        .header("Accept-Encoding", "gzip, br");
    let gzipped = gzipped.send().await.unwrap();
    assert_eq!(gzipped.headers()["content-encoding"], "gzip");
    let gzipped = gzipped.bytes().await.unwrap();
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&gzipped[..])
        .read_to_end(&mut unpacked)
        .unwrap();
    assert_eq!(plain, unpacked);
    let rows = kite::instruments::read(&plain[..]).unwrap();
    assert!(rows.instruments.len() >= 20_000 && rows.rejected.count == 0);

    let mcx = simulator
        .get("/instruments/MCX")
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    let mcx = kite::instruments::read(&mcx[..]).unwrap().instruments;
    assert!(mcx.len() > 100 && mcx.iter().all(|row| &*row.exchange == "MCX"));
    assert_eq!(
        simulator
            .get("/instruments/LSE")
            .send()
            .await
            .unwrap()
            .status(),
        400
    );
}

#[tokio::test]
async fn the_dump_can_be_a_gateway_error() {
    let simulator = Simulator::start(&[]).await;
    simulator
        .control("/sim/faults", json!({"instruments": "html502"}))
        .await;
    for path in ["/instruments", "/instruments/NSE"] {
        let answer = simulator.get(path).send().await.unwrap();
        assert_eq!(answer.status(), 502);
        assert!(
            answer.headers()["content-type"]
                .to_str()
                .unwrap()
                .starts_with("text/html")
        );
    }
    simulator
        .control("/sim/faults", json!({"instruments": null}))
        .await;
    assert_eq!(
        simulator.get("/instruments").send().await.unwrap().status(),
        200
    );
}

#[tokio::test]
async fn rest_routes_fail_on_demand_as_often_as_asked() {
    let simulator = Simulator::start(&[]).await;
    let profile = || {
        let request = simulator.get("/user/profile");
        request.header("Authorization", "token a:t")
    };
    let session = || {
        let form = [("api_key", "a"), ("request_token", "r"), ("checksum", "c")];
        simulator.post("/session/token").form(&form)
    };
    let faults = json!({"profile": "too_many_requests", "session": "network_exception", "count": 1, "api_key": "a"});
    simulator.control("/sim/faults", faults).await;
    let limited = profile().send().await.unwrap();
    assert_eq!(limited.status(), 429);
    let limited: Value = limited.json().await.unwrap();
    assert_eq!(limited["message"], "Too many requests");
    assert_eq!(profile().send().await.unwrap().status(), 200);
    let broken = session().send().await.unwrap();
    assert_eq!(broken.status(), 503);
    let broken: Value = broken.json().await.unwrap();
    assert_eq!(broken["error_type"], "NetworkException");
    assert_eq!(session().send().await.unwrap().status(), 403);

    let faults = json!({"profile": "html502", "session": "html502"});
    simulator.control("/sim/faults", faults).await;
    for request in [profile(), profile(), session(), session()] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 502);
        let kind = answer.headers()["content-type"].to_str().unwrap();
        assert!(kind.starts_with("text/html"), "{kind}");
    }
    let faults = json!({"profile": null, "session": null});
    simulator.control("/sim/faults", faults).await;
    assert_eq!(profile().send().await.unwrap().status(), 200);
}

/// The simulator itself does not hang, and nor does its end.
#[tokio::test]
async fn a_route_hangs_on_demand() {
    let mut simulator = Simulator::start(&[]).await;
    let faults = json!({"session": "hang", "count": 1});
    simulator.control("/sim/faults", faults).await;
    let form = [("api_key", "a"), ("request_token", "r"), ("checksum", "c")];
    let session = simulator.post("/session/token").form(&form).send();
    let hanging = tokio::spawn(session);
    // The fault has ended: its only answer is under way.
    let began = async || {
        let faults = simulator.get("/sim/faults").send().await.unwrap();
        faults.json::<Value>().await.unwrap()["all"]["session"].is_null()
    };
    within(async { while !began().await {} }).await;
    let meanwhile = simulator.post("/session/token").form(&form);
    assert_eq!(meanwhile.send().await.unwrap().status(), 403);
    assert!(!hanging.is_finished());
    let pid = simulator.process.id().unwrap().to_string();
    let killed = Command::new("kill").args(["-TERM", &pid]).status().await;
    assert!(killed.unwrap().success());
    let answer = within(hanging).await.unwrap().unwrap();
    assert_eq!(answer.status(), 504);
    assert!(within(simulator.process.wait()).await.unwrap().success());
}

#[tokio::test]
async fn what_is_missing_is_said_in_kites_envelope() {
    let simulator = Simulator::start(&[]).await;
    for (request, status, kind) in [
        (simulator.get("/user/profile"), 403, "TokenException"),
        (
            simulator
                .get("/user/profile")
                .header("Authorization", "token a"),
            403,
            "TokenException",
        ),
        (
            simulator.post("/session/token").form(&[("api_key", "a")]),
            400,
            "InputException",
        ),
        (simulator.get("/orders"), 404, "GeneralException"),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status);
        let body: Value = answer.json().await.unwrap();
        assert_eq!(
            (&body["status"], &body["error_type"]),
            (&json!("error"), &json!(kind))
        );
    }
}
