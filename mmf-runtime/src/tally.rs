//! Counters that are written on every successful call and read rarely.
//!
//! A shared counter costs every core a cache miss per call. Here each thread owns a [`Row`] of
//! words, one word per counter, and adds to its own word by a plain load and store; a reader sums
//! the word over all rows. A counter is thus eight bytes a thread, without padding: neighbours in a
//! row belong to the same thread.
//!
//! A word carries a tag beside its count. A writer with a new tag starts again from zero, a reader
//! adds up only the words of the tag it asks for: a breaker tags its counts with the number of its
//! state, so that a late result never leaks into the next state.

#[cfg(mmf_loom)]
pub(crate) use model::Tally;
#[cfg(not(mmf_loom))]
pub(crate) use rows::Tally;

#[cfg_attr(mmf_loom, expect(dead_code, reason = "the model counts without rows"))]
mod word {
    const COUNT_BITS: u32 = 40;
    pub(super) const FULL: u64 = (1 << COUNT_BITS) - 1;

    /// The count of `word` where it carries `tag`, otherwise zero.
    #[inline]
    pub(super) fn count(word: u64, tag: u32) -> u64 {
        if word >> COUNT_BITS == u64::from(tag & 0xFF_FFFF) { word & FULL } else { 0 }
    }

    /// `word` with one more under `tag`. A full count stays: 2^40 calls on one thread in one state.
    #[inline]
    pub(super) fn add_one(word: u64, tag: u32) -> u64 {
        let tag = u64::from(tag & 0xFF_FFFF) << COUNT_BITS;
        // With its own tag taken off, a word is its count; with another, it is above any count.
        match word ^ tag {
            0..FULL => word + 1,
            FULL => word,
            _ => tag | 1,
        }
    }
}

#[cfg(not(mmf_loom))]
mod rows {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::sync::{Mutex, PoisonError};

    use once_cell::race::OnceBox;

    use super::word;

    /// Words at hand in every row: enough for the policies of most programs.
    const FIRST: usize = 1024;
    /// Chunk k holds `FIRST << k` more.
    const CHUNKS: usize = 22;

    /// The words of one thread: the first ones, and chunks that appear when first written to.
    struct Row {
        first: [AtomicU64; FIRST],
        chunks: [OnceBox<Box<[AtomicU64]>>; CHUNKS],
        /// Whether a thread has it.
        is_taken: AtomicBool,
        next: OnceBox<Self>,
    }

    impl Row {
        /// One that a thread has.
        fn new() -> Self {
            Self {
                first: [const { AtomicU64::new(0) }; FIRST],
                chunks: [const { OnceBox::new() }; CHUNKS],
                is_taken: AtomicBool::new(true),
                next: OnceBox::new(),
            }
        }

        /// Takes it, where nobody has it.
        fn take(&self) -> bool {
            // Acquire, with the release of who gives it back: what that thread has counted is seen.
            self.is_taken
                .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
        }

        #[inline]
        fn word(&self, id: usize) -> &AtomicU64 {
            match self.first.get(id) {
                Some(word) => word,
                None => self.later_word(id),
            }
        }

        fn later_word(&self, id: usize) -> &AtomicU64 {
            let (chunk, offset) = place(id);
            let new = || Box::new((0..FIRST << chunk).map(|_| AtomicU64::new(0)).collect());
            &self.chunks[chunk].get_or_init(new)[offset]
        }

        /// The word where it was ever written to.
        fn existing_word(&self, id: usize) -> Option<&AtomicU64> {
            if id < FIRST {
                return Some(&self.first[id]);
            }
            let (chunk, offset) = place(id);
            Some(&self.chunks[chunk].get()?[offset])
        }
    }

    /// Chunk and offset of a word beyond the first ones.
    fn place(id: usize) -> (usize, usize) {
        let chunk = (id / FIRST).ilog2() as usize;
        (chunk, id - (FIRST << chunk))
    }

    /// The first of all rows, of which each has the next. A row is never freed: when its thread ends, the next new thread takes it
    /// over with its counts.
    ///
    /// No lock holds them together: a process that was forked while another thread took a row would wait for that for ever.
    static FIRST_ROW: OnceBox<Row> = OnceBox::new();
    static IDS: Mutex<Ids> = Mutex::new(Ids { next: 0, free: Vec::new() });

    struct Ids {
        next: usize,
        free: Vec<usize>,
    }

    thread_local! {
        static ROW: Cell<Option<&'static Row>> = const { Cell::new(None) };
        static OWNER: Cell<Option<Owner>> = const { Cell::new(None) };
    }

    /// Hands the row of an ending thread to the next one.
    struct Owner(&'static Row);

    impl Drop for Owner {
        fn drop(&mut self) {
            // What runs after this in the ending thread asks anew and, with `OWNER` gone, takes a
            // row that nobody gives back.
            ROW.set(None);
            self.0.is_taken.store(false, Ordering::Release);
        }
    }

    fn rows() -> impl Iterator<Item = &'static Row> {
        std::iter::successors(FIRST_ROW.get(), |row| row.next.get())
    }

    fn ids() -> std::sync::MutexGuard<'static, Ids> {
        IDS.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A counter with one word in the row of every thread.
    #[derive(Debug)]
    pub(crate) struct Tally(usize);

    impl Tally {
        pub(crate) fn new() -> Self {
            let mut ids = ids();
            Self(ids.free.pop().unwrap_or_else(|| {
                let id = ids.next;
                ids.next += 1;
                id
            }))
        }

        /// Adds one under `tag`, on the word of this thread.
        #[inline]
        pub(crate) fn add_one(&self, tag: u32) {
            let row = ROW.get().unwrap_or_else(take_row);
            let word = row.word(self.0);
            // Relaxed, and a store instead of a read-modify-write: no other thread writes this word.
            word.store(word::add_one(word.load(Ordering::Relaxed), tag), Ordering::Relaxed);
        }

        /// Adds so many under `tag`.
        #[cold]
        pub(crate) fn add(&self, tag: u32, count: u32) {
            (0..count).for_each(|_| self.add_one(tag));
        }

        /// The sum under `tag` over all threads.
        pub(crate) fn sum(&self, tag: u32) -> u64 {
            // Relaxed: whoever needs to see a certain call has synchronised with it already, and
            // calls that run at the same time may be counted before or after.
            self.words().map(|word| word::count(word.load(Ordering::Relaxed), tag)).sum()
        }

        fn words(&self) -> impl Iterator<Item = &'static AtomicU64> {
            rows().filter_map(|row| row.existing_word(self.0))
        }
    }

    impl Drop for Tally {
        fn drop(&mut self) {
            // Nobody counts here any more, so the words may be cleared for the next owner of the id.
            for word in self.words() {
                word.store(0, Ordering::Relaxed);
            }
            ids().free.push(self.0);
        }
    }

    #[cold]
    fn take_row() -> &'static Row {
        let row = rows().find(|row| row.take()).unwrap_or_else(new_row);
        if OWNER.try_with(|owner| owner.set(Some(Owner(row)))).is_ok() {
            ROW.set(Some(row));
        }
        row
    }

    #[cfg(test)]
    pub(super) fn count() -> usize {
        rows().count()
    }

    /// One more row, behind all others.
    fn new_row() -> &'static Row {
        let mut place = &FIRST_ROW;
        let mut new = Box::new(Row::new());
        loop {
            match place.set(new) {
                Ok(()) => return place.get().expect("it was set just now"),
                // Another thread was faster.
                Err(returned) => new = returned,
            }
            place = &place.get().expect("what cannot be set is set").next;
        }
    }
}

#[cfg(mmf_loom)]
mod model {
    use loom::sync::Mutex;

    /// Sequential stand-in: the models check what is built on a tally.
    #[derive(Debug)]
    pub(crate) struct Tally(Mutex<std::collections::HashMap<u32, u64>>);

    impl Tally {
        pub(crate) fn new() -> Self {
            Self(Mutex::new(std::collections::HashMap::new()))
        }

        pub(crate) fn add_one(&self, tag: u32) {
            *self.0.lock().unwrap().entry(tag).or_default() += 1;
        }

        pub(crate) fn add(&self, tag: u32, count: u32) {
            (0..count).for_each(|_| self.add_one(tag));
        }

        pub(crate) fn sum(&self, tag: u32) -> u64 {
            self.0.lock().unwrap().get(&tag).copied().unwrap_or(0)
        }
    }
}

#[cfg(all(test, not(mmf_loom)))]
mod tests {
    use super::*;

    #[test]
    fn counts_of_all_threads_add_up_also_after_they_ended() {
        let tally = Tally::new();
        for _ in 0..3 {
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| (0..100).for_each(|_| tally.add_one(7)));
                }
            });
        }
        assert_eq!(tally.sum(7), 1200);
        assert_eq!(tally.sum(8), 0);
    }

    #[test]
    fn rows_of_threads_that_ended_are_taken_over() {
        let tally = Tally::new();
        let before = rows::count();
        // One after the other, so that one row is enough; others test at the same time.
        for _ in 0..if cfg!(miri) { 20 } else { 500 } {
            std::thread::scope(|scope| {
                scope.spawn(|| tally.add_one(0));
            });
        }
        assert!(rows::count() < before + if cfg!(miri) { 15 } else { 100 }, "{}", rows::count());
    }

    #[test]
    fn a_new_tag_starts_from_zero() {
        let tally = Tally::new();
        tally.add_one(1);
        tally.add_one(2);
        tally.add_one(2);
        assert_eq!((tally.sum(1), tally.sum(2)), (0, 2));
    }

    #[test]
    fn a_reused_word_begins_empty() {
        for _ in 0..if cfg!(miri) { 10 } else { 1000 } {
            let tally = Tally::new();
            assert_eq!(tally.sum(0), 0);
            tally.add_one(0);
        }
    }

    #[test]
    fn words_beyond_the_first_ones_count_too() {
        let many = if cfg!(miri) { 1_100 } else { 10_000 };
        let tallies: Vec<_> = (0..many).map(|_| Tally::new()).collect();
        for (count, tally) in tallies.iter().enumerate() {
            (0..count % 3).for_each(|_| tally.add_one(0));
        }
        for (count, tally) in tallies.iter().enumerate() {
            assert_eq!(tally.sum(0), (count % 3) as u64);
        }
    }

    #[test]
    fn a_full_count_stays_full() {
        let full = word::add_one(word::FULL, 0);
        assert_eq!(word::count(full, 0), word::FULL);
    }
}
