//! When to start another copy of a call, and how many.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mmf_rules::keys::{HEDGE, Keys};
use mmf_rules::value::Value;

use super::histogram::Histogram;
use crate::resilience::budget::RetryBudget;
use crate::resilience::invalid::{Check, InvalidPolicy, Mistake};
use crate::resilience::setting::{Setting, Settings, Values, describe};
use crate::resilience::snapshot::Latency;

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
    pub(super) delay: Delay,
    pub(super) max_hedges: u32,
    pub(super) budget: Arc<RetryBudget>,
    written: Keys,
}

#[derive(Clone, Debug)]
pub(super) enum Delay {
    Fixed(Duration),
    /// A share of past attempts, once there are [`Histogram::ENOUGH`] of them.
    Percentile(f64, Arc<Histogram>),
}

impl HedgePolicy {
    /// Starts from one copy after the 95th percentile.
    pub fn builder() -> HedgePolicyBuilder {
        HedgePolicyBuilder {
            delay: None,
            percentile: 95.0,
            max_hedges: 1,
            budget: 0.1,
            written: Keys::default(),
            learned: None,
            before: None,
        }
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

    /// It with these values in place of its own. It goes on with its budget, whose share is changed apart, and with what it has
    /// learned, or with what the policy's `own` has.
    pub(in crate::resilience) fn prepare(
        &self,
        values: &Values<'_>,
        own: &OnceLock<Arc<Histogram>>,
    ) -> Result<Self, InvalidPolicy> {
        if values.get("delay").is_some() && values.get("percentile").is_some() {
            let message = "`delay` and `percentile` exclude each other";
            return Err(InvalidPolicy::of(Mistake::new("percentile", message)));
        }
        let mut builder = values.set(self.to_builder(), HedgePolicyBuilder::set);
        let own = || Arc::clone(own.get_or_init(|| Arc::new(Histogram::new())));
        builder.learned = match &self.delay {
            Delay::Percentile(_, histogram) => Some(Arc::clone(histogram)),
            Delay::Fixed(_) if builder.delay.is_none() => Some(own()),
            Delay::Fixed(_) => None,
        };
        builder.before = Some(Arc::clone(&self.budget));
        builder.try_build()
    }

    pub(in crate::resilience) fn shares_budget(&self) -> bool {
        Arc::strong_count(&self.budget) > 1
    }

    /// What its copies draw on.
    pub(in crate::resilience) fn budget(&self) -> &RetryBudget {
        &self.budget
    }

    fn to_builder(&self) -> HedgePolicyBuilder {
        let (delay, percentile) = match &self.delay {
            Delay::Fixed(delay) => (Some(*delay), 95.0),
            Delay::Percentile(percentile, _) => (None, *percentile),
        };
        HedgePolicyBuilder {
            delay,
            percentile,
            max_hedges: self.max_hedges,
            budget: self.budget.share(),
            written: self.written,
            learned: None,
            before: None,
        }
    }

    /// The values it goes by.
    pub(in crate::resilience) fn settings(&self) -> Vec<Setting> {
        let settings = Settings::of(&HEDGE, self.written);
        let settings = match &self.delay {
            Delay::Fixed(delay) => settings.with("hedge.delay", Value::Time(*delay)),
            Delay::Percentile(percentile, _) => {
                settings.with("hedge.percentile", Value::Number(*percentile))
            }
        };
        settings
            .with("hedge.max_hedges", Value::Count(self.max_hedges))
            .with("hedge.budget", Value::Number(self.budget.share()))
            .all()
    }

    pub(in crate::resilience) fn describe(&self) -> String {
        describe("hedge", &self.settings())
    }

    pub(super) fn delay(&self) -> Option<Duration> {
        match &self.delay {
            Delay::Fixed(delay) => Some(*delay),
            Delay::Percentile(percentile, histogram) => histogram.percentile(*percentile),
        }
    }
}

/// Builds a [`HedgePolicy`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct HedgePolicyBuilder {
    delay: Option<Duration>,
    percentile: f64,
    max_hedges: u32,
    budget: f64,
    written: Keys,
    /// What is known of how long attempts take, and the budget that is there already.
    learned: Option<Arc<Histogram>>,
    before: Option<Arc<RetryBudget>>,
}

impl HedgePolicyBuilder {
    /// Starts a copy after this time.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.written.insert(const { Keys::of(&HEDGE, "delay") });
        self.delay = Some(delay);
        self
    }

    /// Starts a copy when the call takes longer than this percentile (above 0, below 100) of the attempts so
    /// far, however they ended; no copy starts before 20 of them are known.
    pub fn percentile(mut self, percentile: f64) -> Self {
        self.written.insert(const { Keys::of(&HEDGE, "percentile") });
        self.delay = None;
        self.percentile = percentile;
        self
    }

    /// Share of calls that may be hedged, beside ten a second. Default: 0.1.
    pub fn budget(mut self, share: f64) -> Self {
        self.written.insert(const { Keys::of(&HEDGE, "budget") });
        self.budget = share;
        self
    }

    /// Copies beyond the first; 0 is invalid. Default: 1.
    pub fn max_hedges(mut self, copies: u32) -> Self {
        self.written.insert(const { Keys::of(&HEDGE, "max_hedges") });
        self.max_hedges = copies;
        self
    }

    /// Sets the value of a key, as it is read from outside.
    fn set(self, key: &str, value: &Value) -> Self {
        match (key, value) {
            ("delay", Value::Time(delay)) => self.delay(*delay),
            ("percentile", Value::Number(percentile)) => self.percentile(*percentile),
            ("max_hedges", Value::Count(copies)) => self.max_hedges(*copies),
            ("budget", Value::Number(share)) => self.budget(*share),
            _ => self,
        }
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
            None => {
                let histogram = self.learned.unwrap_or_else(|| Arc::new(Histogram::new()));
                Delay::Percentile(self.percentile, histogram)
            }
        };
        let budget = self.before.unwrap_or_else(|| Arc::new(RetryBudget::new(self.budget)));
        HedgePolicy { delay, max_hedges: self.max_hedges, budget, written: self.written }
    }
}
