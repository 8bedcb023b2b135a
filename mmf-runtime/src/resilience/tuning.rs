//! What of a policy is changed from outside, for its calls: each goes by what was in force when it began.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mmf_rules::value::Value;

use super::budget::RetryBudget;
use super::error::Refusals;
use super::hedge::{HedgePolicy, Histogram};
use super::live::Live;
use super::retry::RetryPolicy;

/// A policy of a call: as it was built, another, or none.
#[derive(Debug, Default)]
pub(super) enum Tuned<P> {
    #[default]
    AsBuilt,
    Off,
    By(P),
}

impl<P> Tuned<P> {
    fn of<'p>(&'p self, built: &'p P) -> Option<&'p P> {
        match self {
            Self::AsBuilt => Some(built),
            Self::Off => None,
            Self::By(policy) => Some(policy),
        }
    }

    /// With which values it runs, or would if it were not turned off.
    pub(super) fn shown<'p>(&'p self, built: &'p P) -> &'p P {
        match self {
            Self::AsBuilt | Self::Off => built,
            Self::By(policy) => policy,
        }
    }
}

/// What of a policy may be changed from outside, and what comes to it that way: it stays when values change again.
#[derive(Debug)]
pub(super) struct Tunable {
    pub(super) live: Live<Tuning>,
    pub(super) budget: OnceLock<Arc<RetryBudget>>,
    pub(super) latency: OnceLock<Arc<Histogram>>,
}

impl Tunable {
    pub(super) const fn new() -> Self {
        Self { live: Live::new(), budget: OnceLock::new(), latency: OnceLock::new() }
    }

    #[inline]
    pub(super) fn get(&self) -> Option<&Tuning> {
        self.live.get()
    }
}

/// The changes of one policy.
#[derive(Debug, Default)]
pub(crate) struct Tuning {
    /// All of them, by key; the rest follows from these, so that equal ones are the same.
    pub(super) values: Vec<(String, Value)>,
    /// Its calls are not made.
    pub(super) is_off: bool,
    pub(super) deadline: Option<Duration>,
    pub(super) timeout: Option<Duration>,
    pub(super) retry: Tuned<RetryPolicy>,
    pub(super) hedge: Tuned<HedgePolicy>,
    pub(super) without_breaker: bool,
    pub(super) without_rate_limit: bool,
    pub(super) without_bulkhead: bool,
    pub(super) without_fallback: bool,
    pub(super) retried: Option<Refusals>,
    pub(super) failures: Option<Refusals>,
    pub(super) answered: Option<Refusals>,
}

impl PartialEq for Tuning {
    fn eq(&self, other: &Self) -> bool {
        self.values == other.values
    }
}

impl Tuning {
    /// The retry of a call, where there is one.
    pub(super) fn retry<'p>(&'p self, built: &'p RetryPolicy) -> Option<&'p RetryPolicy> {
        self.retry.of(built)
    }

    /// The hedge of a call, where there is one.
    pub(super) fn hedge<'p>(&'p self, built: &'p HedgePolicy) -> Option<&'p HedgePolicy> {
        self.hedge.of(built)
    }

    /// What its fallback answers.
    pub(super) fn answered(&self, built: Refusals) -> Option<Refusals> {
        (!self.without_fallback).then(|| self.answered.unwrap_or(built))
    }
}
