//! A Redis with TLS, its own authority and a client certificate: what is trusted and sent, and the
//! messages if the files do not fit.

#![allow(
    clippy::unwrap_used,
    reason = "a stage that cannot be set up fails its test"
)]

mod stage;

use contract::{Assignment, Report};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use stage::folders::LOGIN;
use stage::kite_server::{KiteServer, frame, full};
use stage::redis_server::{RedisServer, free_port};
use stage::{ACCESS_TOKEN, Folders, Ingestor, assignment, option};

/// An authority, which signs for both ends.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
struct Pair {
    certificate: String,
    private_key: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    fn certificate(&self) -> String {
        self.0.pem()
    }

    fn pair(&self, name: &str) -> Pair {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        // Named as its issuer, it would count as signed by itself.
        params.distinguished_name.push(DnType::CommonName, name);
        Pair {
            certificate: params.signed_by(&key, &self.0).unwrap().pem(),
            private_key: key.serialize_pem(),
        }
    }
}

/// A server with TLS at a second port and with a certificate for `name`; its ports without and with
/// TLS.
async fn server(
    authority: &Authority,
    name: &str,
    clients: &str,
    further: &[&str],
) -> (RedisServer, (u16, u16)) {
    let (pair, files) = (authority.pair(name), tempfile::tempdir().unwrap());
    let file = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (plain, port) = (free_port().await, free_port().await);
    let settings = [
        ("--tls-port", port.to_string()),
        ("--tls-auth-clients", clients.to_owned()),
        ("--tls-cert-file", file("crt", &pair.certificate)),
        ("--tls-key-file", file("key", &pair.private_key)),
        ("--tls-ca-cert-file", file("ca", &authority.certificate())),
    ];
    let settings: Vec<&str> = settings
        .iter()
        .flat_map(|(name, value)| [*name, value.as_str()])
        .chain(further.iter().copied())
        .collect();
    (
        RedisServer::start_with(plain, &settings).await,
        (plain, port),
    )
}

/// A Redis with TLS at a second port, and an ingestor that publishes there.
struct World {
    redis: RedisServer,
    folders: Folders,
    ingestor: Ingestor,
    kite: KiteServer,
    authority: Authority,
    assigned: Assignment,
    /// Its ports without and with TLS.
    ports: (u16, u16),
}

impl World {
    async fn new(clients: &str) -> Self {
        Self::named("127.0.0.1", clients, &[]).await
    }

    /// With a certificate for `name`, and with further settings.
    async fn named(name: &str, clients: &str, further: &[&str]) -> Self {
        let (authority, kite, folders) =
            (Authority::new(), KiteServer::start().await, Folders::new());
        let (redis, (plain, port)) = server(&authority, name, clients, further).await;
        let mut assigned = assignment(&kite, port);
        assigned.redis_url = format!("rediss://127.0.0.1:{port}");
        assigned.instruments = vec![option(1)];
        folders.assign(&assigned);
        folders.credentials_of(ACCESS_TOKEN);
        Self {
            redis,
            ingestor: Ingestor::start(&folders).await,
            folders,
            kite,
            authority,
            assigned,
            ports: (plain, port),
        }
    }

    /// With these files, the report has this message.
    async fn complains(&self, files: &[(&str, &str)], expected: &str) {
        self.folders.redis_of(files);
        let complains = |report: &Report| {
            let error = report.redis.error.as_deref();
            error.is_some_and(|error| error.starts_with(expected))
        };
        self.ingestor.until(expected, complains).await;
    }

    /// At this address, the report has this message.
    async fn complains_of(&mut self, url: String, expected: &str) {
        self.assign(url);
        self.complains(&[], expected).await;
    }

    fn assign(&mut self, url: String) {
        self.assigned.redis_url = url;
        self.assigned.generation += 1;
        self.folders.assign(&self.assigned);
    }

    async fn publishes(&mut self, files: &[(&str, &str)]) {
        let mut ticks = self.redis.subscribe().await;
        self.folders.redis_of(&[&LOGIN, files].concat());
        let open = |report: &Report| report.redis.connected;
        self.ingestor.until("redis", open).await;
        let socket = self.kite.socket().await;
        socket.send(frame(&[full(option(1).token, 7)])).unwrap();
        assert_eq!(ticks.tick().await["volume"], 7);
    }
}

#[tokio::test]
async fn an_authority_of_its_own_is_trusted() {
    let mut world = World::new("no").await;
    world
        .complains(
            &[],
            "the certificate of redis is signed by an unknown authority",
        )
        .await;
    world
        .complains(
            &[("ca.crt", "rubbish")],
            "ca.crt in the Secret for redis cannot be used: no certificate in PEM form",
        )
        .await;
    let other = Authority::new().certificate();
    world
        .complains(
            &[("ca.crt", &other)],
            "the certificate of redis is not signed by an authority in ca.crt",
        )
        .await;
    let authority = world.authority.certificate();
    world.publishes(&[("ca.crt", &authority)]).await;
}

/// What makes a node of a cluster that announces its address.
async fn node() -> Vec<String> {
    let bus = free_port().await.to_string();
    let settings = [
        ("--cluster-enabled", "yes"),
        ("--tls-cluster", "yes"),
        ("--cluster-port", bus.as_str()),
        ("--cluster-announce-ip", "127.0.0.1"),
    ];
    let settings = settings.iter().flat_map(|(name, value)| [*name, *value]);
    settings.map(str::to_owned).collect()
}

/// A cluster of two nodes. The one that an ingestor is told of has no slots and a certificate for
/// localhost; the other one, which announces its address, has the certificate for `name`.
async fn cluster(name: &str, further: &[&str]) -> (World, RedisServer) {
    let settings = node().await;
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let mut world = World::named("localhost", "no", &settings).await;
    let settings = node().await;
    let bus = settings[5].clone();
    let settings = settings.iter().map(String::as_str);
    let settings: Vec<&str> = settings.chain(further.iter().copied()).collect();
    let (master, (_, tls)) = server(&world.authority, name, "no", &settings).await;
    master
        .command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"])
        .await;
    world
        .redis
        .command(&["CLUSTER", "MEET", "127.0.0.1", &tls.to_string(), &bus])
        .await;
    for node in [&world.redis, &master] {
        node.answers(&["CLUSTER", "INFO"], |info| {
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:2")
        })
        .await;
    }
    let (_, tls) = world.ports;
    world.assign(format!("rediss-cluster://localhost:{tls}"));
    (world, master)
}

#[tokio::test]
async fn a_node_that_announces_an_address_may_have_the_certificate_of_the_seed() {
    let (mut world, _master) = cluster("localhost", &[]).await;
    let authority = world.authority.certificate();
    world.publishes(&[("ca.crt", &authority)]).await;
}

#[tokio::test]
async fn a_node_may_have_a_certificate_for_the_host_name_that_it_announces() {
    let announced = ["--cluster-announce-hostname", "redis-1.example"];
    let (mut world, _master) = cluster("redis-1.example", &announced).await;
    let authority = world.authority.certificate();
    world.publishes(&[("ca.crt", &authority)]).await;
}

#[tokio::test]
async fn a_certificate_for_neither_name_is_told_with_both() {
    let (world, _master) = cluster("redis-1.example", &[]).await;
    let authority = world.authority.certificate();
    let neither = |report: &Report| {
        let error = report.redis.error.as_deref().unwrap_or_default();
        error.contains(
            "is neither for 127.0.0.1, which the cluster or the sentinels name, nor for localhost",
        )
    };
    world
        .folders
        .redis_of(&[&LOGIN[..], &[("ca.crt", &authority)]].concat());
    world.ingestor.until("both names", neither).await;
}

#[tokio::test]
async fn ports_with_and_without_tls_are_told_apart() {
    let mut world = World::new("no").await;
    let (plain, tls) = world.ports;
    world
        .complains_of(
            format!("rediss://127.0.0.1:{plain}"),
            "redis did not answer within 5 s: check that it runs, and that this port uses TLS",
        )
        .await;
    world
        .complains_of(
            format!("redis://127.0.0.1:{tls}"),
            &format!("redis at 127.0.0.1:{tls} closes connections without an answer: if it uses TLS there"),
        )
        .await;
}

#[tokio::test]
async fn a_client_certificate_is_shown() {
    let mut world = World::new("yes").await;
    let authority = world.authority.certificate();
    let (ours, other) = (
        world.authority.pair("client"),
        Authority::new().pair("client"),
    );
    let ca = ("ca.crt", authority.as_str());
    world
        .complains(
            &[ca],
            "redis requires a client certificate: put tls.crt and tls.key",
        )
        .await;
    let strange = [
        ca,
        ("tls.crt", &other.certificate),
        ("tls.key", &other.private_key),
    ];
    world
        .complains(
            &strange,
            "redis refuses the client certificate: check tls.crt",
        )
        .await;
    let mixed = [
        ca,
        ("tls.crt", &ours.certificate),
        ("tls.key", &other.private_key),
    ];
    world
        .complains(
            &mixed,
            "tls.key in the Secret for redis does not match the certificate in tls.crt",
        )
        .await;
    let whole = [
        ca,
        ("tls.crt", &ours.certificate),
        ("tls.key", &ours.private_key),
    ];
    world.publishes(&whole).await;
    let lines = ours.private_key.lines().chain(other.private_key.lines());
    let secret: Vec<&str> = lines.filter(|line| !line.starts_with("-----")).collect();
    world.ingestor.shows_none_of(&secret).await;
}
