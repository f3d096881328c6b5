//! What is wrong with a set is said as the document says it.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::{Local, RedisServer, Simulator, documents, eventually};

const DOCUMENT: &str = "docs/resources.md";

/// A row of the document's table.
#[derive(Debug)]
struct WrongSet {
    /// A name for the set.
    name: String,
    /// Its first cell.
    cell: String,
    reason: String,
    message: String,
}

/// The rows below the heading, but for the two of the table's head.
fn rows() -> Result<Vec<WrongSet>> {
    let text = documents::read(DOCUMENT)?;
    let (_, section) = text
        .split_once("\n## What a wrong set says\n")
        .context("no section")?;
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with('|'));
    let rows = rows.skip(2).zip('a'..).map(|(line, name)| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [cell, reason, message] = cells[..] else {
            anyhow::bail!("{line}");
        };
        Ok(WrongSet {
            name: format!("wrong-{name}"),
            cell: cell.to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
        })
    });
    rows.collect()
}

impl WrongSet {
    /// The spec of the first cell, completed by an account and by something to select.
    fn spec(&self, tokens: &[u32]) -> Result<Value> {
        let written = self.cell.split('`').nth(1).context("no spec")?;
        let mut spec: Value = serde_saphyr::from_str(&format!("{{{written}}}"))?;
        let has = |start: &str| written.split(' ').any(|word| word.starts_with(start));
        if !has("account") {
            let no_price = self.cell.contains("while no price comes");
            let name = if no_price { "dead" } else { "demo" };
            spec["accountRef"] = json!({"name": name});
        }
        if self.cell.contains("20,000 `tokens`") {
            spec["instruments"] = json!({"tokens": tokens});
        } else if !has("options") && !has("instruments") {
            spec["instruments"] = json!({"symbols": ["NSE:INFY"]});
        }
        Ok(spec)
    }

    /// Whether a line of the output is its message.
    fn is_said(&self, line: &str) -> bool {
        let Some(mut said) = line.strip_prefix(&format!("{}: ", self.name)) else {
            return false;
        };
        let mut parts = self.message.split('…');
        let first = parts.next().unwrap_or_default();
        let Some(rest) = said.strip_prefix(first) else {
            return false;
        };
        said = rest;
        for part in parts {
            let Some((_, rest)) = said.split_once(part) else {
                return false;
            };
            said = if part.is_empty() { "" } else { rest };
        }
        said.is_empty()
    }
}

#[tokio::test]
async fn a_wrong_set_says_what_the_document_says() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let list = simulator.instruments().await?.instruments;
    let others = list.iter().filter(|row| &*row.name != "NIFTY");
    let tokens: Vec<u32> = others.map(|row| row.token.0).take(20_000).collect();
    ensure!(tokens.len() == 20_000, "{} instruments", list.len());
    let revoked = json!({"access_token": "dead-fake-token"});
    simulator.control("tokens/revoke", revoked).await?;
    let mut local = Local::new(&redis)?;
    local.write_account("demo", &simulator, "")?;
    local.write_real_account("real", &simulator, "")?;
    local.write_account("dead", &simulator, "")?;
    for name in ["demo", "real"] {
        let file = format!("account-{name}.yaml");
        let text = std::fs::read_to_string(local.manifests().join(&file))?;
        let labelled = format!("metadata: {{name: {name}, labels: {{desk: a}}}}");
        let text = text.replace(&format!("metadata: {{name: {name}}}"), &labelled);
        local.write(&file, &text)?;
    }
    let good = "  accountRef: {name: demo}\n";
    local.write_set("good", "full", &["NSE:TCS"], good)?;
    let rows = rows()?;
    ensure!(rows.len() >= 10, "{rows:?}");
    for row in &rows {
        let set = json!({
            "apiVersion": "kiteticker.dev/v1alpha1",
            "kind": "InstrumentSet",
            "metadata": {"name": row.name},
            "spec": row.spec(&tokens)?,
        });
        // JSON is YAML.
        local.write(&format!("{}.yaml", row.name), &set.to_string())?;
    }
    local.start()?;
    for row in &rows {
        let ready = match row.reason.as_str() {
            "PartiallyResolved" => "True",
            _ => "False",
        };
        local.shows(&row.name, ready, &row.reason).await;
        eventually(&format!("{} as documented", row.cell), async || {
            let printed = local.printed();
            let mut lines = printed.lines();
            let said = lines.any(|line| row.is_said(line));
            said.then_some(()).ok_or(printed)
        })
        .await;
    }
    local.shows("good", "True", "Streaming").await;
    local.stop().await
}

#[test]
fn a_message_is_compared_with_gaps() {
    let row = |message: &str| WrongSet {
        name: "w".to_owned(),
        cell: String::new(),
        reason: String::new(),
        message: message.to_owned(),
    };
    for (message, line, said) in [
        ("a b", "w: a b", true),
        ("a b", "w: a b c", false),
        ("a b", "x: a b", false),
        ("a … c", "w: a b c", true),
        ("a … c", "w: a b", false),
        ("a …", "w: a b c", true),
        ("… c", "w: a b c", true),
        ("… c …", "w: a b", false),
    ] {
        assert_eq!(row(message).is_said(line), said, "{message}: {line}");
    }
}
