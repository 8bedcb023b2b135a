//! Who looks: each gets one view a second, made once for all of them, and none is made while nobody looks.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::latency;
use super::view::Live;
use crate::metrics;

/// So many may look at once.
pub(super) const MOST_VIEWERS: usize = 1000;
const EVERY: Duration = Duration::from_secs(1);
/// One that has not taken so many views in a row is dropped.
const MOST_MISSED: u32 = 10;
/// So many are sent a view at once: all of them together would hold up the calls of the same threads.
const AT_ONCE: usize = 2;

static COUNT: AtomicUsize = AtomicUsize::new(0);
static NEW: Mutex<New> = Mutex::new(New { viewers: Vec::new(), is_made: false });

/// Those who came since the last view. Under its lock there is this alone.
struct New {
    viewers: Vec<Viewer>,
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
            Err(mpsc::error::TrySendError::Closed(_)) => return false,
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

/// The views for one more, as server-sent events; none where too many look already.
pub(super) fn join() -> Option<mpsc::Receiver<Bytes>> {
    let place = COUNT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
        (count < MOST_VIEWERS).then_some(count + 1)
    });
    place.ok()?;
    // One that it reads, and one that waits.
    let (views, receiver) = mpsc::channel(1);
    let mut new = new();
    new.viewers.push(Viewer { views, missed: 0 });
    let is_made = std::mem::replace(&mut new.is_made, true);
    drop(new);
    if !is_made {
        tokio::spawn(Maker { viewers: Vec::new(), is_over: false }.make());
    }
    Some(receiver)
}

/// Makes views, and has those who look.
struct Maker {
    viewers: Vec<Viewer>,
    is_over: bool,
}

impl Maker {
    async fn make(mut self) {
        let _measuring = metrics::while_shown();
        while self.has_viewers() {
            let made = tokio::task::spawn_blocking(|| {
                latency::read();
                encoded(&Live::now())
            });
            // It may fail by a panic in a value of the user's, and then the next one may not.
            let view = made.await.unwrap_or_else(|_| Bytes::from_static(b": no view\n\n"));
            self.show(&view).await;
        }
    }

    /// Takes in those who came, and ends where nobody is left.
    fn has_viewers(&mut self) -> bool {
        self.viewers.retain(|viewer| !viewer.views.is_closed());
        let mut new = new();
        self.viewers.append(&mut new.viewers);
        self.is_over = self.viewers.is_empty();
        new.is_made = !self.is_over;
        !self.is_over
    }

    /// Shows a view to all, in the time until the next; who came meanwhile sees the next.
    async fn show(&mut self, view: &Bytes) {
        let end = tokio::time::Instant::now() + EVERY;
        let slices = self.viewers.len().div_ceil(AT_ONCE);
        let pause = EVERY * 9 / 10 / u32::try_from(slices).unwrap_or(u32::MAX).max(1);
        for slice in self.viewers.chunks_mut(AT_ONCE) {
            for viewer in slice {
                if !viewer.show(view) {
                    viewer.missed = MOST_MISSED;
                }
            }
            if slices > 1 {
                tokio::time::sleep(pause).await;
            }
        }
        self.viewers.retain(|viewer| viewer.missed < MOST_MISSED);
        // The next one is made sooner where somebody waits for the first.
        while tokio::time::Instant::now() < end && new().viewers.is_empty() {
            let left = end - tokio::time::Instant::now();
            tokio::time::sleep(left.min(Duration::from_millis(100))).await;
        }
    }
}

impl Drop for Maker {
    /// Its runtime may end before it: who comes then begins another.
    fn drop(&mut self) {
        if !self.is_over {
            new().is_made = false;
        }
        latency::forget();
    }
}

/// A view as an event of a stream. JSON has no line ends outside of its texts, and escapes those within.
fn encoded(live: &Live) -> Bytes {
    let mut event = b"data: ".to_vec();
    match serde_json::to_writer(&mut event, live) {
        Ok(()) => event.extend(b"\n\n"),
        // What cannot be written is said, and is no view.
        Err(error) => event = format!(": {error}\n\n").into_bytes(),
    }
    event.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_is_dropped_and_who_reads_is_not() {
        let (mut reads, stuck) = (join().unwrap(), join().unwrap());
        for _ in 0..30 {
            assert!(reads.recv().await.unwrap().starts_with(b"data: {"));
        }
        assert!(stuck.is_closed(), "it has read nothing for thirty views");
        assert!(!reads.is_closed());
        // The last one leaves, and another is shown something again.
        drop((reads, stuck));
        tokio::time::sleep(EVERY * 3).await;
        assert!(join().unwrap().recv().await.is_some());
    }
}
