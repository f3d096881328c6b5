//! The operator in a cluster: what it watches, runs and serves.
//!
//! Owns the wiring. Decisions are in [`crate::plan`], writes in `apply` and nowhere else. `observe`
//! gathers what is known: `stores` by watching, `secrets` and `name_ownership` by name, `reports`
//! from pods.

mod api_error;
mod apply;
mod calendar_metrics;
mod credential_source;
mod fingerprint;
mod list_metrics;
mod login_store;
mod metrics;
mod name_ownership;
mod observe;
mod owned_kind;
mod owned_objects;
mod parsed_or_raw;
mod pod;
mod pod_refusals;
mod pricing_metrics;
mod reconciler;
mod reports;
mod retry;
mod secrets;
mod stores;
mod token_metrics;
mod watch_backoff;
mod workload;

use crate::calendar_file::CalendarFile;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use service::clock::{Clock, WallClock};
use service::http::Server;
use service::metrics::Registry;
use service::probe::Probes;
use service::signal::Shutdown;
use service::tasks::Tasks;
use tokio::sync::Notify;

use self::apply::events::event_channel;
use self::apply::{Applier, ApplyContext};
use self::calendar_metrics::CalendarCollector;
use self::credential_source::ClusterSecrets;
use self::list_metrics::ListCollector;
use self::login_store::ClusterLogins;
use self::metrics::Metrics;
use self::name_ownership::NameOwnership;
use self::observe::{AssignmentCache, Observer};
use self::pod_refusals::PodRefusals;
use self::pricing_metrics::PricingCollector;
use self::reconciler::Reconciler;
use self::reports::{ReportPoller, Reports};
use self::secrets::{SecretPoller, Secrets};
use self::stores::{Stores, WatchContext};
use self::token_metrics::{TokenCollector, TokenEnds};
use self::workload::PodDefaults;
use crate::instruments::{IndexNames, TableRefresher};
use crate::kite_client;
use crate::login::{self, LinkMaker, LoginLinks, LoginParts, Webhooks};
use crate::plan::{self, ObservedAccount};
use crate::pricing_log;
use crate::query::{QueryFeed, QueryServer, Scope};
use crate::scrape::Scraper;
use crate::token_check::{TokenChecker, TokenChecks};
use crate::value_fingerprint::ValueFingerprints;

/// How long open HTTP requests may take to end.
const DRAIN: Duration = Duration::from_secs(5);

/// The option that names where browsers come back to.
const LOGIN_OPTION: &str = "--login-listen (off: no login)";

/// How long the API server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// The settings of the operator.
#[derive(Debug)]
pub struct ClusterSettings {
    /// The namespace that it manages; `None`: all of them.
    pub namespace: Option<String>,
    /// The ingest image of accounts that name no other.
    pub ingestor_image: String,
    /// When nodes pull it: `Always`, `IfNotPresent` or `Never`.
    pub ingestor_pull_policy: String,
    /// Names of the Secrets with which nodes pull it.
    pub ingestor_pull_secrets: Vec<String>,
    /// The Redis of accounts that name no other.
    pub redis_url: String,
    /// What the derivatives of indices are called.
    pub index_names: IndexNames,
    /// When instruments trade.
    pub calendar: CalendarFile,
    /// After which time instruments move away from an account that is known to be down; `None`: never.
    pub failover_after: Option<Duration>,
    /// What options are priced with.
    pub rates: plan::PricingRates,
    /// The proxy to Kite of accounts that name none.
    pub proxy: Option<plan::DefaultProxy>,
    /// Whether pods are annotated when their files change.
    pub poke: bool,
    /// Whether a pod that never got ready is deleted if its StatefulSet does not replace it.
    pub repair_pods: bool,
    /// Whether ingest pods name their user and groups.
    pub fixed_ids: bool,
    /// Where probes and metrics are served.
    pub listen: SocketAddr,
    /// Where browsers come back to after a login; `None`: there is no login.
    pub login_listen: Option<SocketAddr>,
    /// The simulated wall clock, of ingest pods too.
    pub wall_clock: Option<WallClock>,
}

/// Runs until `shutdown`.
///
/// # Errors
/// When it cannot start, or a part of it ends.
pub async fn run(
    settings: ClusterSettings,
    clock: Clock,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let tls = service::tls::client_config()?;
    pricing_log::warn(&settings.rates, clock.wall());
    let server = Server::bind(settings.listen)?;
    let login_server = settings.login_listen;
    let login_server = login_server
        .map(|address| Server::bind_as(address, LOGIN_OPTION))
        .transpose()?;
    let client = client().await?;
    let probes = Probes::with_clock(clock.clone());
    let mut registry = Registry::default();
    service::metrics::register_process(&mut registry);
    let token_ends = TokenEnds::default();
    registry.register_collector(Box::new(TokenCollector {
        ends: token_ends.clone(),
        clock: clock.clone(),
    }));
    let own = registry.sub_registry_with_prefix("kite_operator");
    service::metrics::register_build(own, "kite-operator", env!("CARGO_PKG_VERSION"));
    let metrics = Metrics::register(own);
    let rest = kite_client::client(&tls)?;
    let tables = TableRefresher::new(
        rest.clone(),
        settings.index_names,
        settings.calendar.watch(),
        clock.clone(),
    );
    own.register_collector(Box::new(CalendarCollector {
        calendar: settings.calendar.watch(),
        clock: clock.clone(),
    }));
    own.register_collector(Box::new(PricingCollector {
        rates: settings.rates.clone(),
        clock: clock.clone(),
    }));
    own.register_collector(Box::new(ListCollector {
        tables: tables.watch(),
        clock: clock.clone(),
    }));

    let dirty = Arc::new(Notify::new());
    let mut tasks = Tasks::new(shutdown.clone());
    let stores = Stores::watch(
        &WatchContext {
            client: client.clone(),
            namespace: settings.namespace.as_deref(),
            dirty: Arc::clone(&dirty),
            metrics: metrics.clone(),
            clock: clock.clone(),
            stop: shutdown.token(),
        },
        &mut tasks,
    );
    let reports = Arc::new(Reports::default());
    let report_poller = ReportPoller {
        reports: Arc::clone(&reports),
        scraper: Scraper::new(&tls)?,
        clock: clock.clone(),
        dirty: Arc::clone(&dirty),
        failures: metrics.scrape_failures.clone(),
    };
    tasks.spawn("reports", report_poller.run(shutdown.token()));
    let secrets = Arc::new(Secrets::default());
    let secret_poller = SecretPoller {
        secrets: Arc::clone(&secrets),
        client: client.clone(),
        clock: clock.clone(),
        dirty: Arc::clone(&dirty),
        fingerprints: ValueFingerprints::default(),
    };
    tasks.spawn("secrets", secret_poller.run(shutdown.token()));
    let tokens = Arc::new(TokenChecks::default());
    let token_checker = TokenChecker {
        checks: Arc::clone(&tokens),
        source: ClusterSecrets(client.clone()),
        client: rest.clone(),
        clock: clock.clone(),
        dirty: Arc::clone(&dirty),
        counter: metrics.token_checks.clone(),
    };
    tasks.spawn("token checks", token_checker.run(shutdown.token()));
    let links = Arc::new(LoginLinks::default());
    let logins = Arc::new(ClusterLogins::new(client.clone()));
    let (webhooks, webhook_sender) =
        Webhooks::new(Arc::clone(&logins), rest.clone(), metrics.webhooks.clone());
    tasks.spawn("webhooks", webhook_sender.run(shutdown.token()));
    let namespace = settings.namespace.clone();
    let feed = QueryFeed::new(namespace.map_or(Scope::All, Scope::Namespace));
    let newest = Arc::clone(&reports);
    let newest = Arc::new(move |account: &ObservedAccount| {
        newest.of(&account.object.meta.key, &account.object.meta.uid)
    });
    let answers = QueryServer::new(feed.snapshots(), newest, clock.clone());
    if let Some(server) = login_server {
        let link_maker = LinkMaker {
            links: Arc::clone(&links),
            store: Arc::clone(&logins),
            clock: clock.clone(),
            dirty: Arc::clone(&dirty),
        };
        tasks.spawn("login links", link_maker.run(shutdown.token()));
        let router = login::router(LoginParts {
            store: logins,
            client: rest,
            clock: clock.clone(),
            snapshots: feed.snapshots(),
            counter: metrics.logins.clone(),
            written: Arc::clone(&dirty),
        });
        tracing::info!(address = %server.local_addr(), "logins are taken");
        tasks.spawn("login", server.serve(router, shutdown.token()));
    }
    let (event_sender, event_publisher) = event_channel(client.clone());
    tasks.spawn("events", event_publisher.run(shutdown.token()));
    let heartbeat = probes.heartbeat("reconciler", reconciler::HANG_LIMIT);
    let reconciler = Reconciler {
        observer: Observer {
            stores,
            reports,
            secrets,
            tokens,
            links,
            tables: Default::default(),
            name_ownership: NameOwnership::new(client.clone()),
            refusals: PodRefusals::default(),
            calendar: settings.calendar.watch(),
            settings: plan::Settings {
                redis_url: settings.redis_url,
                poke: settings.poke,
                proxy: settings.proxy,
                failover_after: settings.failover_after,
                simulated_time: settings.wall_clock.is_some(),
                login: settings.login_listen.is_some(),
                rates: settings.rates,
            },
            assignments: AssignmentCache::default(),
        },
        applier: Applier::new(ApplyContext {
            client,
            event_sender,
            metrics: metrics.clone(),
            defaults: PodDefaults {
                image: settings.ingestor_image,
                pull_policy: settings.ingestor_pull_policy,
                pull_secrets: settings.ingestor_pull_secrets,
                fixed_ids: settings.fixed_ids,
                wall_clock: settings.wall_clock,
            },
            poke: settings.poke,
            repair: settings.repair_pods,
            clock: clock.clone(),
            heartbeat: heartbeat.clone(),
        }),
        table_changes: tables.watch(),
        calendar_changes: settings.calendar.watch(),
        tables,
        memory: Arc::default(),
        token_ends,
        webhooks,
        feed,
        clock,
        dirty,
        metrics,
        heartbeat,
        gate: probes.gate("first pass"),
    };
    tasks.spawn("reconciler", reconciler.run(shutdown.token()));
    tasks.spawn("calendar", settings.calendar.run(shutdown.token()));
    let router = probes
        .router()
        .merge(service::metrics::router(Arc::new(registry)))
        .merge(answers.router());
    let namespace = settings.namespace.as_deref().unwrap_or("all");
    tracing::info!(namespace, address = %server.local_addr(), "operator started");
    tasks.spawn("http", server.serve(router, shutdown.token()));
    Ok(tasks.join_all_bounded(DRAIN).await?)
}

async fn client() -> anyhow::Result<Client> {
    let mut config = kube::Config::infer().await?;
    config.connect_timeout = Some(CONNECT);
    Ok(Client::try_from(config)?)
}
