//! One fault: a kind, how often, how much, where, and for how long.

use std::time::Duration;

use super::dice::{Dice, share_of};
use super::kind::ChaosKind;

/// How a latency is spread up to its maximum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Distribution {
    /// Every value as likely.
    #[default]
    Uniform,
    /// Around the middle, with a sixth of the range as its deviation.
    Normal,
    /// Mostly short, some very long: Pareto with shape 1.5 from a twentieth of the maximum on.
    Pareto,
}

/// One fault: a kind, how often, how much, where, and for how long.
///
/// ```
/// # use mmf_runtime as mmf;
/// use std::time::Duration;
/// use mmf::chaos::{ChaosKind, Fault};
///
/// let slow = Fault::new(ChaosKind::NetworkDelay)
///     .probability(0.5)
///     .delay(Duration::from_millis(50), Duration::from_secs(2));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub(super) kind: ChaosKind,
    pub(super) probability: f64,
    pub(super) duration: Option<Duration>,
    pub(super) intensity: f64,
    pub(super) target: Option<String>,
    pub(super) enabled: bool,
    pub(super) min: Duration,
    pub(super) max: Option<Duration>,
    pub(super) distribution: Distribution,
    pub(super) mean_burst: f64,
    pub(super) size: u64,
    pub(super) threads: usize,
}

impl Fault {
    /// With the defaults: probability 0.3, armed for 10 s, intensity 1, every point, 256 MiB, one thread a
    /// processor, bursts of five calls.
    pub fn new(kind: ChaosKind) -> Self {
        Self {
            kind,
            probability: 0.3,
            duration: None,
            intensity: 1.0,
            target: None,
            enabled: true,
            min: Duration::ZERO,
            max: None,
            distribution: Distribution::default(),
            mean_burst: 5.0,
            size: 256 << 20,
            threads: usize::MAX,
        }
    }

    /// The share of calls that it strikes, 0 to 1. Default: 0.3. Of `intermittent_failures`, in the long run.
    pub fn probability(mut self, probability: f64) -> Self {
        self.probability = probability;
        self
    }

    /// How long it stays armed. Default: 10 s; in an experiment, to the end of its case.
    pub fn duration(mut self, duration: Duration) -> Self {
        self.duration = Some(duration);
        self
    }

    /// How strong it is, 0 to 1. Default: 1.
    pub fn intensity(mut self, intensity: f64) -> Self {
        self.intensity = intensity;
        self
    }

    /// A glob over the names of points, where `*` is any text. Default: that of the config.
    pub fn target(mut self, glob: impl Into<String>) -> Self {
        self.target = Some(glob.into());
        self
    }

    /// Whether it strikes at all. Default: yes.
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// The shortest and the longest delay. Default: from nothing to `intensity` × 5 s for
    /// `network_delay`, × 10 s for `high_latency`.
    pub fn delay(mut self, min: Duration, max: Duration) -> Self {
        (self.min, self.max) = (min, Some(max));
        self
    }

    /// The shortest delay.
    pub fn min(mut self, min: Duration) -> Self {
        self.min = min;
        self
    }

    /// The longest delay.
    pub fn max(mut self, max: Duration) -> Self {
        self.max = Some(max);
        self
    }

    /// How delays are spread. Default: uniform.
    pub fn distribution(mut self, distribution: Distribution) -> Self {
        self.distribution = distribution;
        self
    }

    /// How many calls a burst of `intermittent_failures` has on average. Default: 5.
    pub fn mean_burst(mut self, calls: f64) -> Self {
        self.mean_burst = calls;
        self
    }

    /// How many bytes `memory_pressure` takes at intensity 1. Default: 256 MiB; never more than half of
    /// what is available.
    pub fn size(mut self, bytes: u64) -> Self {
        self.size = bytes;
        self
    }

    /// How many threads `cpu_spike` has at the most. Default: one for each processor.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// The kind.
    pub fn kind(&self) -> ChaosKind {
        self.kind
    }

    /// How long it stays armed, which is so long where nothing is said.
    pub(super) fn lasts(&self) -> Duration {
        self.duration.unwrap_or(Duration::from_secs(10))
    }

    /// Armed for as long as it takes, where nothing is said.
    #[doc(hidden)]
    pub fn staying_armed(mut self) -> Self {
        self.duration = self.duration.or(Some(Duration::from_secs(u32::MAX.into())));
        self
    }

    /// The longest delay that it makes.
    fn longest(&self) -> Duration {
        let scale = match self.kind {
            ChaosKind::HighLatency => 10,
            _ => 5,
        };
        self.max.unwrap_or(share_of(Duration::from_secs(scale), self.intensity))
    }

    /// A delay of its distribution.
    pub(super) fn delay_by(&self, dice: &mut Dice) -> Duration {
        let longest = self.longest();
        let shortest = self.min.min(longest);
        let share = match self.distribution {
            Distribution::Uniform => dice.unit(),
            // The sum of twelve is near enough to normal, and has no tail to cut off.
            Distribution::Normal => {
                let sum: f64 = (0..12).map(|_| dice.unit()).sum();
                (0.5 + (sum - 6.0) / 6.0).clamp(0.0, 1.0)
            }
            Distribution::Pareto => (0.05 * (1.0 - dice.unit()).powf(-1.0 / 1.5)).min(1.0),
        };
        shortest.saturating_add(share_of(longest - shortest, share)).min(longest)
    }

    /// What is wrong with it.
    pub(super) fn mistake(&self) -> Option<String> {
        let kind = self.kind;
        let is_share = |value: f64| (0.0..=1.0).contains(&value);
        if !is_share(self.probability) {
            return Some(format!(
                "{kind}: a probability lies between 0 and 1, not {}",
                self.probability
            ));
        }
        if !is_share(self.intensity) {
            return Some(format!(
                "{kind}: an intensity lies between 0 and 1, not {}",
                self.intensity
            ));
        }
        if self.max.is_some_and(|max| max < self.min) {
            return Some(format!("{kind}: `min` is above `max`"));
        }
        if self.mean_burst.is_nan() || self.mean_burst < 1.0 {
            return Some(format!("{kind}: a burst has at least one call"));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_keep_within_their_limits_and_to_their_distribution() {
        for (distribution, middle) in [
            (Distribution::Uniform, 0.5..0.5 + 0.02),
            (Distribution::Normal, 0.49..0.51),
            (Distribution::Pareto, 0.10..0.14),
        ] {
            let (min, max) = (Duration::from_millis(50), Duration::from_millis(1050));
            let fault =
                Fault::new(ChaosKind::HighLatency).delay(min, max).distribution(distribution);
            let delays: Vec<_> =
                (0..20_000).map(|call| fault.delay_by(&mut Dice::new(7, 1, call))).collect();
            assert!(delays.iter().all(|delay| (min..=max).contains(delay)));
            let mean = delays.iter().sum::<Duration>().as_secs_f64() / 20_000.0 - 0.05;
            let around = middle.start - 0.02..middle.end;
            assert!(around.contains(&mean), "{distribution:?}: {mean}");
        }
    }

    #[test]
    fn the_longest_delay_there_is_can_be_drawn() {
        let fault = Fault::new(ChaosKind::HighLatency).max(Duration::MAX);
        for distribution in [Distribution::Uniform, Distribution::Normal, Distribution::Pareto] {
            for call in 0..1000 {
                fault.clone().distribution(distribution).delay_by(&mut Dice::new(7, 1, call));
            }
        }
        let always = fault.min(Duration::MAX);
        assert_eq!(always.delay_by(&mut Dice::new(7, 1, 1)), Duration::MAX);
    }

    #[test]
    fn what_can_never_be_is_told() {
        let fault = Fault::new(ChaosKind::NetworkDelay);
        assert_eq!(fault.mistake(), None);
        for (fault, part) in [
            (fault.clone().probability(1.5), "between 0 and 1"),
            (fault.clone().intensity(f64::NAN), "an intensity"),
            (fault.clone().delay(Duration::from_secs(2), Duration::from_secs(1)), "above"),
            (fault.mean_burst(0.5), "a burst"),
        ] {
            assert!(fault.mistake().unwrap().contains(part));
        }
    }
}
