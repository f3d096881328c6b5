//! The commands of the document, as they stand there.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use tests::documents;
use tests::process::binary;
use tests::{Program, RedisServer, eventually};
use tokio::process::Command;

const DOCUMENT: &str = "docs/gateway.md";

/// A shell command in a folder, with the programs of this build.
fn shell(folder: &Path, line: &str) -> Result<Command> {
    let programs = std::path::absolute(binary("kite-gateway"))?;
    let programs = programs.parent().context("no folder")?.to_owned();
    let mut path = programs.into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let mut command = Command::new("bash");
    command
        .args(["-c", line])
        .current_dir(folder)
        .env("PATH", path);
    Ok(command)
}

#[tokio::test]
async fn a_gateway_is_started_and_a_token_made_as_documented() -> Result<()> {
    let redis = RedisServer::start().await?;
    let folder = tempfile::tempdir()?;
    let line = documents::command(DOCUMENT, "head -c 32 /dev/urandom ")?;
    let made = shell(folder.path(), &line)?.status().await?;
    ensure!(made.success());
    let line = documents::command(DOCUMENT, "kite-gateway token ")?;
    let output = shell(folder.path(), &line)?.output().await?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{errors}");
    let token = String::from_utf8(output.stdout)?;

    let line = documents::command(DOCUMENT, "kite-gateway --redis-url ")?;
    let line = line.replace("redis://127.0.0.1:6379", &redis.url());
    let port = folder.path().join("port");
    let here = "--listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0 --port-file";
    let line = format!("exec {line} {here} {}", port.display());
    let mut command = shell(folder.path(), &line)?;
    let mut program = Program::start(&mut command, &folder.path().join("log"))?;
    let address = program.address(&port).await;
    let client = tests::simulator::client()?;
    eventually("the token is taken", async || {
        let url = format!("http://{address}/instruments?q=nifty");
        let answer = client.get(url).bearer_auth(token.trim()).send().await?;
        ensure!(answer.status() == 200, "{answer:?}");
        anyhow::Ok(())
    })
    .await;
    Ok(())
}
