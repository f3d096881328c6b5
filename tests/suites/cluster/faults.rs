//! An operator that is killed at every write, and an API server with every kind of fault.
//!
//! The operator runs as a process of this machine, behind a proxy, on the account that the one in the
//! cluster has left streaming.

use std::time::Duration;

use anyhow::{Result, ensure};
use tests::api_proxy::{Fault, Moment, RequestKind};
use tests::condition::within;
use tests::{ApiProxy, Operator, Ticks};

use crate::stage::{ACCOUNT, Stage};
use crate::{LONG, SMALL};

/// Writes that follow a change: the assignment, the poke, statuses of account and set.
const WRITES: u64 = 5;

/// The world of these tests.
struct World<'a> {
    stage: &'a Stage,
    proxy: ApiProxy,
    operator: Operator,
    /// Instruments of the set `small` now.
    small: usize,
}

/// Runs all tests; returns what to print.
pub(crate) async fn check(stage: &Stage, ticks: &Ticks) -> Result<String> {
    let Some(kubeconfig) = stage.cluster().own_kubeconfig() else {
        return Ok("faults of the API server: not tried, it is out of reach".to_owned());
    };
    stage.scale_operator(0).await?;
    let proxy = ApiProxy::start(kubeconfig).await?;
    let operator = Operator::new(
        &proxy,
        stage.cluster().namespace(),
        &stage.ingestor_image(),
        &stage.pods_redis_url().await?,
    )?;
    let mut world = World {
        stage,
        proxy,
        operator,
        small: SMALL,
    };
    let sockets = stage.sockets().await?;
    ticks.forget_published().await;
    let killed = world.killed_at_every_write().await?;
    world.bad_answers().await?;
    world.silent_watches().await?;
    world.namesake().await?;
    ensure!(
        stage.sockets().await? == sockets,
        "a socket was opened anew"
    );
    ticks.assert_gapless();
    world.operator.kill().await?;
    stage.apply_set("small", &stage.equities(SMALL)?).await?;
    stage.scale_operator(1).await?;
    stage.wait_ready("iset", "small").await?;
    Ok(format!(
        "faults of the API server: the operator was killed at {killed} writes, no socket and no tick was lost"
    ))
}

impl World<'_> {
    /// Adds an instrument to the small set, or removes the added one.
    async fn change(&mut self) -> Result<()> {
        self.small = if self.small == SMALL {
            SMALL + 1
        } else {
            SMALL
        };
        let equities = self.stage.equities(self.small)?;
        self.stage.apply_set("small", &equities).await
    }

    /// Everything selected is on the wire, and the statuses say so.
    async fn converges(&self) -> Result<()> {
        let all = crate::BIG + self.small;
        within(LONG, "the change is streaming", async || {
            let set = self.stage.cluster().get(&["iset", "small"]).await;
            let set = set.map_err(|error| error.to_string())?;
            let status = &set["status"];
            let streaming = status["instruments"] == format!("{0}/{0}", self.small);
            let current = status["observedGeneration"] == set["metadata"]["generation"];
            if streaming && current {
                Ok(())
            } else {
                Err(format!("{status}\n{}", self.operator.log()))
            }
        })
        .await;
        self.stage.simulator().subscribed(all as u64).await;
        self.stage.wait_ready("iset", "small").await
    }

    async fn killed_at_every_write(&mut self) -> Result<usize> {
        let mut killed = Vec::new();
        for number in 1..=WRITES {
            for moment in [Moment::Before(number), Moment::After(number)] {
                self.operator.start()?;
                self.converges().await?;
                self.proxy.halt_at(moment);
                self.change().await?;
                killed.push(self.proxy.halted().await);
                self.operator.kill().await?;
                self.proxy.heal();
            }
        }
        self.operator.start()?;
        self.converges().await?;
        for part in ["/configmaps/", "/pods/", "/status"] {
            let any = killed.iter().any(|at| at.contains(part));
            ensure!(any, "never killed at a write of {part}: {killed:?}");
        }
        Ok(killed.len())
    }

    async fn bad_answers(&mut self) -> Result<()> {
        let faults = [
            (RequestKind::Write, Fault::Answer(429), 6),
            (RequestKind::Write, Fault::Answer(409), 6),
            (RequestKind::Write, Fault::Answer(500), 6),
            (RequestKind::Write, Fault::LoseAnswer, 6),
            (RequestKind::Write, Fault::Slow(Duration::from_secs(2)), 6),
            (RequestKind::Watch, Fault::Answer(410), 12),
            (RequestKind::Watch, Fault::Answer(429), 12),
            (RequestKind::Read, Fault::Answer(500), 12),
        ];
        for (kind, fault, count) in faults {
            self.proxy.fail(kind, fault, count);
            if kind != RequestKind::Write {
                // Watches and lists are requested when it starts.
                self.operator.kill().await?;
                self.operator.start()?;
            }
            self.change().await?;
            self.converges().await?;
            self.proxy.heal();
            ensure!(
                !self.operator.has_ended(),
                "ended at {fault:?}:\n{}",
                self.operator.log()
            );
        }
        Ok(())
    }

    /// A new object of the same name, created while the operator sees nothing, does not get the old
    /// one's status.
    async fn namesake(&mut self) -> Result<()> {
        let cluster = self.stage.cluster();
        self.stage.apply_idle("blind", "fake-token-b").await?;
        self.stage.wait_reason("tka", "blind", "True", "Idle").await;
        self.proxy.mute_watches();
        cluster.kubectl(&["delete", "tka", "blind"]).await?;
        self.stage.apply_idle("blind", "fake-token-b").await?;
        // Its Secret is read by name: the result is written to no object.
        let refused = self.proxy.seen(RequestKind::Write);
        cluster.kubectl(&["delete", "secret", "blind"]).await?;
        within(LONG, "a write for the old one", async || {
            let now = self.proxy.seen(RequestKind::Write);
            let told = self.operator.log().contains("cannot be given its status");
            if now > refused && told {
                Ok(())
            } else {
                Err(self.operator.log())
            }
        })
        .await;
        let account = cluster.get(&["tka", "blind"]).await?;
        ensure!(account["status"].is_null(), "{account}");
        self.proxy.heal();
        self.operator.kill().await?;
        self.operator.start()?;
        self.stage
            .wait_reason("tka", "blind", "False", "SecretMissing")
            .await;
        cluster.kubectl(&["delete", "tka", "blind"]).await.map(drop)
    }

    /// Silent watches: statuses are still updated from reports; after a restart everything is seen.
    async fn silent_watches(&mut self) -> Result<()> {
        self.proxy.mute_watches();
        self.change().await?;
        let writes = self.proxy.seen(RequestKind::Write);
        within(LONG, "statuses are written on", async || {
            let now = self.proxy.seen(RequestKind::Write);
            if now > writes { Ok(()) } else { Err(now) }
        })
        .await;
        self.stage
            .wait_reason("tka", ACCOUNT, "True", "Streaming")
            .await;
        self.operator.kill().await?;
        self.proxy.heal();
        self.operator.start()?;
        self.converges().await
    }
}
