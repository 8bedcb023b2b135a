//! How many tests there are.

use std::fmt;

use crate::testing::results::{Outcome, Record};

/// How many tests there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Sums {
    /// All.
    pub tests: usize,
    /// Those that passed.
    pub passed: usize,
    /// Plain tests.
    pub plain: usize,
    /// Experiments.
    pub chaos: usize,
    /// Contracts.
    pub contracts: usize,
    /// Measurements.
    pub performance: usize,
    /// Those that passed only when they were tried again.
    pub flaky: usize,
    /// Those that began and never ended.
    pub unended: usize,
    /// Milliseconds that all took together.
    pub duration_ms: f64,
}

impl Sums {
    pub(in crate::testing) fn of(records: &[Record]) -> Self {
        let mut sums = Self::default();
        for record in records {
            sums.tests += 1;
            sums.passed += usize::from(record.passed);
            sums.flaky += usize::from(record.flaky);
            sums.duration_ms += record.duration_ms;
            match &record.outcome {
                Outcome::Started(_) => sums.unended += 1,
                Outcome::Test => sums.plain += 1,
                Outcome::Chaos(_) => sums.chaos += 1,
                Outcome::Contract(_) => sums.contracts += 1,
                Outcome::Performance(_) => sums.performance += 1,
            }
        }
        sums
    }

    /// The share of tests that passed.
    pub fn success_rate(&self) -> f64 {
        self.passed as f64 / self.tests.max(1) as f64
    }
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tests, passed, plain, chaos, contracts, performance, unended, .. } = self;
        let kinds = [
            counted(*contracts, "contract"),
            counted(*performance, "measurement"),
            counted(*chaos, "experiment"),
            counted(*plain, "plain test"),
        ];
        write!(f, "{}: {}", passed_of(*passed, *tests), kinds.join(", "))?;
        if *unended > 0 {
            write!(f, "; {unended} began and never ended")?;
        }
        Ok(())
    }
}

/// `1 contract`, `2 contracts`
pub(super) fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

pub(super) fn passed_of(passed: usize, tests: usize) -> String {
    format!("{passed} of {} passed", counted(tests, "test"))
}
