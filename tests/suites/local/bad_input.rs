//! What a user sees after an error, while everything else keeps streaming.

use anyhow::Result;
use serde_json::json;
use tests::{Local, RedisServer, Simulator, Ticks, eventually};

const INFY: u64 = 408_065;

/// A world in which the set `good` streams INFY.
struct World {
    redis: RedisServer,
    simulator: Simulator,
    ticks: Ticks,
    local: Local,
}

impl World {
    async fn streaming() -> Result<Self> {
        let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
        let ticks = Ticks::subscribe(&redis.url(), "ticker:equity").await?;
        let mut local = Local::new(&redis)?;
        local.write_account("demo", &simulator, "")?;
        local.write_set("good", "full", &["NSE:INFY"], "")?;
        local.start()?;
        local.shows("good", "True", "Streaming").await;
        Ok(Self {
            redis,
            simulator,
            ticks,
            local,
        })
    }

    /// The good set ticks on, on the same socket, without a gap.
    async fn still_streams(&self) {
        let seen = self.ticks.count_of(INFY);
        eventually("further ticks of the good set", async || {
            let now = self.ticks.count_of(INFY);
            if now > seen + 1 {
                Ok(())
            } else {
                Err(format!("{now}\n{}", self.local.printed()))
            }
        })
        .await;
        self.ticks.assert_gapless();
    }

    async fn says(&self, what: &str) {
        eventually(what, async || {
            let printed = self.local.printed();
            if printed.contains(what) {
                Ok(())
            } else {
                Err(printed)
            }
        })
        .await;
    }
}

#[tokio::test]
async fn an_unknown_symbol() -> Result<()> {
    let world = World::streaming().await?;
    world
        .local
        .write_set("bad", "full", &["NSE:NO SUCH SHARE"], "")?;
    world.local.shows("bad", "False", "NothingResolved").await;
    world.says("NSE:NO SUCH SHARE").await;
    world
        .local
        .write_set("bad", "full", &["NSE:NO SUCH SHARE", "NSE:TCS"], "")?;
    world.local.shows("bad", "True", "PartiallyResolved").await;
    world.says("bad: not in the instruments list of ").await;
    world.still_streams().await;
    Ok(())
}

#[tokio::test]
async fn an_unknown_token() -> Result<()> {
    let world = World::streaming().await?;
    world.local.write(
        "set-bad.yaml",
        "apiVersion: kiteticker.dev/v1alpha1\nkind: InstrumentSet\nmetadata: {name: bad}\n\
         spec: {instruments: {tokens: [4294967295]}}\n",
    )?;
    world.local.shows("bad", "False", "NothingResolved").await;
    world.says("4294967295").await;
    world.still_streams().await;
    Ok(())
}

#[tokio::test]
async fn a_wrong_mode() -> Result<()> {
    let world = World::streaming().await?;
    world.local.write_set("bad", "best", &["NSE:TCS"], "")?;
    world.local.shows("bad", "False", "Invalid").await;
    world.says("spec.mode").await;
    world.still_streams().await;
    Ok(())
}

#[tokio::test]
async fn a_missing_secret_and_a_missing_key() -> Result<()> {
    let world = World::streaming().await?;
    let address = world.simulator.address();
    world.local.write(
        "account-poor.yaml",
        &format!(
            "apiVersion: kiteticker.dev/v1alpha1\nkind: TickerAccount\nmetadata: {{name: poor}}\n\
             spec:\n  credentialsSecretRef: {{name: poor}}\n  mock: true\n  endpoint: \
             {{websocket: 'ws://{address}', api: 'http://{address}'}}\n"
        ),
    )?;
    world.local.write_set(
        "poor-set",
        "full",
        &["NSE:TCS"],
        "  accountRef: {name: poor}\n",
    )?;
    world.local.shows("poor", "False", "SecretMissing").await;
    world
        .local
        .shows("poor-set", "False", "SecretMissing")
        .await;
    world.says("poor: Secret poor does not exist").await;
    world.local.write(
        "secret-poor.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: poor}\nstringData: {api_key: fake}\n",
    )?;
    world.local.shows("poor", "False", "KeyMissing").await;
    world
        .says("poor: Secret poor has the keys api_key but not access_token: add it")
        .await;
    world.still_streams().await;
    world.local.write_secret("poor", "fake-token")?;
    world.local.shows("poor-set", "True", "Streaming").await;
    Ok(())
}

/// Its socket stays up until it is lost for the first time.
#[tokio::test]
async fn a_secret_that_goes_while_ticks_flow() -> Result<()> {
    let world = World::streaming().await?;
    world.local.remove("secret-demo.yaml")?;
    world.says("demo: Secret demo does not exist").await;
    world.local.shows("demo", "True", "Streaming").await;
    world.still_streams().await;
    Ok(())
}

/// `--once` is for checks before a release: what is not used must not pass.
#[tokio::test]
async fn once_fails_for_a_document_that_is_not_used() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let local = Local::new(&redis)?;
    local.write_account("demo", &simulator, "")?;
    let set = |kind: &str, metadata: &str| {
        format!(
            "apiVersion: kiteticker.dev/v1alpha1\nkind: {kind}\n{metadata}spec: {{mode: full, instruments: \
             {{symbols: [NSE:INFY]}}}}\n"
        )
    };
    let named = "metadata: {name: shares}\n";
    for (document, said) in [
        (
            set("InstrumentSets", named),
            "extra.yaml: kind \"InstrumentSets\": no matches",
        ),
        (
            set("InstrumentSet", ""),
            "extra.yaml: kind \"InstrumentSet\": metadata: Required value",
        ),
        (
            format!("{0}---\n{0}", set("InstrumentSet", named)),
            "extra.yaml: InstrumentSet shares stands twice",
        ),
    ] {
        local.write("extra.yaml", &document)?;
        let output = local.once().await?;
        let printed = String::from_utf8(output.stdout)?;
        assert!(printed.contains(said), "{said}: {printed}");
        assert_eq!(output.status.code(), Some(1), "{printed}");
    }
    Ok(())
}

#[tokio::test]
async fn a_folder_or_program_that_is_none() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let local = Local::new(&redis)?;
    let said = String::from_utf8(local.once().await?.stdout)?;
    assert!(said.contains("holds no TickerAccount"), "{said}");

    local.write_account("demo", &simulator, "")?;
    let operator = tests::process::binary("kite-operator");
    let file = local.manifests().join("account-demo.yaml");
    let refused = async |arguments: &[&std::ffi::OsStr]| -> Result<String> {
        let mut command = tokio::process::Command::new(&operator);
        let output = command.arg("local").args(arguments).output().await?;
        assert_eq!(output.status.code(), Some(1));
        Ok(String::from_utf8(output.stderr)?)
    };
    let said = refused(&["-f".as_ref(), file.as_os_str()]).await?;
    assert!(said.contains("account-demo.yaml is a file"), "{said}");
    let folder = local.manifests();
    let named = ["-f".as_ref(), folder.as_os_str(), "--ingestor-bin".as_ref()];
    let said = refused(&[&named[..], &["/none".as_ref()]].concat()).await?;
    assert!(
        said.contains("--ingestor-bin /none does not exist"),
        "{said}"
    );
    let (inside, named) = (file.join("recorded"), ["-f".as_ref(), folder.as_os_str()]);
    let recording = ["--record".as_ref(), inside.as_os_str()];
    let said = refused(&[&named[..], &recording].concat()).await?;
    assert!(said.contains("recorded, is not writable"), "{said}");
    Ok(())
}

#[tokio::test]
async fn refused_credentials_stop_dialling_until_they_change() -> Result<()> {
    let world = World::streaming().await?;
    world
        .simulator
        .control("tokens/revoke", json!({"access_token": "dead"}))
        .await?;
    world.local.write_account("other", &world.simulator, "")?;
    world.local.write_secret("other", "dead")?;
    world.local.write_set(
        "other-set",
        "full",
        &["NSE:TCS"],
        "  accountRef: {name: other}\n",
    )?;
    world.local.shows("other", "False", "TokenExpired").await;
    world
        .local
        .shows("other-set", "False", "TokenExpired")
        .await;
    world.still_streams().await;
    world.local.write_secret("other", "alive")?;
    world.local.shows("other-set", "True", "Streaming").await;
    world.still_streams().await;
    Ok(())
}

#[tokio::test]
async fn more_instruments_than_the_account_can_carry() -> Result<()> {
    let world = World::streaming().await?;
    let large = Simulator::symbols(9_001, "option").await?;
    world.local.write("large.yaml", &large)?;
    world.says("PartiallyScheduled").await;
    world.simulator.subscribed(9_000).await;
    world.still_streams().await;
    Ok(())
}

#[tokio::test]
async fn redis_is_not_there_at_the_start() -> Result<()> {
    let mut redis = RedisServer::reserve()?;
    let (simulator, other) = (Simulator::start().await?, RedisServer::start().await?);
    let neighbour = Ticks::subscribe(&other.url(), "ticker:*").await?;
    let mut local = Local::new(&redis)?;
    local.write_account("demo", &simulator, "")?;
    local.write_set(
        "good",
        "full",
        &["NSE:INFY"],
        "  accountRef: {name: demo}\n",
    )?;
    let elsewhere = format!("  redis: {{url: {}}}\n", other.url());
    local.write_account("neighbour", &simulator, &elsewhere)?;
    local.write_set(
        "theirs",
        "full",
        &["NSE:TCS"],
        "  accountRef: {name: neighbour}\n",
    )?;
    local.start()?;
    simulator.subscribed(2).await;
    local.shows("demo", "False", "RedisUnavailable").await;
    local.shows("theirs", "True", "Streaming").await;
    neighbour.next(3).await;
    redis.restart().await?;
    let ticks = Ticks::subscribe(&redis.url(), "ticker:*").await?;
    ticks.tick_of(INFY).await;
    local.shows("good", "True", "Streaming").await;
    Ok(())
}

/// A wrong key in the Secret for Redis, and an account that does not exist.
#[tokio::test]
async fn names_that_lead_nowhere_are_said() -> Result<()> {
    let world = World::streaming().await?;
    let mut redis = world.redis.connection().await?;
    let set = "CONFIG SET requirepass hunter2-fake";
    let mut command = redis::Cmd::new();
    set.split(' ').for_each(|word| {
        command.arg(word);
    });
    command.query_async::<()>(&mut redis).await?;
    world.local.write(
        "secret-login.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: login}\nstringData: {passwd: hunter2-fake}\n",
    )?;
    let elsewhere = format!(
        "  redis: {{url: {}, secretRef: {{name: login}}}}\n",
        world.redis.url()
    );
    world
        .local
        .write_account("other", &world.simulator, &elsewhere)?;
    world.local.write_set(
        "theirs",
        "full",
        &["NSE:TCS"],
        "  accountRef: {name: other}\n",
    )?;
    world.local.write_set(
        "lost",
        "full",
        &["NSE:TCS"],
        "  accountRef: {name: nobody}\n",
    )?;
    world.local.shows("lost", "False", "NoAccount").await;
    world
        .says("lost: there is no TickerAccount nobody in this namespace")
        .await;
    world
        .local
        .shows("other", "False", "RedisUnavailable")
        .await;
    world
        .says("Secret login of spec.redis.secretRef has only passwd: only the keys username, password")
        .await;
    world.still_streams().await;
    world.local.write(
        "secret-login.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: login}\nstringData: {password: wrong-fake}\n",
    )?;
    world
        .says("check username and password in the Secret for redis (spec.redis.secretRef is login)")
        .await;
    Ok(())
}

#[tokio::test]
async fn everything_wrong_with_an_object_is_said_at_once() -> Result<()> {
    let world = World::streaming().await?;
    world.local.write(
        "account-bad.yaml",
        "apiVersion: kiteticker.dev/v1alpha1\nkind: TickerAccount\nmetadata: {name: bad}\n\
         spec: {credentialSecretRef: {name: x}, connections: 4, credentialsSecretRef: {name: x}}\n",
    )?;
    world
        .says("unknown field \"spec.credentialSecretRef\": did you mean credentialsSecretRef?; spec.connections: ")
        .await;
    world.still_streams().await;
    Ok(())
}

#[tokio::test]
async fn a_malformed_object_beside_good_ones() -> Result<()> {
    let world = World::streaming().await?;
    world.local.write("broken.yaml", "apiVersion: [\n")?;
    world.says("broken.yaml").await;
    world.still_streams().await;
    // A set that becomes unreadable keeps its instruments.
    world
        .local
        .write_set("good", "full", &["no exchange"], "")?;
    world.local.shows("good", "False", "Invalid").await;
    world.still_streams().await;
    Ok(())
}

#[tokio::test]
async fn frames_that_cannot_be_read() -> Result<()> {
    let world = World::streaming().await?;
    // Two packets announced, one and a half there; an unknown length; an empty text.
    for hex in ["0002000800063a01000266ba00b80006", "00010003010203", "ffff"] {
        world
            .simulator
            .control("packets/raw", json!({"hex": hex}))
            .await?;
    }
    world
        .simulator
        .control("text", json!({"text": "{ broken"}))
        .await?;
    world.still_streams().await;
    assert_eq!(world.simulator.connections().await?.len(), 1);
    let mut redis = world.redis.connection().await?;
    let _pong: String = redis::cmd("PING").query_async(&mut redis).await?;
    Ok(())
}
