//! The one hook: who watches is told of what goes wrong, of changes of state, and of how long calls took.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::breaker::BreakerState;
use super::error::ResilienceError;

/// Who watches the policies: metrics, a recorder, a page. It is told on the thread of the call and under no lock, so it
/// should be quick. Where it panics, the panic is told like any other, and the call goes on.
///
/// ```
/// # use mmf_runtime as mmf;
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use mmf::resilience::{CircuitBreaker, Event, Observer, observe};
///
/// #[derive(Debug)]
/// struct Opened(AtomicU64);
/// impl Observer for Opened {
///     fn event(&self, event: &Event<'_>) {
///         if let Event::BreakerChanged { policy: "payments", .. } = event {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
///
/// static OPENED: Opened = Opened(AtomicU64::new(0));
/// observe(&OPENED);
/// CircuitBreaker::builder("payments").build().force_open();
/// assert_eq!(OPENED.0.load(Ordering::Relaxed), 1);
/// ```
pub trait Observer: fmt::Debug + Send + Sync {
    /// Something went wrong, or a state has changed.
    fn event(&self, event: &Event<'_>);

    /// Whether it wants to be told of each call that ended, which costs each call two readings of the clock. Asked
    /// once.
    fn measures_calls(&self) -> bool {
        false
    }

    /// A call ended, where [`measures_calls`](Self::measures_calls) holds.
    fn call_ended(&self, call: &CallEnded<'_>) {
        let _ = call;
    }
}

/// What an [`Observer`] is told of. Each variant may get more fields: match with `..`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event<'e> {
    /// An attempt came to its end and counts against its breaker. One that a policy cut short is [`Refused`](Self::Refused) alone.
    #[non_exhaustive]
    Failed {
        /// Name of the policy.
        policy: &'e str,
        /// What it failed with.
        error: FailureText<'e>,
    },
    /// An attempt failed, and another follows.
    #[non_exhaustive]
    Retry {
        /// Name of the policy.
        policy: &'e str,
        /// The attempt that failed, from 1.
        attempt: u32,
        /// How long it is until the next.
        delay: Duration,
        /// What it failed with.
        error: FailureText<'e>,
    },
    /// The last attempt failed.
    #[non_exhaustive]
    Exhausted {
        /// Name of the policy.
        policy: &'e str,
        /// The attempt that failed, from 1.
        attempt: u32,
        /// Why no other follows.
        reason: &'e str,
        /// What it failed with.
        error: FailureText<'e>,
    },
    /// A policy refused an attempt, or cut it short.
    #[non_exhaustive]
    Refused {
        /// What the caller gets, unless another policy steps in.
        refusal: &'e ResilienceError,
    },
    /// A copy of a slow attempt was started.
    #[non_exhaustive]
    Hedge {
        /// Name of the policy.
        policy: &'e str,
        /// Which copy, from 1.
        copy: u32,
    },
    /// A fallback answers.
    #[non_exhaustive]
    Fallback {
        /// Name of the policy.
        policy: &'e str,
        /// What the call failed with.
        error: FailureText<'e>,
    },
    /// A breaker is in another state.
    #[non_exhaustive]
    BreakerChanged {
        /// Name of the breaker.
        policy: &'e str,
        /// Its key, where it is one of several.
        key: Option<&'e str>,
        /// The state before.
        from: BreakerState,
        /// The state now.
        to: BreakerState,
        /// What led to it.
        cause: &'e str,
    },
    /// A key made room for another.
    #[non_exhaustive]
    Evicted {
        /// Name of the policy.
        policy: &'e str,
        /// The key.
        key: &'e str,
    },
}

/// What something failed with, as its `Display` or else its `Debug` writes it: only where somebody asks.
#[derive(Clone, Copy)]
pub struct FailureText<'e>(pub(crate) &'e dyn fmt::Display);

impl fmt::Display for FailureText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for FailureText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A call that ended, however it did.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CallEnded<'e> {
    /// Name of the policy.
    pub policy: &'e str,
    /// Whether its caller got an `Ok`; none where it was dropped before its end.
    pub succeeded: Option<bool>,
    /// From its begin to its end.
    pub latency: Duration,
}

/// A place in the list of observers, which only grows: whoever is told once is told for as long as the program runs.
struct Place {
    observer: &'static dyn Observer,
    measures: bool,
    next: OnceLock<Box<Place>>,
}

static FIRST: OnceLock<Box<Place>> = OnceLock::new();
/// How many want calls measured now.
static MEASURING: AtomicUsize = AtomicUsize::new(0);

/// Has an observer told of everything from now on.
pub fn observe(observer: &'static dyn Observer) {
    if observe_on_demand(observer) {
        Measuring::begin().for_ever();
    }
}

/// [`observe`], whose calls are measured only while there is a [`Measuring`]. Whether it measures at all.
#[doc(hidden)]
pub fn observe_on_demand(observer: &'static dyn Observer) -> bool {
    let measures = observer.measures_calls();
    let mut place = &FIRST;
    let mut new = Box::new(Place { observer, measures, next: OnceLock::new() });
    // Where another was faster, behind it.
    while let Err(returned) = place.set(new) {
        new = returned;
        match place.get() {
            Some(taken) => place = &taken.next,
            None => unreachable!("a place that cannot be set is taken"),
        }
    }
    measures
}

/// While there is one, all that measure are told how long calls take.
#[doc(hidden)]
#[derive(Debug)]
#[must_use = "dropped, it is over"]
pub struct Measuring(());

impl Measuring {
    /// From now on.
    pub fn begin() -> Self {
        // Relaxed, here and below: calls that begin at this moment may or may not be measured.
        MEASURING.fetch_add(1, Ordering::Relaxed);
        Self(())
    }

    /// It has no end.
    pub fn for_ever(self) {
        std::mem::forget(self);
    }
}

impl Drop for Measuring {
    fn drop(&mut self) {
        MEASURING.fetch_sub(1, Ordering::Relaxed);
    }
}

fn places() -> impl Iterator<Item = &'static Place> {
    std::iter::successors(FIRST.get(), |place| place.next.get()).map(|place| &**place)
}

/// Tells all observers.
#[inline]
pub(crate) fn tell(event: &Event<'_>) {
    if FIRST.get().is_some() {
        tell_all(event);
    }
}

#[cold]
fn tell_all(event: &Event<'_>) {
    places().for_each(|place| guarded(|| place.observer.event(event)));
}

/// A call is told from the midst of it, also while a panic passes through: a panic of who is told ends here, where the hook
/// for panics has told it.
fn guarded(told: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(told));
}

/// Whether somebody wants to know how long calls take.
#[inline]
pub(crate) fn is_measured() -> bool {
    MEASURING.load(Ordering::Relaxed) > 0
}

/// Tells those who measure calls.
#[cold]
pub(crate) fn tell_end(call: &CallEnded<'_>) {
    let measuring = places().filter(|place| place.measures);
    measuring.for_each(|place| guarded(|| place.observer.call_ended(call)));
}
