//! The bundle for a bug report.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::api_server::{OPERATOR, Stage, list, status};

#[tokio::test]
async fn a_report_holds_what_helps_and_nothing_secret() {
    let stage = Stage::new().await;
    stage.set(
        &format!("{OPERATOR}/v1/explain"),
        200,
        &json!({"kind": "set", "message": "wss://x/?api_key=hunter2 failed"}).to_string(),
    );
    let metrics = "# HELP x\nkite_operator_plans_total 7\n";
    stage.set(&format!("{OPERATOR}/metrics"), 200, metrics);
    let pod = |name: &str, app: &str| {
        json!({
            "metadata": {"name": name, "namespace": "ticker", "labels": {"app.kubernetes.io/name": app}},
            "spec": {"containers": [{"image": "img:1", "env": [{"name": "X", "value": "hunter2"}]}]},
            "status": {"phase": "Running"},
        })
    };
    stage.set(
        "/api/v1/namespaces/ticker/pods?",
        200,
        &list(&[pod("kt-a-0", "kite-ticker"), pod("strange", "other")]),
    );
    let event =
        |kind: &str, name: &str| json!({"regarding": {"kind": kind, "name": name}, "note": "text"});
    stage.set(
        "/apis/events.k8s.io/v1/namespaces/ticker/events?",
        200,
        &list(&[event("TickerAccount", "a"), event("Pod", "strange")]),
    );
    let said = stage.says(&["report", "--file", "out.json"]).await;
    assert!(said.starts_with("out.json is written."), "{said}");
    let text = std::fs::read_to_string(stage.folder.path().join("out.json")).unwrap();
    assert!(
        !text.contains("hunter2") && !text.contains("strange"),
        "{text}"
    );
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["not_read"], json!([]));
    assert_eq!(report["operator_metrics"][0], "kite_operator_plans_total 7");
    assert_eq!(
        report["tickeraccounts"][0]["spec"]["redis"]["url"],
        "redis://REDACTED@redis:6379"
    );
    assert_eq!(report["pods"][0]["images"][0], "img:1");
    assert_eq!(report["events"].as_array().unwrap().len(), 1);
    assert_eq!(report["reports"][0]["report"]["ticks_total"], 100);
    assert_eq!(report["explanations"].as_array().unwrap().len(), 2);
    assert_eq!(report["top"]["operator_version"], "9.9.9");
    // Secrets are not even asked for.
    assert!(!stage.asked().iter().any(|it| it.1.contains("secrets")));

    // What is there stays.
    let error = stage.fails(&["report", "--file", "out.json"]).await;
    assert!(error.contains("out.json exists already"), "{error}");
    let file = stage.folder.path().join("out.json");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // What cannot be read is listed.
    stage.set(
        "/apis/events.k8s.io/v1/namespaces/ticker/events?",
        403,
        &status(403, "no"),
    );
    let text = stage.says(&["report", "--file", "-"]).await;
    let report: Value = serde_json::from_str(&text).unwrap();
    assert!(
        report["not_read"][0]
            .as_str()
            .unwrap()
            .starts_with("events: list on events"),
        "{text}"
    );
}
