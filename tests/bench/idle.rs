//! What the operator costs while nothing changes: three accounts with 9,000 instruments each.

use std::time::Duration;

use anyhow::Result;
use tests::process::processor_ticks;
use tests::{Local, RedisServer, Simulator};
use tokio::time::Instant;

use crate::figure::Figures;
use crate::{CLOCK_TICKS, WINDOW};

/// The start is over by then: its passes are not counted.
const SETTLE: Duration = Duration::from_secs(12);

/// All stream, and nobody changes anything.
pub(crate) async fn measure(figures: &mut Figures) -> Result<()> {
    let redis = RedisServer::start().await?;
    // A market that hardly moves leaves the processors to what is measured.
    let simulator = Simulator::start_with(&["--rate", "0.1"]).await?;
    let mut local = Local::new(&redis)?;
    for account in ["a", "b", "c"] {
        local.write_account(account, &simulator, "")?;
    }
    local.write("sets.yaml", &Simulator::symbols(27_000, "option").await?)?;
    local.start()?;
    for account in ["a", "b", "c"] {
        local.shows(account, "True", "Streaming").await;
    }
    tokio::time::sleep(SETTLE).await;
    let operator = local.program().pid();
    let used = || processor_ticks(operator).unwrap_or_default() as f64 / CLOCK_TICKS;
    let (start, before) = (Instant::now(), used());
    tokio::time::sleep(WINDOW).await;
    figures.add(
        "local, 27,000 instruments on 3 accounts, nothing changes: operator's processor",
        (used() - before) / start.elapsed().as_secs_f64(),
        "cores",
        "<= 0.02",
    );
    Ok(())
}
