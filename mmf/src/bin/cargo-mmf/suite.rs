//! What the test runners say of the whole suite: plain tests count as much as those of MMF.

use mmf::testing::results::{Outcome, Plain, Record};
use quick_junit::{Report, TestCaseStatus};

/// The records of a JUnit report, as nextest writes it.
///
/// # Errors
///
/// Where it is none.
pub(crate) fn of_junit(xml: &str) -> Result<Vec<Record>, String> {
    let report = Report::deserialize_from_str(xml).map_err(|error| error.to_string())?;
    let mut records = Vec::new();
    for suite in &report.test_suites {
        // `package::binary`, or the package alone for its library.
        let binary = suite.name.as_str();
        let program = binary.rsplit("::").next().unwrap_or(binary).replace('-', "_");
        for case in &suite.test_cases {
            let (passed, flaky) = match &case.status {
                TestCaseStatus::Success { flaky_runs } => (true, !flaky_runs.is_empty()),
                TestCaseStatus::NonSuccess { .. } => (false, false),
                TestCaseStatus::Skipped { .. } => continue,
            };
            let taken = case.time.unwrap_or_default().as_secs_f64() * 1000.0;
            let name = format!("{program}::{}", case.name.as_str());
            records.push(Record::new(name, passed, taken, Outcome::Test(Plain { flaky })));
        }
    }
    Ok(records)
}

/// Reads what `cargo test` prints, line by line. It tells no times: each test counts as no time at all.
#[derive(Default)]
pub(crate) struct Libtest {
    program: String,
    records: Vec<Record>,
    /// How many tests the programs said they run, and how many were told of.
    announced: usize,
    told: usize,
}

impl Libtest {
    /// A line of standard error, where cargo names the program that it starts.
    pub(crate) fn heard(&mut self, line: &str) {
        let line = line.trim();
        if line.starts_with("Doc-tests ") {
            self.program.clear();
        } else if line.starts_with("Running ")
            && let Some(path) = line.split(['(', ')']).nth(1)
        {
            let file = path.rsplit(['/', '\\']).next().unwrap_or(path);
            let name = file.rsplit_once('-').map_or(file, |(name, _)| name);
            self.program = name.replace('-', "_");
        }
    }

    /// A line of standard output.
    pub(crate) fn read(&mut self, line: &str) {
        if let Some(number) = line.strip_prefix("running ").and_then(|rest| rest.split(' ').next())
        {
            self.announced += number.parse::<usize>().unwrap_or(0);
        }
        let Some((name, verdict)) =
            line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... "))
        else {
            return;
        };
        self.told += 1;
        let passed = match verdict.trim() {
            "ok" => true,
            "FAILED" => false,
            _ => return,
        };
        let name = name.strip_suffix(" - should panic").unwrap_or(name);
        let name = match self.program.as_str() {
            "" => name.to_owned(),
            program => format!("{program}::{name}"),
        };
        self.records.push(Record::new(name, passed, 0.0, Outcome::Test(Plain { flaky: false })));
    }

    /// How many tests ran of which nothing was told, as with `-q`.
    pub(crate) fn untold(&self) -> usize {
        self.announced.saturating_sub(self.told)
    }

    pub(crate) fn records(self) -> Vec<Record> {
        self.records
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(records: &[Record]) -> Vec<(&str, bool)> {
        records.iter().map(|record| (record.test.as_str(), record.passed)).collect()
    }

    #[test]
    fn libtest_is_read_program_by_program() {
        let mut libtest = Libtest::default();
        libtest
            .heard("     Running unittests src/lib.rs (target/debug/deps/my_lib-0123456789abcdef)");
        libtest.read("running 3 tests");
        libtest.read("test a::works ... ok");
        libtest.read("test a::panics - should panic ... ok");
        libtest.read("test a::ignored ... ignored");
        libtest.heard("     Running tests/it.rs (target/debug/deps/it-0123456789abcdef)");
        libtest.read("running 1 test");
        libtest.read("test fails ... FAILED");
        assert_eq!(libtest.untold(), 0);
        libtest.read("running 2 tests");
        libtest.read("..");
        assert_eq!(libtest.untold(), 2);
        let records = libtest.records();
        assert_eq!(
            seen(&records),
            [("my_lib::a::works", true), ("my_lib::a::panics", true), ("it::fails", false)]
        );
    }

    #[test]
    fn junit_knows_what_was_flaky() {
        let xml = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="nextest-run" tests="3" failures="1" errors="0" time="0.5">
  <testsuite name="mmf::it" tests="2" disabled="0" errors="0" failures="1">
    <testcase name="works" classname="mmf::it" time="0.250"/>
    <testcase name="fails" classname="mmf::it" time="0.100">
      <failure type="test failure">no</failure>
    </testcase>
  </testsuite>
  <testsuite name="mmf-runtime" tests="1" disabled="0" errors="0" failures="0">
    <testcase name="a::flaky" classname="mmf-runtime" time="0.100">
      <flakyFailure type="test failure">once</flakyFailure>
    </testcase>
  </testsuite>
</testsuites>"#;
        let records = of_junit(xml).unwrap();
        assert_eq!(
            seen(&records),
            [("it::works", true), ("it::fails", false), ("mmf_runtime::a::flaky", true)]
        );
        assert_eq!(records[0].duration_ms, 250.0);
        assert_eq!(records[2].outcome, Outcome::Test(Plain { flaky: true }));
        assert!(of_junit("<testsuites").is_err());
    }
}
