//! A second copy of a slow call: the first success wins.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Instant;

use super::budget::RetryBudget;
use super::bulkhead::Bulkhead;
use super::events;
use super::invalid::{Check, InvalidPolicy};
use super::outcome::Outcome;
use super::policy::Invocation;
use super::snapshot::Latency;
use crate::clock;
use crate::timer::Timer;

/// When to start another copy of a call, and how many.
///
/// The first copy lives in the caller's future; a further one is allocated when it starts, so that
/// a call which needs none pays neither memory nor time for it.
///
/// ```
/// # use mmf_runtime as mmf;
/// use std::time::Duration;
/// use mmf::resilience::HedgePolicy;
///
/// let hedge = HedgePolicy::builder().delay(Duration::from_millis(80)).max_hedges(2).build();
/// ```
///
/// A share of calls may be hedged, a tenth by default and ten a second beside it: a dependency that is slow
/// for all does not get twice the load on top. A policy of clones draws on one budget and one memory of how
/// long attempts take.
#[derive(Clone, Debug)]
pub struct HedgePolicy {
    delay: Delay,
    max_hedges: u32,
    budget: Arc<RetryBudget>,
}

#[derive(Clone, Debug)]
enum Delay {
    Fixed(Duration),
    /// A share of past attempts, once there are [`Histogram::ENOUGH`] of them.
    Percentile(f64, Arc<Histogram>),
}

impl HedgePolicy {
    /// Starts from one copy after the 95th percentile.
    pub fn builder() -> HedgePolicyBuilder {
        HedgePolicyBuilder { delay: None, percentile: 95.0, max_hedges: 1, budget: 0.1 }
    }

    /// The same but for its delay: budget and all else are shared. For a delay that depends on the call.
    pub fn with_delay(&self, delay: Duration) -> Self {
        Self { delay: Delay::Fixed(delay), ..self.clone() }
    }

    /// How long attempts took, where the delay is a percentile of that.
    pub fn latency(&self) -> Option<Latency> {
        match &self.delay {
            Delay::Percentile(_, histogram) => histogram.latency(),
            Delay::Fixed(_) => None,
        }
    }

    pub(super) fn describe(&self) -> String {
        let when = match &self.delay {
            Delay::Fixed(delay) => format!("delay = {:?}", mmf_rules::duration::text(*delay)),
            Delay::Percentile(percentile, _) => format!("percentile = {percentile:?}"),
        };
        format!(
            "hedge({when}, max_hedges = {}, budget = {:?})",
            self.max_hedges,
            self.budget.share()
        )
    }

    fn delay(&self) -> Option<Duration> {
        match &self.delay {
            Delay::Fixed(delay) => Some(*delay),
            Delay::Percentile(percentile, histogram) => histogram.percentile(*percentile),
        }
    }

    /// Runs `first`, made by `copy`, and copies of it when it is slow; the first success wins and the
    /// others are dropped. Where all fail, the outcome is that of the last to do so. A copy starts only where
    /// the bulkhead, if there is one, has room for it.
    pub fn race<'r, M, C>(
        &'r self,
        invocation: &'r Invocation<'r>,
        bulkhead: Option<&'r Bulkhead>,
        copy: M,
        first: Pin<&'r mut Option<C>>,
    ) -> Race<'r, M, C>
    where
        M: Fn() -> C,
    {
        self.budget.deposit();
        Race {
            hedge: self,
            invocation,
            bulkhead,
            copy,
            first,
            others: Vec::new(),
            hedges: 0,
            timer: Timer::default(),
            began: matches!(self.delay, Delay::Percentile(..)).then(clock::now),
        }
    }
}

/// A call and copies of it; see [`HedgePolicy::race`].
pub struct Race<'r, M, C> {
    hedge: &'r HedgePolicy,
    invocation: &'r Invocation<'r>,
    bulkhead: Option<&'r Bulkhead>,
    copy: M,
    /// Until it is over.
    first: Pin<&'r mut Option<C>>,
    others: Vec<Pin<Box<C>>>,
    hedges: u32,
    timer: Timer,
    began: Option<Instant>,
}

// Nothing in it is pinned: the copies are, where they stand.
impl<M, C> Unpin for Race<'_, M, C> {}

impl<M, C, V, E> Future for Race<'_, M, C>
where
    M: Fn() -> C,
    C: Future<Output = Outcome<V, E>>,
{
    type Output = Outcome<V, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome<V, E>> {
        let this = self.get_mut();
        let outcome = ready!(this.poll_copies(context));
        this.learn();
        this.drop_losers();
        Poll::Ready(outcome)
    }
}

impl<M, C> Race<'_, M, C> {
    /// Remembers how long the attempt took, however it ended.
    fn learn(&mut self) {
        if let (Delay::Percentile(_, histogram), Some(began)) =
            (&self.hedge.delay, self.began.take())
        {
            histogram.record(began.elapsed());
        }
    }

    /// Drops what has lost. Where that panics, the outcome is good all the same; the panic was told by its hook.
    fn drop_losers(&mut self) {
        let first = &mut self.first;
        let _ = catch_unwind(AssertUnwindSafe(|| first.set(None)));
        for loser in self.others.drain(..) {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(loser)));
        }
    }
}

impl<M, C> Drop for Race<'_, M, C> {
    fn drop(&mut self) {
        // Dropped before its end, by a deadline or its caller: that it took at least so long says something only
        // where it was slow already.
        if self
            .began
            .is_some_and(|began| self.hedge.delay().is_some_and(|delay| began.elapsed() >= delay))
        {
            self.learn();
        }
    }
}

impl<M, C, V, E> Race<'_, M, C>
where
    M: Fn() -> C,
    C: Future<Output = Outcome<V, E>>,
{
    fn poll_copies(&mut self, context: &mut Context<'_>) -> Poll<Outcome<V, E>> {
        let mut failed = None;
        if let Some(first) = self.first.as_mut().as_pin_mut()
            && let Poll::Ready(outcome) = first.poll(context)
        {
            self.first.set(None);
            if is_success(&outcome) {
                return Poll::Ready(outcome);
            }
            failed = Some(outcome);
        }
        // A copy that has just been started is polled at once: it counts as a run from then on.
        loop {
            if let Poll::Ready(success) = poll_others(&mut self.others, &mut failed, context) {
                return Poll::Ready(success);
            }
            // A failure stands only once no other copy is left to do better.
            if self.first.as_ref().get_ref().is_none()
                && self.others.is_empty()
                && let Some(outcome) = failed.take()
            {
                return Poll::Ready(outcome);
            }
            ready!(self.poll_next_copy(context));
        }
    }

    /// Ready once another copy has been started.
    fn poll_next_copy(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.hedges >= self.hedge.max_hedges {
            return Poll::Pending;
        }
        if !self.timer.is_started() {
            let Some(delay) = self.hedge.delay() else { return Poll::Pending };
            self.timer = Timer::until(clock::later(clock::now(), delay));
        }
        ready!(Pin::new(&mut self.timer).poll(context));
        self.hedges += 1;
        let name = self.invocation.name();
        if !self.bulkhead.is_none_or(Bulkhead::has_room) {
            events::hedge_refused(name, "bulkhead");
        } else if !self.hedge.budget.try_retry() {
            events::hedge_refused(name, "budget");
        } else {
            self.invocation.count(|counters| &counters.hedges);
            self.invocation.begin_attempt();
            events::hedged(name, self.hedges, self.hedge.delay().unwrap_or_default());
            self.others.push(Box::pin((self.copy)()));
        }
        Poll::Ready(())
    }
}

fn is_success<V, E>(outcome: &Outcome<V, E>) -> bool {
    matches!(outcome, Ok(Ok(_)))
}

/// Ready with the first success; copies that failed are dropped, the last one's outcome is kept.
fn poll_others<C, V, E>(
    others: &mut Vec<Pin<Box<C>>>,
    failed: &mut Option<Outcome<V, E>>,
    context: &mut Context<'_>,
) -> Poll<Outcome<V, E>>
where
    C: Future<Output = Outcome<V, E>>,
{
    let mut place = 0;
    while let Some(copy) = others.get_mut(place) {
        match copy.as_mut().poll(context) {
            // The losers are never polled again.
            Poll::Ready(outcome) if is_success(&outcome) => return Poll::Ready(outcome),
            Poll::Ready(outcome) => {
                drop(others.remove(place));
                *failed = Some(outcome);
            }
            Poll::Pending => place += 1,
        }
    }
    Poll::Pending
}

/// Builds a [`HedgePolicy`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct HedgePolicyBuilder {
    delay: Option<Duration>,
    percentile: f64,
    max_hedges: u32,
    budget: f64,
}

impl HedgePolicyBuilder {
    /// Starts a copy after this time.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// Starts a copy when the call takes longer than this percentile (above 0, below 100) of the attempts so
    /// far, however they ended; no copy starts before 20 of them are known.
    pub fn percentile(mut self, percentile: f64) -> Self {
        self.delay = None;
        self.percentile = percentile;
        self
    }

    /// Share of calls that may be hedged, beside ten a second. Default: 0.1.
    pub fn budget(mut self, share: f64) -> Self {
        self.budget = share;
        self
    }

    /// Copies beyond the first; 0 is invalid. Default: 1.
    pub fn max_hedges(mut self, copies: u32) -> Self {
        self.max_hedges = copies;
        self
    }

    /// The policy. A value that can never work is cut to the nearest that can, which is told by a warning:
    /// a percentile into 0.01..=99.99, no hedges to one, a budget to a share.
    #[track_caller]
    pub fn build(mut self) -> HedgePolicy {
        self.mend().tell("hedge");
        self.built()
    }

    /// The policy, where all its values can work.
    ///
    /// # Errors
    ///
    /// [`InvalidPolicy`] with all that is wrong.
    pub fn try_build(mut self) -> Result<HedgePolicy, InvalidPolicy> {
        self.mend().refuse()?;
        Ok(self.built())
    }

    fn mend(&mut self) -> Check {
        let mut check = Check::default();
        if self.delay.is_none() {
            check.mend(&mut self.percentile, mmf_rules::percentile);
        }
        check.mend(&mut self.max_hedges, |hedges| mmf_rules::at_least_one("max_hedges", hedges));
        check.mend(&mut self.budget, |share| mmf_rules::share("budget", share));
        check
    }

    fn built(self) -> HedgePolicy {
        let delay = match self.delay {
            Some(delay) => Delay::Fixed(delay),
            None => Delay::Percentile(self.percentile, Arc::new(Histogram::new())),
        };
        let budget = Arc::new(RetryBudget::new(self.budget));
        HedgePolicy { delay, max_hedges: self.max_hedges, budget }
    }
}

/// Durations in buckets that grow with them: 16 to each doubling, so that a percentile is off by at
/// most 7 %. Counts are halved from time to time, so that old calls weigh less.
#[derive(Debug)]
struct Histogram {
    buckets: Box<[AtomicU32]>,
    count: AtomicU32,
}

impl Histogram {
    const ENOUGH: u32 = 20;
    const HALVED_AT: u32 = 10_000;
    const SUB_BITS: u32 = 4;
    /// Up to 2^44 ns, about five hours.
    const BUCKETS: usize = (44 - Self::SUB_BITS as usize + 1) << Self::SUB_BITS;

    fn new() -> Self {
        let buckets = (0..Self::BUCKETS).map(|_| AtomicU32::new(0)).collect();
        Self { buckets, count: AtomicU32::new(0) }
    }

    fn bucket(nanos: u64) -> usize {
        let doublings = nanos.max(1).ilog2().saturating_sub(Self::SUB_BITS);
        let bucket = u64::from(doublings << Self::SUB_BITS) + (nanos >> doublings);
        usize::try_from(bucket).unwrap_or(usize::MAX).min(Self::BUCKETS - 1)
    }

    /// The longest duration of a bucket.
    fn upper(bucket: usize) -> u64 {
        let sub = 1 << Self::SUB_BITS;
        let doublings = (bucket / sub).saturating_sub(1);
        let base = bucket - doublings * sub;
        ((base as u64 + 1) << doublings) - 1
    }

    fn record(&self, duration: Duration) {
        // Relaxed throughout: statistics; a count lost while halving does no harm.
        let bucket = Self::bucket(clock::saturating_nanos(duration));
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        if self.count.fetch_add(1, Ordering::Relaxed) + 1 == Self::HALVED_AT {
            let mut left = 0;
            for bucket in &self.buckets {
                let half = bucket.load(Ordering::Relaxed) / 2;
                bucket.store(half, Ordering::Relaxed);
                left += half;
            }
            self.count.store(left, Ordering::Relaxed);
        }
    }

    fn percentile(&self, percentile: f64) -> Option<Duration> {
        // Relaxed: see `record`.
        let count = self.count.load(Ordering::Relaxed);
        if count < Self::ENOUGH {
            return None;
        }
        let wanted = (f64::from(count) * percentile / 100.0).ceil().max(1.0) as u32;
        let mut seen = 0;
        let bucket = self.buckets.iter().position(|bucket| {
            seen += bucket.load(Ordering::Relaxed);
            seen >= wanted
        });
        bucket.map(|bucket| Duration::from_nanos(Self::upper(bucket)))
    }

    fn latency(&self) -> Option<Latency> {
        Some(Latency {
            count: u64::from(self.count.load(Ordering::Relaxed)),
            p50: self.percentile(50.0)?,
            p90: self.percentile(90.0)?,
            p99: self.percentile(99.0)?,
        })
    }
}

#[cfg(all(test, not(mmf_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percentiles_are_close_to_the_truth() {
        let histogram = Histogram::new();
        for millis in 1..=1000 {
            histogram.record(Duration::from_millis(millis));
        }
        for percentile in [10.0, 50.0, 90.0, 99.0] {
            let millis = histogram.percentile(percentile).unwrap().as_secs_f64() * 1000.0;
            assert!((millis / (percentile * 10.0) - 1.0).abs() < 0.07, "{percentile}: {millis}");
        }
    }

    #[test]
    fn a_few_calls_are_no_percentile() {
        let histogram = Histogram::new();
        (0..19).for_each(|_| histogram.record(Duration::from_millis(1)));
        assert!(histogram.percentile(50.0).is_none());
    }

    proptest! {
        #[test]
        fn a_duration_lies_within_its_bucket(nanos in 0_u64..1 << 44) {
            let bucket = Histogram::bucket(nanos);
            prop_assert!(nanos <= Histogram::upper(bucket));
            prop_assert!(bucket == 0 || nanos > Histogram::upper(bucket - 1));
        }
    }
}
