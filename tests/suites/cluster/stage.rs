//! What the steps of the test do to the cluster.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use kite::instruments::Dump;
use serde_json::{Value, json};
use tests::condition::within;
use tests::{Cluster, Simulator};

use crate::LONG;

/// The account under test.
pub(crate) const ACCOUNT: &str = "acct-a";

/// Helm releases.
const OPERATOR: &str = "kite-ticker";
const DEFINITIONS: &str = "kite-ticker-crds";

/// An instrument by both its names.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) symbol: String,
    pub(crate) token: u64,
}

/// A page of metrics.
pub(crate) struct Metrics(String);

impl Metrics {
    /// The sum over all labels of a metric.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        let of_name = |line: &&str| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(['{', ' ']))
        };
        let lines = self.0.lines().filter(of_name);
        let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        values.sum()
    }
}

/// The cluster with everything installed.
pub(crate) struct Stage {
    cluster: Cluster,
    installed: Option<Installed>,
}

struct Installed {
    redis: SocketAddr,
    simulator: Simulator,
    /// Where pods find the simulator.
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
        let chart = self.cluster.path("charts/kite-ticker-crds");
        let arguments = [
            "upgrade",
            "--install",
            "--take-ownership",
            "--wait",
            DEFINITIONS,
        ];
        self.cluster
            .helm(&[&arguments[..], &[&chart.to_string_lossy()]].concat())
            .await
            .map(drop)
    }

    /// Installs Redis, the simulator and the operator.
    pub(crate) async fn install_operator(&mut self) -> Result<()> {
        let redis = self.cluster.path("tests/cluster/redis.yaml");
        self.cluster
            .kubectl(&["apply", "-f", &redis.to_string_lossy()])
            .await?;
        let chart = self.cluster.path("charts/kite-ticker");
        let mut values = self.cluster.image_values();
        values.push(format!(
            "redis.url=redis://{}:6379",
            self.cluster.cluster_ip("redis").await?
        ));
        values.push("simulator.enabled=true".to_owned());
        // A real market trades less than once a second and instrument; this test counts, it does not load.
        values.push("simulator.args={--rate=0.2}".to_owned());
        let values = values.join(",");
        let arguments = ["install", "--wait", "--timeout=180s", OPERATOR];
        self.cluster
            .helm(
                &[
                    &arguments[..],
                    &[&chart.to_string_lossy(), "--set", &values],
                ]
                .concat(),
            )
            .await?;
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

    /// An account with a key of its own that nobody gives instruments to.
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
            "spec": {"instruments": {"symbols": symbols}, "publish": {"channelPrefix": format!("test:{name}")}},
        });
        self.cluster.apply(&set.to_string()).await.map(drop)
    }

    pub(crate) fn ingestor_image(&self) -> String {
        self.cluster.image("kite-ingestor")
    }

    /// What the operator in the cluster counts.
    pub(crate) async fn operator_metrics(&self) -> Result<Metrics> {
        let selector = "app.kubernetes.io/component=operator";
        let pods = self.cluster.get(&["pod", "-l", selector]).await?;
        let ip = pods["items"][0]["status"]["podIP"].as_str();
        let url = format!("http://{}:9401/metrics", ip.context("no address")?);
        let client = tests::simulator::client()?;
        let answer = client.get(url).send().await?.error_for_status()?;
        Ok(Metrics(answer.text().await?))
    }

    /// Where pods find Redis.
    pub(crate) async fn pods_redis_url(&self) -> Result<String> {
        Ok(format!(
            "redis://{}:6379",
            self.cluster.cluster_ip("redis").await?
        ))
    }

    /// Ends the operator in the cluster, or has it run again.
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

    /// As a user or pipeline would wait.
    pub(crate) async fn wait_ready(&self, kind: &str, name: &str) -> Result<()> {
        let object = format!("{kind}/{name}");
        self.cluster
            .kubectl(&["wait", "--for=condition=Ready", &object, "--timeout=60s"])
            .await
            .map(drop)
    }

    pub(crate) async fn wait_reason(&self, kind: &str, name: &str, status: &str, reason: &str) {
        let namespace = self.cluster.namespace();
        self.wait_reason_in(namespace, kind, name, status, reason)
            .await;
    }

    pub(crate) async fn wait_reason_in(
        &self,
        namespace: &str,
        kind: &str,
        name: &str,
        status: &str,
        reason: &str,
    ) {
        let what = format!("{kind}/{name} {status} {reason}");
        within(LONG, &what, async || {
            let arguments = [kind, name, "--namespace", namespace];
            let object = self.cluster.get(&arguments).await;
            let object = object.map_err(|error| error.to_string())?;
            let conditions = object["status"]["conditions"].as_array();
            let mut conditions = conditions.into_iter().flatten();
            match conditions.find(|it| it["type"] == "Ready") {
                Some(ready) if ready["status"] == status && ready["reason"] == reason => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
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

    /// Where pods find the simulator.
    pub(crate) fn origin(&self) -> &str {
        &self.installed().origin
    }

    /// The open sockets, by the simulator's numbers.
    pub(crate) async fn sockets(&self) -> Result<BTreeSet<String>> {
        let connections = self.simulator().connections().await?;
        Ok(connections
            .iter()
            .map(|connection| connection["id"].to_string())
            .collect())
    }

    /// Identity of the ingest pod, and how often its container was started again.
    pub(crate) async fn pod(&self) -> Result<(String, i64)> {
        let pod = self
            .cluster
            .get(&["pod", &format!("kt-{ACCOUNT}-0")])
            .await?;
        let restarts = pod["status"]["containerStatuses"][0]["restartCount"].as_i64();
        Ok((
            pod["metadata"]["uid"].to_string(),
            restarts.context("no container")?,
        ))
    }

    /// Ends a token the way a day ends it: sockets are cut, dials are refused.
    pub(crate) async fn revoke(&self, access_token: &str) -> Result<()> {
        self.simulator()
            .control("tokens/revoke", json!({"access_token": access_token}))
            .await?;
        self.simulator()
            .control("connections/drop", json!({}))
            .await
            .map(drop)
    }

    /// A ConfigMap that somebody else made keeps its content, and the account says why it does not run.
    pub(crate) async fn check_name_taken(&self) -> Result<()> {
        let config_map = "kt-taken-assignment";
        self.cluster
            .kubectl(&["create", "configmap", config_map, "--from-literal=mine=1"])
            .await?;
        let before = self.cluster.get(&["configmap", config_map]).await?;
        self.cluster
            .apply(&account("taken", &self.installed().origin).to_string())
            .await?;
        self.wait_reason("tka", "taken", "False", "NameTaken").await;
        ensure!(
            self.cluster.get(&["configmap", config_map]).await? == before,
            "it was changed"
        );
        let made = self.owned("taken").await?;
        ensure!(made.is_empty(), "made although a name is taken: {made:?}");
        self.cluster
            .kubectl(&["delete", "tka/taken", &format!("configmap/{config_map}")])
            .await
            .map(drop)
    }

    pub(crate) async fn delete_everything(&self) -> Result<()> {
        self.cluster
            .kubectl(&["delete", "iset", "--all", "--wait=false"])
            .await?;
        self.cluster
            .kubectl(&["delete", "tka", "--all"])
            .await
            .map(drop)
    }

    pub(crate) async fn nothing_is_owned(&self) -> Result<(), String> {
        let left = self
            .owned(ACCOUNT)
            .await
            .map_err(|error| error.to_string())?;
        if left.is_empty() {
            Ok(())
        } else {
            Err(left.join(" "))
        }
    }

    /// What carries the account's label.
    pub(crate) async fn owned(&self, account: &str) -> Result<Vec<String>> {
        let label = format!("kiteticker.dev/account={account}");
        let names = self
            .cluster
            .kubectl(&["get", "sts,svc,cm,pod", "-l", &label, "-o", "name"])
            .await?;
        Ok(names.split_whitespace().map(str::to_owned).collect())
    }

    /// The operator's rights fit what it does, and it ran without a fault.
    pub(crate) async fn check_operator_log(&self) -> Result<()> {
        let log = self.operator_log().await?;
        let refused: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("Forbidden") || line.contains(" 403 "))
            .collect();
        ensure!(
            refused.is_empty(),
            "the operator lacks rights:\n{}",
            refused.join("\n")
        );
        let selector = "app.kubernetes.io/component=operator";
        let pods = self.cluster.get(&["pod", "-l", selector]).await?;
        let restarts = pods["items"][0]["status"]["containerStatuses"][0]["restartCount"].as_i64();
        ensure!(
            restarts == Some(0),
            "the operator was restarted: {restarts:?}"
        );
        Ok(())
    }

    /// What a Secret holds is in nothing else that can be read.
    pub(crate) async fn check_secrets(&self) -> Result<()> {
        let mut texts = vec![self.operator_log().await?, self.operator_metrics().await?.0];
        let ingestor = format!("statefulset/kt-{ACCOUNT}");
        for arguments in [
            &["get", "tka,iset,cm,svc,sts,pod,events", "-o", "yaml"][..],
            &["logs", &ingestor, "--tail=-1"],
        ] {
            texts.push(self.cluster.kubectl(arguments).await?);
        }
        // As they are, and as a Secret's data: `fake-key` and `fake-token…`.
        for secret in ["fake-key", "fake-token", "ZmFrZS1rZX", "ZmFrZS10b2tlb"] {
            for text in &texts {
                ensure!(!text.contains(secret), "a secret is shown: {text}");
            }
        }
        Ok(())
    }

    /// Nothing was refused to the operator; what it may do and did not is named.
    pub(crate) async fn check_rights(&self) -> Result<String> {
        crate::rights::check(&self.cluster, &format!("{OPERATOR}-operator")).await
    }

    async fn operator_log(&self) -> Result<String> {
        self.cluster
            .kubectl(&[
                "logs",
                &format!("deployment/{OPERATOR}-operator"),
                "--tail=-1",
            ])
            .await
    }

    /// What is worth reading when a step failed.
    pub(crate) async fn evidence(&self) -> String {
        let ingestor = format!("statefulset/kt-{ACCOUNT}");
        let mut text = String::new();
        for arguments in [
            &["get", "tka,sts,pod,cm,svc,deploy", "-o", "wide"][..],
            &["get", "iset", "-o", "wide"],
            &["get", "events", "--sort-by=.lastTimestamp"],
            &["logs", "deployment/kite-ticker-operator", "--tail=60"],
            &["logs", &ingestor, "--tail=40"],
        ] {
            let said = self
                .cluster
                .kubectl(arguments)
                .await
                .unwrap_or_else(|error| format!("{error:#}"));
            // Writing to a String cannot fail.
            let _written = writeln!(text, "--- kubectl {}\n{said}", arguments.join(" "));
        }
        text
    }

    /// Uninstalls everything; the definitions stay, as the chart promises.
    pub(crate) async fn clear(self) -> Result<()> {
        if self.installed.is_some() {
            self.cluster
                .helm(&["uninstall", "--wait", OPERATOR])
                .await?;
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

fn account(name: &str, origin: &str) -> Value {
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
