//! The login page, request tokens and sessions, as a browser and an application go through them.

use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use crate::harness::{PASSWORD, Simulator, TOTP, callback, within};

const SECRET: [&str; 2] = ["--api-secret", "secret"];

/// The values of a page's form: those of its fields, and one for each button.
fn values(page: &str, name: &str) -> Vec<String> {
    let value = |tag: &str| {
        let (_, rest) = tag.split_once("value=\"")?;
        let (value, _) = rest.split_once('"')?;
        Some(value.replace("&quot;", "\"").replace("&amp;", "&"))
    };
    page.split('<')
        .filter(|tag| tag.contains(&format!("name=\"{name}\"")))
        .map(|tag| value(tag).unwrap_or_default())
        .collect()
}

#[tokio::test]
async fn a_browser_logs_in_and_comes_back_with_a_request_token() {
    let redirect_url = ["--redirect-url", "https://example.com/login/callback?app=1"];
    let simulator = Simulator::start(&[&SECRET[..], &redirect_url].concat()).await;
    let link = "/connect/login?v=3&api_key=key&redirect_params=state%3Da%2526%252Bb.c%26more%3DY";
    let answer = simulator.get(link).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let page = answer.text().await.unwrap();
    assert!(page.contains("<form method=\"post\" action=\"/connect/login\">"));
    let names = [
        "v",
        "api_key",
        "redirect_params",
        "user_id",
        "password",
        "totp",
    ];
    let field = |name: &str| match values(&page, name).remove(0) {
        typed if typed.is_empty() => "typed".to_owned(),
        filled => filled,
    };
    let fields: Vec<(&str, String)> = names.map(|name| (name, field(name))).into();
    assert_eq!(values(&page, "decision"), ["login", "cancel"]);

    let press = async |button: &str| {
        let form = [&fields[..], &[("decision", button.to_owned())]].concat();
        let answer = simulator.post("/connect/login").form(&form).send().await;
        callback(&answer.unwrap())
    };
    let (url, mut parameters) = press("login").await;
    assert_eq!(url, "https://example.com/login/callback");
    let request_token = parameters.remove("request_token").unwrap();
    assert_eq!(request_token.len(), 32);
    let with_status = |status: &str| {
        let sent = [
            ("app", "1"),
            ("action", "login"),
            ("type", "login"),
            ("status", status),
            ("state", "a&+b.c"),
            ("more", "Y"),
        ];
        sent.map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    };
    assert_eq!(parameters, with_status("success"));
    let (status, session) = simulator.open_session(&request_token).await;
    assert_eq!(
        (status, &session["data"]["user_id"]),
        (200, &json!("SIM001"))
    );

    let (url, parameters) = press("cancel").await;
    assert_eq!(url, "https://example.com/login/callback");
    assert_eq!(parameters, with_status("error"));
}

#[tokio::test]
async fn without_settings_the_browser_comes_back_to_this_machine() {
    let simulator = Simulator::start(&[]).await;
    let form = [("v", "3"), ("api_key", "key"), ("decision", "cancel")];
    let answer = simulator.post("/connect/login").form(&form).send().await;
    let answer = answer.unwrap();
    let expected = "http://127.0.0.1:9402/login/callback?action=login&type=login&status=error";
    assert_eq!(answer.headers()["location"], expected);
}

#[tokio::test]
async fn a_link_without_version_or_application_is_an_error() {
    let simulator = Simulator::start(&[]).await;
    for (query, named) in [
        ("api_key=key", "`v`"),
        ("v=2&api_key=key", "`v`"),
        ("v=3", "`api_key`"),
        ("v=3&api_key=", "`api_key`"),
        ("", "`v`"),
    ] {
        let path = format!("/connect/login?{query}");
        for request in [
            simulator.get(&path),
            simulator.post("/connect/login").body(query),
        ] {
            let form = "application/x-www-form-urlencoded";
            let answer = request.header("Content-Type", form).send().await.unwrap();
            assert_eq!(answer.status(), 400, "{query}");
            let body: Value = answer.json().await.unwrap();
            assert_eq!(body["error_type"], "InputException");
            assert!(body["message"].as_str().unwrap().contains(named), "{body}");
        }
    }
}

#[tokio::test]
async fn a_form_with_empty_fields_comes_back() {
    let simulator = Simulator::start(&[]).await;
    for missing in ["user_id", "password", "totp"] {
        let form = [
            ("v", "3"),
            ("api_key", "key"),
            ("redirect_params", "state=1"),
            ("user_id", "AB1234"),
            ("password", "never-shown"),
            ("totp", "never-shown"),
        ];
        let form = form.map(|(name, value)| (name, if name == missing { "" } else { value }));
        let answer = simulator.post("/connect/login").form(&form).send().await;
        let answer = answer.unwrap();
        assert_eq!(answer.status(), 400, "{missing}");
        let page = answer.text().await.unwrap();
        assert!(page.contains("role=\"alert\"") && !page.contains("never-shown"));
        assert_eq!(values(&page, "redirect_params"), ["state=1"]);
    }
}

#[tokio::test]
async fn a_session_is_opened_once_with_the_right_checksum_and_ended() {
    let simulator = Simulator::start(&SECRET).await;
    let login = simulator.log_in("AB1234").await;
    assert_eq!(login["state"], "of.it");
    let request_token = &login["request_token"];
    let form = [
        ("api_key", "key"),
        ("request_token", request_token),
        ("checksum", "0"),
    ];
    let answer = simulator.post("/session/token").form(&form).send().await;
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 403);
    let refused = |message: &str| {
        json!({
            "status": "error",
            "message": message,
            "data": null,
            "error_type": "TokenException",
        })
    };
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body, refused("Invalid `checksum`."));

    let (status, body) = simulator.open_session(request_token).await;
    assert_eq!((status, &body["status"]), (200, &json!("success")));
    let session = &body["data"];
    assert_eq!(session["user_id"], "AB1234");
    assert_eq!(
        session["login_time"].as_str().unwrap().len(),
        "2021-01-01 16:15:14".len()
    );
    let invalid = (403, refused("Token is invalid or has expired."));
    for token in [request_token, "never given out"] {
        assert_eq!(simulator.open_session(token).await, invalid);
    }

    let token = session["access_token"].as_str().unwrap();
    let (status, profile) = simulator.profile(token).await;
    assert_eq!(
        (status, &profile["data"]["user_id"]),
        (200, &json!("AB1234"))
    );
    let (status, profile) = simulator.profile("any").await;
    assert_eq!(
        (status, &profile["data"]["user_id"]),
        (200, &json!("SIM001"))
    );
    let other = format!("api_key=other&access_token={token}");
    assert_eq!(simulator.refusal(&other).await, 403);
    let path = format!("/session/token?api_key=key&access_token={token}");
    let ended = simulator.delete(&path).send().await.unwrap();
    let ended: Value = ended.json().await.unwrap();
    assert_eq!(ended, json!({"status": "success", "data": true}));
    assert_eq!(simulator.profile(token).await.0, 403);
}

/// As at Kite, where a bot that logs in again ends the token of another program of the same app.
#[tokio::test]
async fn a_new_session_ends_the_tokens_of_the_one_before_and_not_its_sockets() {
    let simulator = Simulator::start(&[&SECRET[..], &["--rate", "0"]].concat()).await;
    let token_of = |session: &Value| session["access_token"].as_str().unwrap().to_owned();
    let old = token_of(&simulator.session("AB1234").await);
    let stranger = token_of(&simulator.session("CD5678").await);
    let query = |token: &str| format!("api_key=key&access_token={token}");
    let mut open = simulator.connect(&query(&old)).await;
    let new = token_of(&simulator.session("AB1234").await);
    assert_eq!(simulator.refusal(&query(&old)).await, 403);
    for (token, status) in [(&old, 403), (&stranger, 200), (&new, 200)] {
        assert_eq!(simulator.profile(token).await.0, status);
    }
    let _new = simulator.connect(&query(&new)).await;
    let text = json!({"text": "{\"type\": \"message\"}", "conn": 1});
    simulator.control("/sim/text", text).await;
    assert_eq!(open.text().await["type"], "message");
}

#[tokio::test]
async fn a_failed_exchange_does_not_use_the_request_token_up() {
    let simulator = Simulator::start(&SECRET).await;
    let login = simulator.log_in("AB1234").await;
    let fault = json!({"session": "network_exception", "count": 1});
    simulator.control("/sim/faults", fault).await;
    let exchange = || simulator.open_session(&login["request_token"]);
    assert_eq!(exchange().await.0, 503);
    assert_eq!(exchange().await.0, 200);
}

/// An hour on the wall clock between login and exchange is a moment of the user.
#[tokio::test]
async fn the_wall_clock_does_not_make_request_tokens_old() {
    let clock = ["--wall-clock", "2026-11-24T05:00:00+05:30,0"];
    let simulator = Simulator::start(&[SECRET, clock].concat()).await;
    let login = simulator.log_in("AB1234").await;
    let later = json!({"wall_clock": "2026-11-24T06:00:00+05:30,0"});
    simulator.control("/sim/clock", later).await;
    let (status, session) = simulator.open_session(&login["request_token"]).await;
    assert_eq!(status, 200);
    assert_eq!(session["data"]["login_time"], "2026-11-24 06:00:00");
}

/// Nothing that was typed, and no token, is in the log.
#[tokio::test]
async fn the_log_names_no_secrets() {
    let log_level = ["--log-level", "trace"];
    let mut simulator = Simulator::start(&[SECRET, log_level].concat()).await;
    let mut stderr = simulator.process.stderr.take().unwrap();
    let reading = tokio::spawn(async move {
        let mut log = String::new();
        stderr.read_to_string(&mut log).await.map(|_| log)
    });
    let login = simulator.log_in("AB1234").await;
    let (_, session) = simulator.open_session(&login["request_token"]).await;
    let token = session["data"]["access_token"].as_str().unwrap();
    assert_eq!(simulator.profile(token).await.0, 200);
    let pid = simulator.process.id().unwrap().to_string();
    let ended = Command::new("kill").args(["-TERM", &pid]).status().await;
    assert!(ended.unwrap().success());
    let log = within(reading).await.unwrap().unwrap();
    assert!(log.contains("logged in"), "{log}");
    for member in ["access_token", "enctoken", "public_token"] {
        let token = session["data"][member].as_str().unwrap();
        assert!(!log.contains(token), "{member}");
    }
    for text in [&login["request_token"], TOTP, PASSWORD] {
        assert!(!log.contains(text));
    }
}
