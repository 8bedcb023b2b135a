//! Values that change while calls read them.

#![expect(
    unsafe_code,
    reason = "a reader pays one load, which no lock and no count of readers would"
)]

use std::fmt;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What is in force in place of what was built: nothing, until it is set.
///
/// A block that was set once is kept until this is gone, so that a call may go by it for as long as it runs; one that is
/// equal to an earlier one is that one again, so that who goes back and forth between two keeps two.
pub(crate) struct Live<T> {
    current: AtomicPtr<T>,
    /// Each that was ever set. Under its lock nothing is dropped, and nothing of the user's runs.
    kept: Mutex<Vec<Arc<T>>>,
}

impl<T> Live<T> {
    pub(crate) const fn new() -> Self {
        Self { current: AtomicPtr::new(ptr::null_mut()), kept: Mutex::new(Vec::new()) }
    }
}

impl<T: Sync> Live<T> {
    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        // Acquire, with the release in `set`: who sees a block sees what is in it.
        let current = self.current.load(Ordering::Acquire);
        // SAFETY: it is null, or was taken from an `Arc` in `kept`, which only grows until `self` is dropped: what is
        // returned borrows `self`. Nobody ever writes to a block, so a shared reference to it is all there is; `T` is
        // `Sync`, as that reference may be read on another thread than the one that set it.
        unsafe { current.as_ref() }
    }
}

impl<T: PartialEq + Send + Sync> Live<T> {
    /// Puts a block in force, or with none what was built.
    pub(crate) fn set(&self, block: Option<Arc<T>>) {
        let Some(block) = block else {
            self.current.store(ptr::null_mut(), Ordering::Release);
            return;
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.iter().find(|other| Arc::ptr_eq(other, &block) || ***other == *block);
        let (place, unused) = match known {
            Some(known) => (Arc::as_ptr(known), Some(block)),
            None => {
                let place = Arc::as_ptr(&block);
                kept.push(block);
                (place, None)
            }
        };
        self.current.store(place.cast_mut(), Ordering::Release);
        drop(kept);
        drop(unused);
    }
}

impl<T: Sync + fmt::Debug> fmt::Debug for Live<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

#[cfg(all(test, not(mmf_loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_was_built_is_in_force_until_something_is_set_and_again_after() {
        let live = Live::new();
        assert_eq!(live.get(), None);
        live.set(Some(Arc::new(String::from("one"))));
        assert_eq!(live.get().map(String::as_str), Some("one"));
        live.set(None);
        assert_eq!(live.get(), None);
    }

    #[test]
    fn a_block_that_was_seen_stays_and_equal_ones_are_one() {
        let live = Live::new();
        live.set(Some(Arc::new(String::from("one"))));
        let first = live.get().unwrap();
        for text in ["two", "one", "two", "one"] {
            live.set(Some(Arc::new(String::from(text))));
        }
        assert_eq!(first, "one");
        assert!(ptr::eq(first, live.get().unwrap()));
        assert_eq!(live.kept.lock().unwrap().len(), 2);
    }

    #[test]
    fn readers_on_other_threads_see_whole_blocks() {
        let live = Live::<Vec<u32>>::new();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        if let Some(block) = live.get() {
                            assert!(block.iter().all(|number| number == &block[0]));
                        }
                    }
                });
            }
            for number in 0..100 {
                live.set(Some(Arc::new(vec![number % 7; 16])));
            }
        });
    }
}
