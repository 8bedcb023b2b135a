//! A level of degradation, and features that are turned off by hand or from a level on.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tracing::{info, warn};

use mmf_rules::value::Value;

use super::name::PolicyName;
use super::setting::Setting;

/// How badly off a program is: the worse, the more is left out.
///
/// ```
/// # use mmf_runtime as mmf;
/// use mmf::degradation::DegradationLevel;
///
/// assert!(DegradationLevel::Severe > DegradationLevel::Minor);
/// assert_eq!("severe".parse(), Ok(DegradationLevel::Severe));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum DegradationLevel {
    /// All is done.
    #[default]
    None,
    /// What is nice to have may be left out.
    Minor,
    /// What can be missed for a while is left out.
    Moderate,
    /// Only what the program is for is done.
    Severe,
    /// Next to nothing works.
    Critical,
}

impl DegradationLevel {
    /// From the best to the worst.
    pub const ALL: [Self; 5] =
        [Self::None, Self::Minor, Self::Moderate, Self::Severe, Self::Critical];

    /// Its word, such as `severe`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minor => "minor",
            Self::Moderate => "moderate",
            Self::Severe => "severe",
            Self::Critical => "critical",
        }
    }

    fn of(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

impl fmt::Display for DegradationLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a level is one of none, minor, moderate, severe, critical")]
pub struct UnknownLevel;

impl FromStr for DegradationLevel {
    type Err = UnknownLevel;

    fn from_str(word: &str) -> Result<Self, UnknownLevel> {
        Self::ALL.into_iter().find(|level| level.as_str() == word).ok_or(UnknownLevel)
    }
}

static LEVEL: AtomicU8 = AtomicU8::new(0);
static BY_HAND: AtomicBool = AtomicBool::new(false);
/// Whoever changes the level holds it, so that who follows health does not undo what is set by hand. Nothing of the user's runs
/// under it.
static CHANGING: Mutex<()> = Mutex::new(());

/// The level now.
pub fn level() -> DegradationLevel {
    // Relaxed, here and below: a value of its own.
    DegradationLevel::of(LEVEL.load(Ordering::Relaxed)).unwrap_or_default()
}

/// Sets the level by hand, which holds until [`release`]: what follows health leaves it alone until then.
///
/// ```standalone_crate
/// # use mmf_runtime as mmf;
/// use mmf::degradation::{DegradationLevel, level, release, set_level};
///
/// set_level(DegradationLevel::Moderate, "the database is being moved");
/// assert_eq!(level(), DegradationLevel::Moderate);
/// release();
/// ```
#[doc(alias = "GracefulDegradationManager")]
pub fn set_level(level: DegradationLevel, reason: &str) {
    change(level, reason, "hand", || {
        BY_HAND.store(true, Ordering::Relaxed);
        true
    });
}

/// Ends what was set by hand: the level stays until health says otherwise.
pub fn release() {
    BY_HAND.store(false, Ordering::Relaxed);
}

/// Whether the level was set by hand.
pub fn is_by_hand() -> bool {
    BY_HAND.load(Ordering::Relaxed)
}

/// Sets the level by what health says, unless it was set by hand; whether it did.
pub fn set_level_by_health(level: DegradationLevel, reason: &str) -> bool {
    change(level, reason, "health", || !is_by_hand())
}

fn change(to: DegradationLevel, reason: &str, by: &str, may: impl FnOnce() -> bool) -> bool {
    let changing = lock(&CHANGING);
    if !may() {
        return false;
    }
    let from = level();
    LEVEL.store(to as u8, Ordering::Relaxed);
    drop(changing);
    if from != to {
        let is_over = to == DegradationLevel::None;
        let (from, to) = (from.as_str(), to.as_str());
        if is_over {
            info!(target: "mmf::degradation", from, to, by, reason, "degradation level is {to}");
        } else {
            warn!(target: "mmf::degradation", from, to, by, reason, "degradation level is {to}");
        }
    }
    true
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Something that a program can do without, by name: on, unless it is turned off or the level is as bad as it may be with it.
///
/// ```standalone_crate
/// # use mmf_runtime as mmf;
/// use mmf::degradation::{DegradationLevel, feature, release, set_level};
///
/// let tips = feature("tips");
/// tips.disable_at(DegradationLevel::Moderate);
/// assert!(tips.is_enabled());
/// set_level(DegradationLevel::Severe, "a test");
/// assert!(!tips.is_enabled());
/// tips.enable();
/// assert!(tips.is_enabled(), "by hand goes before the level");
/// # set_level(DegradationLevel::None, "the test is over"); release();
/// ```
#[derive(Debug)]
pub struct Feature {
    name: PolicyName,
    switch: AtomicU8,
    disable_at: AtomicU8,
}

const BY_LEVEL: u8 = 0;
const ON: u8 = 1;
const OFF: u8 = 2;
/// Above every level.
const NEVER: u8 = u8::MAX;

/// Under its lock there are names and handles alone.
static FEATURES: Mutex<Vec<Arc<Feature>>> = Mutex::new(Vec::new());

/// The feature of this name, the same for all who ask.
#[doc(alias = "FeatureToggle")]
pub fn feature(name: impl Into<PolicyName>) -> Arc<Feature> {
    let name = name.into();
    let mut features = lock(&FEATURES);
    if let Some(known) = features.iter().find(|feature| feature.name == name) {
        return Arc::clone(known);
    }
    let (switch, disable_at) = (AtomicU8::new(BY_LEVEL), AtomicU8::new(NEVER));
    let new = Arc::new(Feature { name, switch, disable_at });
    features.push(Arc::clone(&new));
    new
}

/// All that somebody has asked for.
pub fn features() -> Vec<Arc<Feature>> {
    lock(&FEATURES).clone()
}

impl Feature {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is on.
    pub fn is_enabled(&self) -> bool {
        self.is_enabled_below(NEVER)
    }

    #[inline]
    fn is_enabled_below(&self, also_at: u8) -> bool {
        match self.switch.load(Ordering::Relaxed) {
            ON => true,
            OFF => false,
            _ => {
                let at = self.disable_at.load(Ordering::Relaxed).min(also_at);
                LEVEL.load(Ordering::Relaxed) < at
            }
        }
    }

    /// Turns it on, whatever the level.
    pub fn enable(&self) {
        self.set(ON, "on");
    }

    /// Turns it off, whatever the level.
    pub fn disable(&self) {
        self.set(OFF, "off");
    }

    /// Leaves it to the level again.
    pub fn follow_level(&self) {
        self.set(BY_LEVEL, "by level");
    }

    fn set(&self, switch: u8, to: &str) {
        if self.switch.swap(switch, Ordering::Relaxed) != switch {
            let feature = self.name();
            info!(target: "mmf::degradation", feature, to, "feature {feature} is {to}");
        }
    }

    /// Has it off from this level on. At [`None`](DegradationLevel::None) it is always off.
    pub fn disable_at(&self, level: DegradationLevel) {
        self.disable_at.store(level as u8, Ordering::Relaxed);
    }
}

/// What a function with `feature = "…"` asks: the feature, and from which level on the function itself does without.
#[derive(Debug)]
pub struct Gate {
    feature: Arc<Feature>,
    /// As it was built, and as it is.
    built: u8,
    disable_at: AtomicU8,
}

impl Gate {
    /// Of a feature, off from a level on where one is said.
    pub fn new(feature_name: &'static str, disable_at: Option<DegradationLevel>) -> Self {
        let disable_at = disable_at.map_or(NEVER, |level| level as u8);
        let feature = feature(feature_name);
        Self { feature, built: disable_at, disable_at: AtomicU8::new(disable_at) }
    }

    /// From which level on it is off, where there is one, and whether that was written.
    pub(super) fn setting(&self) -> Option<Setting> {
        let level = self.disable_at.load(Ordering::Relaxed);
        let value = Value::Word(DegradationLevel::of(level)?.as_str());
        Some(Setting { key: "disable_at", value, is_written: self.built != NEVER })
    }

    /// Has it off from this level on, or with none from where it was built to be.
    pub(super) fn go_by(&self, level: Option<DegradationLevel>) {
        let level = level.map_or(self.built, |level| level as u8);
        self.disable_at.store(level, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.feature.is_enabled_below(self.disable_at.load(Ordering::Relaxed))
    }

    pub(crate) fn name(&self) -> PolicyName {
        self.feature.name.clone()
    }
}

#[cfg(all(test, not(mmf_loom)))]
mod tests {
    use super::*;

    #[test]
    fn words_and_levels_are_the_same() {
        for level in DegradationLevel::ALL {
            assert_eq!(level.as_str().parse(), Ok(level));
            assert_eq!(DegradationLevel::of(level as u8), Some(level));
        }
        assert_eq!("Severe".parse::<DegradationLevel>(), Err(UnknownLevel));
        assert_eq!(DegradationLevel::of(5), None);
    }

    /// One test, as there is one level.
    #[test]
    fn features_follow_the_level_and_hands_go_before_it() {
        use DegradationLevel::{Minor, Moderate, None, Severe};

        let tips = feature("degradation.tips");
        let gate = Gate::new("degradation.tips", Some(Minor));
        assert!(Arc::ptr_eq(&tips, &feature("degradation.tips")));
        assert!(tips.is_enabled() && gate.is_open());
        tips.disable_at(Moderate);
        for (level, is_enabled, is_open) in [
            (None, true, true),
            (Minor, true, false),
            (Moderate, false, false),
            (Severe, false, false),
        ] {
            set_level(level, "a test");
            assert_eq!((tips.is_enabled(), gate.is_open()), (is_enabled, is_open), "{level}");
        }
        tips.enable();
        assert!(tips.is_enabled() && gate.is_open());
        tips.disable();
        set_level(None, "a test");
        assert!(!tips.is_enabled() && !gate.is_open());
        tips.follow_level();
        assert!(tips.is_enabled() && gate.is_open());

        assert!(!set_level_by_health(Severe, "health"), "it was set by hand");
        assert_eq!(level(), None);
        release();
        assert!(set_level_by_health(Severe, "health") && level() == Severe && !is_by_hand());
        assert!(set_level_by_health(None, "the test is over"));
    }
}
