//! Panics by plan: each piece of code that a user gives steps on its own trap, which springs at every so
//! many steps. Numbers decide, so that each springs in every run.

use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::count::Count;

/// A place that panics once in so many steps.
pub(crate) struct Trap {
    pub(crate) name: &'static str,
    every: u64,
    steps: Count,
    pub(crate) sprung: Count,
}

macro_rules! traps {
    ($($name:ident, $text:literal, $every:literal;)*) => {
        $(pub(crate) static $name: Trap = Trap::new($text, $every);)*
        pub(crate) static ALL: &[&Trap] = &[$(&$name),*];
    };
}

traps! {
    BODY, "the body", 397;
    RETRY_IF, "retry_if", 89;
    RETRY_IF_OK, "retry_if_ok", 331;
    RETRY_AFTER, "retry_after", 83;
    BEFORE_RETRY, "before_retry", 101;
    BACKOFF, "the back-off", 97;
    FAIL_IF, "fail_if", 107;
    FAIL_IF_OK, "fail_if_ok", 353;
    KEY, "the key of a breaker", 307;
    KEY_DEBUG, "`Debug` of a key", 211;
    STALE_KEY, "the key of a stale value", 379;
    STALE_CLONE, "`Clone` of a stale value", 401;
    FALLBACK, "the fallback", 53;
    VALUE, "the value of a fallback", 59;
}

/// What a trap panics with.
struct Planned;

/// How often the hook was told of a planned panic.
pub(crate) static TOLD: Count = Count::new();
/// Panics that nobody planned, by those who caught them.
pub(crate) static UNPLANNED: Count = Count::new();

static HEALED: AtomicBool = AtomicBool::new(false);

impl Trap {
    const fn new(name: &'static str, every: u64) -> Self {
        Self { name, every, steps: Count::new(), sprung: Count::new() }
    }

    pub(crate) fn step(&self) {
        if self.steps.add().is_multiple_of(self.every) && !is_healed() {
            self.sprung.add();
            panic::panic_any(Planned);
        }
    }
}

/// Says nothing of planned panics but counts them.
pub(crate) fn silence() {
    let loud = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if info.payload().is::<Planned>() {
            TOLD.add();
        } else {
            loud(info);
        }
    }));
}

/// Looks at what was caught.
pub(crate) fn caught(payload: &(dyn std::any::Any + Send)) {
    if !payload.is::<Planned>() {
        UNPLANNED.add();
    }
}

/// From now on no trap springs, and every body succeeds at once.
pub(crate) fn heal() {
    HEALED.store(true, Ordering::Relaxed);
}

pub(crate) fn is_healed() -> bool {
    HEALED.load(Ordering::Relaxed)
}
