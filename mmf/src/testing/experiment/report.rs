//! How an experiment went, told and asserted.

use std::fmt::{self, Write as _};

use crate::testing::results::{ChaosCase, Record};
use mmf_runtime::stderr::tell;

/// How an experiment went.
#[derive(Clone, Debug)]
pub struct ChaosReport {
    /// Its name.
    pub name: String,
    /// What repeats it.
    pub seed: u64,
    /// Whether all that was expected held.
    pub passed: bool,
    /// Why it did not.
    pub reasons: Vec<String>,
    /// Case by case.
    pub cases: Vec<ChaosCase>,
    /// As it was recorded.
    pub record: Record,
}

impl ChaosReport {
    pub(super) fn fail(&mut self, reason: String) {
        self.passed = false;
        self.reasons.push(reason);
    }

    /// Tells the report, and fails the test with it where the experiment has failed.
    ///
    /// # Panics
    ///
    /// Where it has.
    #[track_caller]
    pub fn assert_passed(&self) {
        assert!(self.passed, "{self}MMF_CHAOS_SEED={} repeats it", self.seed);
        for line in self.to_string().lines() {
            tell(format_args!("{line}"));
        }
    }
}

impl fmt::Display for ChaosReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.passed { "passed" } else { "FAILED" };
        writeln!(f, "{}: {verdict}, seed {}", self.name, self.seed)?;
        for case in &self.cases {
            writeln!(
                f,
                "  {}: {} of {} calls succeeded, p99 {:.0} ms",
                case.name, case.successes, case.calls, case.p99_ms
            )?;
            for (label, counts) in [
                ("injected at", &case.injections),
                ("not possible at", &case.unable),
                ("policy", &case.policies),
            ] {
                for (name, counts) in counts {
                    let mut text = String::new();
                    for (what, count) in counts {
                        let comma = if text.is_empty() { "" } else { ", " };
                        write!(text, "{comma}{count} {what}")?;
                    }
                    writeln!(f, "    {label} {name}: {text}")?;
                }
            }
            if let Some(recovery) = case.recovery_ms {
                writeln!(f, "    recovered after {recovery:.0} ms")?;
            }
        }
        for reason in &self.reasons {
            writeln!(f, "  - {reason}")?;
        }
        Ok(())
    }
}
