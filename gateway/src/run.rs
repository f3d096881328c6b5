//! Wires the process: Redis, the hub, the HTTP servers, signals.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use redis_link::access::Access;
use redis_link::reader::RedisReader;
use redis_link::subscriber::Subscriber;
use redis_link::target::{InvalidTarget, Target};
use service::clock::Clock;
use service::http::{BindError, Limits, PortFileError, Server, write_port_file};
use service::metrics::{Registry, register_build, register_process};
use service::probe::{Probes, Readiness};
use service::signal::{Shutdown, SignalError};
use service::tasks::{TaskError, Tasks};
use service::tls::{Roots, TlsError};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::args::{GatewaySettings, JwtArgs};
use crate::auth::Authenticator;
use crate::auth::claims::ClaimRules;
use crate::auth::jwks::{JwksError, JwksSource};
use crate::auth::key::{KeyError, VerificationKey};
use crate::auth::key_store::{KeyStore, ServedKeys};
use crate::client::quota::Connections;
use crate::client::{ClientLimits, Gateway};
use crate::directory::sync::{CHANGES, DirectorySync, KnownDirectory};
use crate::hub::task::HubTask;
use crate::hub::{Hub, snapshots};
use crate::metrics::{GatewayCollector, PREFIX};
use crate::{health, http, market, redis_files, token};

/// Connections beside those of clients: requests, and clients that are told that there is no place.
const FURTHER_CONNECTIONS: usize = 512;

/// The hub's task turns at least once a second.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// How long everything but the clients takes to end.
const GRACE: Duration = Duration::from_secs(5);

/// How often it is looked whether clients can be served.
const LOOK: Duration = Duration::from_millis(250);

/// Why the process cannot start, or has to end.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] TlsError),
    /// Signals cannot be watched.
    #[error("signals cannot be watched")]
    Signal(#[from] SignalError),
    /// The address of Redis.
    #[error("the address of redis cannot be used")]
    Redis(#[from] InvalidTarget),
    /// The HTTP server cannot start.
    #[error("the HTTP server cannot start")]
    Bind(#[from] BindError),
    /// The port file cannot be written.
    #[error("the port file cannot be written")]
    PortFile(#[from] PortFileError),
    /// The file of the key cannot be read.
    #[error("the file of {0} cannot be read")]
    KeyFile(&'static str, #[source] io::Error),
    /// The key cannot be used.
    #[error("the key of tokens cannot be used")]
    Key(#[from] KeyError),
    /// The address of the keys cannot be used.
    #[error("the address of the keys cannot be used")]
    Jwks(#[from] JwksError),
    /// A part ended.
    #[error("a part of the process ended")]
    Task(#[from] TaskError),
}

/// Runs until `shutdown`.
///
/// # Errors
/// When it cannot start, or a part ends by itself.
pub async fn run(args: GatewaySettings, shutdown: Shutdown) -> Result<(), GatewayError> {
    let clock = Clock::system();
    let roots = Roots::of_machine();
    let target = args.redis.target()?;
    let files = args.redis.redis_dir.clone().map(redis_files::reader);
    let access = Access::new(files, roots.clone())?;
    let keys = keys(&args.jwt, &roots, &clock)?;
    let (server, metrics) = (
        Server::bind(args.listen)?,
        Server::bind_as(args.metrics_listen, "--metrics-listen")?,
    );
    let parts = Parts::new(&args, (target, access), keys, &clock, &shutdown);
    let probes = Probes::with_clock(clock.clone());
    let heartbeat = probes.heartbeat("hub", HEARTBEAT);
    let mut registry = Registry::default();
    register_process(&mut registry);
    let own = registry.sub_registry_with_prefix(PREFIX);
    register_build(own, "kite-gateway", env!("CARGO_PKG_VERSION"));
    own.register_collector(Box::new(GatewayCollector(Arc::clone(&parts.gateway))));
    for (path, bound) in [
        (&args.port_file, &server),
        (&args.metrics_port_file, &metrics),
    ] {
        if let Some(path) = path {
            write_port_file(path, bound.local_addr())?;
        }
    }
    tracing::info!(addr = %server.local_addr(), metrics = %metrics.local_addr(), "listening");

    // Ticks flow on until the last client is closed.
    let ended = CancellationToken::new();
    let mut tasks = Tasks::new(shutdown.clone());
    let router = http::router(Arc::clone(&parts.gateway));
    let limits = limits(&args);
    let (stop, last) = (shutdown.token(), ended.clone());
    tasks.spawn("http", async move {
        server.limits(limits).serve(router, stop).await;
        last.cancel();
    });
    let metrics_router = http::metrics_router(Arc::clone(&parts.gateway), &probes, registry);
    tasks.spawn("metrics", metrics.serve(metrics_router, ended.clone()));
    tasks.spawn(
        "probes",
        observe(parts.gateway, parts.error, probes, ended.clone()),
    );
    tasks.spawn("directory", parts.sync.run(ended.clone()));
    tasks.spawn(
        "market",
        market::run(Arc::clone(&parts.reader), parts.market, ended.clone()),
    );
    let health = health::run(
        Arc::clone(&parts.reader),
        parts.hub_task.directory.clone(),
        parts.health,
        ended.clone(),
    );
    tasks.spawn("health", health);
    let snapshots = snapshots::run(
        Arc::clone(&parts.hub_task.hub),
        parts.reader,
        parts.hub_task.directory.clone(),
        clock.clone(),
        ended.clone(),
    );
    tasks.spawn("snapshots", snapshots);
    if let Some(served) = parts.served {
        tasks.spawn("keys", served.run(ended.clone()));
    }
    tasks.spawn("hub", parts.hub_task.build(heartbeat).run(ended.clone()));
    Ok(tasks.join_all_bounded(args.drain + GRACE).await?)
}

/// What the tasks are made of.
struct Parts {
    gateway: Arc<Gateway>,
    reader: Arc<RedisReader>,
    sync: DirectorySync,
    market: watch::Sender<market::Market>,
    health: watch::Sender<Arc<serde_json::Value>>,
    error: watch::Receiver<Option<String>>,
    served: Option<Arc<ServedKeys>>,
    hub_task: HubParts,
}

/// The hub's task, but for its heartbeat.
struct HubParts {
    hub: Arc<Hub>,
    subscriber: Subscriber,
    clock: Clock,
    changes: mpsc::Sender<Option<crate::instrument::InstrumentId>>,
    directory: watch::Receiver<KnownDirectory>,
    error: watch::Sender<Option<String>>,
}

impl HubParts {
    fn build(self, heartbeat: service::probe::Heartbeat) -> HubTask {
        HubTask {
            hub: self.hub,
            subscriber: self.subscriber,
            clock: self.clock,
            changes: self.changes,
            directory: self.directory,
            error: self.error,
            heartbeat,
        }
    }
}

impl Parts {
    fn new(
        args: &GatewaySettings,
        (target, access): (Target, Access),
        keys: KeyStore,
        clock: &Clock,
        shutdown: &Shutdown,
    ) -> Self {
        let name = |part: &str| format!("kite-gateway:{}:{part}", std::process::id());
        let reader = RedisReader::new(target.clone(), access.clone(), name("keys"));
        let reader = Arc::new(reader);
        let (changed, changes) = mpsc::channel(CHANGES);
        let (known, directory) = watch::channel(None);
        let (market, classes) = watch::channel(market::Market::default());
        let (told, error) = watch::channel(None);
        let (wellness, health) = watch::channel(Arc::new(health::unknown()));
        let hub = Arc::new(Hub::default());
        let served = match &keys {
            KeyStore::Served(served) => Some(Arc::clone(served)),
            KeyStore::Fixed(_) => None,
        };
        let gateway = Gateway {
            hub: Arc::clone(&hub),
            authenticator: Authenticator {
                keys,
                rules: ClaimRules {
                    issuer: args.jwt.jwt_issuer.clone(),
                    audience: args.jwt.jwt_audience.clone(),
                    admin_role: args.admin_role.clone(),
                },
                reader: Arc::clone(&reader),
                clock: clock.clone(),
            },
            directory: directory.clone(),
            market: classes,
            health,
            connections: Connections::new(args.max_connections, args.max_connections_per_user),
            limits: ClientLimits {
                tokens: args.max_tokens_per_client,
                commands_per_s: args.max_commands_per_s,
                frame: args.max_frame,
                slow_after: args.slow_client_after,
                drain: args.drain,
            },
            origins: args.origins.clone(),
            clock: clock.clone(),
            shutdown: shutdown.token(),
            next_client: AtomicU64::new(1),
        };
        let subscriber = Subscriber::new(target, access, name("ticks"), fastrand::u64(..));
        Self {
            gateway: Arc::new(gateway),
            sync: DirectorySync {
                reader: Arc::clone(&reader),
                changes,
                known,
            },
            reader,
            market,
            health: wellness,
            error,
            served,
            hub_task: HubParts {
                hub,
                subscriber,
                clock: clock.clone(),
                changes: changed,
                directory,
                error: told,
            },
        }
    }
}

/// Behind a proxy all clients have one address: it is not limited.
fn limits(args: &GatewaySettings) -> Limits {
    let connections = args.max_connections.saturating_add(FURTHER_CONNECTIONS);
    Limits {
        connections,
        per_peer: connections,
        drain: args.drain,
        ..Limits::default()
    }
}

/// The keys of tokens.
fn keys(args: &JwtArgs, roots: &Roots, clock: &Clock) -> Result<KeyStore, GatewayError> {
    let algorithm = args.jwt_algorithm;
    if let Some(path) = &args.jwt_secret_file {
        let secret = token::secret_of(path);
        let secret = secret.map_err(|error| GatewayError::KeyFile("--jwt-secret-file", error))?;
        let key = VerificationKey::secret(&secret, algorithm)?;
        return Ok(KeyStore::Fixed(Arc::new(key)));
    }
    if let Some(url) = &args.jwks_url {
        let tls = roots.client_config(None)?;
        let source = JwksSource::new(url.clone(), (*tls).clone(), algorithm)?;
        let served = ServedKeys::new(source, clock.clone());
        return Ok(KeyStore::Served(Arc::new(served)));
    }
    let path = args.jwt_public_key_file.clone().unwrap_or_default();
    let failed = |error| GatewayError::KeyFile("--jwt-public-key-file", error);
    let pem = redis_files::read(&path).map_err(failed)?;
    let pem = pem.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
    let key = VerificationKey::pem(&pem, algorithm)?;
    Ok(KeyStore::Fixed(Arc::new(key)))
}

/// Ready when the directory was read and tokens can be checked; who is ready stays so while Redis is away,
/// because connected clients stay too.
async fn observe(
    gateway: Arc<Gateway>,
    error: watch::Receiver<Option<String>>,
    probes: Probes,
    ended: CancellationToken,
) {
    let mut every = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            () = ended.cancelled() => return,
            _ = every.tick() => {}
        }
        let known = gateway.directory.borrow().is_some();
        let redis = error.borrow().clone();
        probes.set_ready(if gateway.shutdown.is_cancelled() {
            Readiness::from("it ends")
        } else if !gateway.authenticator.keys.is_ready() {
            Readiness::from("the keys of tokens were not read yet")
        } else if !known {
            Readiness::from("the directory was not read yet")
        } else if redis.is_some() {
            Readiness::from("channels of redis are not subscribed to")
        } else {
            Readiness::Ready
        });
    }
}
