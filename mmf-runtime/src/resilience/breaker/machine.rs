//! The breaker itself: what moves it from one state to another.
//!
//! While the breaker is closed, a plain success must be cheap: it is added to a [`Tally`] and looked
//! at only when something else happens. That loses nothing: a success can open a breaker only by
//! reaching `minimum_throughput` with failures in the window already, and in just that situation the
//! state word says `exact` and successes are recorded under the lock like everything else. Whoever
//! records under the lock first moves the successes tallied so far into the window (`fold`), so
//! that the window is always in order.

use std::fmt;
use std::num::NonZeroU64;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use super::admission::Admission;
use super::config::{self, Config};
use super::state::{BreakerState, Cause, Change, Word};
use super::window::{Seen, Window, bucket_nanos};
use crate::clock;
use crate::resilience::error::ResilienceError;
use crate::resilience::events;
use crate::resilience::live::Live;
use crate::resilience::name::{KeyLabel, PolicyName};
use crate::resilience::outcome::Counted;
use crate::resilience::setting::Setting;
use crate::resilience::snapshot::{BreakerSnapshot, OpenedBy};
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering, lock};
use crate::tally::Tally;

/// Stops calling what fails: closed, open for `recovery_timeout`, half-open for a few trials, and
/// closed again.
///
/// ```
/// # use mmf_runtime as mmf;
/// use mmf::resilience::{BreakerState, CircuitBreaker, ResilienceError};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let breaker = CircuitBreaker::builder("payments").failure_threshold(2).build();
/// for _ in 0..2 {
///     let _ = breaker.call(async { Err::<(), _>(Broken) }).await;
/// }
/// assert_eq!(breaker.state(), BreakerState::Open);
/// assert!(breaker.call(async { Ok::<_, Broken>(()) }).await.is_err());
/// # });
///
/// struct Broken;
/// impl From<ResilienceError> for Broken {
///     fn from(_: ResilienceError) -> Self { Broken }
/// }
/// ```
#[doc(alias = "EnhancedCircuitBreaker")]
pub struct CircuitBreaker {
    pub(super) name: PolicyName,
    /// The label of its key, where it is one of several.
    key: Option<KeyLabel>,
    built: Arc<Config>,
    /// What is in force in its place.
    changed: Live<Config>,
    word: AtomicU64,
    /// While open: since when, by [`clock::nanos`], and when it may become half-open.
    opened_at: AtomicU64,
    until: AtomicU64,
    /// Of a time window: the number of the current bucket.
    tick: AtomicU64,
    refused: Tally,
    successes: Tally,
    /// Results of calls that began in an earlier state.
    late: Tally,
    /// Under its lock there is arithmetic alone; what is to be told of it is told after.
    books: Mutex<Books>,
}

/// A refused call. It is made an error only where it leaves the breaker, since an error is a lot to
/// hand from function to function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused {
    /// In nanoseconds.
    retry_after: u64,
}

/// What is only touched under the lock.
#[derive(Debug)]
struct Books {
    window: Window,
    consecutive_failures: u32,
    /// Successes of this generation that were moved from the tally into the window.
    folded: u64,
    /// When each trial began that is running, by [`clock::nanos`].
    trials: Vec<u64>,
    /// How long each may take, from when they are let in.
    patience: u64,
    trials_succeeded: u32,
    failed_trials: u32,
    /// Refusals and late results before the last reset.
    refused_before: u64,
    late_before: u64,
    successes: u64,
    failures: u64,
    slow: u64,
    opened: u64,
    opened_by: OpenedBy,
    /// A change of state to be told once the lock is free.
    changed: Option<Change>,
}

/// The books under their lock. Tells of a change after the lock is free: a subscriber may ask the
/// breaker for its state.
struct Locked<'b> {
    breaker: &'b CircuitBreaker,
    books: Option<MutexGuard<'b, Books>>,
}

impl Deref for Locked<'_> {
    type Target = Books;

    fn deref(&self) -> &Books {
        self.books.as_ref().expect("held until drop")
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Books {
        self.books.as_mut().expect("held until drop")
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let changed = self.changed.take();
        self.books = None;
        if let Some(changed) = changed {
            events::breaker_changed(&self.breaker.name, self.breaker.key.as_deref(), changed);
        }
    }
}

impl CircuitBreaker {
    pub(crate) fn new(name: PolicyName, key: Option<KeyLabel>, config: Arc<Config>) -> Self {
        let books = Books {
            window: Window::new(config.window),
            consecutive_failures: 0,
            folded: 0,
            trials: Vec::new(),
            patience: 0,
            trials_succeeded: 0,
            failed_trials: 0,
            refused_before: 0,
            late_before: 0,
            successes: 0,
            failures: 0,
            slow: 0,
            opened: 0,
            opened_by: OpenedBy::default(),
            changed: None,
        };
        let closed = Word::new(0, BreakerState::Closed).with(Word::TIMED, config.is_timed());
        Self {
            name,
            key,
            word: AtomicU64::new(closed.0),
            built: config,
            changed: Live::new(),
            opened_at: AtomicU64::new(0),
            until: AtomicU64::new(0),
            tick: AtomicU64::new(0),
            refused: Tally::new(),
            successes: Tally::new(),
            late: Tally::new(),
            books: Mutex::new(books),
        }
    }

    /// The name given to the builder.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The label of its key, where it is one of [`KeyedBreakers`](super::KeyedBreakers).
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    #[inline]
    fn config(&self) -> &Config {
        self.changed.get().unwrap_or(&self.built)
    }

    /// The rules that it was built with.
    pub(super) fn built(&self) -> &Arc<Config> {
        &self.built
    }

    /// The values it goes by.
    pub(in crate::resilience) fn settings(&self) -> Vec<Setting> {
        self.config().settings()
    }

    /// Goes by other rules from now on, or with none by those that it was built with. Its state stays, its counters go on,
    /// and its window keeps what it can; where that is enough to open it by the new rules, the next call that is recorded
    /// does. The time of an open one is that of the new rules, from when it opened.
    pub(in crate::resilience) fn go_by(&self, config: Option<Arc<Config>>) {
        let mut books = self.books();
        self.fold(&mut books);
        books.window.advance(self.current_tick());
        let before = self.config().clone();
        self.changed.set(config);
        let config = self.config();
        if before == *config {
            return;
        }
        if before.window != config.window {
            books.window = books.window.by(before.window, config.window, clock::nanos());
        }
        // Relaxed, as where else they are stored.
        self.tick.store(self.current_tick(), Ordering::Relaxed);
        let word = self.word();
        if word.state() == BreakerState::Open {
            let open = config.recovery_nanos(books.failed_trials);
            let until = self.opened_at.load(Ordering::Relaxed).saturating_add(open);
            self.until.store(until, Ordering::Relaxed);
        }
        let is_closed = word.state() == BreakerState::Closed;
        let exact = self.must_be_exact(&books) || self.cause_to_open(&books).is_some();
        self.store(word.with(Word::TIMED, config.is_timed()).with(Word::EXACT, is_closed && exact));
    }

    pub(in crate::resilience) fn describe(&self) -> String {
        self.config().describe()
    }

    /// The state now. An open breaker whose time is over is half-open, also where no call has come yet; the
    /// change itself, with its event and the emptied window, comes with the first trial.
    pub fn state(&self) -> BreakerState {
        match self.word().state() {
            BreakerState::Open if self.time_to_trial(clock::nanos()) == 0 => BreakerState::HalfOpen,
            state => state,
        }
    }

    /// Whether it decides as a new one would: closed with nothing to count, or open and its time is long over.
    pub(super) fn is_as_new(&self) -> bool {
        match self.word().state() {
            BreakerState::Closed => {
                let mut books = self.books();
                self.fold(&mut books);
                books.window.advance(self.current_tick());
                books.consecutive_failures == 0 && books.window.sums().calls == 0
            }
            BreakerState::Open => {
                let since = clock::nanos().saturating_sub(self.until.load(Ordering::Relaxed));
                since > clock::saturating_nanos(self.config().recovery_timeout)
            }
            BreakerState::HalfOpen | BreakerState::ForcedOpen | BreakerState::Disabled => false,
        }
    }

    /// Refuses all calls from now on, until another of these methods is called.
    pub fn force_open(&self) {
        self.force(BreakerState::ForcedOpen);
    }

    /// Closes it, with an empty window.
    pub fn force_closed(&self) {
        self.force(BreakerState::Closed);
    }

    /// Lets trial calls decide from now on.
    pub fn force_half_open(&self) {
        self.force(BreakerState::HalfOpen);
    }

    /// Lets all calls through uncounted, until another of these methods is called.
    pub fn disable(&self) {
        self.force(BreakerState::Disabled);
    }

    /// Takes back what was made of it by hand: isolated, its trials decide; disabled, it is closed. Any other state is its own, and
    /// stays.
    ///
    /// ```
    /// # use mmf_runtime as mmf;
    /// use mmf::resilience::{BreakerState, CircuitBreaker};
    ///
    /// let breaker = CircuitBreaker::builder("payments").build();
    /// breaker.force_open();
    /// breaker.release();
    /// assert_eq!(breaker.state(), BreakerState::HalfOpen);
    /// ```
    pub fn release(&self) {
        let mut books = self.books();
        match self.word().state() {
            BreakerState::ForcedOpen => {
                self.change(&mut books, BreakerState::HalfOpen, Cause::Forced);
            }
            BreakerState::Disabled => {
                books.failed_trials = 0;
                self.change(&mut books, BreakerState::Closed, Cause::Forced);
            }
            BreakerState::Closed | BreakerState::Open | BreakerState::HalfOpen => {}
        }
    }

    /// Closes it as if new: its counters start again from zero too.
    pub fn reset(&self) {
        let mut books = self.books();
        self.change(&mut books, BreakerState::Closed, Cause::Forced);
        books.failed_trials = 0;
        books.opened_by = OpenedBy::default();
        (books.successes, books.failures, books.slow, books.opened) = (0, 0, 0, 0);
        books.refused_before = self.refused.sum(0);
        books.late_before = self.late.sum(0);
    }

    /// Its state and its counters since it was built.
    pub fn snapshot(&self) -> BreakerSnapshot {
        let mut books = self.books();
        self.fold(&mut books);
        books.window.advance(self.current_tick());
        let sums = books.window.sums();
        BreakerSnapshot {
            state: self.state(),
            successes: books.successes,
            failures: books.failures,
            slow: books.slow,
            refused: self.refused.sum(0) - books.refused_before,
            late: self.late.sum(0) - books.late_before,
            opened: books.opened,
            opened_by: books.opened_by,
            failure_rate: if sums.calls == 0 {
                0.0
            } else {
                sums.failures as f64 / sums.calls as f64
            },
        }
    }

    #[inline]
    pub(super) fn word(&self) -> Word {
        // Acquire, with the release in `store`: who sees a generation sees `until` of it.
        Word(self.word.load(Ordering::Acquire))
    }

    /// Under the lock only.
    fn store(&self, word: Word) {
        self.word.store(word.0, Ordering::Release);
    }

    #[inline(never)]
    pub(super) fn admit_by_state(&self, word: Word) -> Result<Admission, Refused> {
        match word.state() {
            BreakerState::Closed | BreakerState::Disabled => {
                Ok(Admission { word, started: self.slow_clock() })
            }
            BreakerState::Open => self.admit_open(),
            BreakerState::HalfOpen => self.admit_trial(),
            BreakerState::ForcedOpen => {
                Err(self.refuse(clock::saturating_nanos(self.config().recovery_timeout)))
            }
        }
    }

    /// The time, where the breaker looks at how long calls take.
    fn slow_clock(&self) -> Option<NonZeroU64> {
        self.config().slow_call_threshold.and_then(|_| NonZeroU64::new(clock::nanos()))
    }

    fn admit_open(&self) -> Result<Admission, Refused> {
        match self.still_open() {
            Some(refused) => Err(refused),
            None => self.admit_trial(),
        }
    }

    /// The refusal of an open breaker whose time is not over.
    #[inline]
    fn still_open(&self) -> Option<Refused> {
        let wait = self.time_to_trial(clock::nanos());
        (wait > 0).then(|| self.refuse(wait))
    }

    /// How long an open breaker stays so.
    #[inline]
    fn time_to_trial(&self, now: u64) -> u64 {
        // Relaxed: the word that said open was loaded with acquire, after which these are of its time
        // or a later one's.
        let wait = self.until.load(Ordering::Relaxed).saturating_sub(now);
        if wait > 0 && now < self.opened_at.load(Ordering::Relaxed) {
            return self.time_by_another_clock(now, wait);
        }
        wait
    }

    /// The clock ran back since it opened, or is another one: its time begins anew.
    #[cold]
    fn time_by_another_clock(&self, now: u64, wait: u64) -> u64 {
        clock::suspect();
        let opened_at = self.opened_at.load(Ordering::Relaxed);
        if !clock::ran_back(opened_at, now) {
            return wait;
        }
        let wait = self.until.load(Ordering::Relaxed).saturating_sub(opened_at);
        // Relaxed: whoever sees one without the other comes here as well.
        self.until.store(now.saturating_add(wait), Ordering::Relaxed);
        self.opened_at.store(now, Ordering::Relaxed);
        wait
    }

    /// Admits a trial where there is room for one; an open breaker whose time is over becomes
    /// half-open by it.
    #[cold]
    fn admit_trial(&self) -> Result<Admission, Refused> {
        let mut books = self.books();
        match self.word().state() {
            BreakerState::Open => {
                if let Some(refused) = self.still_open() {
                    return Err(refused);
                }
                self.change(&mut books, BreakerState::HalfOpen, Cause::TimeIsOver);
            }
            BreakerState::HalfOpen => {}
            // Somebody else was faster.
            BreakerState::Closed | BreakerState::Disabled | BreakerState::ForcedOpen => {
                drop(books);
                return self.admit_by_state(self.word());
            }
        }
        let now = clock::nanos().max(1);
        if self.a_trial_has_hung(&mut books, now) {
            books.failures += 1;
            self.fail_trial(&mut books, Cause::HungTrial);
            return Err(self.refuse(self.time_to_trial(now)));
        }
        if books.trials.len() >= self.config().half_open_max_calls as usize {
            return Err(self.refuse(0));
        }
        books.trials.push(now);
        Ok(Admission { word: self.word(), started: NonZeroU64::new(now) })
    }

    /// Whether a trial has been running for as long as the breaker was open before it, by the rules of when it became half-open.
    fn a_trial_has_hung(&self, books: &mut Books, now: u64) -> bool {
        let patience = books.patience;
        for began in &mut books.trials {
            if clock::ran_back(*began, now) {
                *began = now;
            }
        }
        books.trials.iter().any(|began| now.saturating_sub(*began) >= patience)
    }

    fn fail_trial(&self, books: &mut Books, cause: Cause) {
        books.failed_trials = books.failed_trials.saturating_add(1);
        self.open(books, cause);
    }

    #[inline]
    fn refuse(&self, retry_after: u64) -> Refused {
        self.refused.add_one(0);
        Refused { retry_after }
    }

    /// The refusal as the caller's error.
    #[inline]
    pub(crate) fn refusal(&self, refused: Refused) -> ResilienceError {
        let retry_after = Duration::from_nanos(refused.retry_after);
        let (policy, key) = (self.name.clone(), self.key.clone());
        ResilienceError::CircuitOpen { policy, key, retry_after }
    }

    /// Records what came of an admitted call.
    #[inline]
    pub(super) fn record(&self, admission: Admission, counted: Counted) {
        let word = admission.word;
        if counted == Counted::Success && word.is_plain() && self.word() == word {
            // The word may become exact right here, on another thread: then this success is looked
            // at with the next record, as if it had come just before it.
            return self.successes.add_one(word.generation());
        }
        self.record_by_state(admission, counted);
    }

    #[inline(never)]
    fn record_by_state(&self, admission: Admission, counted: Counted) {
        let generation = admission.word.generation();
        let slow = admission.started.is_some_and(|started| self.is_slow(started));
        match admission.word.state() {
            BreakerState::Closed => self.record_closed(generation, slow, counted),
            BreakerState::HalfOpen => self.record_trial(admission, slow, counted),
            BreakerState::Open | BreakerState::ForcedOpen | BreakerState::Disabled => {}
        }
    }

    /// Records a call that was admitted while the breaker was closed.
    fn record_closed(&self, generation: u32, slow: bool, counted: Counted) {
        if counted == Counted::Success && !slow {
            let word = self.word();
            if word.generation() != generation {
                return self.late.add_one(0);
            }
            if !word.is_exact() && self.is_current_tick() {
                return self.successes.add_one(generation);
            }
        }
        if counted != Counted::Neither {
            self.record_exactly(generation, Seen { failed: counted == Counted::Failure, slow });
        }
    }

    #[cold]
    fn record_exactly(&self, generation: u32, seen: Seen) {
        let mut books = self.books();
        let word = self.word();
        if word.generation() != generation {
            return self.late.add_one(0);
        }
        self.fold(&mut books);
        let tick = self.current_tick();
        // Relaxed: a success that misses it is recorded under the lock, which is slower and as right.
        self.tick.store(tick, Ordering::Relaxed);
        books.window.advance(tick);
        books.window.push(seen);
        books.count(seen);
        books.consecutive_failures =
            if seen.failed { books.consecutive_failures.saturating_add(1) } else { 0 };

        if let Some(cause) = self.cause_to_open(&books) {
            books.opened += 1;
            books.opened_by.count(cause);
            self.open(&mut books, cause);
        } else {
            self.store(word.with(Word::EXACT, self.must_be_exact(&books)));
        }
    }

    fn cause_to_open(&self, books: &Books) -> Option<Cause> {
        let config = self.config();
        let sums = books.window.sums();
        let counts = sums.calls >= u64::from(config.minimum_throughput);
        if config.failure_threshold > 0 && books.consecutive_failures >= config.failure_threshold {
            Some(Cause::Failures)
        } else if counts && config.failure_rate_threshold.is_reached(sums.failures, sums.calls) {
            Some(Cause::FailureRate)
        } else if counts
            && config.slow_call_threshold.is_some()
            && config.slow_call_rate_threshold.is_reached(sums.slow, sums.calls)
        {
            Some(Cause::SlowCalls)
        } else {
            None
        }
    }

    /// Whether a plain success could open the breaker; see the head of this file.
    fn must_be_exact(&self, books: &Books) -> bool {
        let sums = books.window.sums();
        let by_failures = sums.failures > 0 && !self.config().failure_rate_threshold.is_off();
        let by_slowness = sums.slow > 0 && !self.config().slow_call_rate_threshold.is_off();
        sums.calls < u64::from(self.config().minimum_throughput) && (by_failures || by_slowness)
    }

    /// Records a trial call.
    #[cold]
    fn record_trial(&self, admission: Admission, slow: bool, counted: Counted) {
        let mut books = self.books();
        if self.word().generation() != admission.word.generation() {
            if counted != Counted::Neither {
                self.late.add_one(0);
            }
            return;
        }
        if self.a_trial_has_hung(&mut books, clock::nanos()) {
            // Nobody has looked since; it may be this one.
            books.failures += 1;
            if counted != Counted::Neither {
                self.late.add_one(0);
            }
            return self.fail_trial(&mut books, Cause::HungTrial);
        }
        let began = admission.started.map_or(0, NonZeroU64::get);
        let place = books.trials.iter().position(|trial| *trial == began);
        // Set anew where the clock ran back: then any of them is as good.
        if let Some(place) = place.or(books.trials.len().checked_sub(1)) {
            books.trials.swap_remove(place);
        }
        match counted {
            Counted::Neither => {}
            Counted::Success => {
                books.count(Seen { failed: false, slow });
                books.trials_succeeded += 1;
                if books.trials_succeeded >= self.config().success_threshold {
                    books.failed_trials = 0;
                    self.change(&mut books, BreakerState::Closed, Cause::Recovered);
                }
            }
            Counted::Failure => {
                books.count(Seen { failed: true, slow });
                self.fail_trial(&mut books, Cause::FailedTrial);
            }
        }
    }

    fn books(&self) -> Locked<'_> {
        Locked { breaker: self, books: Some(lock(&self.books)) }
    }

    fn open(&self, books: &mut Books, cause: Cause) {
        let now = clock::nanos();
        let until = now.saturating_add(self.config().recovery_nanos(books.failed_trials));
        // Relaxed: published by the release of the word in `change`.
        self.opened_at.store(now, Ordering::Relaxed);
        self.until.store(until, Ordering::Relaxed);
        self.change(books, BreakerState::Open, cause);
    }

    fn force(&self, state: BreakerState) {
        let mut books = self.books();
        if state == BreakerState::Closed {
            books.failed_trials = 0;
        }
        self.change(&mut books, state, Cause::Forced);
    }

    /// Enters `state` with empty books: what began before is not counted any more.
    fn change(&self, books: &mut Books, state: BreakerState, cause: Cause) {
        self.fold(books);
        let before = self.word();
        books.window.clear();
        books.consecutive_failures = 0;
        books.folded = 0;
        books.trials.clear();
        books.trials_succeeded = 0;
        if state == BreakerState::HalfOpen {
            const LEAST_PATIENCE: u64 = 1_000_000_000;
            books.patience = match self.config().recovery_nanos(books.failed_trials) {
                // No time at all would fail each trial that another call finds running.
                0 => LEAST_PATIENCE,
                recovery => recovery,
            };
        }
        let after = Word::new(before.generation().wrapping_add(1), state);
        self.store(after.with(Word::TIMED, self.config().is_timed()));
        if before.state() != state {
            // One lock, one change: nobody changes the state twice before letting go.
            books.changed = Some(Change { from: before.state(), to: state, cause });
        }
    }

    /// Moves the successes tallied so far into the window.
    fn fold(&self, books: &mut Books) {
        let tallied = self.successes.sum(self.word().generation());
        let new = tallied.saturating_sub(books.folded);
        if new > 0 {
            books.folded = tallied;
            books.successes += new;
            books.consecutive_failures = 0;
            books.window.push_successes(new);
        }
    }

    fn is_slow(&self, started: NonZeroU64) -> bool {
        self.config().slow_call_threshold.is_some_and(|threshold| {
            clock::nanos().saturating_sub(started.get()) >= clock::saturating_nanos(threshold)
        })
    }

    /// Whether a success of now belongs into the bucket that the tally will be folded into.
    #[inline]
    fn is_current_tick(&self) -> bool {
        match self.config().window {
            config::Window::Calls(_) => true,
            config::Window::Time(_) => self.tick.load(Ordering::Relaxed) == self.current_tick(),
        }
    }

    fn current_tick(&self) -> u64 {
        match self.config().window {
            config::Window::Calls(_) => 0,
            config::Window::Time(time) => clock::nanos() / bucket_nanos(time),
        }
    }
}

impl Books {
    fn count(&mut self, seen: Seen) {
        if seen.failed {
            self.failures += 1;
        } else {
            self.successes += 1;
        }
        self.slow += u64::from(seen.slow);
    }
}

impl fmt::Debug for CircuitBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker")
            .field("name", &self.name)
            .field("key", &self.key)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
