//! Memory and processors that a fault takes, given back when it is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::kind::ChaosKind;

/// Taken until it is dropped.
#[derive(Debug)]
pub(super) struct Load {
    taken: Taken,
    until: Duration,
}

#[derive(Debug)]
enum Taken {
    Memory { _held: Vec<u8> },
    Processors { _spinning: Spinning },
}

/// How much of the processors is taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Processors {
    /// Threads at the most; never more than processors.
    pub(super) at_most: usize,
    /// The share of each that is busy, 0 to 1.
    pub(super) share: f64,
}

/// A period of the duty cycle.
const PERIOD: Duration = Duration::from_millis(10);

#[derive(Debug)]
struct Spinning {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Takes and touches memory, at most half of what is available.
    pub(super) fn memory(bytes: u64, until: Duration) -> Self {
        let bytes = available().map_or(bytes, |available| bytes.min(available / 2));
        let mut held: Vec<u8> = Vec::new();
        // Refused memory is as good as a pressure gets.
        if held.try_reserve_exact(usize::try_from(bytes).unwrap_or(usize::MAX)).is_ok() {
            // Not zeros, which the system would hand out without a page behind them.
            held.resize(held.capacity(), 0xa5);
        }
        Self { taken: Taken::Memory { _held: held }, until }
    }

    /// Keeps processors busy.
    pub(super) fn processors(processors: Processors, until: Duration) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..processors.at_most.min(cores)).filter_map(|_| {
            let stop = Arc::clone(&stop);
            let spin = move || spin(&stop, processors.share);
            std::thread::Builder::new().name("mmf-chaos".into()).spawn(spin).ok()
        });
        Self {
            taken: Taken::Processors { _spinning: Spinning { threads: threads.collect(), stop } },
            until,
        }
    }

    pub(super) fn kind(&self) -> ChaosKind {
        match self.taken {
            Taken::Memory { .. } => ChaosKind::MemoryPressure,
            Taken::Processors { .. } => ChaosKind::CpuSpike,
        }
    }

    pub(super) fn until(&self) -> Duration {
        self.until
    }
}

impl Drop for Spinning {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn spin(stop: &AtomicBool, share: f64) {
    let busy = PERIOD.mul_f64(share.clamp(0.0, 1.0));
    while !stop.load(Ordering::Relaxed) {
        let start = Instant::now();
        while start.elapsed() < busy && !stop.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
        std::thread::sleep(PERIOD.saturating_sub(busy));
    }
}

/// Bytes of memory that the system can give, where it says.
fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}
