//! Reads this process's usage from `/proc` (Linux). A value that cannot be read is left out of the
//! scrape.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// Clock ticks per second in `/proc`: USER_HZ, which is 100 on every architecture Rust runs on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// Collects at each scrape; holds nothing.
#[derive(Debug)]
pub(super) struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut add = |name, help, unit: Option<Unit>, metric: &dyn EncodeMetric| {
            let kind = metric.metric_type();
            metric.encode(encoder.encode_descriptor(name, help, unit.as_ref(), kind)?)
        };
        if let Some(bytes) = read("/proc/self/status").and_then(|text| resident_bytes(&text)) {
            let gauge = ConstGauge::new(bytes);
            add(
                "process_resident_memory",
                "Resident memory.",
                Some(Unit::Bytes),
                &gauge,
            )?;
        }
        if let Some(count) = open_fds() {
            let gauge = ConstGauge::new(count);
            add("process_open_fds", "Open file descriptors.", None, &gauge)?;
        }
        let Some(times) = read("/proc/self/stat").and_then(|text| Times::parse(&text)) else {
            return Ok(());
        };
        let cpu = ConstCounter::new(times.cpu_seconds);
        add(
            "process_cpu",
            "User and system CPU time used.",
            Some(Unit::Seconds),
            &cpu,
        )?;
        if let Some(boot) = read("/proc/stat").and_then(|text| boot_seconds(&text)) {
            let gauge = ConstGauge::new(boot + times.started_after_boot);
            add(
                "process_start_time",
                "Start time since 1970.",
                Some(Unit::Seconds),
                &gauge,
            )?;
        }
        Ok(())
    }
}

/// What `/proc/<pid>/stat` says about time, in seconds.
#[derive(Debug, PartialEq)]
struct Times {
    cpu_seconds: f64,
    started_after_boot: f64,
}

impl Times {
    /// Fields as numbered by proc_pid_stat(5): 14 utime, 15 stime, 22 starttime. Field 2, the name in
    /// parentheses, may itself hold spaces and parentheses.
    fn parse(stat: &str) -> Option<Self> {
        let (_, after_name) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
        let seconds = |number: usize| {
            let ticks: f64 = fields.get(number - 3)?.parse().ok()?;
            Some(ticks / TICKS_PER_SECOND)
        };
        Some(Self {
            cpu_seconds: seconds(14)? + seconds(15)?,
            started_after_boot: seconds(22)?,
        })
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// `VmRSS` of `/proc/<pid>/status`, which is in KiB whatever the page size.
fn resident_bytes(status: &str) -> Option<i64> {
    let value = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: i64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// `btime` of `/proc/stat`: the boot's wall time in seconds.
fn boot_seconds(stat: &str) -> Option<f64> {
    let value = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    value.trim().parse().ok()
}

fn open_fds() -> Option<i64> {
    let entries = fs::read_dir("/proc/self/fd").ok()?.count();
    // One of them is the open directory itself.
    i64::try_from(entries).ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_an_awkward_name() {
        let stat = "42 (a) b (c)) S 1 42 42 0 -1 4194560 1000 0 0 0 250 150 7 9 20 0 4 0 123456 \
                    1000000 500 18446744073709551615";
        assert_eq!(
            Times::parse(stat),
            Some(Times {
                cpu_seconds: 4.0,
                started_after_boot: 1234.56
            })
        );
        assert_eq!(Times::parse("42 (cut off) S 1 42"), None);
        assert_eq!(Times::parse(""), None);
    }

    #[test]
    fn memory_and_boot_time_are_read_by_name() {
        let status = "Name:\tx\nVmHWM:\t    9999 kB\nVmRSS:\t    2048 kB\n";
        assert_eq!(resident_bytes(status), Some(2 * 1024 * 1024));
        assert_eq!(resident_bytes("Name:\tkernel thread\n"), None);
        assert_eq!(boot_seconds("cpu 1 2 3\nbtime 1700000000\n"), Some(1.7e9));
        assert_eq!(boot_seconds("cpu 1 2 3\n"), None);
    }
}
