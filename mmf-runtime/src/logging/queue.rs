//! A writer that does not hold up the thread which logs: lines are copied to a buffer, which a thread
//! of its own writes out.

use std::cell::Cell;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

use super::config::WhenFull;

/// The loss of lines is told at most so often.
const BETWEEN_LOSSES: Duration = Duration::from_secs(1);

/// Lines on their way to a writer. Clones share the queue.
#[derive(Clone)]
pub(super) struct Queue(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// A line came, or the queue is to be closed.
    filled: Condvar,
    /// Lines were written.
    drained: Condvar,
    capacity: usize,
    when_full: WhenFull,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// Lines taken by the thread and not written yet.
    writing: bool,
    dropped: u64,
    /// Dropped lines that the log does not tell of yet.
    untold: u64,
    failed: u64,
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
        writer: impl Write + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            filled: Condvar::new(),
            drained: Condvar::new(),
            capacity,
            when_full,
        });
        let thread = Arc::clone(&shared);
        std::thread::Builder::new().name("mmf-log".into()).spawn(move || thread.run(writer))?;
        Ok(Self(shared))
    }

    /// Waits until all that was logged before is written.
    pub(super) fn flush(&self) {
        let mut state = self.0.lock();
        while state.writing || !state.waiting.is_empty() {
            state = self.0.drained.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lines that were dropped because the queue was full.
    pub(super) fn dropped(&self) -> u64 {
        self.0.lock().dropped
    }

    /// Times that writing failed.
    pub(super) fn failed(&self) -> u64 {
        self.0.lock().failed
    }

    /// Logs how many lines were dropped since that was last logged.
    pub(super) fn tell_losses(&self) {
        let lost = std::mem::take(&mut self.0.lock().untold);
        if lost > 0 {
            tell_loss(lost);
        }
    }

    fn push(&self, line: &[u8]) {
        let mut state = self.0.lock();
        // A line longer than the queue is taken where none waits.
        while !state.waiting.is_empty() && state.waiting.len() + line.len() > self.0.capacity {
            if TELLING.get() {
                break;
            }
            if self.0.when_full == WhenFull::Drop {
                state.dropped += 1;
                state.untold += 1;
                return;
            }
            state = self.0.drained.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let was_empty = state.waiting.is_empty();
        state.waiting.extend_from_slice(line);
        drop(state);
        if was_empty {
            self.0.filled.notify_one();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes for as long as the process lives. The two buffers take turns, so that a warm queue
    /// allocates nothing.
    fn run(&self, mut writer: impl Write) {
        let mut lines = Vec::new();
        let mut told = None;
        loop {
            let mut state = self.lock();
            while state.waiting.is_empty() {
                state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            std::mem::swap(&mut state.waiting, &mut lines);
            state.writing = true;
            drop(state);
            // There is room again.
            self.drained.notify_all();

            let written = writer.write_all(&lines).and_then(|()| writer.flush());
            lines.clear();
            let mut state = self.lock();
            state.writing = false;
            if let Err(error) = written {
                state.failed += 1;
                if state.failed == 1 {
                    eprintln!("log lines could not be written, and more may follow: {error}");
                }
            }
            let lost = if told.is_none_or(|told: Instant| told.elapsed() >= BETWEEN_LOSSES) {
                std::mem::take(&mut state.untold)
            } else {
                0
            };
            drop(state);
            self.drained.notify_all();
            if lost > 0 {
                told = Some(Instant::now());
                tell_loss(lost);
            }
        }
    }
}

thread_local! {
    /// This thread logs a loss: that line is taken also by a full queue.
    static TELLING: Cell<bool> = const { Cell::new(false) };
}

fn tell_loss(lost: u64) {
    TELLING.set(true);
    tracing::warn!(lost, "log lines were dropped, as the queue was full");
    TELLING.set(false);
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

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_arrive_in_order_and_a_flush_waits_for_them() {
        let (sender, receiver) = mpsc::sync_channel(1000);
        let queue = Queue::start(1 << 20, WhenFull::Block, Slow(sender)).unwrap();
        for line in 0..100 {
            queue.push(format!("{line}\n").as_bytes());
        }
        queue.flush();
        let written: Vec<u8> = receiver.try_iter().flatten().collect();
        let expected: String = (0..100).map(|line| format!("{line}\n")).collect();
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }

    #[test]
    fn a_full_queue_that_drops_counts_what_it_lost() {
        let (sender, receiver) = mpsc::sync_channel(0);
        let queue = Queue::start(4, WhenFull::Drop, Slow(sender)).unwrap();
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
        let queue = Queue::start(4, WhenFull::Block, Slow(sender)).unwrap();
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
        let queue = Queue::start(4, WhenFull::Block, Slow(sender)).unwrap();
        for _ in 0..10 {
            queue.push(b"abc\n");
        }
        queue.flush();
        assert!(queue.failed() > 0);
    }
}
