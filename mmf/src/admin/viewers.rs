//! Who looks: each gets one view a second, made once for all of them, and none is made while nobody looks.
//!
//! A thread of its own makes them: the runtimes of those who look may be busy, not driven, or gone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::latency;
use super::view::Live;
use crate::metrics;

/// So many may look at once.
pub(super) const MOST_VIEWERS: usize = 1000;
const EVERY: Duration = if cfg!(test) { Duration::from_millis(20) } else { Duration::from_secs(1) };
/// One that has not taken so many views in a row is dropped.
const MOST_MISSED: u32 = 10;
/// So many are sent a view at once: all of them together would hold up the calls of the same threads.
const AT_ONCE: usize = 2;

static COUNT: AtomicUsize = AtomicUsize::new(0);
static NEW: Mutex<New> = Mutex::new(New { viewers: Vec::new(), runtime: None, is_made: false });

/// Those who came since the last view. Under its lock there is this alone.
struct New {
    viewers: Vec<Viewer>,
    /// That of who came last, which checks may run on.
    runtime: Option<Handle>,
    /// Whether somebody makes views.
    is_made: bool,
}

fn new() -> MutexGuard<'static, New> {
    NEW.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One who looks. Counted for as long as it is here.
struct Viewer {
    views: mpsc::Sender<Bytes>,
    missed: u32,
}

impl Viewer {
    /// Gives it a view; whether it is still there.
    fn show(&mut self, view: &Bytes) -> bool {
        self.missed = match self.views.try_send(view.clone()) {
            Ok(()) => 0,
            Err(mpsc::error::TrySendError::Full(_)) => self.missed + 1,
            Err(mpsc::error::TrySendError::Closed(_)) => MOST_MISSED,
        };
        self.missed < MOST_MISSED
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        // Relaxed, here and below: a number, and nothing else.
        COUNT.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The views for one more, as server-sent events; nothing where too many look already, or no thread can be had.
pub(super) fn join() -> Result<mpsc::Receiver<Bytes>, String> {
    let place = COUNT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
        (count < MOST_VIEWERS).then_some(count + 1)
    });
    place.map_err(|_| format!("{MOST_VIEWERS} pages are open already"))?;
    // One that it reads, and one that waits.
    let (views, receiver) = mpsc::channel(1);
    let viewer = Viewer { views, missed: 0 };
    let runtime = Handle::try_current().ok();
    let mut new = new();
    new.viewers.push(viewer);
    let before = std::mem::replace(&mut new.runtime, runtime);
    let is_made = std::mem::replace(&mut new.is_made, true);
    drop(new);
    // A runtime may end with its last handle.
    drop(before);
    if !is_made && let Err(error) = std::thread::Builder::new().name("mmf-page".into()).spawn(make)
    {
        let gone = {
            let mut new = self::new();
            new.is_made = false;
            std::mem::take(&mut new.viewers)
        };
        drop(gone);
        return Err(format!("no thread can be had to show it: {error}"));
    }
    Ok(receiver)
}

/// Makes views and shows them, until nobody looks.
fn make() {
    let _measuring = metrics::while_shown();
    let mut viewers = Vec::new();
    while have_viewers(&mut viewers) {
        let begin = Instant::now();
        latency::read();
        let runtime = new().runtime.clone();
        let _entered = runtime.as_ref().map(Handle::enter);
        // Each policy is caught by itself; what else there is of the user's may panic as well.
        let view = catch_unwind(|| encoded(&Live::now())).unwrap_or_else(|_| nothing());
        show(&mut viewers, &view, begin);
    }
    latency::forget();
}

/// Takes in those who came; where nobody is left nobody makes views any more.
fn have_viewers(viewers: &mut Vec<Viewer>) -> bool {
    viewers.retain(|viewer| !viewer.views.is_closed());
    let mut new = new();
    viewers.append(&mut new.viewers);
    new.is_made = !viewers.is_empty();
    let runtime = if new.is_made { None } else { new.runtime.take() };
    drop(new);
    drop(runtime);
    !viewers.is_empty()
}

/// Shows a view to all, in the time until the next; who came meanwhile sees the next, which is then made sooner.
fn show(viewers: &mut Vec<Viewer>, view: &Bytes, begin: Instant) {
    let slices = viewers.len().div_ceil(AT_ONCE);
    let pause = EVERY * 9 / 10 / u32::try_from(slices).unwrap_or(u32::MAX).max(1);
    let mut shown = 0;
    viewers.retain_mut(|viewer| {
        shown += 1;
        if shown % AT_ONCE == 0 && slices > 1 {
            std::thread::sleep(pause);
        }
        // Its waker is the user's, and no lock is held.
        catch_unwind(AssertUnwindSafe(|| viewer.show(view))).unwrap_or(false)
    });
    while begin.elapsed() < EVERY && new().viewers.is_empty() {
        std::thread::sleep((EVERY / 10).min(EVERY.saturating_sub(begin.elapsed())));
    }
}

/// A view as an event of a stream. JSON has no line ends outside of its texts, and escapes those within.
fn encoded(live: &Live) -> Bytes {
    let mut event = b"data: ".to_vec();
    if serde_json::to_writer(&mut event, live).is_err() {
        return nothing();
    }
    event.extend(b"\n\n");
    event.into()
}

/// What is said where there is no view.
fn nothing() -> Bytes {
    Bytes::from_static(b"event: nothing\ndata: the view could not be made\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_read_is_dropped_and_who_reads_is_not() {
        let (mut reads, stuck) = (join().unwrap(), join().unwrap());
        for _ in 0..30 {
            assert!(reads.blocking_recv().unwrap().starts_with(b"data: {"));
        }
        assert!(stuck.is_closed(), "it has read nothing for thirty views");
        assert!(!reads.is_closed());
        drop((reads, stuck));
        while new().is_made {
            std::thread::sleep(EVERY / 10);
        }
        assert_eq!(COUNT.load(Ordering::Relaxed), 0);
        // Of a runtime that has ended as well: another one's view comes all the same.
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let first = runtime.block_on(async { join().unwrap() });
        drop(runtime);
        assert!(join().unwrap().blocking_recv().is_some());
        drop(first);
    }
}
