//! What the process takes: memory and processor time.

use std::time::{Duration, Instant};

use cpu_time::ProcessTime;

/// Measures from its start on.
#[derive(Debug)]
pub(super) struct Usage {
    memory_at_start: Option<u64>,
    cpu: ProcessTime,
    started: Instant,
}

impl Usage {
    pub(super) fn start() -> Self {
        // Where the peak cannot be reset, what is read later may be an older one: it is none then.
        let is_reset = std::fs::write("/proc/self/clear_refs", "5").is_ok();
        Self {
            memory_at_start: is_reset.then(|| status("VmRSS:")).flatten(),
            cpu: ProcessTime::now(),
            started: Instant::now(),
        }
    }

    /// The peak of resident memory above that of the start, in bytes; nothing where the system does not tell.
    pub(super) fn peak_memory(&self) -> Option<u64> {
        Some(status("VmHWM:")?.saturating_sub(self.memory_at_start?))
    }

    /// How busy the process was, in per cent of one processor.
    pub(super) fn cpu(&self) -> f64 {
        let taken: Duration = self.cpu.elapsed();
        100.0 * taken.as_secs_f64() / self.started.elapsed().as_secs_f64().max(1e-9)
    }
}

/// A number of bytes that Linux tells of this process.
fn status(key: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}
