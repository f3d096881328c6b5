//! What it takes to seal the assignment of a full account, which the operator does beside its loop.
//!
//! Owns this figure alone.

use anyhow::{Context, Result};
use contract::Sealed;
use operator::plan::{Memory, Now, Observed, plan};
use service::clock::Clock;

use super::ACCOUNT;
use crate::figure::Figures;

const RUNS: usize = 15;

pub(super) fn measure(figures: &mut Figures, world: &Observed, now: Now) -> Result<()> {
    let decided = plan(world, &Memory::default(), now);
    let first = decided.accounts.first().context("an account")?;
    let assignment = first.assignment.assignment().context("an assignment")?;
    anyhow::ensure!(assignment.instruments.len() == ACCOUNT as usize, "not full");
    let clock = Clock::system();
    let mut times = Vec::new();
    let mut size = 0;
    for _ in 0..RUNS {
        let start = clock.now();
        size = Sealed::new(assignment).gzip.len();
        times.push(clock.now() - start);
    }
    times.sort_unstable();
    let name = format!("sealing an assignment of {ACCOUNT}");
    let median = times[RUNS / 2].as_secs_f64() * 1e3;
    figures.add(&name, median, "ms", "< 60");
    figures.add(
        &format!("{name}: its size"),
        size as f64 / 1024.0,
        "KiB",
        "< 150",
    );
    Ok(())
}
