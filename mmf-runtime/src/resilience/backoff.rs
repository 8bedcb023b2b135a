//! How long to wait before a retry.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

/// A back-off strategy of your own: `backoff = expr` in the attribute, [`Backoff::custom`] in code.
///
/// The delay it gives is cut to `max_delay`; `jitter` is applied to it.
///
/// ```
/// # use mmf_runtime as mmf;
/// use std::time::Duration;
/// use mmf::resilience::{Backoff, BackoffStrategy, RetryPolicy};
///
/// struct Squares;
/// impl BackoffStrategy for Squares {
///     fn delay(&self, retry: u32, base: Duration) -> Duration {
///         base.saturating_mul(retry.saturating_mul(retry))
///     }
/// }
///
/// let policy = RetryPolicy::builder().backoff(Backoff::custom(Squares)).jitter(0.0).build();
/// assert_eq!(policy.delays().nth(1), Some(Duration::from_secs(4)));
/// ```
pub trait BackoffStrategy: Send + Sync + 'static {
    /// The delay before retry number `retry`, which is 1 for the first.
    fn delay(&self, retry: u32, base: Duration) -> Duration;
}

impl<F: Fn(u32) -> Duration + Send + Sync + 'static> BackoffStrategy for F {
    fn delay(&self, retry: u32, _base: Duration) -> Duration {
        self(retry)
    }
}

/// How the delay grows from retry to retry. `n` is 1 before the first.
#[derive(Clone, Default)]
#[non_exhaustive]
#[doc(alias = "BackoffPolicy")]
pub enum Backoff {
    /// `base`
    Constant,
    /// `base · n`
    Linear,
    /// `base · multiplier^(n-1)`
    #[default]
    Exponential,
    /// `base · fib(n)` with fib = 1, 1, 2, 3, 5, …
    Fibonacci,
    /// Uniform in `base ..= max_delay`.
    Random,
    /// Exponential ± 50 %.
    JitteredExponential,
    /// Uniform in `base ..= 3 · previous`, after
    /// [Brooker's "Exponential Backoff and Jitter"](https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    Decorrelated,
    /// A strategy of your own.
    Custom(Arc<dyn BackoffStrategy>),
}

impl Backoff {
    /// A strategy of your own, or a closure from the number of the retry to its delay.
    pub fn custom(strategy: impl BackoffStrategy) -> Self {
        Self::Custom(Arc::new(strategy))
    }

    /// The one that `backoff = "…"` names.
    pub(super) fn named(name: &str) -> Option<Self> {
        let all = [
            Self::Constant,
            Self::Linear,
            Self::Exponential,
            Self::Fibonacci,
            Self::Random,
            Self::JitteredExponential,
            Self::Decorrelated,
        ];
        all.into_iter().find(|backoff| backoff.name() == name)
    }

    /// As `backoff = "…"` names it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Linear => "linear",
            Self::Exponential => "exponential",
            Self::Fibonacci => "fibonacci",
            Self::Random => "random",
            Self::JitteredExponential => "jittered_exponential",
            Self::Decorrelated => "decorrelated",
            Self::Custom(_) => "custom",
        }
    }

    /// Whether the strategy is random itself, so that `jitter` is not applied.
    fn is_random(&self) -> bool {
        matches!(self, Self::Random | Self::JitteredExponential | Self::Decorrelated)
    }
}

impl<S: BackoffStrategy> From<S> for Backoff {
    fn from(strategy: S) -> Self {
        Self::custom(strategy)
    }
}

impl fmt::Debug for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Constant => "Constant",
            Self::Linear => "Linear",
            Self::Exponential => "Exponential",
            Self::Fibonacci => "Fibonacci",
            Self::Random => "Random",
            Self::JitteredExponential => "JitteredExponential",
            Self::Decorrelated => "Decorrelated",
            Self::Custom(_) => "Custom",
        })
    }
}

/// The shape of the delays: everything about them but the random numbers.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    pub(crate) backoff: Backoff,
    pub(crate) base: Duration,
    pub(crate) max: Duration,
    pub(crate) multiplier: f64,
    pub(crate) jitter: f64,
}

impl Curve {
    /// The delay before retry `n`, given the one before it.
    pub(crate) fn delay(&self, n: u32, previous: Option<Duration>, dice: &mut Dice) -> Duration {
        let base = self.base.min(self.max);
        let delay = match &self.backoff {
            Backoff::Constant => base,
            Backoff::Linear => base.saturating_mul(n),
            Backoff::Exponential => self.exponential(n),
            Backoff::Fibonacci => base.saturating_mul(fibonacci(n)),
            Backoff::Random => dice.between(base, self.max),
            Backoff::JitteredExponential => {
                let middle = self.exponential(n).min(self.max);
                dice.between(middle / 2, scale(middle, 1.5))
            }
            Backoff::Decorrelated => {
                let previous = previous.unwrap_or(base).max(base);
                dice.between(base, previous.saturating_mul(3).min(self.max))
            }
            Backoff::Custom(strategy) => strategy.delay(n, base),
        };
        let delay = delay.min(self.max);
        if self.backoff.is_random() || self.jitter <= 0.0 {
            return delay.min(self.max);
        }
        dice.between(scale(delay, 1.0 - self.jitter), scale(delay, 1.0 + self.jitter)).min(self.max)
    }

    fn exponential(&self, n: u32) -> Duration {
        let exponent = i32::try_from(n.saturating_sub(1)).unwrap_or(i32::MAX);
        scale(self.base, self.multiplier.powi(exponent))
    }
}

/// `duration · factor`, saturating; a factor that is not a number gives the duration itself.
fn scale(duration: Duration, factor: f64) -> Duration {
    if factor.is_nan() {
        return duration;
    }
    Duration::try_from_secs_f64(duration.as_secs_f64() * factor.max(0.0))
        .unwrap_or(if duration.is_zero() { Duration::ZERO } else { Duration::MAX })
}

fn fibonacci(n: u32) -> u32 {
    let (mut current, mut next) = (1_u32, 1_u32);
    for _ in 1..n.min(64) {
        (current, next) = (next, current.saturating_add(next));
    }
    current
}

/// The random numbers of the delays: the thread's generator, or a seeded one.
#[derive(Debug)]
pub(crate) enum Dice {
    Thread,
    Seeded(Box<StdRng>),
}

impl Dice {
    pub(crate) fn between(&mut self, low: Duration, high: Duration) -> Duration {
        if high <= low {
            return low;
        }
        let span = (high - low).as_secs_f64();
        let share: f64 = match self {
            Self::Thread => rand::rng().random(),
            Self::Seeded(generator) => generator.random(),
        };
        (low + Duration::try_from_secs_f64(span * share).unwrap_or(Duration::ZERO)).min(high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn curve(backoff: Backoff) -> Curve {
        Curve {
            backoff,
            base: Duration::from_millis(100),
            max: Duration::from_secs(60),
            multiplier: 2.0,
            jitter: 0.0,
        }
    }

    fn millis(curve: &Curve, count: u32) -> Vec<u128> {
        (1..=count).map(|n| curve.delay(n, None, &mut Dice::Thread).as_millis()).collect()
    }

    #[test]
    fn the_deterministic_kinds_follow_their_formulas() {
        assert_eq!(millis(&curve(Backoff::Constant), 3), [100, 100, 100]);
        assert_eq!(millis(&curve(Backoff::Linear), 4), [100, 200, 300, 400]);
        assert_eq!(millis(&curve(Backoff::Exponential), 5), [100, 200, 400, 800, 1600]);
        assert_eq!(millis(&curve(Backoff::Fibonacci), 7), [100, 100, 200, 300, 500, 800, 1300]);
    }

    #[test]
    fn a_closure_is_a_strategy() {
        let custom = curve(Backoff::custom(|retry| Duration::from_millis(u64::from(retry) * 7)));
        assert_eq!(millis(&custom, 3), [7, 14, 21]);
    }

    #[test]
    fn a_huge_retry_number_saturates_at_the_maximum() {
        for backoff in [Backoff::Linear, Backoff::Exponential, Backoff::Fibonacci] {
            let delay = curve(backoff).delay(u32::MAX, None, &mut Dice::Thread);
            assert_eq!(delay, Duration::from_secs(60));
        }
    }

    fn any_backoff() -> impl Strategy<Value = Backoff> {
        prop_oneof![
            Just(Backoff::Constant),
            Just(Backoff::Linear),
            Just(Backoff::Exponential),
            Just(Backoff::Fibonacci),
            Just(Backoff::Random),
            Just(Backoff::JitteredExponential),
            Just(Backoff::Decorrelated),
        ]
    }

    /// The bounds of one delay by the table of the documentation, before `max` cuts them.
    fn bounds(curve: &Curve, n: u32, previous: Option<Duration>) -> (f64, f64) {
        let (base, max) = (curve.base.as_secs_f64(), curve.max.as_secs_f64());
        let exponential = base * curve.multiplier.powi(n as i32 - 1);
        let fib = (1..n).fold((1.0, 1.0), |(a, b): (f64, f64), _| (b, a + b)).0;
        let jittered = |middle: f64| {
            let middle = middle.min(max);
            (middle * (1.0 - curve.jitter), middle * (1.0 + curve.jitter))
        };
        match curve.backoff {
            Backoff::Constant => jittered(base),
            Backoff::Linear => jittered(base * f64::from(n)),
            Backoff::Exponential => jittered(exponential),
            Backoff::Fibonacci => jittered(base * fib),
            Backoff::Random => (base, max),
            Backoff::JitteredExponential => {
                (exponential.min(max) * 0.5, exponential.min(max) * 1.5)
            }
            Backoff::Decorrelated => {
                (base, previous.map_or(base, |d| d.as_secs_f64()).max(base) * 3.0)
            }
            Backoff::Custom(_) => unreachable!(),
        }
    }

    proptest! {
        #[test]
        fn every_delay_stays_within_its_formula_and_the_maximum(
            backoff in any_backoff(),
            base in 0_u64..10_000_000,
            extra in 0_u64..100_000_000,
            multiplier in 1.0..10.0_f64,
            jitter in 0.0..=1.0_f64,
            retries in 1_u32..40,
        ) {
            let curve = Curve {
                backoff,
                base: Duration::from_micros(base),
                max: Duration::from_micros(base + extra),
                multiplier,
                jitter,
            };
            let mut previous = None;
            for n in 1..=retries {
                let delay = curve.delay(n, previous, &mut Dice::Thread);
                let (low, high) = bounds(&curve, n, previous);
                let max = curve.max.as_secs_f64();
                let seconds = delay.as_secs_f64();
                prop_assert!(delay <= curve.max);
                prop_assert!(seconds >= low.min(max) - 1e-6, "{seconds} < {low}");
                prop_assert!(seconds <= high.min(max) + 1e-6, "{seconds} > {high}");
                previous = Some(delay);
            }
        }
    }
}
