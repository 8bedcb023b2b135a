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
        let package = binary.split("::").next().map(str::to_owned);
        for case in &suite.test_cases {
            let (passed, flaky) = match &case.status {
                TestCaseStatus::Success { flaky_runs } => (true, !flaky_runs.is_empty()),
                TestCaseStatus::NonSuccess { .. } => (false, false),
                TestCaseStatus::Skipped { .. } => continue,
            };
            let taken = case.time.unwrap_or_default().as_secs_f64() * 1000.0;
            let name = format!("{program}::{}", case.name.as_str());
            let mut record = Record::new(name, passed, taken, Outcome::Test(Plain { flaky }));
            record.package.clone_from(&package);
            records.push(record);
        }
    }
    Ok(records)
}

/// Reads what `cargo test` prints, line by line. It tells the time of a whole program only: each of its plain
/// tests gets the same share of it.
#[derive(Default)]
pub(crate) struct Libtest {
    program: String,
    records: Vec<Record>,
    /// Where the records of the program that runs begin.
    first: usize,
    /// How many tests the programs said they run, and how many were told of.
    announced: usize,
    told: usize,
}

impl Libtest {
    /// A line of cargo or of a test program.
    pub(crate) fn read(&mut self, line: &str) {
        let trimmed = line.trim();
        if trimmed.starts_with("Doc-tests ") {
            self.program.clear();
        } else if let Some(program) = program(trimmed) {
            self.program = program;
        } else if let Some(rest) = line.strip_prefix("running ") {
            let number = rest.split(' ').next().and_then(|number| number.parse().ok());
            self.announced += number.unwrap_or(0);
            self.first = self.records.len();
        } else if let Some(rest) = line.strip_prefix("test result: ") {
            self.finished(rest);
        } else if let Some((name, verdict)) =
            line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... "))
        {
            self.test(name, verdict.trim());
        }
    }

    fn test(&mut self, name: &str, verdict: &str) {
        self.told += 1;
        let passed = match verdict {
            "ok" => true,
            "FAILED" => false,
            _ => return,
        };
        let name = name.strip_suffix(" - should panic").unwrap_or(name);
        let name = match self.program.as_str() {
            "" => name.to_owned(),
            program => format!("{program}::{name}"),
        };
        let mut record = Record::new(name, passed, 0.0, Outcome::Test(Plain::default()));
        // Cargo does not say of which package the program is.
        record.package = None;
        self.records.push(record);
    }

    /// `ok. 3 passed; …; finished in 1.25s`
    fn finished(&mut self, rest: &str) {
        let seconds = rest.rsplit("finished in ").next().and_then(|end| end.strip_suffix('s'));
        let Some(seconds) = seconds.and_then(|seconds| seconds.parse::<f64>().ok()) else { return };
        let records = &mut self.records[self.first..];
        let share = seconds * 1000.0 / records.len().max(1) as f64;
        records.iter_mut().for_each(|record| record.duration_ms = share);
    }

    pub(crate) fn told(&self) -> usize {
        self.told
    }

    pub(crate) fn announced(&self) -> usize {
        self.announced
    }

    /// How many tests ran of which nothing was told, as with `-q`.
    pub(crate) fn untold(&self) -> usize {
        self.announced.saturating_sub(self.told)
    }

    pub(crate) fn records(self) -> Vec<Record> {
        self.records
    }
}

/// The program that cargo says it runs: `Running tests/it.rs (target/debug/deps/it-0123456789abcdef)`.
fn program(line: &str) -> Option<String> {
    let path = line.strip_prefix("Running ")?.split(['(', ')']).nth(1)?;
    let file = path.rsplit(['/', '\\']).next().unwrap_or(path);
    let name = file.rsplit_once('-').map_or(file, |(name, _)| name);
    Some(name.replace('-', "_"))
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
        for line in [
            "     Running unittests src/lib.rs (target/debug/deps/my_lib-0123456789abcdef)",
            "running 3 tests",
            "test a::works ... ok",
            "test a::panics - should panic ... ok",
            "test a::ignored ... ignored",
            "test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.50s",
            "     Running tests/it.rs (target/debug/deps/it-0123456789abcdef)",
            "running 1 test",
            "test fails ... FAILED",
        ] {
            libtest.read(line);
        }
        assert_eq!(libtest.untold(), 0);
        libtest.read("running 2 tests");
        libtest.read("..");
        assert_eq!(libtest.untold(), 2);
        let records = libtest.records();
        assert_eq!(
            seen(&records),
            [("my_lib::a::works", true), ("my_lib::a::panics", true), ("it::fails", false)]
        );
        let times: Vec<_> = records.iter().map(|record| record.duration_ms).collect();
        assert_eq!(times, [750.0, 750.0, 0.0]);
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
