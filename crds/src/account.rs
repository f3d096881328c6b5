//! `TickerAccount`: one Kite account, its capacity, and what its ingest pod reports.

use crate::pod::PodSettings;
use crate::rebalance::RebalanceStatus;
use crate::rule::{self, OBJECT_NAME, rule};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::core::Rule;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Sockets Kite allows per API key.
pub const MAX_CONNECTIONS: u8 = 3;
/// Most sockets that may stay free.
pub const MAX_HEADROOM: u8 = MAX_CONNECTIONS - 1;
/// Tokens Kite allows per socket.
pub const MAX_TOKENS_PER_CONNECTION: u16 = 3000;
/// Kite's streaming endpoint.
pub const KITE_WEBSOCKET: &str = "wss://ws.kite.trade";
/// Kite's login.
pub const KITE_LOGIN: &str = "https://kite.zerodha.com";
/// Kite's REST endpoint.
pub const KITE_API: &str = "https://api.kite.trade";

/// The account: its credentials, its limits and where its ticks go.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "kiteticker.dev",
    version = "v1alpha1",
    kind = "TickerAccount",
    namespaced,
    status = "TickerAccountStatus",
    derive = "PartialEq",
    shortname = "tka",
    category = "kiteticker",
    doc = "One Kite account: credentials, capacity, and where its ticks go. One ingest pod runs per account.",
    validation = rule::object_name("a TickerAccount")
)]
#[x_kube(validation = headroom_leaves_something())]
pub struct TickerAccountSpec {
    /// The Secret in the same namespace that holds the keys `api_key` and `access_token`; with `api_secret`, the operator
    /// offers a login each morning, and `access_token` may be left out.
    pub credentials_secret_ref: SecretRef,
    /// Sockets that the account may open. Kite allows 3 per API key. The next one is opened when the last one is full.
    #[serde(default = "max_connections")]
    #[schemars(range(min = 1, max = MAX_CONNECTIONS))]
    pub connections: u8,
    /// How many of these sockets stay free for other programs that use the API key, 0 to 2; fewer than `connections`. Nothing is
    /// placed on them, not even when another account fails. Default: 0.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    #[schemars(range(min = 0, max = MAX_HEADROOM))]
    pub headroom_connections: u8,
    /// Instruments that one socket may carry. Kite allows 3,000.
    #[serde(default = "max_tokens_per_connection")]
    #[schemars(range(min = 1, max = MAX_TOKENS_PER_CONNECTION))]
    pub tokens_per_connection: u16,
    /// The addresses of Kite. `websocket` and `api` must be the same for all accounts that a set may use.
    #[serde(default)]
    pub endpoint: Endpoint,
    /// The ticks come from a simulator: each carries `is_mock: true`. Must be the same for all accounts that a set may
    /// use. Default: false.
    #[serde(default)]
    pub mock: bool,
    /// Whether the account's instruments are expected to tick when their exchanges trade, or at any time: with Always nothing
    /// counts as closed, as suits a simulator that never closes. Default: Exchange; Always for a mock account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub market_hours: Option<MarketHours>,
    /// When the account's ingest process runs.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub schedule: Schedule,
    /// Closes the account's sockets. Its instruments move to other accounts that have room; the pod stays. Default:
    /// false.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub paused: bool,
    /// Publishes updates of the account's orders, as Kite sends them, on the Redis channel `orders:NAME`;
    /// `mock:orders:NAME` for a mock account. Default: false.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub order_updates: bool,
    /// Publishes the account's events on the Redis channel `ticker:events`, and keeps them for a day in the stream
    /// `ticker:events:log`; `mock:…` for a mock account. Turn it off if readers of `ticker:*` expect nothing but ticks.
    /// The key `ticker:alive:…` is written in any case. Default: true.
    #[serde(default = "with_events")]
    pub events: bool,
    /// The login, for an account whose Secret has an `api_secret`.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub login: LoginSettings,
    /// The Redis to which the account's ticks are published.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub redis: Redis,
    /// The ingest pod. Only these fields and `redis.secretRef` restart it; everything else applies to the running pod.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub pod: PodSettings,
}

/// When the account's instruments are expected to tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum MarketHours {
    /// When their exchanges trade.
    Exchange,
    /// At any time.
    Always,
}

impl TickerAccountSpec {
    /// When its instruments are expected to tick.
    #[must_use]
    pub fn hours(&self) -> MarketHours {
        self.market_hours.unwrap_or(if self.mock {
            MarketHours::Always
        } else {
            MarketHours::Exchange
        })
    }
}

/// When an ingest process runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// Ends the ingest process ten minutes after the last session of its instruments, and starts it ten minutes before the
    /// next one begins. Prices, the directory and the assignment stay; the account is Ready with MarketClosed. Without effect
    /// where `marketHours` is Always. Default: false.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub sleep_when_closed: bool,
}

/// Names a Secret in the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretRef {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME))]
    pub name: String,
}

/// The login to Kite.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoginSettings {
    /// The user who must log in, as Kite names them: `AB1234`. Default: who logged in last.
    #[serde(default, rename = "userID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20))]
    #[x_kube(validation = rule::rule(
        "self.matches('^[A-Za-z0-9]+$')",
        "a user ID has only letters and digits, such as AB1234"
    ))]
    pub user_id: Option<String>,
    /// A Secret in the same namespace whose key `url` is the address of a webhook. It is called when a login is needed, and
    /// again half an hour before the first session of the day if nobody has logged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_secret_ref: Option<SecretRef>,
}

/// Kite's endpoints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Endpoint {
    /// The streaming endpoint: ws:// or wss://, host and port.
    #[serde(default = "kite_websocket")]
    #[schemars(length(max = 253))]
    #[x_kube(validation = rule::scheme("ws", "wss"), validation = rule::no_user_info(), validation = rule::host_only())]
    pub websocket: String,
    /// The REST endpoint: http:// or https://, host and port.
    #[serde(default = "kite_api")]
    #[schemars(length(max = 253))]
    #[x_kube(validation = rule::scheme("http", "https"), validation = rule::no_user_info(), validation = rule::host_only())]
    pub api: String,
    /// Where users log in: http:// or https://, host and port. Default: `https://kite.zerodha.com`; for another `api` than
    /// Kite's, that address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    #[x_kube(validation = rule::scheme("http", "https"), validation = rule::no_user_info(), validation = rule::host_only())]
    pub login: Option<String>,
    /// An HTTP proxy through which the ingest pod reaches the streaming endpoint (CONNECT): http://, host and port. Default:
    /// the operator's HTTPS_PROXY, unless its NO_PROXY names the host. It applies at the next dial; it may differ between
    /// accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    #[x_kube(validation = rule::one_scheme("http"), validation = rule::no_user_info(), validation = rule::host_only())]
    pub proxy: Option<String>,
    /// Certificates in PEM form that the ingest pod trusts beside the public authorities, at the streaming endpoint: of a
    /// proxy that opens TLS, or of an endpoint of your own. They apply at the next dial; they may differ between accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16384))]
    #[x_kube(validation = rule::certificates())]
    pub ca: Option<String>,
}

/// A Redis server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::rule(
    "[has(self.url), has(self.sentinel), has(self.cluster)].filter(it, it).size() <= 1",
    "only one of url, sentinel and cluster may be set"
))]
pub struct Redis {
    /// The server: redis:// or rediss://, host and port (6379 without one), no user and no password. Default: the
    /// operator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    #[x_kube(validation = rule::scheme("redis", "rediss"), validation = rule::no_user_info(), validation = rule::host_only())]
    pub url: Option<String>,
    /// Redis Sentinels that know which server is the master, instead of `url`. They are asked before each new
    /// connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentinel: Option<RedisSentinel>,
    /// A Redis Cluster, instead of `url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<RedisCluster>,
    /// A Secret in the same namespace with the login and certificates for Redis. Its keys, each optional: `username`
    /// and `password`, and for TLS `ca.crt` (trusted instead of the public authorities), `tls.crt` and `tls.key` (the
    /// client certificate), as in a Secret of type kubernetes.io/tls; for Sentinels with a password `sentinel_password`,
    /// and `sentinel_username` if they have users. A changed Secret is used from the next connection on. Naming another
    /// Secret restarts the pod, as does adding or removing `sentinel` beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
}

/// The addresses of Redis Sentinels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RedisSentinel {
    /// The name under which the Sentinels know the master.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rule::rule(
        "self.matches('^[-A-Za-z0-9._]+$')",
        "master must hold only letters, digits, '-', '.' and '_', as in sentinel.conf"
    ))]
    pub master: String,
    /// The Sentinels, host and port (26379 without one) each: `sentinel-0.redis:26379`. All are asked; the server that
    /// most of them name is tried first, and the next one if that is no master.
    #[schemars(length(min = 1, max = 9), inner(length(min = 1, max = 253)))]
    #[x_kube(merge_strategy = ListMerge::Atomic, validation = rule::nodes())]
    pub nodes: Vec<String>,
    /// Whether to use TLS, with the Sentinels and with the master. Default: false.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub tls: bool,
}

/// The addresses of a Redis Cluster, and how it is used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RedisCluster {
    /// Some of its nodes, host and port (6379 without one) each: `redis-0.redis:6379`. The others are found through the
    /// first one that answers.
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 253)))]
    #[x_kube(merge_strategy = ListMerge::Atomic, validation = rule::nodes())]
    pub nodes: Vec<String>,
    /// Whether ticks are published with SPUBLISH, for readers that use SSUBSCRIBE. Otherwise they are published with
    /// PUBLISH: readers SUBSCRIBE at any node, and every node carries every tick. Events and order updates always use
    /// PUBLISH. Default: false.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub sharded_pub_sub: bool,
    /// Whether to use TLS, with every node. Default: false.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub tls: bool,
}

/// The observed state of the account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TickerAccountStatus {
    /// The generation of the spec that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready, CredentialsValid, Connected, CapacityAvailable and Paused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Live and needed sockets: `2/2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<String>,
    /// Streaming and assigned instruments: `5800/5800`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instruments: Option<String>,
    /// Instruments that the account can carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u32>,
    /// Ticks per second, over the last seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticks_per_second: Option<u32>,
    /// When the newest tick arrived, in whole seconds. Times and rates are written every max(10, objects ÷ 5) seconds,
    /// and up to a fifth later; objects are all accounts and sets of the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_tick_time: Option<Time>,
    /// The ingest pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_name: Option<String>,
    /// The assignment that was written, and the one the pod runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignment_generation: Option<AssignmentGeneration>,
    /// One entry per socket.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub connection_status: Vec<ConnectionStatus>,
    /// When the access token ends, by Kite's documentation: at the next 06:00 in India after it was seen to be good.
    /// Nothing acts on it. Absent while that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_expires_at: Option<Time>,
    /// Kite's login page for this account, while a login is needed. It holds the API key, as every such link does, and is good
    /// until the next 06:00 in India.
    #[serde(default, rename = "loginURL", skip_serializing_if = "Option::is_none")]
    pub login_url: Option<String>,
    /// The last login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionStatus>,
    /// What the annotation `kiteticker.dev/rebalance` asked for last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebalance: Option<RebalanceStatus>,
}

/// A login.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionStatus {
    /// Who has logged in.
    #[serde(default, rename = "userID", skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// When they did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}

/// Two generations of an assignment; equal when the pod has caught up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AssignmentGeneration {
    /// The newest generation that the operator wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<u64>,
    /// The generation that the pod reports as running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<u64>,
}

/// One socket to Kite.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionStatus {
    /// Its number, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u8>,
    /// Idle, Connecting, Live, Waiting, RateLimited or Refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Instruments assigned to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instruments: Option<u32>,
    /// How often it was reopened since the pod started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconnects: Option<u64>,
    /// When its newest tick arrived, in whole seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_tick_time: Option<Time>,
    /// Why it was last closed, or could not be opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

impl TickerAccountSpec {
    /// Instruments that the account can carry.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        u32::from(self.connections) * u32::from(self.tokens_per_connection)
    }
}

impl Default for Endpoint {
    fn default() -> Self {
        Self {
            websocket: kite_websocket(),
            api: kite_api(),
            login: None,
            proxy: None,
            ca: None,
        }
    }
}

fn with_events() -> bool {
    true
}

fn headroom_leaves_something() -> Rule {
    rule(
        "!has(self.headroomConnections) || self.headroomConnections < self.connections",
        "headroomConnections must be less than connections: one socket must remain to stream with",
    )
}

fn max_connections() -> u8 {
    MAX_CONNECTIONS
}

fn max_tokens_per_connection() -> u16 {
    MAX_TOKENS_PER_CONNECTION
}

fn kite_websocket() -> String {
    KITE_WEBSOCKET.to_owned()
}

fn kite_api() -> String {
    KITE_API.to_owned()
}
