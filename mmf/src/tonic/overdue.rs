//! Calls whose time is over while nobody reads what they say: HTTP/2 asks for no more of a stream then, so that none of its
//! polls would see it. They are looked through, and what they hold is given back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use super::served::Open;
use crate::slot::Slot;

/// So often.
const TICK: Duration = Duration::from_millis(50);

#[derive(Default)]
pub(super) struct Overdue {
    /// Under its lock there are handles alone; those of calls that have ended stay until the next look.
    calls: Mutex<Vec<Watched>>,
    is_watched: AtomicBool,
}

/// A call, and when its time is over.
struct Watched {
    at: Instant,
    call: Weak<Slot<Open>>,
}

impl Overdue {
    /// Looks after a call that has so much time left, until it has ended.
    pub(super) fn watch(self: &Arc<Self>, left: Duration, call: &Arc<Slot<Open>>) {
        let Some(at) = Instant::now().checked_add(left) else { return };
        self.calls().push(Watched { at, call: Arc::downgrade(call) });
        // SeqCst, here and below: who puts a call in after the last look finds that nobody watches.
        if !self.is_watched.swap(true, Ordering::SeqCst) {
            match Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn(Watching(Arc::clone(self)).watch())),
                Err(_) => self.is_watched.store(false, Ordering::SeqCst),
            }
        }
    }

    fn calls(&self) -> MutexGuard<'_, Vec<Watched>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who watches, until there is no call left, or its runtime is gone.
struct Watching(Arc<Overdue>);

impl Watching {
    async fn watch(self) {
        loop {
            sleep(TICK).await;
            let mut calls = std::mem::take(&mut *self.0.calls());
            let now = Instant::now();
            calls.retain(|watched| watched.goes_on(now));
            let mut new = self.0.calls();
            calls.append(&mut new);
            if calls.is_empty() {
                self.0.is_watched.store(false, Ordering::SeqCst);
                return;
            }
            *new = calls;
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.is_watched.store(false, Ordering::SeqCst);
    }
}

impl Watched {
    /// Ends the call where its time is over. It is not touched before, as it may be polled just now, and a poll after that sees
    /// for itself.
    fn goes_on(&self, now: Instant) -> bool {
        let Some(call) = self.call.upgrade() else { return false };
        if now < self.at + TICK {
            return true;
        }
        match call.take() {
            Some(open) => {
                open.expire();
                false
            }
            None => true,
        }
    }
}
