//! A bounded share of calls: what keeps retries and hedges from multiplying an outage.

use std::fmt;
use std::sync::Arc;

use mmf_rules::value::Value;

use super::invalid::{Check, InvalidPolicy};
use super::setting::Values;
use crate::clock;
use crate::sync::{AtomicU64, Mutex, Ordering, lock};
use crate::tally::Tally;

/// Keeps retries a bounded share of calls, so that an outage is not multiplied by its callers.
///
/// A token bucket: each call deposits `share` of a token, each retry takes one; up to 100 are saved
/// up. Ten retries per second are always allowed, so that a quiet service can retry at all.
///
/// ```
/// # use mmf_runtime as mmf;
/// use mmf::resilience::RetryBudget;
///
/// let budget = RetryBudget::new(0.2);
/// assert_eq!((0..20).filter(|_| budget.try_retry()).count(), 10);
/// (0..50).for_each(|_| budget.deposit());
/// assert_eq!((0..20).filter(|_| budget.try_retry()).count(), 10);
/// ```
pub struct RetryBudget {
    /// Deposit of one call, in millionths of a token: as it was built, and as it is.
    built: u64,
    deposit: AtomicU64,
    calls: Tally,
    /// Under its lock there is arithmetic alone.
    balance: Mutex<Balance>,
}

struct Balance {
    counted_calls: u64,
    saved: u64,
    reserve: u64,
    refilled_at: u64,
}

impl RetryBudget {
    const TOKEN: u64 = 1_000_000;
    const MOST_SAVED: u64 = 100 * Self::TOKEN;
    const RESERVE_PER_SECOND: u64 = 10 * Self::TOKEN;

    /// A budget of `share` retries per call; a share outside 0..=1 is cut to it, which is told by a warning.
    #[track_caller]
    pub fn new(mut share: f64) -> Self {
        let mut check = Check::default();
        check.mend(&mut share, |share| mmf_rules::share("budget", share));
        check.tell("budget");
        Self {
            built: Self::deposit_of(share),
            deposit: AtomicU64::new(Self::deposit_of(share)),
            calls: Tally::new(),
            balance: Mutex::new(Balance {
                counted_calls: 0,
                saved: 0,
                reserve: Self::RESERVE_PER_SECOND,
                refilled_at: clock::nanos(),
            }),
        }
    }

    fn deposit_of(share: f64) -> u64 {
        (share * Self::TOKEN as f64).round() as u64
    }

    /// The deposit that these values say.
    pub(super) fn prepare(&self, values: &Values<'_>) -> Result<Arc<u64>, InvalidPolicy> {
        let Some(Value::Number(share)) = values.get("budget") else {
            return Ok(Arc::new(self.built));
        };
        let (mut share, mut check) = (*share, Check::default());
        check.mend(&mut share, |share| mmf_rules::share("budget", share));
        check.refuse()?;
        Ok(Arc::new(Self::deposit_of(share)))
    }

    /// Has another share from now on, or with none that which it was built with. What was saved up stays.
    pub(super) fn go_by(&self, deposit: Option<Arc<u64>>) {
        // Counted by the share that it was deposited under.
        self.settle(&mut lock(&self.balance));
        // Relaxed, here and below: a value of its own.
        self.deposit.store(deposit.map_or(self.built, |deposit| *deposit), Ordering::Relaxed);
    }

    pub(super) fn share(&self) -> f64 {
        self.deposit.load(Ordering::Relaxed) as f64 / Self::TOKEN as f64
    }

    /// Saves up what was deposited since the last time.
    fn settle(&self, balance: &mut Balance) {
        let new_calls = self.calls.sum(0).saturating_sub(balance.counted_calls);
        balance.counted_calls += new_calls;
        let deposits = new_calls.saturating_mul(self.deposit.load(Ordering::Relaxed));
        balance.saved = balance.saved.saturating_add(deposits).min(Self::MOST_SAVED);
    }

    /// Counts one call.
    #[inline]
    pub fn deposit(&self) {
        self.calls.add_one(0);
    }

    /// Takes the token for one retry, or says that there is none.
    pub fn try_retry(&self) -> bool {
        let now = clock::nanos();
        let mut balance = lock(&self.balance);
        self.settle(&mut balance);

        if clock::ran_back(balance.refilled_at, now) {
            balance.refilled_at = now;
        }
        let elapsed = now.saturating_sub(balance.refilled_at);
        let refill = u128::from(elapsed) * u128::from(Self::RESERVE_PER_SECOND) / 1_000_000_000;
        if refill > 0 {
            let refill = u64::try_from(refill).unwrap_or(u64::MAX);
            balance.reserve = balance.reserve.saturating_add(refill).min(Self::RESERVE_PER_SECOND);
            balance.refilled_at = now;
        }

        let Balance { reserve, saved, .. } = &mut *balance;
        for tokens in [reserve, saved] {
            if *tokens >= Self::TOKEN {
                *tokens -= Self::TOKEN;
                return true;
            }
        }
        false
    }
}

impl fmt::Debug for RetryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryBudget").field("share", &self.share()).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(mmf_loom)))]
mod tests {
    use super::*;
    use crate::clock::paused;
    use std::time::Duration;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn the_reserve_refills_with_ten_retries_a_second() {
        let budget = RetryBudget::new(0.0);
        assert_eq!((0..100).filter(|_| budget.try_retry()).count(), 10);
        advance(Duration::from_millis(500)).await;
        assert_eq!((0..100).filter(|_| budget.try_retry()).count(), 5);
        advance(Duration::from_secs(100)).await;
        assert_eq!((0..100).filter(|_| budget.try_retry()).count(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn the_savings_stop_at_a_hundred_retries() {
        let budget = RetryBudget::new(1.0);
        (0..1000).for_each(|_| budget.deposit());
        assert_eq!((0..1000).filter(|_| budget.try_retry()).count(), 110);
    }

    #[test]
    fn a_day_of_one_test_does_not_starve_the_next() {
        let budget = RetryBudget::new(0.0);
        paused(async {
            advance(Duration::from_secs(86_400)).await;
            assert_eq!((0..100).filter(|_| budget.try_retry()).count(), 10);
        });
        paused(async {
            assert!(!budget.try_retry(), "taken, by whatever clock");
            advance(Duration::from_secs(1)).await;
            assert_eq!((0..100).filter(|_| budget.try_retry()).count(), 10);
        });
    }
}
