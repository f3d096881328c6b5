//! Logging in: the link, Kite's page, and what happens when the browser comes back, without one.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};
use axum::routing::post;
use axum::{Json, Router};
use contract::TokenSource;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use service::clock::{Clock, WallClock};
use tests::documents::root;
use tests::login_page::{self, location, pairs};
use tests::process::binary;
use tests::{Local, RedisServer, Simulator, eventually};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc;

pub(crate) const API_SECRET: &str = "main-fake-api-secret";

/// An operator at which users log in, and the Kite to which it sends them.
struct Stage {
    local: Local,
    simulator: Simulator,
    browser: Client,
    callback: SocketAddr,
    clock: String,
    _redis: RedisServer,
}

/// The argument for a clock that shows the noon of a trading day now: in the morning Kite ends tokens, and nobody can log in.
fn noon() -> Result<String> {
    let wall = WallClock {
        start: "2026-12-01T12:00:00+05:30".parse()?,
        rate: 1.0,
        origin: Some(Clock::system().wall()),
    };
    Ok(format!("--wall-clock={wall}"))
}

impl Stage {
    /// The account `main` has an API key and secret, and no access token.
    async fn new(more: &str) -> Result<Self> {
        Self::with(more, "").await
    }

    /// The same beside another manifest.
    async fn with(more: &str, manifest: &str) -> Result<Self> {
        let redis = RedisServer::start().await?;
        let mut local = Local::new(&redis)?;
        let clock = noon()?;
        local.start_with(&["--login-listen", "127.0.0.1:0", &clock])?;
        let callback = login_address(&local).await;
        let redirect = format!("http://{callback}/login/callback");
        let arguments = [
            "--api-secret",
            API_SECRET,
            "--redirect-url",
            &redirect,
            &clock,
        ];
        let simulator = Simulator::start_with(&arguments).await?;
        if !manifest.is_empty() {
            local.write("another.yaml", manifest)?;
        }
        local.write_real_account("main", &simulator, more)?;
        write_app(&local)?;
        local.write_set("shares", "full", &["NSE:INFY"], "")?;
        let stage = Self {
            local,
            simulator,
            browser: login_page::browser()?,
            callback,
            clock,
            _redis: redis,
        };
        stage.local.shows("main", "False", "LoginRequired").await;
        Ok(stage)
    }

    /// The link that is printed.
    async fn link(&self) -> String {
        let mut link = None;
        eventually("a login link", async || {
            let printed = self.local.printed();
            let newest = printed.rsplit("ACCOUNT").next().unwrap_or_default();
            let mut lines = newest.lines();
            let line = lines.find_map(|line| line.strip_prefix("log in to main: "));
            link = line.map(str::to_owned);
            link.as_ref().map(drop).ok_or(printed)
        })
        .await;
        link.unwrap_or_default()
    }

    /// Logs in at Kite as `user`; returns where the browser is sent back to.
    async fn log_in(&self, link: &str, user: &str) -> Result<String> {
        login_page::log_in(&self.browser, link, user).await
    }

    async fn get(&self, url: &str) -> Result<Response> {
        Ok(self.browser.get(url).send().await?)
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.callback)
    }

    /// The status and the text of a page.
    async fn page(&self, url: &str) -> Result<(u16, String)> {
        let answer = self.answer(url).await?;
        check_headers(&answer)?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// What is answered once the limit of requests allows one.
    async fn answer(&self, url: &str) -> Result<Response> {
        let mut found = None;
        eventually("one more request", async || {
            let answer = self.get(url).await.map_err(|error| error.to_string())?;
            match answer.status() {
                StatusCode::TOO_MANY_REQUESTS => Err(format!("{answer:?}")),
                _ => {
                    found = Some(answer);
                    Ok(())
                }
            }
        })
        .await;
        found.context("no answer")
    }

    /// Waits until the page of a login says that the account is ready.
    async fn becomes_ready(&self, done: &str) {
        eventually("the page says that it is ready", async || {
            let page = self.page(&self.url(done)).await;
            let (_, text) = page.map_err(|error| error.to_string())?;
            match text.contains("main is ready: Streaming") {
                true => Ok(()),
                false => Err(text),
            }
        })
        .await;
    }

    async fn uses_session(&self) {
        eventually("the session is used", async || {
            let report = self.local.report("main").await;
            let report = report.map_err(|error| error.to_string())?;
            match (report.token_source, report.streaming) {
                (Some(TokenSource::Session), 1..) => Ok(()),
                _ => Err(format!("{report:?}")),
            }
        })
        .await;
    }
}

/// The Secret with the API key and secret, and no access token.
fn write_app(local: &Local) -> Result<()> {
    local.write(
        "secret-main.yaml",
        &format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: main}}\nstringData:\n  \
             api_key: main-fake-key\n  api_secret: {API_SECRET}\n"
        ),
    )
}

pub(crate) async fn login_address(local: &Local) -> SocketAddr {
    let mut address = None;
    eventually("logins are taken", async || {
        let printed = local.printed();
        let line = printed
            .lines()
            .find(|line| line.contains("logins are taken"));
        let words = line.unwrap_or_default().split(['=', '"', ' ']);
        address = words.filter_map(|word| word.parse().ok()).next();
        address.map(drop).ok_or(printed)
    })
    .await;
    address.unwrap_or_else(|| panic!("no address"))
}

fn check_headers(answer: &Response) -> Result<()> {
    let header = |name: &str| {
        answer
            .headers()
            .get(name)
            .map(|it| it.to_str().unwrap_or(""))
    };
    ensure!(header("cache-control") == Some("no-store"), "{answer:?}");
    ensure!(
        header("referrer-policy") == Some("no-referrer"),
        "{answer:?}"
    );
    let policy = header("content-security-policy").unwrap_or_default();
    ensure!(policy.starts_with("default-src 'none'"), "{answer:?}");
    Ok(())
}

#[tokio::test]
async fn a_login_makes_the_account_stream_and_cannot_be_replayed() -> Result<()> {
    let mut stage = Stage::new("").await?;
    let link = stage.link().await;
    ensure!(link.contains("api_key=main-fake-key"), "{link}");
    let back = stage.log_in(&link, "AB1234").await?;
    let answer = stage.answer(&back).await?;
    ensure!(answer.status() == StatusCode::SEE_OTHER, "{answer:?}");
    let done = location(&answer)?;
    ensure!(done.starts_with("/login/done/"), "{done}");
    stage.becomes_ready(&done).await;
    stage.uses_session().await;
    stage.local.shows("shares", "True", "Streaming").await;

    // The same address again, and the same link again, change nothing.
    let (status, text) = stage.page(&back).await?;
    ensure!(
        status == 200 && text.contains("Logged in already"),
        "{text}"
    );
    let again = stage.log_in(&link, "AB1234").await?;
    let (_, text) = stage.page(&again).await?;
    ensure!(text.contains("Logged in already"), "{text}");
    let printed = stage.local.printed();
    let newest = printed.rsplit("ACCOUNT").next().unwrap_or_default();
    ensure!(!newest.contains("log in to"), "{newest}");

    // An operator that starts again has the session, and no reason to ask.
    stage.local.stop().await?;
    stage
        .local
        .start_with(&["--login-listen", "off", &stage.clock])?;
    stage.local.shows("main", "True", "Streaming").await;
    stage.uses_session().await;
    let request_token = parameter(&back, "request_token")?;
    for secret in [API_SECRET, &request_token] {
        ensure!(
            !stage.local.printed().contains(secret),
            "a secret is printed"
        );
        ensure!(!printed.contains(secret), "a secret is printed");
    }
    stage.local.stop().await
}

fn parameter(url: &str, name: &str) -> Result<String> {
    let pairs = pairs(url.split_once('?').context("no query")?.1);
    let found = pairs.into_iter().find(|(known, _)| known == name);
    Ok(found.with_context(|| format!("no {name} in {url}"))?.1)
}

/// Logs in with a browser; returns what it saw in the end.
async fn with_browser(link: &str, user: &str) -> Result<Value> {
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("login.js");
    std::fs::copy(root().join("tests/clients/login.js"), &script)?;
    let modules = std::path::absolute(root().join(".state/node/node_modules"))?;
    std::os::unix::fs::symlink(modules, folder.path().join("node_modules"))?;
    let mut node = Command::new("node");
    // It has a proxy in its environment on some machines, and everything is on this one.
    node.arg(script).args([link, user]).env("NO_PROXY", "*");
    let output = node.kill_on_drop(true).output().await?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{errors}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// What a person does: the link of `kubectl kiteticker login`, Kite's page in a browser, and the page that says it worked.
#[tokio::test]
async fn a_person_logs_in_with_a_browser_while_kubectl_waits() -> Result<()> {
    let mut stage = Stage::new("").await?;
    let mut command = Command::new(binary("kubectl-kiteticker"));
    let state = stage.local.state_folder();
    command
        .arg(format!("--local={}", state.display()))
        .args(["login", "tka/main"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut waiting = command.spawn()?;
    let mut lines = BufReader::new(waiting.stdout.take().context("no output")?).lines();
    ensure!(lines.next_line().await?.as_deref() == Some("log in at"));
    let link = lines.next_line().await?.context("no link")?;
    ensure!(link == stage.link().await, "{link}");

    let seen = with_browser(&link, "AB1234").await?;
    let text = seen["text"].as_str().unwrap_or_default();
    ensure!(text.contains("main is ready: Streaming"), "{seen}");
    ensure!(seen["problems"] == json!([]), "{seen}");
    // The style is allowed by its hash alone, and neither address nor referrer tell anything of the login.
    ensure!(seen["width"] == "544px", "{seen}");
    ensure!(seen["query"] == "" && seen["referrer"] == "", "{seen}");
    let address = seen["address"].as_str().unwrap_or_default();
    ensure!(address.starts_with("/login/done/"), "{seen}");

    let mut rest = String::new();
    while let Some(line) = lines.next_line().await? {
        rest.push_str(&line);
        rest.push('\n');
    }
    ensure!(waiting.wait().await?.success(), "{rest}");
    ensure!(rest.contains("main is logged in: Streaming"), "{rest}");
    // A second one has nothing to do.
    let again = Command::new(binary("kubectl-kiteticker"))
        .arg(format!("--local={}", state.display()))
        .args(["login", "tka/main"])
        .output()
        .await?;
    let said = String::from_utf8(again.stdout)?;
    ensure!(
        again.status.success() && said.contains("main needs no login"),
        "{said}"
    );
    stage.local.stop().await
}

#[tokio::test]
async fn what_is_no_login_gets_a_page_and_changes_nothing() -> Result<()> {
    let mut stage = Stage::new("  login: {userID: AB1234}\n").await?;
    let link = stage.link().await;
    let back = stage.log_in(&link, "AB1234").await?;
    let state = parameter(&back, "state")?;
    let token = parameter(&back, "request_token")?;
    let callback = |query: &str| stage.url(&format!("/login/callback?{query}"));
    let other = format!("x{}", &state[1..]);
    for (query, status, said) in [
        (
            String::new(),
            400,
            "not one that the operator has given out",
        ),
        (
            format!("status=success&request_token={token}&state={other}"),
            400,
            "not one that",
        ),
        (
            format!("status=success&request_token={token}"),
            400,
            "not one that",
        ),
        (format!("state={state}&state={state}"), 400, "not one that"),
        (
            format!("status=error&state={state}"),
            200,
            "The login was cancelled",
        ),
        (
            format!("status=success&request_token=%3Cb%3E&state={state}"),
            200,
            "cancelled",
        ),
        (
            format!("status=success&request_token=unknown&state={state}"),
            502,
            "Kite refused",
        ),
    ] {
        let (got, text) = stage.page(&callback(&query)).await?;
        ensure!(
            got == status && text.contains(said),
            "{query}: {got} {text}"
        );
        for part in [&token, &state] {
            ensure!(!text.contains(part.as_str()), "{query}: {text}");
        }
    }
    let wrong = stage.log_in(&link, "XY9876").await?;
    let (status, text) = stage.page(&wrong).await?;
    let said = "You are logged in as XY9876, and the account is AB1234";
    ensure!(status == 403 && text.contains(said), "{text}");

    // Kite fails: a proxy answers in its place, then nobody.
    for (fault, said) in [
        ("html502", "not its JSON"),
        ("network_exception", "Kite refused"),
    ] {
        let fault = json!({"session": fault, "count": 1});
        stage.simulator.control("faults", fault).await?;
        let back = stage.log_in(&link, "AB1234").await?;
        let (status, text) = stage.page(&back).await?;
        ensure!(status == 502 && text.contains(said), "{text}");
        // What Kite was sent once is of no use any more.
        let (status, text) = stage.page(&back).await?;
        ensure!(
            status == 400 && text.contains("led to no session"),
            "{text}"
        );
    }
    let posted = stage.browser.post(stage.url("/login/callback")).body("x");
    ensure!(posted.send().await?.status() == StatusCode::PAYLOAD_TOO_LARGE);
    stage.local.shows("main", "False", "LoginRequired").await;
    ensure!(stage.local.report("main").await?.streaming == 0);

    // After all that the right one is welcome.
    let back = stage.log_in(&link, "AB1234").await?;
    let done = location(&stage.answer(&back).await?)?;
    stage.becomes_ready(&done).await;
    stage.local.stop().await
}

#[tokio::test]
async fn a_good_session_is_replaced_only_by_a_button() -> Result<()> {
    let mut stage = Stage::new("").await?;
    let link = stage.link().await;
    let earlier = stage.log_in(&link, "AB1234").await?;
    // In the meantime somebody puts a token into the Secret.
    stage.local.write(
        "secret-main.yaml",
        &format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: main}}\nstringData:\n  api_key: main-fake-key\n  \
             api_secret: {API_SECRET}\n  access_token: main-fake-token\n"
        ),
    )?;
    stage.local.shows("main", "True", "Streaming").await;
    eventually("Kite accepts the token", async || {
        let printed = stage.local.printed();
        let newest = printed.rsplit("ACCOUNT").next().unwrap_or_default();
        match newest.contains("log in to") {
            true => Err(printed),
            false => Ok(()),
        }
    })
    .await;
    let (status, text) = stage.page(&earlier).await?;
    ensure!(
        status == 200 && text.contains("Log in all the same"),
        "{text}"
    );
    let action = text
        .split("action=\"")
        .nth(1)
        .and_then(|it| it.split('"').next());
    let action = action.context("no button")?;
    ensure!(action.starts_with("/login/confirm/"), "{action}");
    let answer = stage.browser.post(stage.url(action)).send().await?;
    let done = location(&answer)?;
    stage.becomes_ready(&done).await;
    stage.uses_session().await;
    // A button works once.
    eventually("one more request", async || {
        let again = stage.browser.post(stage.url(action)).send().await;
        let again = again.map_err(|error| error.to_string())?;
        match again.status() {
            StatusCode::BAD_REQUEST => Ok(()),
            _ => Err(format!("{again:?}")),
        }
    })
    .await;
    stage.local.stop().await
}

/// A webhook that fails twice before it works, and keeps what it was told.
async fn webhook() -> Result<(SocketAddr, mpsc::Receiver<Value>)> {
    let (sender, told) = mpsc::channel(8);
    let calls = Arc::new(AtomicU32::new(0));
    let handler = move |Json(body): Json<Value>| {
        let (sender, calls) = (sender.clone(), Arc::clone(&calls));
        async move {
            if calls.fetch_add(1, Ordering::SeqCst) < 2 {
                return axum::http::StatusCode::SERVICE_UNAVAILABLE;
            }
            drop(sender.send(body).await);
            axum::http::StatusCode::NO_CONTENT
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let router = Router::new().route("/hook/fake-path", post(handler));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok((address, told))
}

#[tokio::test]
async fn a_webhook_is_told_once_that_a_login_is_needed() -> Result<()> {
    let (address, mut told) = webhook().await?;
    let hook = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: hook}}\nstringData: {{url: 'http://{address}/hook/fake-path'}}\n"
    );
    let mut stage = Stage::with("  login: {webhookSecretRef: {name: hook}}\n", &hook).await?;
    let mut body = Value::Null;
    eventually("a call", async || {
        body = told.try_recv().map_err(|error| error.to_string())?;
        Ok::<(), String>(())
    })
    .await;
    let link = stage.link().await;
    ensure!(body["login_url"] == link.as_str(), "{body}");
    ensure!(
        body["account"] == "main" && body["reason"] == "LoginRequired",
        "{body}"
    );
    let text = body["text"].as_str().unwrap_or_default();
    ensure!(
        text.contains("main needs a login") && text.contains(&link),
        "{body}"
    );
    ensure!(
        body["expires_at"]
            .as_str()
            .is_some_and(|it| it.ends_with("00:30:00Z")),
        "{body}"
    );

    // Neither a restart nor the login is a reason to tell it again.
    stage.local.stop().await?;
    stage
        .local
        .start_with(&["--login-listen", &stage.callback.to_string(), &stage.clock])?;
    let link = stage.link().await;
    let back = stage.log_in(&link, "AB1234").await?;
    let done = location(&stage.answer(&back).await?)?;
    stage.becomes_ready(&done).await;
    ensure!(told.try_recv().is_err(), "told twice");
    let printed = stage.local.printed();
    ensure!(!printed.contains("fake-path"), "{printed}");
    stage.local.stop().await
}
