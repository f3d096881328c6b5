//! Assertions at the end of a step, and the evidence if one fails.

use std::fmt::Write as _;

use anyhow::{Result, ensure};

use super::{ACCOUNT, OPERATOR, Stage, account};

impl Stage {
    /// A ConfigMap of another owner keeps its content, and the account says why it does not run.
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

    /// The operator's rights match what it does, and it ran without errors.
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

    /// The values of Secrets appear nowhere else.
    pub(crate) async fn check_secrets(&self) -> Result<()> {
        let mut texts = vec![self.operator_log().await?, self.operator_metrics().await?.0];
        let ingestor = format!("statefulset/kt-{ACCOUNT}");
        for arguments in [
            // The simulator has the API secret among its arguments.
            &[
                "get",
                "tka,iset,cm,svc,sts,pod,events",
                "-o",
                "yaml",
                "-l",
                "app.kubernetes.io/component!=simulator",
            ][..],
            &["logs", &ingestor, "--tail=-1"],
        ] {
            texts.push(self.cluster.kubectl(arguments).await?);
        }
        // As they are, and as a Secret's data: `fake-key` and `fake-token…`.
        for secret in [
            "fake-key",
            "fake-token",
            "fake-api",
            "ZmFrZS1rZX",
            "ZmFrZS10b2tlb",
            "ZmFrZS1hcG",
        ] {
            for text in &texts {
                ensure!(!text.contains(secret), "a secret is shown: {text}");
            }
        }
        Ok(())
    }

    /// No request of the operator was refused; unused rights are printed.
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

    /// Diagnostics after a failed step.
    pub(crate) async fn evidence(&self) -> String {
        let ingestor = format!("statefulset/kt-{ACCOUNT}");
        let mut text = self.cluster.component_logs(30);
        // What is most often the cause comes last, where a shortened log still shows it.
        for arguments in [
            &["get", "iset", "-o", "wide"][..],
            &["get", "events", "--sort-by=.lastTimestamp"],
            &["logs", &ingestor, "--tail=40"],
            &["logs", "deployment/kite-ticker-operator", "--tail=60"],
            &["describe", "node"],
            &["describe", "pod"],
            &["get", "tka,sts,pod,cm,svc,deploy", "-o", "wide"],
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
}
