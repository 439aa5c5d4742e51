//! What the kernel says about a process: CPU time and memory.

use anyhow::Context as _;
use std::collections::BTreeMap;
use std::fs::read_to_string;

/// User and system time of a process so far, ns. The kernel counts in hundredths of a second.
pub(crate) fn cpu_ns(pid: u32) -> anyhow::Result<u64> {
    let stat = read_to_string(format!("/proc/{pid}/stat")).context("reading /proc/PID/stat")?;
    // The second field is the name in brackets, which may hold blanks.
    let (_, fields) = stat.rsplit_once(')').context("a name in brackets")?;
    let mut ticks = 0;
    for field in fields.split_whitespace().skip(11).take(2) {
        ticks += field.parse::<u64>()?;
    }
    Ok(ticks * 10_000_000)
}

/// A line of `/proc/PID/status` in KiB (`VmRSS`, `VmHWM`).
pub(crate) fn memory_kib(pid: u32, line: &str) -> anyhow::Result<u64> {
    let status = read_to_string(format!("/proc/{pid}/status")).context("reading status")?;
    let found = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':'));
    let number = found.and_then(|text| text.split_whitespace().next());
    number.context("no such line")?.parse().context("a number of KiB")
}

/// A quotient with two decimals.
pub(crate) fn ratio(above: u64, below: u64) -> String {
    let hundredths = above.saturating_mul(100).checked_div(below).unwrap_or(0);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// CPU time of each thread of a process so far, by name, ns. Threads of one name add up.
pub(crate) fn threads_cpu_ns(pid: u32) -> BTreeMap<String, u64> {
    let mut threads = BTreeMap::new();
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return threads };
    for task in tasks.flatten() {
        let name = read_to_string(task.path().join("comm")).unwrap_or_default();
        let schedule = read_to_string(task.path().join("schedstat")).unwrap_or_default();
        let ran = schedule.split_whitespace().next().and_then(|ran| ran.parse::<u64>().ok());
        *threads.entry(name.trim().to_owned()).or_insert(0) += ran.unwrap_or(0);
    }
    threads
}
