//! Many accounts that start at once.

use anyhow::Result;
use service::clock::Clock;
use tests::{Local, RedisServer, Simulator, eventually};

const ACCOUNTS: usize = 20;

/// Instruments that fill three connections of a hundred.
const EACH: usize = 300;

/// No account is refused because of the others, and all stream.
#[tokio::test]
async fn twenty_accounts_of_three_connections_start_together() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let dump = simulator.instruments().await?;
    let symbols: Vec<String> = dump
        .instruments
        .iter()
        .filter(|row| row.instrument_type.is_option())
        .map(|row| format!("{}:{}", row.exchange, row.tradingsymbol))
        .take(ACCOUNTS * EACH)
        .collect();
    let mut local = Local::new(&redis)?;
    for (number, symbols) in symbols.chunks(EACH).enumerate() {
        let account = format!("a{number}");
        local.write_account(&account, &simulator, "  tokensPerConnection: 100\n")?;
        let symbols: Vec<&str> = symbols.iter().map(String::as_str).collect();
        let more = format!(
            "  accountRef: {{name: {account}}}\n  publish: {{channelPrefix: 'test:{account}'}}\n"
        );
        local.write_set(&format!("s{number}"), "ltp", &symbols, &more)?;
    }
    let clock = Clock::system();
    let start = clock.now();
    local.start()?;
    eventually("every set streams", async || {
        let ready = |number: &usize| {
            let row = local.row(&format!("s{number}"));
            row.is_some_and(|row| row[1] == "True" && row[4] == format!("{EACH}/{EACH}"))
        };
        let missing: Vec<usize> = (0..ACCOUNTS).filter(|number| !ready(number)).collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(missing)
        }
    })
    .await;
    let took = clock.now().saturating_duration_since(start);
    println!("{ACCOUNTS} accounts of 3 connections stream after {took:?}");
    let connections = simulator.connections().await?;
    assert_eq!(connections.len(), 3 * ACCOUNTS);
    for number in 0..ACCOUNTS {
        let report = local.report(&format!("a{number}")).await?;
        let tries = report
            .connections
            .iter()
            .map(|it| it.reconnects)
            .sum::<u64>();
        assert_eq!(tries, 0, "a{number} had to dial again: {report:#?}");
    }
    Ok(())
}
