//! Key, token and password of a run appear in nothing that it prints, stores, serves or shows.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tests::{Local, RedisServer, Simulator, Ticks, eventually};

const API_KEY: &str = "fake-api-key-of-this-run";
const TOKEN: &str = "fake-access-token-of-this-run";
const NEXT_TOKEN: &str = "fake-next-access-token";
const PASSWORD: &str = "fake-redis-password-of-this-run";
const WRONG_PASSWORD: &str = "fake-wrong-redis-password";

/// In the ways in which one may show up: as it is, in hex, in base64 with anything before it (a
/// Secret's data, a header of user and password).
fn disguises(secret: &str) -> [String; 5] {
    let hex = secret.bytes().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _written = write!(hex, "{byte:02x}");
        hex
    });
    // Its first and last letters depend on what stands before and after.
    let base64 = |before: usize| {
        let text = STANDARD.encode(format!("{}{secret}", "x".repeat(before)));
        text[if before == 0 { 0 } else { 4 }..text.len() - 4].to_owned()
    };
    [secret.to_owned(), hex, base64(0), base64(1), base64(2)]
}

/// All readable texts, by their place.
#[derive(Default)]
struct Found(Vec<(String, String)>);

impl Found {
    fn add(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.0.push((place.into(), text.into()));
    }

    /// Files below `folder`, except those that hold secrets on purpose.
    fn add_files(&mut self, folder: &Path) -> Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.ends_with("credentials") || path.ends_with("redis") {
                continue;
            }
            if path.is_dir() {
                self.add_files(&path)?;
            } else if let Ok(bytes) = std::fs::read(&path) {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                self.add(path.display().to_string(), text);
            }
        }
        Ok(())
    }

    /// Command line and environment of a process, which other users may see.
    fn add_process(&mut self, pid: u32) {
        for file in ["cmdline", "environ"] {
            let path = format!("/proc/{pid}/{file}");
            let bytes = std::fs::read(&path).unwrap_or_default();
            self.add(path, String::from_utf8_lossy(&bytes).into_owned());
        }
    }

    fn check(&self) {
        for (place, text) in &self.0 {
            for secret in [API_KEY, TOKEN, NEXT_TOKEN, PASSWORD, WRONG_PASSWORD] {
                for disguise in disguises(secret) {
                    assert!(!text.contains(&disguise), "{secret} is in {place}");
                }
            }
        }
    }
}

fn write_secrets(local: &Local, token: &str, password: &str) -> Result<()> {
    local.write(
        "secrets.yaml",
        &format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: kite}}\nstringData:\n  api_key: {API_KEY}\n  \
             access_token: {token}\n---\napiVersion: v1\nkind: Secret\nmetadata: {{name: login}}\nstringData:\n  \
             password: {password}\n"
        ),
    )
}

#[tokio::test]
async fn no_secret_is_in_anything_that_a_run_shows() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let ticks = Ticks::subscribe_and_keep(&redis.url(), "*").await?;
    let mut connection = redis.connection().await?;
    redis::cmd("ACL")
        .arg(&["SETUSER", "default", "resetpass", &format!(">{PASSWORD}")])
        .exec_async(&mut connection)
        .await?;
    let mut local = Local::new(&redis)?;
    let address = simulator.address();
    local.write(
        "account-demo.yaml",
        &format!(
            "apiVersion: kiteticker.dev/v1alpha1\nkind: TickerAccount\nmetadata: {{name: demo}}\nspec:\n  \
             credentialsSecretRef: {{name: kite}}\n  mock: true\n  redis: {{secretRef: {{name: login}}}}\n  \
             endpoint: {{websocket: 'ws://{address}', api: 'http://{address}'}}\n"
        ),
    )?;
    local.write_set("shares", "full", &["NSE:INFY"], "")?;
    write_secrets(&local, TOKEN, WRONG_PASSWORD)?;
    local.start_with(&["--log-level", "trace"])?;

    // A failing login, a stream, an expired token, an invalid document, and the next day.
    local.shows("demo", "False", "RedisUnavailable").await;
    write_secrets(&local, TOKEN, PASSWORD)?;
    local.shows("shares", "True", "Streaming").await;
    simulator
        .control("tokens/revoke", json!({"access_token": TOKEN}))
        .await?;
    simulator.control("connections/drop", json!({})).await?;
    local.shows("demo", "False", "TokenExpired").await;
    local.write(
        "broken.yaml",
        &format!("kind: Secret\nstringData: {{access_token: \"{TOKEN}"),
    )?;
    local.write(
        "strange.yaml",
        &format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: odd}}\ndata: {{api_key: {API_KEY}}}\n"
        ),
    )?;
    write_secrets(&local, NEXT_TOKEN, PASSWORD)?;
    local.shows("shares", "True", "Streaming").await;
    eventually("both bad files are told of", async || {
        let printed = local.printed();
        if printed.contains("broken.yaml") && printed.contains("strange.yaml") {
            Ok(())
        } else {
            Err(printed)
        }
    })
    .await;

    let mut found = Found::default();
    for page in ["/health", "/v1/report", "/livez", "/readyz", "/metrics"] {
        found.add(page, local.page("demo", page).await?);
    }
    let pid = local.program().pid();
    found.add_process(pid);
    for child in local.children()? {
        found.add_process(child);
    }
    let clients: String = redis::cmd("CLIENT")
        .arg("LIST")
        .query_async(&mut connection)
        .await?;
    found.add("CLIENT LIST", clients);
    found.add_files(&local.state_folder())?;
    for message in ticks.all() {
        found.add(message.channel, message.text);
    }
    local.stop().await?;
    let printed = local.printed();
    for part in ["redis refuses", "TokenExpired", "assignment is in force"] {
        assert!(printed.contains(part), "the log lacks {part}: {printed}");
    }
    found.add("what it printed", printed);
    found.check();
    Ok(())
}
