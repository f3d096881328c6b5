//! Changes of a running account: its Redis login, pauses, and its API key.

use anyhow::Result;
use tests::{Local, RedisServer, Simulator, Ticks, eventually};

const PASSWORD: &str = "fake-redis-password";

async fn says(local: &Local, what: &str) {
    eventually(what, async || {
        let printed = local.printed();
        if printed.contains(what) {
            Ok(())
        } else {
            Err(printed)
        }
    })
    .await;
}

fn write_login(local: &Local, password: &str) -> Result<()> {
    local.write(
        "secret-login.yaml",
        &format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: login}}\nstringData:\n  \
             username: streamer\n  password: {password}\n"
        ),
    )
}

#[tokio::test]
async fn a_redis_that_wants_a_login_gets_it_from_its_secret() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let mut connection = redis.connection().await?;
    for arguments in [
        &[
            "SETUSER",
            "streamer",
            "on",
            ">fake-redis-password",
            "+@all",
            "allchannels",
            "allkeys",
        ][..],
        &["SETUSER", "default", "-publish"],
    ] {
        redis::cmd("ACL")
            .arg(arguments)
            .exec_async(&mut connection)
            .await?;
    }
    let ticks = Ticks::subscribe(&redis.url(), "ticker:equity").await?;
    let mut local = Local::new(&redis)?;
    local.write_account("demo", &simulator, "  redis: {secretRef: {name: login}}\n")?;
    local.write_set("shares", "full", &["NSE:INFY"], "")?;
    local.start()?;
    // Without the Secret the default user is used, which may not publish.
    local.shows("demo", "False", "SecretMissing").await;
    says(
        &local,
        "Secret login of spec.redis.secretRef does not exist",
    )
    .await;
    // A link on which everything is rejected is opened again by itself, with the files as they are
    // then.
    write_login(&local, "wrong")?;
    says(&local, "redis refuses user streamer").await;
    write_login(&local, PASSWORD)?;
    local.shows("shares", "True", "Streaming").await;
    ticks.next(3).await;
    assert!(!local.printed().contains(PASSWORD));
    Ok(())
}

#[tokio::test]
async fn a_paused_set_and_a_paused_account_close_what_they_had_and_come_back() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let mut local = Local::new(&redis)?;
    local.write_account("demo", &simulator, "")?;
    local.write_set("one", "full", &["NSE:INFY"], "")?;
    local.write_set("two", "full", &["NSE:TCS", "NSE:INFY"], "")?;
    local.start()?;
    local.shows("two", "True", "Streaming").await;
    local.write_set("two", "full", &["NSE:TCS", "NSE:INFY"], "  paused: true\n")?;
    local.shows("two", "False", "Paused").await;
    simulator.subscribed(1).await;
    local.shows("one", "True", "Streaming").await;
    local.write_account("demo", &simulator, "  paused: true\n")?;
    local.shows("demo", "False", "Paused").await;
    local.shows("one", "False", "NoAccount").await;
    simulator.subscribed(0).await;
    assert_eq!(
        simulator.connections().await?.len(),
        0,
        "sockets are closed"
    );
    local.write_account("demo", &simulator, "")?;
    local.shows("one", "True", "Streaming").await;
    Ok(())
}

#[tokio::test]
async fn the_second_account_of_a_key_does_not_run() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let mut local = Local::new(&redis)?;
    local.write_account("a", &simulator, "")?;
    local.write_account("b", &simulator, "")?;
    let same = "apiVersion: v1\nkind: Secret\nmetadata: {name: b}\nstringData:\n  \
                api_key: a-fake-key\n  access_token: b-fake-token\n";
    local.write("secret-b.yaml", same)?;
    local.write_set("shares", "full", &["NSE:INFY"], "  accountRef: {name: b}\n")?;
    local.start()?;
    local.shows("b", "False", "DuplicateApiKey").await;
    local.shows("shares", "False", "NoAccount").await;
    says(&local, "TickerAccount a has the same API key").await;
    assert_eq!(simulator.connections().await?.len(), 0);
    local.write_secret("b", "b-fake-token")?;
    local.shows("shares", "True", "Streaming").await;
    Ok(())
}

#[tokio::test]
async fn a_market_that_falls_silent_makes_sets_stale() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let mut local = Local::new(&redis)?;
    local.write_account("demo", &simulator, "")?;
    local.write_set("quick", "full", &["NSE:INFY"], "  staleAfter: 2s\n")?;
    local.write_set("slow", "full", &["NSE:TCS"], "")?;
    local.start()?;
    local.shows("quick", "True", "Streaming").await;
    simulator.pause(true).await?;
    local.shows("quick", "False", "Stale").await;
    local.shows("slow", "True", "Streaming").await;
    local.shows("demo", "True", "Streaming").await;
    simulator.pause(false).await?;
    local.shows("quick", "True", "Streaming").await;
    Ok(())
}
