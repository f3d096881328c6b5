//! Sets that describe what they select, from the manifest to the socket.

use anyhow::{Context, Result};
use jiff::civil::Date;
use kite::{Instrument, InstrumentType};
use tests::{Local, RedisServer, Simulator, Ticks, eventually};

/// Writes a set with these lines of its spec.
fn write(local: &Local, spec: &str) -> Result<()> {
    let head = "apiVersion: kiteticker.dev/v1alpha1\nkind: InstrumentSet\nmetadata: {name: chain}\nspec:\n";
    local.write("set-chain.yaml", &format!("{head}{spec}"))
}

/// The last expiry of NIFTY's options: not one that ends while the test runs.
fn last_expiry(rows: &[Instrument]) -> Option<Date> {
    let options = rows
        .iter()
        .filter(|row| &*row.name == "NIFTY" && row.instrument_type.is_option());
    options.filter_map(|row| row.expiry).max()
}

#[tokio::test]
async fn a_chain_is_streamed_and_edited_on_its_open_socket() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let rows = simulator.instruments().await?.instruments;
    let expiry = last_expiry(&rows).context("the simulator lists no options of NIFTY")?;
    let mut puts: Vec<&Instrument> = rows
        .iter()
        .filter(|row| &*row.name == "NIFTY" && row.instrument_type == InstrumentType::Put)
        .filter(|row| row.expiry == Some(expiry))
        .collect();
    puts.sort_by(|a, b| a.strike.total_cmp(&b.strike));
    anyhow::ensure!(puts.len() > 4, "{} puts", puts.len());
    let chain = |strikes: &str| {
        format!(
            "  options:\n    - {{underlying: NIFTY, expiries: {{dates: [\"{expiry}\"]}}, strikes: {strikes}, types: [PE]}}\n  publish: {{greeks: false}}\n"
        )
    };
    let ticks = Ticks::subscribe(&redis.url(), "ticker:nifty:options").await?;
    let mut local = Local::new(&redis)?;
    local.write_account("demo", &simulator, "")?;
    write(&local, &chain("{all: true}"))?;
    local.start()?;
    simulator.subscribed(puts.len() as u64).await;
    local.shows("chain", "True", "Streaming").await;
    ticks.next(10).await;

    // A part of it, less one, and a share.
    let (low, high) = (puts[1].strike, puts[3].strike);
    let part = chain(&format!("{{range: {{min: {low}, max: {high}}}}}"));
    let more = format!(
        "{part}  equities: [{{symbols: [INFY]}}]\n  exclude: [\"NFO:{}\"]\n",
        puts[2].tradingsymbol
    );
    write(&local, &more)?;
    simulator.subscribed(3).await;
    let row = |local: &Local| {
        let row = local.row("chain");
        row.filter(|row| row.contains(&"3/3".to_owned()))
            .ok_or_else(|| local.printed())
    };
    eventually("three stream", async || row(&local)).await;
    let report = local.report("demo").await?;
    assert_eq!(report.connections[0].reconnects, 0, "{report:?}");
    ticks.assert_gapless();

    write(
        &local,
        "  futures: [{underlying: NIFTYY, expiries: {nearest: 1}}]\n",
    )?;
    local.shows("chain", "False", "NothingResolved").await;
    eventually("its place and the nearest name", async || {
        let printed = local.printed();
        let said = "futures[0]: NIFTYY has no futures; the nearest is NIFTY";
        printed.contains(said).then_some(()).ok_or(printed)
    })
    .await;
    local.stop().await
}

/// Nothing but the strikes is named: the price comes from an index that nobody publishes.
#[tokio::test]
async fn strikes_around_the_money_come_by_the_price_of_an_index_that_is_not_published() -> Result<()>
{
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let rows = simulator.instruments().await?.instruments;
    let expiry = last_expiry(&rows).context("the simulator lists no options of NIFTY")?;
    let ticks = Ticks::subscribe(&redis.url(), "*").await?;
    let mut local = Local::new(&redis)?;
    local.write_account("demo", &simulator, "")?;
    write(
        &local,
        &format!(
            "  options:\n    - {{underlying: NIFTY, expiries: {{dates: [\"{expiry}\"]}}, strikes: {{aroundATM: 2}}, types: [PE]}}\n  publish: {{greeks: false}}\n"
        ),
    )?;
    local.start()?;
    local.shows("chain", "True", "Streaming").await;
    let row = |local: &Local| {
        let row = local.row("chain");
        row.filter(|row| row.contains(&"5/5".to_owned()))
            .ok_or_else(|| local.printed())
    };
    eventually("five stream", async || row(&local)).await;
    let report = local.report("demo").await?;
    let prices: Vec<&contract::report::ReferencePrice> = report.references.iter().collect();
    let index = rows.iter().find(|row| &*row.tradingsymbol == "NIFTY 50");
    let index = index.context("no index")?;
    anyhow::ensure!(
        prices.iter().any(|it| it.token == index.token.0),
        "{prices:?}"
    );
    ticks.next(20).await;
    anyhow::ensure!(
        ticks.count_of(u64::from(index.token.0)) == 0,
        "the index is published"
    );
    local.stop().await
}

/// The contracts of an underlying on an exchange, by expiry.
fn contracts<'r>(rows: &'r [Instrument], exchange: &str, name: &str) -> Vec<&'r Instrument> {
    let rows = rows.iter();
    let of_name = rows.filter(|row| &*row.exchange == exchange && &*row.name == name);
    let mut contracts: Vec<&Instrument> = of_name.filter(|row| row.expiry.is_some()).collect();
    contracts.sort_by_key(|row| row.expiry);
    contracts
}

/// The last option of an underlying, and the future that it rests on, by their names.
fn option_and_future(rows: &[Instrument], exchange: &str, name: &str) -> Result<[String; 2]> {
    let contracts = contracts(rows, exchange, name);
    let mut options = contracts.iter();
    let option = options.rfind(|row| row.instrument_type.is_option());
    let option = option.context("no option")?;
    let mut futures = contracts
        .iter()
        .filter(|row| !row.instrument_type.is_option());
    let future = futures.find(|row| row.expiry >= option.expiry);
    let future = future.context("no future")?;
    Ok([&option.tradingsymbol, &future.tradingsymbol].map(|it| format!("{exchange}:{it}")))
}

/// A share, and the futures of a commodity and of a currency, each named beside an option that rests on it.
#[tokio::test]
async fn what_a_chain_rests_on_is_in_the_shape_of_an_underlying_on_its_channel() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let rows = simulator.instruments().await?.instruments;
    let crude = option_and_future(&rows, "MCX", "CRUDEOIL")?;
    let rupee = option_and_future(&rows, "CDS", "USDINR")?;
    let share = contracts(&rows, "NFO", "RELIANCE");
    let mut options = share.iter();
    let option = options.rfind(|row| row.instrument_type.is_option());
    let option = format!("NFO:{}", option.context("no option")?.tradingsymbol);
    let share = [option, "NSE:RELIANCE".to_owned()];
    let cases = [
        (share, "ticker:equity", "ticker:reliance"),
        (crude, "ticker:crudeoil:futures", "ticker:crudeoil"),
        (rupee, "ticker:usdinr:futures", "ticker:usdinr"),
    ];
    let mut local = Local::new(&redis)?;
    local.write_account("demo", &simulator, "")?;
    let names = cases.iter().flat_map(|(names, _, _)| names);
    let names: Vec<String> = names.map(|name| format!("\"{name}\"")).collect();
    let symbols = names.join(", ");
    write(
        &local,
        &format!("  instruments: {{symbols: [{symbols}]}}\n"),
    )?;
    local.start()?;
    local.shows("chain", "True", "Streaming").await;
    let mut connection = redis.connection().await?;
    for ([_, name], own, chain) in cases {
        let (_, symbol) = name.split_once(':').context("no exchange")?;
        let row = rows
            .iter()
            .find(|row| name == format!("{}:{}", row.exchange, row.tradingsymbol));
        let token = u64::from(row.context("no row")?.token.0);
        let underlying = format!("{chain}:underlying");
        let on_own = Ticks::subscribe(&redis.url(), own).await?;
        let on_chain = Ticks::subscribe(&redis.url(), &underlying).await?;
        let tick = on_own.tick_of(token).await.tick;
        anyhow::ensure!(tick.get("lot_size").is_some(), "{tick}");
        anyhow::ensure!(tick["tradingsymbol"] == symbol, "{tick}");
        let tick = on_chain.tick_of(token).await.tick;
        anyhow::ensure!(tick.get("lot_size").is_none(), "{tick}");
        anyhow::ensure!(tick["close"] == tick["last_price"], "{tick}");
        anyhow::ensure!(tick["instrument_token"] == token, "{tick}");
        on_chain.assert_gapless();

        // The directory names its own channel; each prefix has its newest tick in the shape of its channel.
        let text: String = redis::cmd("HGET")
            .arg("mock:ticker:instruments")
            .arg(token)
            .query_async(&mut connection)
            .await?;
        let row: serde_json::Value = serde_json::from_str(&text)?;
        anyhow::ensure!(row["channel"] == own, "{row}");
        let last: String = redis::cmd("HGET")
            .arg(format!("mock:{chain}:last"))
            .arg(token)
            .query_async(&mut connection)
            .await?;
        let last: serde_json::Value = serde_json::from_str(&last)?;
        let is_underlying = last.get("instrument_token").is_some();
        anyhow::ensure!(is_underlying == (own == "ticker:equity"), "{last}");
    }
    local.stop().await
}
