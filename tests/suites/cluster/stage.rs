//! What the steps of the test do to the cluster. Observations are in `looks`, assertions in
//! `checks`.

mod checks;
mod looks;

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use kite::instruments::Dump;
use serde_json::{Value, json};
use tests::{Cluster, Simulator, documents};

use crate::many_sets;

pub(crate) use looks::Metrics;

/// The account under test.
pub(crate) const ACCOUNT: &str = "acct-a";

/// The API secret of the app, for logins.
pub(crate) const API_SECRET: &str = "fake-api-secret";

/// The document with the commands that install and remove everything.
const INSTALL: &str = "docs/install.md";

/// The Helm release of the operator.
const OPERATOR: &str = "kite-ticker";

/// An instrument by both its names.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) symbol: String,
    pub(crate) token: u64,
}

/// The cluster with everything installed.
pub(crate) struct Stage {
    cluster: Cluster,
    installed: Option<Installed>,
}

struct Installed {
    redis: SocketAddr,
    simulator: Simulator,
    /// The address of the simulator for pods.
    origin: String,
    dump: Dump,
}

impl Stage {
    pub(crate) fn new(cluster: Cluster) -> Self {
        Self {
            cluster,
            installed: None,
        }
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    pub(crate) async fn install_definitions(&self) -> Result<()> {
        let install = documents::command(INSTALL, "helm upgrade --install kite-ticker-crds ")?;
        // A cluster that others use may have them from elsewhere.
        let line = format!("{install} --take-ownership --wait");
        self.cluster.documented(&line).await.map(drop)
    }

    /// Installs Redis, the simulator and the operator.
    pub(crate) async fn install_operator(&mut self) -> Result<()> {
        let redis = self.cluster.path("tests/cluster/redis.yaml");
        self.cluster
            .kubectl(&["apply", "-f", &redis.to_string_lossy()])
            .await?;
        let mut values = self.cluster.image_values();
        values.push(format!(
            "redis.url=redis://{}:6379",
            self.cluster.cluster_ip("redis").await?
        ));
        values.push("simulator.enabled=true".to_owned());
        // A real market trades less than once a second and instrument; this test counts, it does not load.
        let strikes = many_sets::strikes();
        values.push(format!(
            "simulator.args={{--rate=0.2,--strikes={strikes},--api-secret={API_SECRET}}}"
        ));
        let values = values.join(",");
        let install = documents::command(INSTALL, "helm upgrade --install kite-ticker ")?;
        let line = format!("{install} --set '{values}' --wait --timeout=180s");
        self.cluster.documented(&line).await?;
        self.cluster
            .kubectl(&["rollout", "status", "deployment/redis", "--timeout=60s"])
            .await?;
        let service = format!("{OPERATOR}-simulator");
        let simulator = Simulator::at(self.cluster.reach(&service, 7070).await?)?;
        let dump = simulator.instruments().await?;
        self.installed = Some(Installed {
            redis: self.cluster.reach("redis", 6379).await?,
            origin: format!("{}:7070", self.cluster.cluster_ip(&service).await?),
            simulator,
            dump,
        });
        Ok(())
    }

    fn installed(&self) -> &Installed {
        self.installed
            .as_ref()
            .unwrap_or_else(|| panic!("nothing is installed yet"))
    }

    pub(crate) fn simulator(&self) -> &Simulator {
        &self.installed().simulator
    }

    pub(crate) fn redis_url(&self) -> String {
        format!("redis://{}", self.installed().redis)
    }

    /// Equities of the dump.
    pub(crate) fn equities(&self, count: usize) -> Result<Vec<Named>> {
        self.listed(count, "NSE")
    }

    /// Options of the dump.
    pub(crate) fn options(&self, count: usize) -> Result<Vec<Named>> {
        self.listed(count, "NFO")
    }

    fn listed(&self, count: usize, exchange: &str) -> Result<Vec<Named>> {
        let rows = self.installed().dump.instruments.iter();
        let named: Vec<Named> = rows
            .filter(|row| &*row.exchange == exchange && !row.is_index())
            .map(|row| Named {
                symbol: format!("{exchange}:{}", row.tradingsymbol),
                token: u64::from(row.token.0),
            })
            .take(count)
            .collect();
        ensure!(
            named.len() == count,
            "the dump lists only {} of {exchange}",
            named.len()
        );
        Ok(named)
    }

    pub(crate) async fn apply_account(&self, access_token: &str) -> Result<()> {
        self.apply_secret(access_token).await?;
        let origin = &self.installed().origin;
        let account = account(ACCOUNT, origin);
        self.cluster.apply(&account.to_string()).await.map(drop)
    }

    pub(crate) async fn apply_secret(&self, access_token: &str) -> Result<()> {
        let secret = secret(ACCOUNT, "fake-key", access_token);
        self.cluster.apply(&secret.to_string()).await.map(drop)
    }

    /// The Secret of an account whose user can log in.
    pub(crate) async fn apply_app(&self, access_token: &str) -> Result<()> {
        let mut secret = secret(ACCOUNT, "fake-key", access_token);
        secret["stringData"]["api_secret"] = API_SECRET.into();
        self.cluster.apply(&secret.to_string()).await.map(drop)
    }

    /// An account with its own key and without instruments.
    pub(crate) async fn apply_idle(&self, name: &str, access_token: &str) -> Result<()> {
        let secret = secret(name, &format!("fake-key-{name}"), access_token);
        self.cluster.apply(&secret.to_string()).await?;
        let account = account(name, &self.installed().origin);
        self.cluster.apply(&account.to_string()).await.map(drop)
    }

    pub(crate) async fn apply_set(&self, name: &str, instruments: &[Named]) -> Result<()> {
        let symbols: Vec<&str> = instruments.iter().map(|it| it.symbol.as_str()).collect();
        let set = json!({
            "apiVersion": "kiteticker.dev/v1alpha1",
            "kind": "InstrumentSet",
            "metadata": {"name": name},
            "spec": {"instruments": {"symbols": symbols}, "publish": {"channelPrefix": format!("test:{name}"), "greeks": false}},
        });
        self.cluster.apply(&set.to_string()).await.map(drop)
    }

    pub(crate) fn ingestor_image(&self) -> String {
        self.cluster.image("kite-ingestor")
    }

    /// The address of Redis for pods.
    pub(crate) async fn pods_redis_url(&self) -> Result<String> {
        Ok(format!(
            "redis://{}:6379",
            self.cluster.cluster_ip("redis").await?
        ))
    }

    /// Stops the operator in the cluster, or starts it again.
    pub(crate) async fn scale_operator(&self, replicas: u8) -> Result<()> {
        let deployment = format!("deployment/{OPERATOR}-operator");
        let replicas = format!("--replicas={replicas}");
        self.cluster
            .kubectl(&["scale", &deployment, &replicas])
            .await?;
        self.cluster
            .kubectl(&["rollout", "status", &deployment, "--timeout=60s"])
            .await?;
        let selector = "app.kubernetes.io/component=operator";
        if replicas.ends_with("=0") {
            self.cluster
                .kubectl(&[
                    "wait",
                    "--for=delete",
                    "pod",
                    "-l",
                    selector,
                    "--timeout=60s",
                ])
                .await?;
        }
        Ok(())
    }

    pub(crate) async fn patch_set(&self, name: &str, patch: &Value) -> Result<()> {
        let patch = patch.to_string();
        self.cluster
            .kubectl(&["patch", "iset", name, "--type=json", "-p", &patch])
            .await
            .map(drop)
    }

    /// Changes a value of the operator's chart.
    pub(crate) async fn upgrade_operator(&self, value: &str) -> Result<()> {
        let chart = self.cluster.path("charts/kite-ticker");
        let chart = chart.to_string_lossy();
        let arguments = [
            "upgrade",
            OPERATOR,
            &chart,
            "--reuse-values",
            "--set",
            value,
        ];
        let wait = ["--wait", "--timeout=60s"];
        self.cluster
            .helm(&[&arguments[..], &wait].concat())
            .await
            .map(drop)
    }

    /// The address of the simulator for pods.
    pub(crate) fn origin(&self) -> &str {
        &self.installed().origin
    }

    /// Expires a token as at the end of a day: sockets are closed, dials are refused.
    pub(crate) async fn revoke(&self, access_token: &str) -> Result<()> {
        self.simulator()
            .control("tokens/revoke", json!({"access_token": access_token}))
            .await?;
        self.simulator()
            .control("connections/drop", json!({}))
            .await
            .map(drop)
    }

    pub(crate) async fn delete_everything(&self) -> Result<()> {
        for delete in ["delete iset --all", "delete tka --all"] {
            let delete = format!("kubectl --namespace ticker {delete}");
            let delete = documents::command(INSTALL, &delete)?;
            self.cluster.documented(&delete).await?;
        }
        Ok(())
    }

    /// Uninstalls everything; the definitions stay, as the chart promises.
    pub(crate) async fn clear(self) -> Result<()> {
        if self.installed.is_some() {
            let uninstall = documents::command(INSTALL, "helm --namespace ticker uninstall ")?;
            let line = format!("{uninstall} --wait");
            self.cluster.documented(&line).await?;
        }
        self.cluster.end().await
    }
}

fn secret(name: &str, api_key: &str, access_token: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "stringData": {"api_key": api_key, "access_token": access_token},
    })
}

pub(crate) fn account(name: &str, origin: &str) -> Value {
    json!({
        "apiVersion": "kiteticker.dev/v1alpha1",
        "kind": "TickerAccount",
        "metadata": {"name": name},
        "spec": {
            "credentialsSecretRef": {"name": name},
            "mock": true,
            "endpoint": {"websocket": format!("ws://{origin}"), "api": format!("http://{origin}")},
        },
    })
}
