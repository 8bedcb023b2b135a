//! What a process takes: memory and processor time, of this one or of another.
//!
//! Linux keeps the peak of a process's memory itself, and can be told to begin anew. Elsewhere, and where it
//! does not let us, the memory is looked at every few milliseconds.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// Between two looks at the memory.
const PAUSE: Duration = Duration::from_millis(5);

/// Measures from its start on.
#[derive(Debug)]
pub(super) struct Usage {
    pid: Option<u32>,
    memory: Memory,
    cpu: Cpu,
    started: Instant,
}

#[derive(Debug)]
enum Memory {
    /// By Linux, from this on.
    Peak {
        at_start: u64,
        /// The peak up to where another measurement of the process began it anew.
        before: Arc<AtomicU64>,
    },
    Sampled(Sampler),
    Unknown,
}

#[derive(Debug)]
enum Cpu {
    This(ProcessTime),
    /// What the other one had taken at the start, where it was there.
    Other(Option<Duration>),
}

impl Usage {
    /// Of the process of that number, or of this one.
    pub(super) fn start(pid: Option<u32>) -> Self {
        Self {
            pid,
            memory: Memory::start(pid),
            cpu: match pid {
                None => Cpu::This(ProcessTime::now()),
                Some(pid) => Cpu::Other(cpu_of(pid)),
            },
            started: Instant::now(),
        }
    }

    /// The peak of resident memory above that of the start, in bytes; nothing where the system does not tell.
    pub(super) fn peak_memory(&self) -> Option<u64> {
        match &self.memory {
            Memory::Peak { at_start, before } => {
                let _measured = measured();
                let peak = status(self.pid, "VmHWM:")?.max(before.load(Ordering::Relaxed));
                Some(peak.saturating_sub(*at_start))
            }
            Memory::Sampled(sampler) => Some(sampler.peak()),
            Memory::Unknown => None,
        }
    }

    /// How busy the process was, in per cent of one processor; nothing where it is not there.
    pub(super) fn cpu(&self) -> Option<f64> {
        let taken = match (&self.cpu, self.pid) {
            (Cpu::This(start), _) => start.elapsed(),
            (Cpu::Other(start), Some(pid)) => cpu_of(pid)?.saturating_sub((*start)?),
            (Cpu::Other(_), None) => return None,
        };
        Some(100.0 * taken.as_secs_f64() / self.started.elapsed().as_secs_f64().max(1e-9))
    }
}

impl Memory {
    fn start(pid: Option<u32>) -> Self {
        Self::peak(pid).unwrap_or_else(|| {
            Sampler::start(pid.unwrap_or_else(std::process::id))
                .map_or(Self::Unknown, Self::Sampled)
        })
    }

    fn peak(pid: Option<u32>) -> Option<Self> {
        let mut measured = measured();
        measured.retain(|(_, before)| before.strong_count() > 0);
        if let Some(peak) = status(pid, "VmHWM:") {
            for (of, before) in measured.iter() {
                if *of == pid
                    && let Some(before) = before.upgrade()
                {
                    before.fetch_max(peak, Ordering::Relaxed);
                }
            }
        }
        // Where the peak cannot be reset, what is read later may be an older one.
        fs::write(path(pid, "clear_refs"), "5").ok()?;
        let at_start = status(pid, "VmRSS:")?;
        let before = Arc::default();
        measured.push((pid, Arc::downgrade(&before)));
        Some(Self::Peak { at_start, before })
    }
}

/// The measurements that go on, with the process of each: a process has one peak, and each begins it anew.
fn measured() -> MutexGuard<'static, Vec<(Option<u32>, Weak<AtomicU64>)>> {
    static MEASURED: Mutex<Vec<(Option<u32>, Weak<AtomicU64>)>> = Mutex::new(Vec::new());
    MEASURED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thread that looks at the memory of a process.
#[derive(Debug)]
struct Sampler {
    at_start: u64,
    peak: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sampler {
    fn start(pid: u32) -> Option<Self> {
        let mut system = System::new().ok()?;
        let at_start = memory_of(&mut system, pid)?;
        let peak = Arc::new(AtomicU64::new(at_start));
        let is_over = Arc::new(AtomicBool::new(false));
        let (seen, over) = (Arc::clone(&peak), Arc::clone(&is_over));
        let thread = std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                if let Some(memory) = memory_of(&mut system, pid) {
                    seen.fetch_max(memory, Ordering::Relaxed);
                }
                std::thread::sleep(PAUSE);
            }
        });
        Some(Self { at_start, peak, is_over, thread: Some(thread) })
    }

    fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed).saturating_sub(self.at_start)
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It cannot have panicked, and if it had, the figures stand.
            let _ = thread.join();
        }
    }
}

fn memory_of(system: &mut System, pid: u32) -> Option<u64> {
    looked_at(system, pid, ProcessRefreshKind::nothing().with_memory())?;
    system.process(Pid::from_u32(pid)).map(sysinfo::Process::memory)
}

fn cpu_of(pid: u32) -> Option<Duration> {
    let mut system = System::new().ok()?;
    looked_at(&mut system, pid, ProcessRefreshKind::nothing().with_cpu())?;
    let process = system.process(Pid::from_u32(pid))?;
    Some(Duration::from_millis(process.accumulated_cpu_time()))
}

/// Nothing where there is no such process.
fn looked_at(system: &mut System, pid: u32, what: ProcessRefreshKind) -> Option<()> {
    let pids = [Pid::from_u32(pid)];
    let found = system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), true, what);
    (found > 0).then_some(())
}

fn path(pid: Option<u32>, file: &str) -> String {
    match pid {
        Some(pid) => format!("/proc/{pid}/{file}"),
        None => format!("/proc/self/{file}"),
    }
}

/// A number of bytes that Linux tells of a process.
fn status(pid: Option<u32>, key: &str) -> Option<u64> {
    let text = fs::read_to_string(path(pid, "status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn the_sampler_sees_what_is_held_for_a_while() {
        let sampler = Sampler::start(std::process::id()).unwrap();
        // More and more of it, since other tests of this program give memory back meanwhile.
        let mut held = Vec::new();
        while sampler.peak() < 60 * MIB {
            held.push(vec![1_u8; 16 << 20]);
            std::hint::black_box(&held);
            std::thread::sleep(PAUSE);
        }
        drop(held);
        assert!(sampler.peak() >= 60 * MIB, "the peak stays");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_measurement_that_begins_leaves_the_peak_of_another() {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "x=$(head -c 20000000 /dev/zero | tr '\\0' a); echo; x=; read -r _"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let first = Usage::start(Some(child.id()));
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        let before = first.peak_memory().unwrap();
        let second = Usage::start(Some(child.id()));
        let after = (first.peak_memory().unwrap(), second.peak_memory().unwrap());
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(before > 10 * MIB, "{before}");
        assert!(after.0 >= before && after.1 < MIB, "{before} {after:?}");
    }

    #[test]
    fn a_process_that_is_not_there_has_no_figures() {
        // Above the largest number that Linux gives.
        let usage = Usage::start(Some(u32::MAX - 1));
        assert_eq!((usage.peak_memory(), usage.cpu()), (None, None));
    }

    #[test]
    fn another_process_is_measured() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let usage = Usage::start(Some(child.id()));
        let (memory, cpu) = (usage.peak_memory(), usage.cpu());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(memory.is_some() && cpu.is_some_and(|cpu| cpu < 50.0), "{memory:?} {cpu:?}");
    }
}
