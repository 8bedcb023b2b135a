//! A timer that is one word wide.
//!
//! Tokio's `Sleep` is over a hundred bytes, and a call under a deadline, a timeout and a hedge would
//! hold three of them, used or not. Here its memory is taken only where a call has to wait, from a
//! stock that each thread keeps: a thread that has waited before allocates nothing.

use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::task::coop::{Unconstrained, unconstrained};
use tokio::time::{Instant, Sleep, sleep_until};

/// A place for a timer. Unconstrained: what spends the task's whole budget of polls must not keep the
/// timer from being asked.
type Place = Pin<Box<Option<Unconstrained<Sleep>>>>;

/// How many places a thread keeps for later: as many as calls usually wait on one thread at once.
const MOST_KEPT: usize = 256;

thread_local! {
    static KEPT: RefCell<Vec<Place>> = const { RefCell::new(Vec::new()) };
}

/// A timer that may be started.
#[derive(Default)]
pub(crate) struct Timer(Option<Place>);

impl Timer {
    /// Started: it is over at that instant.
    pub(crate) fn until(at: Instant) -> Self {
        let kept = KEPT.try_with(|kept| kept.borrow_mut().pop()).ok().flatten();
        let mut place = kept.unwrap_or_else(|| Box::pin(None));
        place.set(Some(unconstrained(sleep_until(at))));
        Self(Some(place))
    }

    pub(crate) fn is_started(&self) -> bool {
        self.0.is_some()
    }
}

/// Ready once the time is over; never, where it was not started.
impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match self.0.as_mut().and_then(|place| place.as_mut().as_pin_mut()) {
            Some(sleep) => {
                ready!(sleep.poll(context));
                *self = Self::default();
                Poll::Ready(())
            }
            None => Poll::Pending,
        }
    }
}

impl Drop for Timer {
    #[inline]
    fn drop(&mut self) {
        if let Some(place) = self.0.take() {
            keep(place);
        }
    }
}

fn keep(mut place: Place) {
    place.set(None);
    // Where the thread is ending, the place is simply freed.
    let _ = KEPT.try_with(|kept| {
        let mut kept = kept.borrow_mut();
        if kept.len() < MOST_KEPT {
            kept.push(place);
        }
    });
}

#[cfg(all(test, not(mmf_loom)))]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn it_is_one_word_wide() {
        assert_eq!(size_of::<Timer>(), size_of::<usize>());
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_over_at_its_instant_and_its_place_is_used_again() {
        let start = Instant::now();
        for _ in 0..3 {
            Timer::until(Instant::now() + Duration::from_secs(1)).await;
        }
        assert_eq!(start.elapsed(), Duration::from_secs(3));
        assert_eq!(KEPT.with_borrow(Vec::len), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_thread_keeps_only_so_many_places() {
        let timers: Vec<_> = (0..MOST_KEPT + 44).map(|_| Timer::until(Instant::now())).collect();
        drop(timers);
        assert_eq!(KEPT.with_borrow(Vec::len), MOST_KEPT);
    }
}
