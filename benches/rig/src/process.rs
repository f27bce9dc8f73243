//! The memory and CPU time of a process, from Linux.

use std::fs;
use std::time::Duration;

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// The current resident set size.
    pub resident: f64,
    /// The largest resident set size so far.
    pub peak: f64,
}

/// The memory of a process.
///
/// # Panics
///
/// If it is not running.
pub fn memory(process: u32) -> Memory {
    let path = format!("/proc/{process}/status");
    let status = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let bytes = |field: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|kib| kib.parse::<u32>().ok());
        f64::from(kib.unwrap_or_else(|| panic!("{path} has no {field}"))) * 1024.0
    };
    Memory { resident: bytes("VmRSS"), peak: bytes("VmHWM") }
}

/// The CPU time of the threads of a process, in nanoseconds. `/proc/*/stat` counts ticks, which may miss a process that
/// only works for moments. Threads that have ended are not counted.
pub fn cpu(process: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let spent = threads.filter_map(|thread| {
        let schedule = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        schedule.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(spent.sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_has_memory_and_spends_time() {
        let this = std::process::id();
        let before = cpu(this);
        let began = std::time::Instant::now();
        let mut sum = 0_u64;
        while began.elapsed() < Duration::from_millis(20) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(cpu(this) > before);
        let Memory { resident, peak } = memory(this);
        assert!(resident > 0.0 && peak >= resident, "{resident} of {peak}");
    }
}
