//! The machine's capacity and how much of it processes used, as reported by Linux.

use std::fs;
use std::num::NonZero;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// The unit of time in `/proc` (USER_HZ, the same on every architecture that matters).
const TICK: Duration = Duration::from_millis(10);

pub(crate) fn describe() -> Result<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    Ok(format!("{} × {}", cores(), model.map_or("unknown processor", |(_, model)| model)))
}

pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// Current resident memory in MiB.
pub(crate) fn resident_mib(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1_024.0)
}

/// CPU time that the process has used on all cores since it started.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The program's name is in parentheses and may contain anything, including spaces.
    let (_, rest) = stat.rsplit_once(") ").context("/proc/PID/stat")?;
    let user_and_system = rest.split(' ').skip(11).take(2).map(str::parse::<u32>);
    Ok(TICK * user_and_system.sum::<Result<u32, _>>()?)
}

pub(crate) fn own_cpu_time() -> Result<Duration> {
    cpu_time(std::process::id())
}

/// Measures how much of the machine other processes use during a measurement: their load makes every figure
/// worse.
pub(crate) struct Bystanders {
    began: Instant,
    used: Duration,
}

impl Bystanders {
    pub(crate) fn watch() -> Result<Self> {
        Ok(Self { began: Instant::now(), used: used_by_others()? })
    }

    /// Their share of all cores since `watch`.
    pub(crate) fn share(&self) -> Result<f64> {
        let used = used_by_others()?.saturating_sub(self.used);
        Ok(used.as_secs_f64() / self.began.elapsed().as_secs_f64() / cores() as f64)
    }
}

/// CPU time of all processes except this one, and of other guests on the same host.
fn used_by_others() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/stat")?;
    let numbers = stat.lines().next().context("/proc/stat")?.split_whitespace().skip(1);
    let numbers = numbers.map(str::parse).collect::<Result<Vec<u32>, _>>()?;
    // user nice system idle iowait irq softirq steal
    let busy: u32 =
        numbers.iter().take(8).enumerate().filter(|(index, _)| ![3, 4].contains(index)).map(|(_, n)| n).sum();
    Ok((TICK * busy).saturating_sub(own_cpu_time()?))
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    f64::midpoint(low, high)
}

/// `sorted` must not be empty.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}
