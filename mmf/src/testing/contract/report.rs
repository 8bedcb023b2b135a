//! What was checked of a contract, told, recorded and asserted.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use crate::testing::results::{Check, Contract, Outcome, PactSource, Record};

/// How the check of a contract went.
#[derive(Clone, Debug)]
pub struct ContractReport {
    /// Its name.
    pub name: String,
    /// Whether every check held.
    pub passed: bool,
    /// Those that did not, with what was found and what was expected.
    pub reasons: Vec<String>,
    /// Check by check.
    pub contract: Contract,
    /// As it was recorded.
    pub record: Record,
}

impl ContractReport {
    /// Fails the test where a check did not hold.
    ///
    /// # Panics
    ///
    /// Where one did not.
    #[track_caller]
    pub fn assert_passed(&self) {
        assert!(self.passed, "{self}");
    }
}

impl fmt::Display for ContractReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Contract { service, endpoint, checks, .. } = &self.contract;
        if self.passed {
            return write!(
                f,
                "the contract of {service} {endpoint} holds: {} checks",
                checks.len()
            );
        }
        write!(f, "the contract of {service} {endpoint} is broken: {}", self.reasons.join("; "))
    }
}

/// What has been checked so far.
pub(crate) struct Checked {
    name: String,
    started: Instant,
    pub(crate) contract: Contract,
    pub(crate) pact: Option<PactSource>,
    should_fail: bool,
}

impl Checked {
    /// Notes that the test begins. Where it should fail, it is recorded as passed where it does.
    pub(crate) fn begin(name: &str, contract: Contract, should_fail: bool) -> Self {
        Record::start(name, "contract");
        Self { name: name.to_owned(), started: Instant::now(), contract, pact: None, should_fail }
    }

    /// A check with what was found and expected, or nothing: without secrets, and cut where it is long.
    pub(crate) fn add(&mut self, name: impl Into<String>, passed: bool, detail: impl Into<String>) {
        let detail = crate::testing::text::told(&detail.into());
        self.contract.checks.push(Check { name: name.into(), passed, detail });
    }

    /// A check that says itself what is wrong.
    pub(crate) fn add_result(&mut self, name: impl Into<String>, result: Result<(), String>) {
        self.add(name, result.is_ok(), result.err().unwrap_or_default());
    }

    /// Lets the checks from one on pass, and says why in their details.
    #[cfg(feature = "pact")]
    pub(crate) fn forgive(&mut self, from: usize, why: &str) {
        for check in self.contract.checks[from..].iter_mut().filter(|check| !check.passed) {
            check.passed = true;
            check.detail = format!("{why}: {}", check.detail);
            println!("{}: {}: {}", self.name, check.name, check.detail);
        }
    }

    /// The times of the answers, at the percentile of the contract and against its limit.
    pub(crate) fn time(&mut self, mut times: Vec<Duration>, sla: Option<Duration>) {
        times.sort();
        let percentile = self.contract.percentile;
        let rank = (percentile / 100.0 * times.len() as f64).ceil() as usize;
        let Some(measured) = times.get(rank.saturating_sub(1)) else { return };
        self.contract.measured_ms = Some(measured.as_secs_f64() * 1000.0);
        if let Some(sla) = sla {
            let detail = format!(
                "{measured:.1?} at the {percentile}th percentile of {}, at most {sla:?}",
                times.len()
            );
            self.add("sla", *measured <= sla, detail);
        }
    }

    /// Records it.
    pub(crate) fn end(self) -> ContractReport {
        let failed = self.contract.checks.iter().filter(|check| !check.passed);
        let reasons: Vec<_> = failed
            .map(|check| match check.detail.as_str() {
                "" => check.name.clone(),
                detail => format!("{}: {detail}", check.name),
            })
            .collect();
        let taken = self.started.elapsed().as_secs_f64() * 1000.0;
        let outcome = Outcome::Contract(self.contract.clone());
        let passed = reasons.is_empty();
        let record = Record::new(&self.name, passed != self.should_fail, taken, outcome);
        let record = Record { pact: self.pact, ..record.because(&reasons) };
        record.write_or_say();
        ContractReport { name: self.name, passed, reasons, contract: self.contract, record }
    }
}
