//! The memory of this process, as the kernel counts it.

use anyhow::{Context, Result};

/// Resets the kernel's peak measurement of this process.
pub(crate) fn forget_peak() -> Result<()> {
    Ok(std::fs::write("/proc/self/clear_refs", "5")?)
}

/// The peak of resident memory, in KiB.
pub(crate) fn peak() -> Result<f64> {
    status("VmHWM:")
}

/// Resident memory, in KiB.
pub(crate) fn resident() -> Result<f64> {
    status("VmRSS:")
}

fn status(name: &str) -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(number.context("no such line")?.trim().parse()?)
}
