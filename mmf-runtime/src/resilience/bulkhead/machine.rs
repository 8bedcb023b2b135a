//! The bulkhead itself, and who waits for it.
//!
//! One atomic word holds how many calls run and how many wait, so that a call with room costs one
//! compare-exchange on its way in and one on its way out. Only where there is a queue do both sides
//! take its lock; a permit that comes free is then handed to the first in the queue and never
//! returns to the word, so nobody can overtake.

use std::collections::VecDeque;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use atomic_waker::AtomicWaker;

use super::adaptive::{AdaptiveLimit, Ended, Finder};
use super::sizes::Sizes;
use crate::resilience::error::{Refusal, ResilienceError};
use crate::resilience::live::Live;
use crate::resilience::name::{KeyLabel, PolicyName};
use crate::resilience::outcome::{Counted, Outcome};
use crate::resilience::setting::{Setting, describe};
use crate::resilience::snapshot::BulkheadSnapshot;
use crate::resilience::time_left::time_left;
use crate::resilience::timeout::{Elapsed, TimeLimit, Timed};
use crate::sync::{AtomicU64, Mutex, Ordering, Unpark, lock, wake_guarded};

/// Limits how many calls run at once.
///
/// ```
/// # use mmf_runtime as mmf;
/// use mmf::resilience::Bulkhead;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let bulkhead = Bulkhead::builder("db").max_concurrent(1).build();
/// let permit = bulkhead.acquire().await.unwrap();
/// assert!(bulkhead.acquire().await.is_err());
/// drop(permit);
/// assert!(bulkhead.acquire().await.is_ok());
/// # });
/// ```
#[derive(Debug)]
pub struct Bulkhead {
    pub(super) name: PolicyName,
    /// The label of its key, where it is one of several.
    key: Option<KeyLabel>,
    built: Sizes,
    /// What is in force in their place.
    changed: Live<Sizes>,
    /// How many calls may run now; a `u32`.
    limit: AtomicU64,
    /// What finds the limit, where it is not given.
    finder: Option<Finder>,
    load: AtomicU64,
    /// Under its lock: the queue itself and atomics. No waker is woken, cloned or dropped there.
    queue: Mutex<VecDeque<Arc<Waiter>>>,
    refused: AtomicU64,
}

/// The word of a bulkhead: calls that run in the low half, calls that wait in the high half.
#[derive(Clone, Copy)]
struct Load(u64);

impl Load {
    const ONE_RUNNING: u64 = 1;
    const ONE_QUEUED: u64 = 1 << 32;

    fn running(self) -> u32 {
        self.0 as u32
    }

    fn queued(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// A place in the queue.
#[derive(Debug)]
struct Waiter {
    waker: AtomicWaker,
    /// Whether its permit was handed over: 0 or 1.
    granted: AtomicU64,
}

/// The permission to run one call; dropping it lets the next one in.
///
/// An adaptive bulkhead learns from permits that say how their call ended; one that is just dropped teaches
/// nothing.
#[derive(Debug)]
#[must_use = "the permit goes back when it is dropped"]
pub struct Permit<B: Deref<Target = Bulkhead>> {
    bulkhead: B,
    /// When the call began, where it is measured, else 0.
    began: u64,
}

/// A permit that borrows nothing, for what outlives the place where it was asked for.
///
/// ```
/// # use mmf_runtime as mmf;
/// use std::sync::Arc;
/// use mmf::resilience::Bulkhead;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let bulkhead = Arc::new(Bulkhead::builder("db").max_concurrent(1).build());
/// let permit = bulkhead.clone().acquire_owned().await.unwrap();
/// let task = tokio::spawn(async move { permit.succeeded() });
/// task.await.unwrap();
/// assert_eq!(bulkhead.running(), 0);
/// # });
/// ```
pub type OwnedPermit = Permit<Arc<Bulkhead>>;

impl<B: Deref<Target = Bulkhead>> Permit<B> {
    /// The call worked.
    pub fn succeeded(mut self) {
        self.end(Ended::Well);
    }

    /// The call failed.
    pub fn failed(mut self) {
        self.end(Ended::Badly);
    }

    /// The call took longer than it may.
    pub fn timed_out(mut self) {
        self.end(Ended::OutOfTime);
    }

    fn end(&mut self, ended: Ended) {
        self.bulkhead.learn(self.began, ended);
    }
}

impl Permit<&Bulkhead> {
    /// It in other hands, which hold the bulkhead by this handle.
    pub(crate) fn handed<New: Deref<Target = Bulkhead>>(self, handle: New) -> Permit<New> {
        let this = ManuallyDrop::new(self);
        Permit { bulkhead: handle, began: this.began }
    }
}

impl Bulkhead {
    /// The name given to the builder.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Waits for its turn, up to `max_wait`.
    ///
    /// # Errors
    ///
    /// [`ResilienceError::BulkheadFull`] at once where the queue is full, or after `max_wait`.
    #[inline]
    pub async fn acquire(&self) -> Result<Permit<&Self>, ResilienceError> {
        Self::acquire_by(self).await
    }

    /// [`acquire`](Self::acquire) of a permit that borrows nothing.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    pub async fn acquire_owned(self: Arc<Self>) -> Result<OwnedPermit, ResilienceError> {
        Self::acquire_by(self).await
    }

    #[inline]
    async fn acquire_by<B: Handle>(bulkhead: B) -> Result<Permit<B>, ResilienceError> {
        match Self::enter(&bulkhead) {
            Some(permit) => Ok(permit),
            None => match Self::queue_up(bulkhead) {
                Ok(queued) => queued.await,
                Err(settled) => settled,
            },
        }
    }

    /// Takes a place in the queue; where it need not or cannot wait there, that is settled at once.
    pub(crate) fn queue_up<B: Handle>(
        bulkhead: B,
    ) -> Result<Queued<B>, Result<Permit<B>, ResilienceError>> {
        match Self::enqueue(&bulkhead) {
            Enqueued::Permit(permit) => Err(Ok(permit)),
            Enqueued::Turn(turn) => {
                let limit = bulkhead.sizes().max_wait;
                Ok(Queued { turn: Timed::new(turn), limit, bulkhead })
            }
            Enqueued::Full => Err(Err(bulkhead.refuse())),
        }
    }

    /// [`acquire`](Self::acquire) that waits on the thread, no longer than the deadline that it is under leaves.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    pub fn acquire_blocking(&self) -> Result<Permit<&Self>, ResilienceError> {
        if let Some(permit) = self.try_enter() {
            return Ok(permit);
        }
        let mut turn = match Self::enqueue(&self) {
            Enqueued::Permit(permit) => return Ok(permit),
            Enqueued::Turn(turn) => turn,
            Enqueued::Full => return Err(self.refuse()),
        };
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        let began = std::time::Instant::now();
        let max_wait = self.sizes().max_wait.min(time_left());
        loop {
            if let Poll::Ready(permit) = Pin::new(&mut turn).poll(&mut context) {
                return Ok(permit);
            }
            match max_wait.checked_sub(began.elapsed()) {
                Some(rest) if !rest.is_zero() => std::thread::park_timeout(rest),
                _ => return Err(self.refuse()),
            }
        }
    }

    /// How many calls may run at once; of an adaptive one, now.
    #[inline]
    pub fn limit(&self) -> usize {
        self.most() as usize
    }

    /// The label of its key, where it is one of [`KeyedBulkheads`](super::KeyedBulkheads).
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// How many calls are running.
    pub fn running(&self) -> usize {
        self.load().running() as usize
    }

    /// How many calls are waiting.
    pub fn queued(&self) -> usize {
        self.load().queued() as usize
    }

    /// Empty.
    pub(super) fn new(name: PolicyName, key: Option<KeyLabel>, sizes: Sizes) -> Self {
        Self {
            name,
            key,
            limit: AtomicU64::new(u64::from(sizes.max_concurrent)),
            finder: sizes.adaptive.map(|range| Finder::new(range, sizes.max_concurrent)),
            built: sizes,
            changed: Live::new(),
            load: AtomicU64::new(0),
            queue: Mutex::new(VecDeque::new()),
            refused: AtomicU64::new(0),
        }
    }

    #[inline]
    fn sizes(&self) -> &Sizes {
        self.changed.get().unwrap_or(&self.built)
    }

    /// The sizes that it was built with.
    pub(super) fn built(&self) -> &Sizes {
        &self.built
    }

    /// The values it goes by.
    pub(in crate::resilience) fn settings(&self) -> Vec<Setting> {
        self.sizes().settings()
    }

    /// Has other sizes from now on, or with none those that it was built with. Those inside finish, and those that wait go on
    /// waiting; where there is room for more of them, they have to be [let in](Self::admit_waiting) then.
    pub(in crate::resilience) fn go_by(&self, sizes: Option<Arc<Sizes>>) {
        let before = self.sizes().clone();
        self.changed.set(sizes);
        let after = self.sizes();
        let begin = (before.max_concurrent != after.max_concurrent).then_some(after.max_concurrent);
        match (&self.finder, after.adaptive) {
            (Some(finder), Some(range)) => finder.within(range, begin, &self.limit),
            // Relaxed: see `most`.
            _ => self.limit.store(u64::from(after.max_concurrent), Ordering::Relaxed),
        }
    }

    pub(in crate::resilience) fn describe(&self) -> String {
        describe("bulkhead", &self.settings())
    }

    /// Whether its limit is found, and not given.
    pub fn is_adaptive(&self) -> bool {
        self.finder.is_some()
    }

    /// Its load, its limit now and what it has counted.
    pub fn snapshot(&self) -> BulkheadSnapshot {
        let load = self.load();
        BulkheadSnapshot {
            running: load.running() as usize,
            queued: load.queued() as usize,
            refused: self.refused(),
            limit: self.limit(),
        }
    }

    /// How many calls were refused.
    pub fn refused(&self) -> u64 {
        // Relaxed: a statistic.
        self.refused.load(Ordering::Relaxed)
    }

    /// Whether a call would be let in now, without waiting.
    pub(crate) fn has_room(&self) -> bool {
        let load = self.load();
        load.queued() == 0 && load.running() < self.most()
    }

    #[inline]
    fn most(&self) -> u32 {
        // Relaxed: whoever has seen the last one acts by it, whoever has not by the one before.
        self.limit.load(Ordering::Relaxed) as u32
    }

    fn load(&self) -> Load {
        // Relaxed: a look, on which nothing is built without an exchange of the word.
        Load(self.load.load(Ordering::Relaxed))
    }

    /// Changes the word by `change` as long as that finds something to change.
    #[inline]
    fn update(&self, change: impl Fn(Load) -> Option<u64>) -> bool {
        // Acquire and release: what a call did is visible to the call that gets its permit.
        let mut load = self.load.load(Ordering::Relaxed);
        while let Some(next) = change(Load(load)) {
            match self.load.compare_exchange_weak(load, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(current) => load = current,
            }
        }
        false
    }

    /// Enters where there is room and nobody waits.
    #[inline]
    pub(crate) fn try_enter(&self) -> Option<Permit<&Self>> {
        Self::enter(&self)
    }

    #[inline]
    fn enter<B: Handle>(bulkhead: &B) -> Option<Permit<B>> {
        let most = bulkhead.most();
        let entered = bulkhead.update(|load| {
            (load.queued() == 0 && load.running() < most).then_some(load.0 + Load::ONE_RUNNING)
        });
        entered.then(|| Self::permit(bulkhead))
    }

    /// The permit of a call that is counted as running by now.
    #[inline]
    fn permit<B: Handle>(bulkhead: &B) -> Permit<B> {
        let began = match bulkhead.found() {
            None => 0,
            Some((finder, range)) => {
                finder.begin(range, bulkhead.load().running(), bulkhead.most())
            }
        };
        Permit { bulkhead: bulkhead.clone(), began }
    }

    fn enqueue<B: Handle>(bulkhead: &B) -> Enqueued<B> {
        let this: &Self = bulkhead;
        let mut queue = lock(&this.queue);
        loop {
            let load = this.load();
            if load.queued() == 0 && load.running() < this.most() {
                if let Some(permit) = Self::enter(bulkhead) {
                    return Enqueued::Permit(permit);
                }
                continue;
            }
            if load.queued() >= this.sizes().max_queue {
                return Enqueued::Full;
            }
            // A permit that comes free between the look above and this line would find no queue:
            // the exchange fails then, and the loop looks again.
            let next = load.0 + Load::ONE_QUEUED;
            let exchange =
                this.load.compare_exchange(load.0, next, Ordering::AcqRel, Ordering::Relaxed);
            if exchange.is_ok() {
                let waiter =
                    Arc::new(Waiter { waker: AtomicWaker::new(), granted: AtomicU64::new(0) });
                queue.push_back(Arc::clone(&waiter));
                return Enqueued::Turn(Turn { bulkhead: bulkhead.clone(), waiter: Some(waiter) });
            }
        }
    }

    /// Gives a permit back, or on to the first in the queue where no more run than may.
    #[inline]
    fn leave(&self) {
        let left = self.update(|load| (load.queued() == 0).then(|| load.0 - Load::ONE_RUNNING));
        if !left {
            self.leave_the_queue_behind();
        }
    }

    /// Somebody waits: the permit goes on to it, unless the limit has shrunk below those who run.
    #[cold]
    fn leave_the_queue_behind(&self) {
        let shrunk =
            self.update(|load| (load.running() > self.most()).then(|| load.0 - Load::ONE_RUNNING));
        if shrunk {
            // The limit may have grown in between, when there was no room yet for who waits.
            self.admit_waiting();
        } else {
            self.hand_over();
        }
    }

    #[cold]
    fn hand_over(&self) {
        let mut queue = lock(&self.queue);
        let Some(waiter) = queue.pop_front() else {
            // The last waiter gave up in between.
            drop(queue);
            return self.leave();
        };
        self.update(|load| Some(load.0 - Load::ONE_QUEUED));
        // Release: what was done under the permit is visible to who takes it over.
        waiter.granted.store(1, Ordering::Release);
        drop(queue);
        waiter.waker.wake();
    }

    /// What finds its limit, and within what.
    #[inline]
    fn found(&self) -> Option<(&Finder, AdaptiveLimit)> {
        self.finder.as_ref().zip(self.sizes().adaptive)
    }

    /// Learns from a call that is still counted as running.
    #[inline]
    fn learn(&self, began: u64, ended: Ended) {
        if let Some((finder, range)) = self.found() {
            let running = self.load().running();
            if finder.learn(range, began, ended, running, &self.limit).is_some() {
                self.admit_waiting();
            }
        }
    }

    /// Lets those in who wait, as far as there is room by the limit of the moment. Those who run go on.
    #[cold]
    pub(in crate::resilience) fn admit_waiting(&self) {
        while let Some(waiter) = self.admit_first() {
            wake_guarded(&waiter.waker);
        }
    }

    /// Lets the first in the queue in where there is room for one more.
    fn admit_first(&self) -> Option<Arc<Waiter>> {
        let mut queue = lock(&self.queue);
        // While somebody waits, nobody else comes in: what leaves in between makes only more room.
        let has_room = |load: Load| load.queued() > 0 && load.running() < self.most();
        let waiter = has_room(self.load()).then(|| queue.pop_front()).flatten()?;
        self.update(|load| Some(load.0 - Load::ONE_QUEUED + Load::ONE_RUNNING));
        // Release: as where a permit is handed over.
        waiter.granted.store(1, Ordering::Release);
        Some(waiter)
    }

    #[cold]
    fn refuse(&self) -> ResilienceError {
        // Relaxed: a statistic.
        self.refused.fetch_add(1, Ordering::Relaxed);
        let (policy, key) = (self.name.clone(), self.key.clone());
        ResilienceError::BulkheadFull { policy, key, limit: self.limit() }
    }
}

/// A reference to a bulkhead, or a share of it.
pub(crate) trait Handle: Deref<Target = Bulkhead> + Clone + Unpin {}

impl<B: Deref<Target = Bulkhead> + Clone + Unpin> Handle for B {}

enum Enqueued<B: Handle> {
    Permit(Permit<B>),
    Turn(Turn<B>),
    Full,
}

/// A call that found no room: it waits up to `max_wait`.
pub(crate) struct Queued<B: Handle> {
    turn: Timed<Turn<B>>,
    limit: Duration,
    bulkhead: B,
}

impl<B: Handle> Future for Queued<B> {
    type Output = Result<Permit<B>, ResilienceError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { turn, limit, bulkhead } = self.get_mut();
        let limit = TimeLimit::Within(*limit);
        turn.poll_within(limit, context).map_err(|Elapsed| bulkhead.refuse())
    }
}

/// Waits for the permit to be handed over. Dropped before that, it leaves the queue; dropped after,
/// it passes the permit on.
struct Turn<B: Handle> {
    bulkhead: B,
    waiter: Option<Arc<Waiter>>,
}

impl<B: Handle> Future for Turn<B> {
    type Output = Permit<B>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Permit<B>> {
        let Some(waiter) = &self.waiter else {
            return Poll::Pending;
        };
        // Registered before the look, so that no permit comes between them.
        waiter.waker.register(context.waker());
        if waiter.granted.load(Ordering::Acquire) == 0 {
            return Poll::Pending;
        }
        self.waiter = None;
        Poll::Ready(Bulkhead::permit(&self.bulkhead))
    }
}

impl<B: Handle> Drop for Turn<B> {
    fn drop(&mut self) {
        let Some(waiter) = self.waiter.take() else { return };
        let mut queue = lock(&self.bulkhead.queue);
        if let Some(place) = queue.iter().position(|other| Arc::ptr_eq(other, &waiter)) {
            queue.remove(place);
            self.bulkhead.update(|load| Some(load.0 - Load::ONE_QUEUED));
        } else {
            drop(queue);
            self.bulkhead.leave();
        }
    }
}

impl<B: Deref<Target = Bulkhead>> Drop for Permit<B> {
    #[inline]
    fn drop(&mut self) {
        self.bulkhead.leave();
    }
}

/// Tells an adaptive bulkhead how the attempt ended that has this permit. Of a refusal, a timeout alone says
/// something of it: the others came before the permit, or from outside.
#[inline]
pub fn learn<T, E>(
    permit: &mut Option<Permit<&Bulkhead>>,
    outcome: &Outcome<T, E>,
    judge: impl FnOnce(&Result<T, E>) -> Counted,
) {
    if let Some(permit) = permit
        && permit.bulkhead.finder.is_some()
    {
        permit.end(match outcome {
            Err(refusal) if refusal.refusal() == Refusal::Timeout => Ended::OutOfTime,
            Err(_) => return,
            Ok(result) => match judge(result) {
                Counted::Success => Ended::Well,
                Counted::Failure => Ended::Badly,
                Counted::Neither => return,
            },
        });
    }
}

#[cfg(all(test, not(mmf_loom)))]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    fn bulkhead(max_concurrent: u32, max_queue: u32) -> Bulkhead {
        Bulkhead::builder("test").max_concurrent(max_concurrent).max_queue(max_queue).build()
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_is_served_in_order_of_arrival() {
        let bulkhead = bulkhead(1, 8);
        let first = bulkhead.acquire().await.unwrap();
        let (sender, mut order) = mpsc::unbounded_channel();
        let wait = |n: u32| {
            let (bulkhead, sender) = (&bulkhead, sender.clone());
            async move {
                let _permit = bulkhead.acquire().await.unwrap();
                sender.send(n).unwrap();
            }
        };
        tokio::join!(biased; wait(0), wait(1), wait(2), wait(3), async { drop(first) });
        let served: Vec<_> = std::iter::from_fn(|| order.try_recv().ok()).collect();
        assert_eq!(served, [0, 1, 2, 3]);
        assert_eq!((bulkhead.running(), bulkhead.queued()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_refuses_at_once_and_a_wait_ends_at_its_limit() {
        let bulkhead = Bulkhead::builder("test")
            .max_concurrent(1)
            .max_queue(1)
            .max_wait(Duration::from_secs(1))
            .build();
        let _running = bulkhead.acquire().await.unwrap();
        let start = tokio::time::Instant::now();
        let (waited, refused) = tokio::join!(biased; bulkhead.acquire(), async {
            let refused = bulkhead.acquire().await.err();
            assert_eq!(start.elapsed(), Duration::ZERO);
            refused
        });
        assert_eq!(start.elapsed().as_millis(), 1000);
        let full = ResilienceError::bulkhead_full("test", 1);
        assert_eq!((waited.err(), refused), (Some(full.clone()), Some(full)));
        assert_eq!((bulkhead.queued(), bulkhead.refused()), (0, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_that_gives_up_neither_loses_nor_keeps_a_permit() {
        let bulkhead = bulkhead(1, 8);
        let running = bulkhead.acquire().await.unwrap();
        let mut given_up = Box::pin(bulkhead.acquire());
        assert!(futures_poll(&mut given_up).is_pending());
        drop(running);
        assert_eq!(bulkhead.running(), 1, "handed over, though not yet taken");
        drop(given_up);
        assert_eq!((bulkhead.running(), bulkhead.queued()), (0, 0));
    }

    fn futures_poll<F: Future>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
        future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn threads_wait_for_each_other() {
        let bulkhead = bulkhead(1, 8);
        let inside = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let _permit = bulkhead.acquire_blocking().unwrap();
                        assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                        inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!((bulkhead.running(), bulkhead.queued()), (0, 0));
    }

    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Arrive,
        Leave(usize),
        GiveUp(usize),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => Just(Step::Arrive),
            2 => (0..100_usize).prop_map(Step::Leave),
            1 => (0..100_usize).prop_map(Step::GiveUp),
        ]
    }

    proptest! {
        #[test]
        #[cfg_attr(miri, ignore = "hundreds of histories")]
        fn any_history_keeps_the_limit_and_serves_in_order(
            steps in prop::collection::vec(any_step(), 1..80),
            max_concurrent in 1_u32..4,
            max_queue in 0_u32..5,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .unwrap();
            let _entered = runtime.enter();
            let bulkhead = bulkhead(max_concurrent, max_queue);
            let mut running = Vec::new();
            let mut queue = VecDeque::new();
            for step in steps {
                match step {
                    Step::Arrive => {
                        let mut arrival = Box::pin(bulkhead.acquire());
                        match futures_poll(&mut arrival) {
                            Poll::Ready(Ok(permit)) => {
                                prop_assert!(queue.is_empty());
                                running.push(permit);
                            }
                            Poll::Ready(Err(_)) => {
                                prop_assert_eq!(running.len(), max_concurrent as usize);
                                prop_assert_eq!(queue.len(), max_queue as usize);
                            }
                            Poll::Pending => queue.push_back(arrival),
                        }
                    }
                    Step::Leave(which) if !running.is_empty() => {
                        drop(running.swap_remove(which % running.len()));
                        for (place, waiting) in queue.iter_mut().enumerate().skip(1) {
                            prop_assert!(futures_poll(waiting).is_pending(), "{} overtook", place);
                        }
                        if let Some(mut first) = queue.pop_front() {
                            match futures_poll(&mut first) {
                                Poll::Ready(Ok(permit)) => running.push(permit),
                                _ => prop_assert!(false, "the first in the queue got no permit"),
                            }
                        }
                    }
                    Step::GiveUp(which) if !queue.is_empty() => {
                        drop(queue.remove(which % queue.len()));
                    }
                    Step::Leave(_) | Step::GiveUp(_) => {}
                }
                prop_assert!(running.len() <= max_concurrent as usize);
                prop_assert_eq!(bulkhead.running(), running.len());
                prop_assert_eq!(bulkhead.queued(), queue.len());
            }
            drop((running, queue));
            prop_assert_eq!((bulkhead.running(), bulkhead.queued()), (0, 0));
        }
    }
}

#[cfg(all(test, mmf_loom))]
mod models {
    use super::*;
    use loom::sync::atomic::AtomicU32;

    fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
        Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    /// One call on a thread: it enters at once, or queues and is polled a few times, or gives up.
    fn call(bulkhead: &Bulkhead, inside: &AtomicU32) {
        let permit = match bulkhead.try_enter() {
            Some(permit) => Some(permit),
            None => match Bulkhead::enqueue(&bulkhead) {
                Enqueued::Permit(permit) => Some(permit),
                Enqueued::Turn(mut turn) => match poll(&mut turn) {
                    Poll::Ready(permit) => Some(permit),
                    Poll::Pending => None,
                },
                Enqueued::Full => None,
            },
        };
        if permit.is_some() {
            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two inside at once");
            inside.fetch_sub(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn no_interleaving_exceeds_the_limit_or_loses_a_permit() {
        loom::model(|| {
            let bulkhead =
                Arc::new(Bulkhead::builder("model").max_concurrent(1).max_queue(2).build());
            let inside = Arc::new(AtomicU32::new(0));
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let (bulkhead, inside) = (Arc::clone(&bulkhead), Arc::clone(&inside));
                    loom::thread::spawn(move || call(&bulkhead, &inside))
                })
                .collect();
            call(&bulkhead, &inside);
            for thread in threads {
                thread.join().unwrap();
            }
            assert_eq!((bulkhead.running(), bulkhead.queued()), (0, 0));
        });
    }

    #[test]
    fn a_permit_that_comes_free_reaches_the_one_who_waits() {
        loom::model(|| {
            let bulkhead =
                Arc::new(Bulkhead::builder("model").max_concurrent(1).max_queue(1).build());
            let running = bulkhead.try_enter().unwrap();
            let mut waiting = {
                let bulkhead = Arc::clone(&bulkhead);
                Some(loom::thread::spawn(move || match Bulkhead::enqueue(&bulkhead) {
                    Enqueued::Permit(_) => {}
                    Enqueued::Turn(mut turn) => {
                        while poll(&mut turn).is_pending() {
                            loom::thread::yield_now();
                        }
                    }
                    Enqueued::Full => unreachable!("the queue has a place"),
                }))
            };
            drop(running);
            waiting.take().unwrap().join().unwrap();
            assert_eq!((bulkhead.running(), bulkhead.queued()), (0, 0));
        });
    }
}
