//! What is in force, value by value, and where each comes from.

use mmf_runtime::resilience::{Policy, PolicyName};
use serde::Serialize;

use super::resolve::{Origin, written};
use super::state::{in_force, listed};

/// A value that a policy goes by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct EffectiveValue {
    /// Name of the policy.
    pub policy: PolicyName,
    /// Its key: `retry.max_attempts`.
    pub key: &'static str,
    /// The value, as one would write it.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// Every value of every policy with where it comes from, by policy.
///
/// ```
/// for value in mmf::config::effective() {
///     println!("{} {} = {} ({})", value.policy, value.key, value.value, value.origin);
/// }
/// ```
pub fn effective() -> Vec<EffectiveValue> {
    of(&listed())
}

/// Those of these policies.
pub(crate) fn of(policies: &[Policy]) -> Vec<EffectiveValue> {
    // Before the lock is taken: what the user wrote as values is evaluated by it.
    let shown: Vec<_> = policies.iter().map(|policy| (policy.settings(), policy)).collect();
    let in_force = in_force();
    let values = shown.iter().flat_map(|(settings, policy)| {
        let (name, origins) =
            (PolicyName::from(policy.name().to_owned()), in_force.origins.get(policy.name()));
        let location = policy.location();
        settings.iter().map(move |setting| EffectiveValue {
            policy: name.clone(),
            key: setting.key,
            value: written(&setting.value),
            origin: match origins.and_then(|origins| origins.get(setting.key)) {
                Some(origin) => origin.clone(),
                None if setting.is_written => Origin::Code { location: location.clone() },
                None => Origin::Default,
            },
        })
    });
    values.collect()
}
