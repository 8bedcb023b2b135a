//! Policies that can never work: refused by `try_build`, mended and told by `build`.

use mmf_rules::Rule;

use super::events;

/// A policy that can never work, by all that is wrong with it. The rules are those of the attribute, which
/// does not compile such a policy.
///
/// ```
/// # use mmf_runtime as mmf;
/// use mmf::resilience::RetryPolicy;
///
/// let invalid = RetryPolicy::builder().max_attempts(0).jitter(-1.0).try_build().unwrap_err();
/// assert_eq!(
///     invalid.to_string(),
///     "`max_attempts` must be at least 1; `jitter` is a share between 0.0 and 1.0"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(|mistake| mistake.message.as_str()).collect::<Vec<_>>().join("; "))]
pub struct InvalidPolicy(Vec<Mistake>);

impl InvalidPolicy {
    pub(crate) fn of(mistake: Mistake) -> Self {
        Self(vec![mistake])
    }

    pub(crate) fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// What is wrong with it, one after the other.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.0
    }
}

/// A value that can never work.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mistake {
    /// Its key, such as `max_attempts`.
    pub key: String,
    /// What is wrong with it, and what to write.
    pub message: String,
}

impl Mistake {
    pub(crate) fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into() }
    }
}

/// Holds values against the rules, and puts the nearest that works in the place of each that does not.
#[derive(Debug, Default)]
pub(crate) struct Check(Vec<Mistake>);

impl Check {
    pub(crate) fn mend<T: Copy>(&mut self, value: &mut T, rule: impl FnOnce(T) -> Rule<T>) {
        if let Err(broken) = rule(*value) {
            *value = broken.nearest;
            self.0.push(Mistake::new(broken.key, broken.message));
        }
    }

    /// A number of which one is needed, of the width of what it counts.
    pub(crate) fn at_least_one(&mut self, key: &str, count: &mut usize) {
        let mut of_rule = u32::try_from(*count).unwrap_or(u32::MAX);
        self.mend(&mut of_rule, |count| mmf_rules::at_least_one(key, count));
        *count = (*count).max(1);
    }

    /// For `try_build`.
    pub(crate) fn refuse(self) -> Result<(), InvalidPolicy> {
        if self.0.is_empty() { Ok(()) } else { Err(InvalidPolicy(self.0)) }
    }

    /// What is wrong with several values together, which no single one can mend.
    pub(crate) fn add(&mut self, key: &str, message: Option<String>) {
        self.0.extend(message.map(|message| Mistake::new(key, message)));
    }

    /// For `build`: what was mended is told, with the place that asked for it.
    #[track_caller]
    pub(crate) fn tell(self, policy: &str) {
        for Mistake { message, .. } in &self.0 {
            events::mended(policy, std::panic::Location::caller(), message);
        }
    }
}
