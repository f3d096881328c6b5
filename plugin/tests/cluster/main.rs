//! The program against an API server that answers as it is told: which paths it asks, and what it says when there is no
//! operator, no right, or no cluster.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod api_server;
mod report;

use serde_json::{Value, json};

use api_server::{OPERATOR, Stage, status};

#[tokio::test]
async fn status_is_live_from_pods_and_says_what_is_not() {
    let stage = Stage::new().await;
    let text = stage.says(&["status"]).await;
    assert!(
        text.contains("a         True    Streaming     1/1           2/3         9"),
        "{text}"
    );
    assert!(
        text.contains("s     False   CapacityShort   full           2/5         9"),
        "{text}"
    );
    assert!(text.contains("2 of 5 instruments wait for room"), "{text}");
    assert!(!text.contains("live"), "{text}");

    // Without an operator, objects and pods remain.
    stage.set(
        &format!("{OPERATOR}/v1/top"),
        503,
        &status(503, "no endpoints available for service"),
    );
    let text = stage.says(&["status"]).await;
    assert!(text.contains("True    Streaming"), "{text}");
    assert!(
        text.contains(
            "are what the operator wrote last: the operator in namespace ticker does not answer"
        ),
        "{text}"
    );
    // Without pods too.
    let pod = "/api/v1/namespaces/ticker/pods/kt-a-0:9400/proxy";
    stage.set(
        &format!("{pod}/v1/report"),
        403,
        &status(403, "pods is forbidden"),
    );
    let view: Value = serde_json::from_str(&stage.says(&["status", "-o", "json"]).await).unwrap();
    assert_eq!(view["accounts"][0]["streaming"], 3);
    let notes = view["notes"].to_string();
    assert!(
        notes.contains("get on pods/proxy in namespace ticker is not allowed"),
        "{notes}"
    );
}

#[tokio::test]
async fn the_operator_is_asked_through_the_proxy_of_its_service() {
    let stage = Stage::new().await;
    stage.set(
        &format!("{OPERATOR}/v1/find"),
        200,
        &json!({"instruments": []}).to_string(),
    );
    let error = stage.fails(&["find", "nifty", "25000 ce"]).await;
    assert!(error.contains("nothing matches"), "{error}");
    let asked = stage.asked();
    let find = asked.iter().find(|it| it.1.contains("/v1/find")).unwrap();
    assert_eq!(find.0, "GET");
    assert_eq!(
        find.1,
        format!("{OPERATOR}/v1/find?query=nifty%2025000%20ce&namespace=ticker")
    );
    let services = &asked[0].1;
    assert!(
        services.contains("labelSelector=app.kubernetes.io%2Fname%3Dkite-ticker%2C"),
        "{services}"
    );

    stage.set(
        &format!("{OPERATOR}/v1/plan"),
        200,
        &json!({"remarks": ["hm"]}).to_string(),
    );
    let manifests = "kind: SecretList\nitems: [{stringData: {api_key: hunter2}}]\n---\nkind: InstrumentSet\n---\n\
                     kind: ConfigMap\nmetadata: {name: c}\ndata: {x: hunter2}\n";
    std::fs::write(stage.folder.path().join("m.yaml"), manifests).unwrap();
    let text = stage.says(&["plan", "--dry-run", "-f", "m.yaml"]).await;
    let ignored =
        "not sent, because only TickerAccounts and InstrumentSets are: a Secret, ConfigMap c";
    assert_eq!(text, format!("nothing would change\n\nhm\n\n{ignored}\n"));
    let asked = stage.asked();
    let plan = asked.iter().find(|it| it.1.contains("/v1/plan")).unwrap();
    assert_eq!(plan.0, "POST");
    let sent: Value = serde_json::from_str(&plan.2).unwrap();
    assert_eq!(
        sent,
        json!({"kind": "List", "items": [{"kind": "InstrumentSet"}]})
    );
    std::fs::write(stage.folder.path().join("m.yaml"), "kind: Secret\n").unwrap();
    let error = stage.fails(&["plan", "--dry-run", "-f", "m.yaml"]).await;
    assert!(error.contains("neither a TickerAccount nor"), "{error}");

    // Of all namespaces, the operator stands in that of the context.
    stage.says(&["top", "-A"]).await;
    let asked = stage.asked();
    assert!(
        asked.iter().any(|it| it.1 == format!("{OPERATOR}/v1/top?")),
        "{asked:?}"
    );
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let stage = Stage::new().await;
    let explain = ["explain", "iset/s"];
    let path = format!("{OPERATOR}/v1/explain");
    let message = r#"services "kt-kite-ticker-operator:http" is forbidden: User "eve" cannot get resource "services/proxy""#;
    stage.set(&path, 403, &status(403, message));
    let error = stage.fails(&explain).await;
    assert!(
        error.contains("get on services/proxy in namespace ticker is not allowed"),
        "{error}"
    );
    assert!(
        error.contains("kiteticker-plugin") && error.contains("eve"),
        "{error}"
    );

    stage.set(&path, 404, "404 page not found");
    let error = stage.fails(&explain).await;
    assert!(
        error.contains("does not know /v1/explain: it is older than this program"),
        "{error}"
    );

    stage.set(&path, 404, &status(404, "services not found"));
    let error = stage.fails(&explain).await;
    assert!(
        error.contains("no operator in namespace ticker: name its namespace"),
        "{error}"
    );

    stage.set(
        &path,
        404,
        &json!({"error": "there is no InstrumentSet s"}).to_string(),
    );
    assert_eq!(
        stage.fails(&explain).await,
        "error: there is no InstrumentSet s\n"
    );

    stage.set(&path, 200, "<html>");
    let error = stage.fails(&explain).await;
    assert!(error.contains("cannot be read (status 200)"), "{error}");

    let kinds = "/apis/kiteticker.dev/v1alpha1/namespaces/ticker/tickeraccounts";
    stage.set(kinds, 403, &status(403, "tickeraccounts is forbidden"));
    let error = stage.fails(&["status"]).await;
    assert!(
        error.contains("list on tickeraccounts in namespace ticker is not allowed"),
        "{error}"
    );
    stage.set(kinds, 404, "404 page not found");
    let error = stage.fails(&["status"]).await;
    assert!(
        error.contains("install the chart kite-ticker-crds"),
        "{error}"
    );
    let report: Value =
        serde_json::from_str(&stage.says(&["report", "--file", "-"]).await).unwrap();
    let not_read = report["not_read"].to_string();
    assert!(
        not_read.contains("the cluster does not list pods (status 404)"),
        "{not_read}"
    );

    // Who has to log in again is not told that versions differ.
    stage.set(&path, 401, &status(401, "Unauthorized"));
    let error = stage.fails(&explain).await;
    assert!(error.contains("does not know you: log in again"), "{error}");

    let error = stage.fails(&["status", "--context", "other"]).await;
    assert!(
        error.contains("check --context and --kubeconfig"),
        "{error}"
    );
    // Nobody listens there.
    let text = std::fs::read_to_string(stage.config()).unwrap();
    let start = text.find("127.0.0.1:").unwrap() + "127.0.0.1:".len();
    let end = start + text[start..].find('"').unwrap();
    let gone = format!("{}1{}", &text[..start], &text[end..]);
    std::fs::write(stage.config(), gone).unwrap();
    let error = stage.fails(&["status"]).await;
    assert!(error.contains("the cluster does not answer"), "{error}");
}

#[tokio::test]
async fn of_what_a_pod_or_an_operator_says_only_so_much_is_read() {
    let stage = Stage::new().await;
    let pod = "/api/v1/namespaces/ticker/pods/kt-a-0:9400/proxy/v1/report";
    stage.set(pod, 200, &" ".repeat(contract::report::LARGEST_REPORT + 1));
    let text = stage.says(&["status"]).await;
    assert!(
        text.contains("numbers of account a are not live: the answer to"),
        "{text}"
    );
    assert!(
        text.contains(&format!(
            "is larger than {} bytes, and was not read",
            contract::report::LARGEST_REPORT
        )),
        "{text}"
    );

    let large = " ".repeat(contract::answer::LARGEST_ANSWER + 1);
    stage.set(&format!("{OPERATOR}/v1/top"), 200, &large);
    let error = stage.fails(&["top"]).await;
    assert!(error.contains("is larger than 1048576 bytes"), "{error}");
}

#[tokio::test]
async fn what_is_left_out_is_said() {
    let stage = Stage::new().await;
    let accounts = (0..201).map(|at| json!({"namespace": "ticker", "name": format!("a{at}")}));
    let accounts: Vec<Value> = accounts.collect();
    let top = json!({"operator_version": "1", "accounts": accounts, "truncated": true});
    stage.set(&format!("{OPERATOR}/v1/top"), 200, &top.to_string());
    // A list that never ends.
    let endless = json!({"metadata": {"continue": "more"}, "items": [{"metadata": {"name": "p"}}]});
    let kinds = "/apis/kiteticker.dev/v1alpha1/namespaces/ticker/tickeraccounts";
    stage.set(kinds, 200, &endless.to_string());
    let cut = "there are more than 40 tickeraccounts: the others are not read";
    let text = stage.says(&["status"]).await;
    assert!(text.contains(cut), "{text}");
    let report: Value =
        serde_json::from_str(&stage.says(&["report", "--file", "-"]).await).unwrap();
    let not_read = report["not_read"].as_array().unwrap();
    for expected in [
        cut,
        "the operator's overview: it leaves accounts and sets out, there are too many",
        "explanations: those of 1 more, only 200 are asked for",
        "reports: those of 1 more, only 200 are asked for",
    ] {
        assert!(not_read.contains(&expected.into()), "{not_read:?}");
    }
}

#[tokio::test]
async fn a_busy_operator_is_asked_again() {
    let stage = Stage::new().await;
    let busy = json!({"error": "another question is being answered"}).to_string();
    stage.set(&format!("{OPERATOR}/v1/top"), 503, &busy);
    let free = async {
        while !stage.asked().iter().any(|it| it.1.contains("/v1/top")) {
            tokio::task::yield_now().await;
        }
        let top = json!({"operator_version": "1", "plan_age_ms": 0}).to_string();
        stage.set(&format!("{OPERATOR}/v1/top"), 200, &top);
    };
    let (text, ()) = tokio::join!(stage.says(&["top"]), free);
    assert_eq!(text, "there is neither an account nor a set\n");
}
