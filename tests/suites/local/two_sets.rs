//! Two sets share an instrument, in different modes, and come and go in every order.

use anyhow::Result;
use tests::{Local, RedisServer, Simulator, Ticks, eventually};

/// The mode of each set, and the channels that it has for itself.
const SETS: [(&str, &str); 2] = [("few", "ltp"), ("rich", "full")];

struct Stage {
    local: Local,
    simulator: Simulator,
    ticks: [Ticks; 2],
    present: [bool; 2],
}

impl Stage {
    /// Adds or removes a set.
    fn toggle(&mut self, set: usize) -> Result<()> {
        let (name, mode) = SETS[set];
        self.present[set] = !self.present[set];
        if self.present[set] {
            let more = format!("  publish: {{channelPrefix: {name}}}\n");
            self.local.write_set(name, mode, &["NSE:INFY"], &more)
        } else {
            self.local.remove(&format!("set-{name}.yaml"))
        }
    }

    /// Every channel that is wanted ticks from now on, in the richest mode that is wanted.
    async fn ticks_in(&self, mode: &str) {
        for (set, ticks) in self
            .ticks
            .iter()
            .enumerate()
            .filter(|it| self.present[it.0])
        {
            let seen = ticks.count();
            eventually("a tick in the mode", async || {
                let newest = ticks
                    .newest_of_symbol("INFY")
                    .map(|it| it.tick["mode"].clone());
                let known = newest.as_ref().is_some_and(|newest| *newest == mode);
                let state = (SETS[set], self.present, newest, ticks.count());
                (known && ticks.count() > seen + 1)
                    .then_some(())
                    .ok_or(state)
            })
            .await;
            ticks.assert_gapless();
        }
    }

    async fn is_closed(&self) {
        eventually("no socket", async || {
            let open = self
                .simulator
                .connections()
                .await
                .map_err(|it| it.to_string())?;
            open.is_empty().then_some(()).ok_or(format!("{open:?}"))
        })
        .await;
    }
}

#[tokio::test]
async fn every_channel_ticks_whichever_set_comes_or_goes() -> Result<()> {
    let (redis, simulator) = (RedisServer::start().await?, Simulator::start().await?);
    let [few, rich] = SETS.map(|(name, _)| format!("{name}:equity"));
    let ticks = [
        Ticks::subscribe(&redis.url(), &few).await?,
        Ticks::subscribe(&redis.url(), &rich).await?,
    ];
    let mut local = Local::new(&redis)?;
    local.write_account("demo", &simulator, "")?;
    local.start()?;
    let present = [false; 2];
    let mut stage = Stage {
        local,
        simulator,
        ticks,
        present,
    };
    // Each of the eight changes once: to the first set alone, both, the second, none, and back.
    for set in [0, 1, 0, 1, 1, 0, 1, 0] {
        stage.toggle(set)?;
        match stage.present {
            [false, false] => stage.is_closed().await,
            [true, false] => stage.ticks_in("ltp").await,
            [_, true] => stage.ticks_in("full").await,
        }
    }
    stage.local.stop().await
}
