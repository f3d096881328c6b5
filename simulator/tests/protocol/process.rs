//! The program: its start, its end and what it says when it cannot run.

use tokio::process::Command;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Simulator, within};

const PROGRAM: &str = env!("CARGO_BIN_EXE_kite-simulator");

#[tokio::test]
async fn sigterm_closes_sockets_politely_and_ends_well() {
    let mut simulator = Simulator::start(&["--rate", "0"]).await;
    let mut client = simulator.connect("api_key=a&access_token=t").await;
    let pid = simulator.process.id().unwrap().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .await
            .unwrap()
            .success()
    );
    let frame = loop {
        if let Message::Close(frame) = client.next().await.unwrap() {
            break frame.unwrap();
        }
    };
    assert_eq!(u16::from(frame.code), 1001);
    drop(client);
    let status = within(simulator.process.wait()).await.unwrap();
    assert!(status.success(), "{status}");
}

async fn failure(args: &[&str]) -> String {
    let output = within(Command::new(PROGRAM).args(args).output())
        .await
        .unwrap();
    assert!(!output.status.success(), "{args:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let simulator = Simulator::start(&[]).await;
    let message = failure(&["serve", "--listen", &simulator.addr]).await;
    assert!(
        message.contains(&format!("cannot listen on {}", simulator.addr)),
        "{message}"
    );
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_named() {
    for (args, part) in [
        (["serve", "--rate-of", "NSE:NOBODY=1"], "NSE:NOBODY"),
        (["serve", "--rate", "-1"], "-1"),
        (["serve", "--rates", "/nonexistent"], "/nonexistent"),
        (["serve", "--wall-clock", "tomorrow"], "must be START,RATE"),
        (
            ["serve", "--wall-clock", "1900-01-01T00:00:00Z,1"],
            "2000 to 2099",
        ),
        (["serve", "--token-flush", "25:00"], "such as 06:00"),
        (
            ["serve", "--redirect-url", "/login/callback"],
            "https://HOST",
        ),
        (
            ["serve", "--redirect-url", "http://host/#login"],
            "without #",
        ),
        (["symbols", "--count", "9999999"], "9999999"),
    ] {
        let args: Vec<&str> = args.into_iter().chain(["--listen=127.0.0.1:0"]).collect();
        let args = if args[0] == "symbols" {
            &args[..3]
        } else {
            &args[..]
        };
        let message = failure(args).await;
        assert!(message.contains(part), "{message}");
    }
}

#[tokio::test]
async fn a_calendar_that_cannot_be_used_is_named_with_line_and_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("calendar.yaml");
    let rows = "version: 1\nhours:\n  - { class: NFO, from: 2026-12-01, open: \"9:15-15:30\" }\n";
    std::fs::write(&file, rows).unwrap();
    let file = file.to_str().unwrap();
    for command in [
        &["serve", "--listen=127.0.0.1:0"],
        &["symbols", "--count=1"],
    ] {
        let args = [command, &["--calendar", file][..]].concat();
        let message = failure(&args).await;
        let part = format!(
            "cannot use the calendar: {file}:3: hours[0].open: \"9:15-15:30\" must be HH:MM-HH:MM"
        );
        assert!(message.contains(&part), "{message}");
        let message = failure(&[command, &["--calendar", "/nonexistent"][..]].concat()).await;
        assert!(
            message.contains("cannot read the calendar /nonexistent"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn symbols_are_those_of_the_dump() {
    let output = Command::new(PROGRAM)
        .args([
            "symbols", "--count", "3", "--kind", "future", "--name", "futures",
        ])
        .output()
        .await
        .unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let simulator = Simulator::start(&[]).await;
    let dump = simulator
        .get("/instruments")
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    let listed = kite::instruments::read(&dump[..]).unwrap().instruments;
    let symbols: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("      - "))
        .collect();
    assert_eq!(symbols.len(), 3);
    for symbol in symbols {
        let known = |row: &kite::Instrument| {
            format!("\"{}:{}\"", row.exchange, row.tradingsymbol) == *symbol
        };
        assert!(listed.iter().any(known), "{symbol}");
    }
}
