//! A report as JUnit XML, for what shows test results.

use std::time::Duration;

use mmf::testing::{QualityReport, visible};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

/// Every test as a case of the suite `mmf`, every gate as one of the suite `gates`.
///
/// # Errors
///
/// Where it cannot be written.
pub(crate) fn of_report(report: &QualityReport) -> Result<String, String> {
    let mut tests = TestSuite::new("mmf");
    for record in &report.records {
        let mut case = case(&record.test, record.passed, &record.reasons.join("\n"));
        case.set_time(Duration::from_secs_f64(record.duration_ms / 1000.0));
        tests.add_test_case(case);
    }
    let mut gates = TestSuite::new("gates");
    for gate in &report.verdicts {
        let reason = gate.recommendation.as_deref().unwrap_or_default();
        let mut case = case(&gate.gate, gate.passed, reason);
        if gate.no_data && gate.passed {
            case.status = TestCaseStatus::skipped();
            case.status.set_message(gate.verdict());
        }
        gates.add_test_case(case);
    }
    let mut junit = Report::new("cargo mmf");
    junit.add_test_suites([tests, gates]);
    junit.to_string().map_err(|error| error.to_string())
}

fn case(name: &str, passed: bool, reason: &str) -> TestCase {
    let status = if passed {
        TestCaseStatus::success()
    } else {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        let lines: Vec<_> = reason.lines().map(visible).collect();
        status.set_message(lines.join("\n"));
        status
    };
    TestCase::new(visible(name).as_ref(), status)
}
