//! A Redis that requires user and password: the login, the messages if it fails, and that a new
//! password is used without a restart.

#![allow(
    clippy::unwrap_used,
    reason = "a stage that cannot be set up fails its test"
)]

mod stage;

use contract::Report;
use contract::report::ConnectionState;
use kite::Token;
use stage::kite_server::{KiteServer, frame, full};
use stage::redis_server::{RedisServer, Subscriber};
use stage::{ACCESS_TOKEN, Folders, Ingestor, LOOK, assignment, option, within};
use tokio::sync::mpsc::UnboundedSender;
use tokio_tungstenite::tungstenite::Message;

const OWN: &str = "fake-own-password";
const FIRST: &str = "fake-first-password";
/// With characters that a URL or a configuration file would give a meaning.
const SECOND: &str = "fake-second#p@ss:w%40rd/?&= \u{fc}\"";

fn is_open(report: &Report) -> bool {
    report.redis.connected
}

/// A Redis with a password and the user `publisher`, and an ingestor that streams one instrument.
struct World {
    redis: RedisServer,
    ticks: Subscriber,
    folders: Folders,
    ingestor: Ingestor,
    socket: UnboundedSender<Message>,
    _kite: KiteServer,
}

impl World {
    async fn with(files: &[(&str, &str)]) -> Self {
        let (mut kite, mut redis, folders) = (
            KiteServer::start().await,
            RedisServer::start().await,
            Folders::new(),
        );
        let ticks = redis.subscribe().await;
        redis.require(OWN).await;
        let mut assigned = assignment(&kite, redis.port());
        assigned.instruments = vec![option(1)];
        folders.assign(&assigned);
        folders.credentials_of(ACCESS_TOKEN);
        folders.redis_of(files);
        let world = Self {
            ingestor: Ingestor::start(&folders).await,
            socket: kite.socket().await,
            redis,
            ticks,
            folders,
            _kite: kite,
        };
        world.password_of_publisher(FIRST).await;
        world
    }

    /// The rights to publish that docs/resources.md names, and no others.
    async fn password_of_publisher(&self, password: &str) {
        let password = format!(">{password}");
        let rights = ["reset", "on", &password, "&ticker:*", "+@connection"];
        let rights = [&["ACL", "SETUSER", "publisher"], &rights[..], &["+publish"]].concat();
        self.redis.command(&rights).await;
    }

    async fn publishes(&mut self, price: i32) {
        let token: Token = option(1).token;
        self.ingestor.until("redis", is_open).await;
        self.socket.send(frame(&[full(token, price)])).unwrap();
        assert_eq!(self.ticks.tick().await["volume"], price);
    }

    async fn complains(&self, expected: &str) {
        let complains = |report: &Report| report.redis.error.as_deref() == Some(expected);
        let report = self.ingestor.until(expected, complains).await;
        assert!(!report.redis.connected);
        assert_eq!(report.connections[0].state, ConnectionState::Live);
    }

    /// How the ingestor is logged in, as the server sees it.
    async fn logged_in_as(&self) -> String {
        let clients = self.redis.command(&["CLIENT", "LIST"]).await;
        let ours = clients
            .lines()
            .find(|line| line.contains("name=kite-ingestor:"));
        let user = ours.unwrap().split(" user=").nth(1).unwrap();
        user.split(' ').next().unwrap().to_owned()
    }

    /// The socket was never affected, and no output holds a password.
    async fn ends_well(self) {
        let report = self.ingestor.report().await;
        assert_eq!(report.connections[0].reconnects, 0);
        self.ingestor.shows_none_of(&[OWN, FIRST, SECOND]).await;
    }
}

#[tokio::test]
async fn a_user_of_its_own_needs_few_rights() {
    let mut world = World::with(&[]).await;
    world
        .complains("redis requires a password: name a Secret that holds it in spec.redis.secretRef")
        .await;
    world
        .folders
        .redis_of(&[("username", "publisher\n"), ("password", FIRST)]);
    world.publishes(1).await;
    assert_eq!(world.logged_in_as().await, "publisher");
    world.ends_well().await;
}

#[tokio::test]
async fn a_password_alone_is_the_default_users() {
    let mut world = World::with(&[("password", OWN)]).await;
    world.publishes(1).await;
    assert_eq!(world.logged_in_as().await, "default");
    world.ends_well().await;
}

#[tokio::test]
async fn a_new_password_is_taken_up_with_the_next_link() {
    let mut world = World::with(&[("username", "publisher"), ("password", FIRST)]).await;
    world.publishes(1).await;
    world.password_of_publisher(SECOND).await;
    world
        .folders
        .redis_of(&[("username", "publisher"), ("password", SECOND)]);
    let clients = world.redis.command(&["CLIENT", "LIST"]).await;
    let is_link =
        |line: &&str| line.contains("name=kite-ingestor:") && !line.contains(":directory");
    let line = clients.lines().find(is_link);
    let id = line.unwrap().split(' ').next().unwrap().replace("id=", "");
    world.redis.command(&["CLIENT", "KILL", "ID", &id]).await;
    let mut look = tokio::time::interval(LOOK);
    let another = async {
        let reconnects = "kiteticker_redis_reconnects_total 1";
        while !world.ingestor.get("/metrics").await.1.contains(reconnects) {
            look.tick().await;
        }
    };
    within("another link", another).await;
    world.publishes(2).await;
    assert_eq!(world.logged_in_as().await, "publisher");
    world.ends_well().await;
}

#[tokio::test]
async fn a_wrong_password_is_said_and_mended_in_the_file() {
    let mut world = World::with(&[("username", "publisher"), ("password", SECOND)]).await;
    world
        .complains(
            "redis refuses user publisher: check username and password in the Secret for redis",
        )
        .await;
    assert!(world.ingestor.get("/health").await.1.contains("degraded"));
    world.folders.redis_of(&[("username", "publisher")]);
    world
        .complains("the Secret for redis has username but not password: add the password")
        .await;
    world
        .folders
        .redis_of(&[("username", "publisher"), ("password", FIRST)]);
    world.publishes(1).await;
    world.ends_well().await;
}

/// A server without the command repeats its arguments.
#[tokio::test]
async fn a_server_that_repeats_the_password_is_not_quoted() {
    let (kite, folders) = (KiteServer::start().await, Folders::new());
    let port = stage::redis_server::free_port().await;
    let settings = ["--rename-command", "AUTH", ""];
    let _redis = RedisServer::start_with(port, &settings).await;
    folders.assign(&assignment(&kite, port));
    folders.redis_of(&[("password", FIRST)]);
    let ingestor = Ingestor::start(&folders).await;
    let refused =
        |report: &Report| report.redis.error.as_deref() == Some("redis refuses the login: ERR");
    ingestor.until("a refusal without a quote", refused).await;
    ingestor.shows_none_of(&[FIRST]).await;
}
