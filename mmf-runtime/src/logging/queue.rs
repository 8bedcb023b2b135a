//! A writer that does not hold up the thread which logs: lines are copied to a buffer, which a thread
//! of its own writes out.
//!
//! Under the lock there is arithmetic, and bytes are copied. Nothing is printed, logged or waited for there but
//! the queue's own conditions, and each wait on the way out of the process has an end.

use std::cell::Cell;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use tracing::Event;
use tracing_subscriber::fmt::MakeWriter;

use super::config::WhenFull;
use super::gather::{Fate, Gathering};
use super::output::{Sink, Written, write_lines};
use crate::stderr;

/// The loss of lines is told at most so often.
const BETWEEN_LOSSES: Duration = Duration::from_secs(1);
/// A buffer may be so large however small the queue is; what a longer line took is given back.
const KEPT: usize = 64 * 1024;

/// Lines on their way to a writer. Clones share the queue.
#[derive(Clone)]
pub struct Queue(Arc<Shared>);

struct Shared {
    sink: Box<dyn Sink>,
    /// What repeats itself.
    gathering: Option<Gathering>,
    state: Mutex<State>,
    /// A line came.
    filled: Condvar,
    /// Lines were written, or there is an end to all waits.
    drained: Condvar,
    capacity: usize,
    when_full: WhenFull,
    /// The process whose thread writes: a fork has none.
    process: AtomicU32,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// Lines that came so far, of them those that the thread took, and of them those it is done with.
    came: u64,
    taken: u64,
    done: u64,
    /// No wait goes on past it: the process ends.
    end: Option<Instant>,
    /// Lines dropped as the queue was full, and those that the log does not tell of yet.
    dropped: u64,
    dropped_untold: u64,
    /// Lines that could not be written, likewise.
    lost: u64,
    lost_untold: u64,
    failed: u64,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("capacity", &self.0.capacity).finish_non_exhaustive()
    }
}

impl Queue {
    /// Starts the thread that writes.
    ///
    /// # Errors
    ///
    /// Where the thread cannot be started.
    pub(super) fn start(
        capacity: usize,
        when_full: WhenFull,
        gathering: Option<Gathering>,
        sink: impl Sink + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            sink: Box::new(sink),
            gathering,
            state: Mutex::default(),
            filled: Condvar::new(),
            drained: Condvar::new(),
            capacity,
            when_full,
            process: AtomicU32::new(process::id()),
        });
        shared.start_thread()?;
        Ok(Self(shared))
    }

    /// Takes an event that says what others have said; whether it did.
    pub(super) fn takes_as_repeat(
        &self,
        event: &Event<'_>,
        target: &str,
        message: &str,
        fields: &str,
    ) -> bool {
        let Some(gathering) = &self.0.gathering else { return false };
        let Some(id) = gathering.id(event) else { return false };
        let rendered = (event.metadata(), target, message, fields);
        match gathering.take(id, Instant::now(), rendered) {
            Fate::Shown => return false,
            Fate::Gathered => {}
            Fate::First => {
                // Held for a moment, so that the thread has either looked at what is due after this, or waits.
                if let Some(state) = self.0.lock_unless_forked() {
                    drop(state);
                    self.0.start_thread_after_fork();
                    self.0.filled.notify_one();
                }
            }
        }
        true
    }

    /// Writes what repeated itself so far.
    pub(super) fn tell_repeats(&self) {
        let Some(gathering) = &self.0.gathering else { return };
        let mut lines = Vec::new();
        gathering.append(Instant::now(), true, &mut lines);
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            self.push(line);
        }
    }

    /// Waits until all that was logged before is written, at most until then, or until the end of all waits; whether
    /// it is. What comes meanwhile is not waited for.
    pub(super) fn flush(&self, until: Option<Instant>) -> bool {
        if IS_WRITER.get() {
            return false;
        }
        let Some(state) = self.0.lock_unless_forked() else { return false };
        drop(state);
        self.0.start_thread_after_fork();
        match until {
            Some(until) => with_patience_until(until, || self.tell_repeats()),
            None => self.tell_repeats(),
        }
        let mut state = self.0.lock();
        let ticket = state.came;
        while state.done < ticket {
            let end = until.or(state.end);
            match self.0.wait(state, end) {
                Ok(waited) => state = waited,
                Err(_) => return false,
            }
        }
        true
    }

    /// From then on no thread waits for room any more: its line is dropped and counted. For the end of the
    /// process, when a reader that does not read must not keep it.
    pub(super) fn end_waits_at(&self, end: Instant) {
        if let Some(mut state) = self.0.lock_unless_forked() {
            state.end = Some(end);
        }
        self.0.drained.notify_all();
    }

    /// Lines that were dropped because the queue was full.
    pub(super) fn dropped(&self) -> u64 {
        self.0.lock_unless_forked().map_or(0, |state| state.dropped)
    }

    /// Lines that could not be written.
    pub(super) fn lost(&self) -> u64 {
        self.0.lock_unless_forked().map_or(0, |state| state.lost)
    }

    /// Times that writing failed.
    pub(super) fn failed(&self) -> u64 {
        self.0.lock_unless_forked().map_or(0, |state| state.failed)
    }

    /// Logs how many lines were dropped since that was last logged.
    pub(super) fn tell_losses(&self) {
        let Some(mut state) = self.0.lock_unless_forked() else { return };
        let dropped = std::mem::take(&mut state.dropped_untold);
        drop(state);
        tell_losses(dropped, 0);
    }

    fn push(&self, line: &[u8]) {
        let Some(mut state) = self.0.lock_unless_forked() else {
            // Of this process alone, and nobody is left to let go of the queue.
            let _ = write_lines(&*self.0.sink, line, false);
            return;
        };
        // A line longer than the queue is taken where none waits.
        while !state.waiting.is_empty()
            && state.waiting.len() + line.len() > self.0.capacity
            && !IS_WRITER.get()
            && !TELLING.get()
        {
            let end = [PATIENCE.get(), state.end].into_iter().flatten().min();
            let waited = match self.0.when_full {
                WhenFull::Drop => Err(state),
                WhenFull::Block => {
                    drop(state);
                    self.0.start_thread_after_fork();
                    state = self.0.lock();
                    if state.waiting.is_empty() {
                        break;
                    }
                    self.0.wait(state, end)
                }
            };
            match waited {
                Ok(waited) => state = waited,
                Err(mut state) => {
                    state.dropped += 1;
                    state.dropped_untold += 1;
                    return;
                }
            }
        }
        let was_empty = state.waiting.is_empty();
        state.waiting.extend_from_slice(line);
        state.came += 1;
        drop(state);
        if was_empty {
            self.0.start_thread_after_fork();
            self.0.filled.notify_one();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lock; nothing where it was held by another thread when this process was forked, which has no such thread.
    fn lock_unless_forked(&self) -> Option<MutexGuard<'_, State>> {
        match self.state.try_lock() {
            Ok(state) => Some(state),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            // Relaxed: written by this thread's own process, or before the fork.
            Err(TryLockError::WouldBlock)
                if self.process.load(Ordering::Relaxed) != process::id() =>
            {
                // It may be another thread of this process, in which somebody lets go of it soon.
                std::thread::sleep(Duration::from_millis(5));
                self.state.try_lock().ok()
            }
            Err(TryLockError::WouldBlock) => Some(self.lock()),
        }
    }

    /// Waits for the queue to drain, at most until `end`; where that is over, the lock comes back as an error.
    fn wait<'s>(
        &'s self,
        state: MutexGuard<'s, State>,
        end: Option<Instant>,
    ) -> Result<MutexGuard<'s, State>, MutexGuard<'s, State>> {
        let Some(end) = end else {
            return Ok(self.drained.wait(state).unwrap_or_else(PoisonError::into_inner));
        };
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(state);
        }
        let waited = self.drained.wait_timeout(state, left);
        Ok(waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    fn start_thread(self: &Arc<Self>) -> io::Result<()> {
        let shared = Arc::clone(self);
        let thread = std::thread::Builder::new().name("mmf-log".into());
        thread.spawn(move || shared.run()).map(drop)
    }

    /// A process that was forked has the queue and not its thread. What waited in that moment is written by
    /// both.
    fn start_thread_after_fork(self: &Arc<Self>) {
        let process = process::id();
        // Relaxed: see `lock_unless_forked`.
        if self.process.swap(process, Ordering::Relaxed) == process {
            return;
        }
        if let Some(gathering) = &self.gathering {
            gathering.goes_on_in(process);
        }
        {
            let mut state = self.lock();
            state.done = state.taken;
        }
        if let Err(error) = self.start_thread() {
            stderr::tell(format_args!("log lines cannot be written after a fork: {error}"));
        }
    }

    /// Writes for as long as the process lives. The two buffers take turns, so that a warm queue
    /// allocates nothing.
    fn run(&self) {
        IS_WRITER.set(true);
        let most_kept = self.capacity.max(KEPT).saturating_mul(2);
        let mut lines = Vec::new();
        let mut torn = false;
        let mut told: Option<Instant> = None;
        loop {
            let mut state = self.lock();
            while state.waiting.is_empty() {
                let due = self.gathering.as_ref().and_then(Gathering::time_to_due);
                state = match due {
                    None => self.filled.wait(state).unwrap_or_else(PoisonError::into_inner),
                    Some(Duration::ZERO) => break,
                    Some(due) => {
                        let waited = self.filled.wait_timeout(state, due);
                        waited.unwrap_or_else(PoisonError::into_inner).0
                    }
                };
            }
            std::mem::swap(&mut state.waiting, &mut lines);
            if self.gathering.as_ref().and_then(Gathering::time_to_due) == Some(Duration::ZERO) {
                // Stands for the lines of repeats that are written now, so that a flush waits for them.
                state.came += 1;
            }
            let taken = state.came;
            state.taken = taken;
            drop(state);
            if let Some(gathering) = &self.gathering {
                gathering.append(Instant::now(), false, &mut lines);
            }
            // There is room again.
            self.drained.notify_all();

            let (written, result) = write_lines(&*self.sink, &lines, torn);
            let Written { lost, torn: is_torn } = written;
            torn = is_torn;
            lines.clear();
            if lines.capacity() > most_kept {
                lines = Vec::new();
            }
            let mut state = self.lock();
            state.done = taken;
            state.lost += lost;
            state.lost_untold += lost;
            let is_first_failure = result.is_err() && state.failed == 0;
            state.failed += u64::from(result.is_err());
            let is_due = told.is_none_or(|told| told.elapsed() >= BETWEEN_LOSSES);
            let mut untold = (0, 0);
            if is_due && result.is_ok() {
                untold.0 = std::mem::take(&mut state.dropped_untold);
                untold.1 = std::mem::take(&mut state.lost_untold);
            }
            drop(state);
            self.drained.notify_all();
            if let Err(error) = result
                && is_first_failure
            {
                stderr::tell(format_args!(
                    "log lines could not be written, and more may follow: {error}"
                ));
            }
            if untold != (0, 0) {
                told = Some(Instant::now());
                // Other layers run here too, and a panic of theirs must not end the writing.
                let _ = catch_unwind(AssertUnwindSafe(|| tell_losses(untold.0, untold.1)));
            }
        }
    }
}

thread_local! {
    /// This thread logs a loss: that line is taken also by a full queue.
    static TELLING: Cell<bool> = const { Cell::new(false) };
    /// This thread writes a queue: it never waits for one.
    static IS_WRITER: Cell<bool> = const { Cell::new(false) };
    /// This thread does not wait for room past it.
    static PATIENCE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Has this thread wait no longer than until `end` for room in a queue, in what `work` logs.
pub(super) fn with_patience_until<T>(end: Instant, work: impl FnOnce() -> T) -> T {
    struct Restored(Option<Instant>);
    impl Drop for Restored {
        fn drop(&mut self) {
            PATIENCE.set(self.0);
        }
    }
    let _restored = Restored(PATIENCE.replace(Some(end)));
    work()
}

fn tell_losses(dropped: u64, lost: u64) {
    struct Told;
    impl Drop for Told {
        fn drop(&mut self) {
            TELLING.set(false);
        }
    }
    TELLING.set(true);
    let _told = Told;
    if dropped > 0 {
        tracing::warn!(lost = dropped, "log lines were dropped, as the queue was full");
    }
    if lost > 0 {
        tracing::warn!(lost, "log lines could not be written");
    }
}

impl<'q> MakeWriter<'q> for Queue {
    type Writer = &'q Queue;

    fn make_writer(&'q self) -> &'q Queue {
        self
    }
}

impl Write for &Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// Hands what is written over, one write at a time.
    struct Slow(mpsc::SyncSender<Vec<u8>>);

    impl Sink for Slow {
        fn write_some(&self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }
    }

    fn soon() -> Option<Instant> {
        Some(Instant::now() + Duration::from_millis(20))
    }

    #[test]
    fn lines_arrive_in_order_and_a_flush_waits_for_them() {
        let (sender, receiver) = mpsc::sync_channel(1000);
        let queue = Queue::start(1 << 20, WhenFull::Block, None, Slow(sender)).unwrap();
        for line in 0..100 {
            queue.push(format!("{line}\n").as_bytes());
        }
        assert!(queue.flush(None));
        let written: Vec<u8> = receiver.try_iter().flatten().collect();
        let expected: String = (0..100).map(|line| format!("{line}\n")).collect();
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }

    #[test]
    fn a_full_queue_that_drops_counts_what_it_lost() {
        let (sender, receiver) = mpsc::sync_channel(0);
        let queue = Queue::start(4, WhenFull::Drop, None, Slow(sender)).unwrap();
        for _ in 0..50 {
            queue.push(b"abc\n");
        }
        // The thread hangs in its first write, so at most one line more fits in beside that.
        assert!(queue.dropped() >= 48, "{}", queue.dropped());
        drop(receiver);
    }

    #[test]
    fn a_full_queue_that_blocks_loses_nothing() {
        let (sender, receiver) = mpsc::sync_channel(0);
        let queue = Queue::start(4, WhenFull::Block, None, Slow(sender)).unwrap();
        let reader = std::thread::spawn(move || receiver.iter().flatten().take(200).count());
        for _ in 0..50 {
            queue.push(b"abc\n");
        }
        assert_eq!((reader.join().unwrap(), queue.dropped()), (200, 0));
    }

    #[test]
    fn a_broken_writer_is_counted_and_does_not_stop_anybody() {
        let (sender, receiver) = mpsc::sync_channel(0);
        drop(receiver);
        let queue = Queue::start(4, WhenFull::Block, None, Slow(sender)).unwrap();
        for _ in 0..10 {
            queue.push(b"abc\n");
        }
        assert!(queue.flush(None));
        assert!(queue.failed() > 0);
    }

    #[test]
    fn a_flush_waits_for_what_was_there_and_not_for_what_comes() {
        let (sender, receiver) = mpsc::sync_channel(0);
        let queue = Queue::start(1 << 20, WhenFull::Block, None, Slow(sender)).unwrap();
        queue.push(b"before\n");
        std::thread::scope(|scope| {
            let flushed = scope.spawn(|| queue.flush(None));
            // Each time the thread writes, more waits already.
            let mut written = 0;
            while !flushed.is_finished() {
                queue.push(b"more\n");
                written += usize::from(receiver.recv_timeout(Duration::from_millis(1)).is_ok());
            }
            assert!(flushed.join().unwrap() && written > 0);
        });
    }

    #[test]
    fn nobody_waits_past_the_end_for_a_reader_that_does_not_read() {
        let (sender, receiver) = mpsc::sync_channel(0);
        let queue = Queue::start(4, WhenFull::Block, None, Slow(sender)).unwrap();
        queue.push(b"abc\n");
        assert!(!queue.flush(soon()));
        // One is being written and one fits in; the next ones have to wait.
        with_patience_until(Instant::now(), || (0..10).for_each(|_| queue.push(b"abc\n")));
        assert!(queue.dropped() >= 8);
        std::thread::scope(|scope| {
            let blocked = scope.spawn(|| queue.push(b"abc\n"));
            queue.end_waits_at(Instant::now());
            blocked.join().unwrap();
        });
        assert!(!queue.flush(None), "the end of all waits is that of a flush too");
        drop(receiver);
    }

    #[test]
    fn the_memory_of_a_huge_line_is_given_back() {
        let (sender, receiver) = mpsc::sync_channel(100);
        let queue = Queue::start(1024, WhenFull::Block, None, Slow(sender)).unwrap();
        for _ in 0..2 {
            queue.push(&[b'x'; 1 << 20]);
            assert!(queue.flush(None));
        }
        for _ in 0..3 {
            queue.push(b"abc\n");
            assert!(queue.flush(None));
        }
        assert!(queue.0.lock().waiting.capacity() < 1 << 20);
        drop(receiver);
    }
}
