//! `kubectl kiteticker` asks `kite-operator local`: each of its commands, as tables and as JSON.

use std::process::Output;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tests::process::binary;
use tests::{Local, RedisServer, Simulator, eventually};
use tokio::process::Command;

/// What must not stand in anything that is printed.
const SECRETS: [&str; 2] = ["main-fake-key", "main-fake-token"];

struct Stage {
    local: Local,
    simulator: Simulator,
}

impl Stage {
    /// An account with a set of shares and one of options around the money; both stream.
    async fn new(redis: &RedisServer) -> Result<Self> {
        let (mut local, simulator) = (Local::new(redis)?, Simulator::start().await?);
        local.write_account("main", &simulator, "")?;
        local.write_set("shares", "quote", &["NSE:INFY", "NSE:TCS"], "")?;
        local.write(
            "set-chain.yaml",
            "apiVersion: kiteticker.dev/v1alpha1\nkind: InstrumentSet\nmetadata: {name: chain}\nspec:\n  options:\n  \
             - {underlying: NIFTY, expiries: {nearest: 1}, strikes: {aroundATM: 2}}\n  publish: {greeks: false}\n",
        )?;
        local.start()?;
        local.shows("shares", "True", "Streaming").await;
        local.shows("chain", "True", "Streaming").await;
        Ok(Self { local, simulator })
    }

    async fn run(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new(binary("kubectl-kiteticker"));
        let state = self.local.state_folder();
        command.arg(format!("--local={}", state.display()));
        let output = command.args(arguments).output().await?;
        for secret in SECRETS {
            for text in [&output.stdout, &output.stderr] {
                assert!(
                    !String::from_utf8_lossy(text).contains(secret),
                    "{arguments:?}"
                );
            }
        }
        Ok(output)
    }

    /// What it prints when it succeeds.
    async fn says(&self, arguments: &[&str]) -> Result<String> {
        let output = self.run(arguments).await?;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        Ok(String::from_utf8(output.stdout)?)
    }

    async fn json(&self, arguments: &[&str]) -> Result<Value> {
        let text = self.says(&[arguments, &["-o", "json"]].concat()).await?;
        serde_json::from_str(&text).with_context(|| text)
    }

    /// What it says when it fails.
    async fn fails(&self, arguments: &[&str]) -> Result<String> {
        let output = self.run(arguments).await?;
        let errors = String::from_utf8(output.stderr)?;
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        Ok(errors)
    }

    /// What it prints on a terminal of so many columns.
    async fn on_terminal(&self, columns: u32, arguments: &str, variable: &str) -> Result<String> {
        let program = binary("kubectl-kiteticker");
        let state = self.local.state_folder();
        let run = format!(
            "stty cols {columns} rows 40; {variable} {} --local={} {arguments}",
            program.display(),
            state.display()
        );
        let mut script = Command::new("script");
        let output = script
            .args(["-qec", &run, "/dev/null"])
            .env_remove("NO_COLOR");
        let output = output.env("TERM", "xterm").output().await?;
        Ok(String::from_utf8(output.stdout)?.replace('\r', ""))
    }
}

/// The cells of the row that begins with this name.
fn row<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let mut rows = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.find(|row| row.first() == Some(&name));
    row.unwrap_or_else(|| panic!("no row {name} in\n{text}"))
}

#[tokio::test]
async fn every_command_answers_as_table_and_as_json() -> Result<()> {
    let redis = RedisServer::start().await?;
    let stage = Stage::new(&redis).await?;

    let text = stage.says(&["status"]).await?;
    assert_eq!(
        row(&text, "main")[1..5],
        ["True", "Streaming", "1/1", "13/13"],
        "{text}"
    );
    assert_eq!(
        row(&text, "shares")[1..5],
        ["True", "Streaming", "quote", "2/2"],
        "{text}"
    );
    assert_eq!(
        stage.json(&["status"]).await?["notes"],
        Value::Array(Vec::new())
    );

    // The rates are those of the last whole second: they come with the first one, and add up.
    eventually("rates of sets and connections", async || {
        let top = stage.json(&["top"]).await.map_err(|it| it.to_string())?;
        let set = |name: &str| {
            let sets = top["sets"].as_array()?;
            let set = sets.iter().find(|set| set["name"] == name)?;
            set["ticks_per_second"].as_u64()
        };
        let connection = top["accounts"][0]["connections"][0]["ticks_per_second"].as_u64();
        let all = set("shares").zip(set("chain")).zip(connection);
        match all {
            // The index is subscribed to for its price alone, and belongs to no set.
            Some(((shares, chain), connection)) if shares > 0 && connection >= shares + chain => {
                Ok(())
            }
            _ => Err(top.to_string()),
        }
    })
    .await;
    let text = stage.says(&["top"]).await?;
    assert_eq!(row(&text, "main/0")[2], "Live", "{text}");

    let text = stage.says(&["calendar", "2026-12-25"]).await?;
    assert!(
        text.contains("a Friday") && text.contains("closed (Christmas)"),
        "{text}"
    );
    assert_eq!(
        row(&text, "NFO"),
        ["NFO", "NFO", "-", "-", "-", "-", "-"],
        "{text}"
    );
    let day = stage.json(&["calendar", "2026-12-28"]).await?;
    let sessions = day["classes"].as_array().map_or(&[][..], Vec::as_slice);
    let nfo = sessions.iter().find(|it| it["class"] == "NFO");
    // 09:15 to 15:40 in India.
    let open = json!([[1_798_429_500, 1_798_452_600, "open"]]);
    assert_eq!(nfo.map(|it| &it["sessions"]), Some(&open), "{day}");

    let text = stage.says(&["explain", "iset/chain"]).await?;
    let selector = "options[0]: NIFTY, the nearest expiry, 2 strikes on each side of the money";
    assert!(
        text.contains(selector) && text.contains("NSE:NIFTY 50"),
        "{text}"
    );
    assert!(row(&text, "main").contains(&"yes"), "{text}");
    let set = stage.json(&["explain", "InstrumentSet/chain"]).await?;
    assert_eq!(
        (&set["kind"], &set["selected"]),
        (&"set".into(), &10.into())
    );
    let money = &set["selectors"][0]["money"][0];
    assert_eq!(money["underlying"], "NIFTY");
    let account = stage.json(&["explain", "tka/main"]).await?;
    assert_eq!(
        (&account["used"], &account["capacity"]),
        (&13.into(), &9_000.into())
    );
    let text = stage.says(&["explain", "tka/main"]).await?;
    assert!(
        text.contains("13 of 9000, 8987 free, 1 for their price alone"),
        "{text}"
    );

    let found = stage.json(&["find", "infy", "nse"]).await?;
    let infy = &found["instruments"][0];
    assert_eq!(
        (&infy["symbol"], &infy["token"]),
        (&"NSE:INFY".into(), &408_065.into())
    );
    assert_eq!(
        (&infy["used_by"][0]["set"], &infy["used_by"][0]["account"]),
        (&"shares".into(), &"main".into())
    );
    let at_the_money = money["strike"].to_string();
    let strike = at_the_money.trim_end_matches(".0");
    let text = stage.says(&["find", "nifty", strike, "ce"]).await?;
    assert!(
        text.lines().nth(1).unwrap().ends_with("chain on main"),
        "{text}"
    );

    let one = stage.json(&["explain", "iset/shares", "infy"]).await?;
    assert_eq!(
        (&one["state"], &one["account"]),
        (&"placed".into(), &"main".into())
    );
    assert_eq!(one["channel"], "ticker:equity");
    assert_eq!(one["connection"], 0);
    let text = stage.says(&["explain", "iset/shares", "infy"]).await?;
    assert!(text.contains("on main, connection 0"), "{text}");
    let text = stage
        .says(&["explain", "iset/shares", "NSE:RELIANCE"])
        .await?;
    assert!(text.contains("no selector of the set selects it"), "{text}");
    Ok(())
}

#[tokio::test]
async fn a_plan_says_what_would_move_and_changes_nothing() -> Result<()> {
    let redis = RedisServer::start().await?;
    let stage = Stage::new(&redis).await?;
    let before = stage.local.sealed("main")?.sha256;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("change.yaml");
    let address = stage.simulator.address();
    std::fs::write(
        &file,
        format!(
            "apiVersion: kiteticker.dev/v1alpha1\nkind: TickerAccount\nmetadata: {{name: second}}\nspec:\n  \
             credentialsSecretRef: {{name: second}}\n  mock: true\n  connections: 1\n  tokensPerConnection: 3\n  \
             endpoint: {{websocket: 'ws://{address}', api: 'http://{address}'}}\n---\n\
             apiVersion: kiteticker.dev/v1alpha1\nkind: InstrumentSet\nmetadata: {{name: shares}}\nspec:\n  \
             accountRef: {{name: second}}\n  \
             instruments: {{symbols: ['NSE:INFY', 'NSE:TCS', 'NSE:RELIANCE', 'NSE:ITC', 'NSE:INFYY']}}\n---\n\
             apiVersion: v1\nkind: Secret\nmetadata: {{name: second}}\nstringData: {{api_key: main-fake-key}}\n"
        ),
    )?;
    let path = file.to_string_lossy();
    // One instrument would wait, which is an error; the answer is printed all the same.
    let arguments = ["plan", "--dry-run", "-f", &path];
    let json = stage
        .run(&[&arguments[..], &["-o", "json"]].concat())
        .await?;
    assert_eq!(json.status.code(), Some(1));
    let error = String::from_utf8_lossy(&json.stderr);
    assert!(
        error.contains("1 set would not get all that it asks for"),
        "{error}"
    );
    let plan: Value = serde_json::from_slice(&json.stdout)?;
    let set = &plan["sets"][0];
    assert_eq!(set["name"], "shares");
    assert_eq!(set["before"]["scheduled"], 2);
    let after = &set["after"];
    assert_eq!(
        (&after["selected"], &after["scheduled"], &after["waiting"]),
        (&4.into(), &3.into(), &1.into())
    );
    // Of the two that stream, one finds a place there.
    let moves = &plan["moves"][0];
    let (from, to) = (&moves["from"], &moves["to"]);
    assert_eq!(
        (from, to, &moves["instruments"]),
        (&"main".into(), &"second".into(), &1.into())
    );
    let text = String::from_utf8(stage.run(&arguments).await?.stdout)?;
    assert!(
        text.contains("second has 3 of 3") && text.contains("new: 3"),
        "{text}"
    );

    std::fs::write(
        &file,
        "apiVersion: kiteticker.dev/v1alpha1\nkind: InstrumentSet\nmetadata: {name: more}\nspec:\n  \
         accountRef: {name: main}\n  instruments: {symbols: ['NSE:ITC']}\n",
    )?;
    let text = stage.says(&["plan", "--dry-run", "-f", &path]).await?;
    assert!(text.contains("more") && text.contains("new: 1"), "{text}");

    std::fs::write(
        &file,
        "apiVersion: kiteticker.dev/v1alpha1\nkind: InstrumentSet\nmetadata: {name: bad}\nspec: {mode: fast}\n",
    )?;
    let refused = stage.run(&["plan", "--dry-run", "-f", &path]).await?;
    assert_eq!(refused.status.code(), Some(1));
    let text = String::from_utf8(refused.stdout)?;
    assert!(
        text.contains("InstrumentSet bad") && text.contains("spec.mode"),
        "{text}"
    );
    std::fs::write(&file, "{ nothing")?;
    let error = stage.fails(&["plan", "--dry-run", "-f", &path]).await?;
    assert!(error.contains("is not valid YAML"), "{error}");

    let status = stage.json(&["status"]).await?;
    let accounts = status["accounts"].as_array().context("no accounts")?;
    assert_eq!(accounts.len(), 1, "{status}");
    assert_eq!(
        stage.local.sealed("main")?.sha256,
        before,
        "nothing was written"
    );
    Ok(())
}

#[tokio::test]
async fn a_report_of_a_failure_tells_no_secret() -> Result<()> {
    let redis = RedisServer::start().await?;
    let stage = Stage::new(&redis).await?;
    // Kite refuses the sockets, whose URLs hold both, from one moment to the next.
    let (key, token) = (SECRETS[0], SECRETS[1]);
    let simulator = &stage.simulator;
    let refused = json!({"access_token": token});
    simulator.control("tokens/revoke", refused).await?;
    let cut = json!({"api_key": key});
    simulator.control("connections/drop", cut).await?;
    stage.local.shows("main", "False", "TokenExpired").await;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("report.json");
    stage
        .says(&["report", "--file", &file.to_string_lossy()])
        .await?;
    let text = std::fs::read_to_string(&file)?;
    let report: Value = serde_json::from_str(&text)?;
    // What failed stands there, or nothing could have told the secrets.
    let process = &report["reports"][0]["report"];
    assert_eq!(process["credentials"]["state"], "refused", "{text}");
    let said = process["connections"][0]["last_error"].as_str();
    assert!(said.is_some_and(|said| said.contains("403")), "{text}");
    assert_eq!(
        report["top"]["accounts"][0]["ready"]["reason"],
        "TokenExpired"
    );
    assert!(report["explanations"].to_string().contains("TokenExpired"));
    for secret in SECRETS {
        assert!(!text.contains(secret), "{text}");
    }
    assert_eq!(report["not_read"], Value::Array(Vec::new()));
    assert_eq!(report["explanations"].as_array().map(Vec::len), Some(3));
    assert_eq!(report["reports"][0]["account"], "main");
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_is_said_in_one_sentence() -> Result<()> {
    let redis = RedisServer::start().await?;
    let mut stage = Stage::new(&redis).await?;
    for (arguments, expected) in [
        (
            &["explain", "iset/share"][..],
            "there is no InstrumentSet share: did you mean shares?",
        ),
        (
            &["explain", "tka/nobody"],
            "there is no TickerAccount nobody: there are main",
        ),
        (
            &["explain", "iset/shares", "NSE:INFYY"],
            "did you mean NSE:INFY?",
        ),
        (
            &["explain", "tka/main", "NSE:INFY"],
            "name a set, iset/NAME",
        ),
        (
            &["find", "relaince"],
            "nothing matches \"relaince\": did you mean NSE:RELIANCE?",
        ),
        (
            &["plan", "--dry-run", "-f", "/nowhere.yaml"],
            "/nowhere.yaml cannot be read",
        ),
    ] {
        let error = stage.fails(arguments).await?;
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
    let usage = stage.run(&["explain", "pod/x"]).await?;
    assert_eq!(usage.status.code(), Some(2));
    assert!(String::from_utf8(usage.stderr)?.contains("write it like iset/NAME or tka/NAME"));

    stage.local.stop().await?;
    let error = stage.fails(&["status"]).await?;
    assert!(
        error.contains("no `kite-operator local` answers"),
        "{error}"
    );
    Ok(())
}

#[tokio::test]
async fn a_terminal_is_never_wrapped_and_has_colours_unless_they_are_not_wanted() -> Result<()> {
    let redis = RedisServer::start().await?;
    let stage = Stage::new(&redis).await?;
    let narrow = stage
        .on_terminal(70, "explain iset/chain", "NO_COLOR=1")
        .await?;
    assert!(
        narrow.contains('…') && !narrow.contains('\u{1b}'),
        "{narrow}"
    );
    // Lines of a name and a text may be longer; tables may not.
    let table = narrow.split("\n\n").nth(1).context("no table")?;
    for line in table.lines() {
        assert!(line.chars().count() <= 70, "{line}");
    }
    let wide = stage.on_terminal(300, "status", "").await?;
    assert!(wide.contains("\u{1b}[32mTrue\u{1b}[0m"), "{wide}");
    let piped = stage.says(&["status"]).await?;
    assert!(!piped.contains('\u{1b}'));
    Ok(())
}
