//! Observations of the cluster, and waiting for an expected state.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use tests::condition::within;

use super::{ACCOUNT, Stage};
use crate::LONG;

/// A page of metrics.
pub(crate) struct Metrics(pub(super) String);

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

impl Stage {
    /// The metrics of the operator in the cluster.
    pub(crate) async fn operator_metrics(&self) -> Result<Metrics> {
        let selector = "app.kubernetes.io/component=operator";
        let pods = self.cluster.get(&["pod", "-l", selector]).await?;
        let ip = pods["items"][0]["status"]["podIP"].as_str();
        let url = format!("http://{}:9401/metrics", ip.context("no address")?);
        let client = tests::simulator::client()?;
        let answer = client.get(url).send().await?.error_for_status()?;
        Ok(Metrics(answer.text().await?))
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

    /// The objects with the account's label.
    pub(crate) async fn owned(&self, account: &str) -> Result<Vec<String>> {
        let label = format!("kiteticker.dev/account={account}");
        let names = self
            .cluster
            .kubectl(&["get", "sts,svc,cm,pod", "-l", &label, "-o", "name"])
            .await?;
        Ok(names.split_whitespace().map(str::to_owned).collect())
    }
}
