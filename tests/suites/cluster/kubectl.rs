//! What a user of kubectl sees.

use anyhow::{Result, ensure};
use tests::condition::within;
use tests::documents;

use crate::stage::{ACCOUNT, Stage};
use crate::{LONG, SMALL};

/// `kubectl get`, with numbers that move as `N` and ages as `AGE`.
const COLUMNS: &str = "\
NAME READY REASON CONNS INSTRUMENTS TICKS/S LAST-TICK AGE
tickeraccount.kiteticker.dev/acct-a True Streaming 2/2 3010/3010 N AGE AGE

NAME READY REASON MODE INSTRUMENTS LAST-TICK AGE
instrumentset.kiteticker.dev/big True Streaming full 3000/3000 AGE AGE
instrumentset.kiteticker.dev/small True Streaming full 10/10 AGE AGE
";

/// The same with `-o wide`.
const WIDE: &str = "\
NAME READY REASON CONNS INSTRUMENTS TICKS/S LAST-TICK AGE CAPACITY POD MESSAGE
tickeraccount.kiteticker.dev/acct-a True Streaming 2/2 3010/3010 N AGE AGE N kt-acct-a-0 N of N instruments stream

NAME READY REASON MODE INSTRUMENTS LAST-TICK AGE ACCOUNTS MESSAGE
instrumentset.kiteticker.dev/big True Streaming full 3000/3000 AGE AGE acct-a N of N instruments stream
instrumentset.kiteticker.dev/small True Streaming full 10/10 AGE AGE acct-a N of N instruments stream
";

pub(crate) async fn check(stage: &Stage) -> Result<()> {
    let cluster = stage.cluster();
    // The rows are written one after the other.
    for (arguments, expected) in [
        (&["get", "tka,iset"][..], COLUMNS),
        (&["get", "tka,iset", "-o", "wide"], WIDE),
    ] {
        within(LONG, "the table", async || {
            let shown = cluster.kubectl(arguments).await;
            let shown = steady(&shown.map_err(|error| error.to_string())?);
            if shown == expected {
                Ok(())
            } else {
                Err(shown)
            }
        })
        .await;
    }
    let all = cluster.kubectl(&["get", "kiteticker"]).await?;
    ensure!(
        all.contains("/acct-a") && all.contains("/small"),
        "the category lacks some:\n{all}"
    );
    for (field, text) in [
        ("iset.spec.mode", "ltp"),
        ("iset.spec.instruments.symbols", "NSE:INFY"),
        ("tka.spec.credentialsSecretRef", "access_token"),
        ("tka.status.conditions", "observedGeneration"),
    ] {
        let explained = cluster.kubectl(&["explain", field]).await?;
        ensure!(
            explained.contains(text),
            "{field} is explained as:\n{explained}"
        );
    }
    documented(stage).await?;
    // Conditions of the previous spec do not count for the present one.
    for count in [SMALL + 1, SMALL] {
        stage.apply_set("small", &stage.equities(count)?).await?;
        stage.wait_ready("iset", "small").await?;
        let set = cluster.get(&["iset", "small"]).await?;
        let streaming = &set["status"]["instruments"];
        ensure!(
            *streaming == format!("{count}/{count}"),
            "kubectl wait ended at {streaming} of {count}"
        );
    }
    Ok(())
}

/// A restart asked for with kubectl is an annotation on the pod template. An operator that takes it off
/// again ends the restart, or makes two of one. Another number of pods is not the user's to choose.
pub(crate) async fn restarted(stage: &Stage) -> Result<()> {
    let cluster = stage.cluster();
    let workload = format!("statefulset/kt-{ACCOUNT}");
    let (before, _) = stage.pod().await?;
    cluster.kubectl(&["rollout", "restart", &workload]).await?;
    cluster
        .kubectl(&["rollout", "status", &workload, "--timeout=60s"])
        .await?;
    stage.wait_ready("tka", ACCOUNT).await?;
    let (after, _) = stage.pod().await?;
    ensure!(after != before, "the pod is still {before}");
    let template = &cluster.get(&[&workload]).await?["spec"]["template"];
    let asked = &template["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"];
    ensure!(asked.is_string(), "the annotation is gone: {template}");
    cluster
        .kubectl(&["scale", &workload, "--replicas=0"])
        .await?;
    within(LONG, "the pod is wanted again", async || {
        let workload = cluster.get(&[&workload]).await;
        let workload = workload.map_err(|error| error.to_string())?;
        let (replicas, ready) = (
            &workload["spec"]["replicas"],
            &workload["status"]["readyReplicas"],
        );
        if (replicas, ready) == (&1.into(), &1.into()) {
            Ok(())
        } else {
            Err(format!("{replicas} wanted, {ready} ready"))
        }
    })
    .await;
    stage.wait_ready("tka", ACCOUNT).await
}

/// The commands of the documents, unchanged except for names and for parts that would affect more
/// than this test's objects.
async fn documented(stage: &Stage) -> Result<()> {
    const NEW_SECRET: &str = "kubectl --namespace ticker create secret generic ";
    let cluster = stage.cluster();
    for document in ["docs/install.md", "docs/resources.md"] {
        let create = documents::command(document, NEW_SECRET)?;
        cluster.documented(&create).await?;
    }
    let secret = cluster.get(&["secret", "acct-a-credentials"]).await?;
    // TOKEN, in base64.
    ensure!(secret["data"]["access_token"] == "VE9LRU4=", "{secret}");
    cluster
        .kubectl(&["delete", "secret", "acct-a-credentials"])
        .await?;
    let (install, operations) = ("docs/install.md", "docs/operations.md");
    for (document, start) in [
        (
            install,
            "kubectl --namespace ticker apply --server-side -f ",
        ),
        (install, "kubectl delete crd "),
    ] {
        let command = documents::command(document, start)?;
        let line = format!("{command} --dry-run=server");
        cluster.documented(&line).await?;
    }
    let wait = documents::command("docs/resources.md", "kubectl --namespace ticker wait ")?;
    let wait = wait.replace("iset/nifty", "iset/small");
    cluster.documented(&format!("{wait} --timeout=60s")).await?;
    let get = documents::command(
        operations,
        "kubectl --namespace ticker get tka,iset -o wide",
    )?;
    let shown = cluster.documented(&get).await?;
    ensure!(
        shown.contains("/acct-a") && shown.contains("MESSAGE"),
        "{shown}"
    );
    let tokens = documents::command(
        operations,
        "kubectl --namespace ticker get tka -o 'custom-columns=",
    )?;
    let shown = cluster.documented(&tokens).await?;
    ensure!(steady(&shown) == "NAME TOKEN\nacct-a Verified\n", "{shown}");
    let logs = documents::command(
        operations,
        "kubectl --namespace ticker logs deploy/kite-ticker-operator",
    )?;
    let logged = cluster.documented(&logs).await?;
    ensure!(logged.contains("\"level\":\"INFO\""), "{logged}");
    let explain = documents::command(operations, "kubectl explain ")?;
    let explained = cluster.documented(&explain).await?;
    ensure!(explained.contains("ltp"), "{explained}");
    let patch = documents::command(operations, "kubectl --namespace ticker patch iset ")?;
    cluster
        .documented(&patch.replace("iset nifty", "iset small"))
        .await?;
    rebalanced(stage, operations).await
}

/// An annotation is no change of the spec, and wakes the operator all the same. With one account nothing can move.
async fn rebalanced(stage: &Stage, document: &str) -> Result<()> {
    let cluster = stage.cluster();
    let annotate = documents::command(document, "kubectl --namespace ticker annotate ")?;
    cluster.documented(&annotate).await?;
    let expected = serde_json::json!({"request": "2026-11-30", "state": "Done", "moves": 0});
    within(LONG, "the request is done", async || {
        let account = cluster.get(&["tka", ACCOUNT]).await;
        let status = &account.map_err(|error| error.to_string())?["status"];
        (status["rebalance"] == expected)
            .then_some(())
            .ok_or_else(|| status.to_string())
    })
    .await;
    Ok(())
}

/// Without what moves, one space between columns.
fn steady(shown: &str) -> String {
    let is_age = |word: &str| {
        let number = word.trim_end_matches(['s', 'm', 'h', 'd']);
        number.len() < word.len() && number.chars().all(|it| it.is_ascii_digit() || it == 'm')
    };
    let word = |word: &str| {
        if word.chars().all(|it| it.is_ascii_digit()) {
            "N".to_owned()
        } else if is_age(word) {
            "AGE".to_owned()
        } else {
            word.to_owned()
        }
    };
    let line = |line: &str| {
        let words = line.split_whitespace().map(word);
        words.collect::<Vec<_>>().join(" ") + "\n"
    };
    shown.lines().map(line).collect()
}
