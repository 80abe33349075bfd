//! What some work took: wall time, CPU time, and memory.
//!
//! # Invariants
//!
//! - CPU time is that of all threads of this process, also of those that have ended; not that of other processes.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::Outcome;

/// What some work took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Time on the wall.
    pub wall: Duration,
    /// Time that the cores worked for this process.
    pub cpu: Duration,
}

impl Cost {
    /// Measures `work`.
    pub fn of<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<(T, Self)> {
        let (wall, cpu) = (Instant::now(), cpu_time()?);
        let done = work()?;
        let (wall, cpu) = (wall.elapsed(), cpu_time()?.saturating_sub(cpu));
        Ok((done, Self { wall, cpu }))
    }

    /// The medians of wall and CPU time, each by itself; of an even number of costs, the lower of the two in the middle.
    pub fn median(costs: &[Self]) -> Self {
        let middle = |time: fn(&Self) -> Duration| {
            let mut times: Vec<Duration> = costs.iter().map(time).collect();
            times.sort_unstable();
            let middle = times.len().saturating_sub(1) / 2;
            times.get(middle).copied().unwrap_or_default()
        };
        Self {
            wall: middle(|cost| cost.wall),
            cpu: middle(|cost| cost.cpu),
        }
    }
}

fn cpu_time() -> Outcome<Duration> {
    Ok(clock_gettime(ClockId::ProcessCPUTime).try_into()?)
}

/// The largest memory of this process so far, or since [`forget_peak`], in MB.
pub fn peak_megabytes() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes: u64 = line
        .and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .ok_or("/proc/self/status is not as expected")?;
    Ok(kibibytes * 1024 / 1_000_000)
}

/// Begins anew to look for the largest memory of this process: see `clear_refs` in `proc(5)`.
pub fn forget_peak() -> Outcome {
    Ok(std::fs::write("/proc/self/clear_refs", "5")?)
}
