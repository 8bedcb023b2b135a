//! Memory and processors that a fault takes. Each load ends by itself when its time is over, and before that when
//! it is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Taken by threads, which end at its time. Dropped, it waits for them, which is not to be done under a lock.
#[derive(Debug)]
pub(super) struct Load {
    end: End,
    threads: Vec<JoinHandle<()>>,
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

impl Load {
    /// Takes and touches memory, at most half of what is available.
    pub(super) fn memory(bytes: u64, lasts: Duration) -> Self {
        let end = End::after(lasts);
        let bytes = available().map_or(bytes, |available| bytes.min(available / 2));
        let mut taken: Vec<u8> = Vec::new();
        // Refused memory is as good as a pressure gets.
        if taken.try_reserve_exact(usize::try_from(bytes).unwrap_or(usize::MAX)).is_ok() {
            // Not zeros, which the system would hand out without a page behind them.
            taken.resize(taken.capacity(), 0xa5);
        }
        let hold = {
            let end = end.clone();
            move || {
                end.wait();
                drop(taken);
            }
        };
        Self { threads: started(hold).into_iter().collect(), end }
    }

    /// Keeps processors busy.
    pub(super) fn processors(processors: Processors, lasts: Duration) -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let end = End::after(lasts);
        let threads = (0..processors.at_most.min(cores)).filter_map(|_| {
            let end = end.clone();
            started(move || spin(&end, processors.share))
        });
        Self { threads: threads.collect(), end }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.end.told.store(true, Ordering::Relaxed);
        for thread in &self.threads {
            thread.thread().unpark();
        }
        for thread in self.threads.drain(..) {
            // One that panicked is over as well.
            let _ = thread.join();
        }
    }
}

/// A thread, where the system gives one: without, the load is over at once.
fn started(work: impl FnOnce() + Send + 'static) -> Option<JoinHandle<()>> {
    thread::Builder::new().name("mmf-chaos".into()).spawn(work).ok()
}

/// When a load ends: at its time, or once it is told to.
#[derive(Clone, Debug)]
struct End {
    /// None, where it lies further ahead than the clock reaches.
    at: Option<Instant>,
    told: Arc<AtomicBool>,
}

impl End {
    fn after(lasts: Duration) -> Self {
        Self { at: Instant::now().checked_add(lasts), told: Arc::default() }
    }

    fn has_come(&self) -> bool {
        // Relaxed: whoever tells it wakes the thread, which sees it then.
        self.told.load(Ordering::Relaxed) || self.at.is_some_and(|at| at <= Instant::now())
    }

    fn wait(&self) {
        while !self.has_come() {
            match self.at {
                Some(at) => thread::park_timeout(at.saturating_duration_since(Instant::now())),
                None => thread::park(),
            }
        }
    }
}

fn spin(end: &End, share: f64) {
    let busy = PERIOD.mul_f64(share.clamp(0.0, 1.0));
    while !end.has_come() {
        let start = Instant::now();
        while start.elapsed() < busy && !end.has_come() {
            std::hint::spin_loop();
        }
        if busy < PERIOD {
            thread::park_timeout(PERIOD - busy);
        }
    }
}

/// Bytes of memory that the system can give, where it says.
fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loads(lasts: Duration) -> [Load; 2] {
        let processors = Processors { at_most: 1, share: 0.1 };
        [Load::memory(1 << 20, lasts), Load::processors(processors, lasts)]
    }

    #[test]
    fn a_load_ends_by_itself_once_its_time_is_over() {
        for load in loads(Duration::from_millis(20)) {
            let start = Instant::now();
            while !load.threads.iter().all(JoinHandle::is_finished) {
                assert!(start.elapsed() < Duration::from_secs(20), "{load:?}");
                thread::yield_now();
            }
        }
    }

    #[test]
    fn a_load_without_an_end_ends_when_it_is_dropped() {
        drop(loads(Duration::MAX));
    }
}
