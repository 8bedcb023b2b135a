//! What the test runners say of the whole suite: plain tests count as much as those of MMF.

use std::collections::HashMap;

use mmf::testing::results::{Outcome, Record, Results};
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
        let binary = suite.name.as_str();
        for case in &suite.test_cases {
            let (passed, flaky) = match &case.status {
                TestCaseStatus::Success { flaky_runs } => (true, !flaky_runs.is_empty()),
                TestCaseStatus::NonSuccess { .. } => (false, false),
                TestCaseStatus::Skipped { .. } => continue,
            };
            let taken = case.time.unwrap_or_default().as_secs_f64() * 1000.0;
            let name = format!("{}::{}", crate_of(binary), case.name.as_str());
            let mut record = Record::new(name, passed, taken, Outcome::Test);
            record.flaky = flaky;
            record.program = Some(binary.to_owned());
            records.push(record);
        }
    }
    Ok(records)
}

/// The crate of a program by nextest's name for it: `package` is its library, `package::test` a test of it,
/// `package::bin/program` a program.
fn crate_of(binary: &str) -> String {
    let last = binary.rsplit("::").next().unwrap_or(binary);
    last.rsplit('/').next().unwrap_or(last).replace('-', "_")
}

/// What MMF has recorded of a test and what the runner says of it, joined: its verdict is the last word, and MMF
/// has told more. What is left are the plain tests.
pub(crate) fn joined(known: &Results, told: Vec<Record>) -> Vec<Record> {
    let mut own: HashMap<(&str, &str), &Record> = HashMap::new();
    for record in known.records.values() {
        if let Some(program) = &record.program {
            own.insert((program, record.path()), record);
        }
    }
    let mut records = Vec::new();
    for plain in told {
        let program = plain.program.as_deref().unwrap_or_default();
        let Some(known) = own.get(&(program, plain.path())) else {
            records.push(plain);
            continue;
        };
        if known.passed == plain.passed && !plain.flaky {
            continue;
        }
        let mut record = (*known).clone();
        record.at_ms = plain.at_ms;
        record.flaky = plain.flaky;
        if record.passed && !plain.passed {
            record.passed = false;
            record.reasons.push("the test runner says that it failed".into());
        }
        records.push(record);
    }
    records
}

/// Reads what `cargo test` prints, line by line. It tells the time of a whole program only: each of its plain
/// tests gets the same share of it.
#[derive(Default)]
pub(crate) struct Libtest {
    /// The file of the program that runs, without its ending; empty for doc tests.
    program: String,
    records: Vec<Record>,
    /// How many of its tests are still to be told of.
    awaited: usize,
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
            self.broken_off();
            let number = rest.split(' ').next().and_then(|number| number.parse().ok());
            self.awaited = number.unwrap_or(0);
            self.announced += self.awaited;
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
        self.awaited = self.awaited.saturating_sub(1);
        let passed = match verdict {
            "ok" => true,
            "FAILED" => false,
            _ => return,
        };
        let name = name.strip_suffix(" - should panic").unwrap_or(name);
        self.push(name, passed, Outcome::Test);
    }

    fn push(&mut self, name: &str, passed: bool, outcome: Outcome) {
        let crate_name = self.program.rsplit_once('-').map_or(&*self.program, |(name, _)| name);
        let name = match crate_name {
            "" => name.to_owned(),
            name_of_crate => format!("{}::{name}", name_of_crate.replace('-', "_")),
        };
        let mut record = Record::new(name, passed, 0.0, outcome);
        record.program = Some(self.program.clone());
        self.records.push(record);
    }

    /// A program that ended without a word of its result has crashed, and its tests with it.
    fn broken_off(&mut self) {
        if self.awaited > 0 {
            let awaited = std::mem::take(&mut self.awaited);
            self.push("(the program broke off)", false, Outcome::started("test"));
            if let Some(record) = self.records.last_mut() {
                record.reasons.push(format!("{awaited} of its tests were not told of"));
            }
        }
    }

    /// `ok. 3 passed; …; finished in 1.25s`
    fn finished(&mut self, rest: &str) {
        // With -q it says how many there were, and not which.
        self.awaited = 0;
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

    pub(crate) fn records(mut self) -> Vec<Record> {
        self.broken_off();
        self.records
    }
}

/// The program that cargo says it runs: `Running tests/it.rs (target/debug/deps/it-0123456789abcdef)`.
fn program(line: &str) -> Option<String> {
    let path = line.strip_prefix("Running ")?.split(['(', ')']).nth(1)?;
    let file = path.rsplit(['/', '\\']).next().unwrap_or(path);
    Some(file.strip_suffix(".exe").unwrap_or(file).to_owned())
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
        libtest.read("test result: ok. 2 passed; 0 failed; finished in 0.10s");
        assert_eq!(libtest.untold(), 2);
        let records = libtest.records();
        assert_eq!(
            seen(&records),
            [("my_lib::a::works", true), ("my_lib::a::panics", true), ("it::fails", false)]
        );
        let times: Vec<_> = records.iter().map(|record| record.duration_ms).collect();
        assert_eq!(times, [750.0, 750.0, 0.0]);
        assert_eq!(records[2].program.as_deref(), Some("it-0123456789abcdef"));
    }

    #[test]
    fn a_program_that_breaks_off_is_missed() {
        let mut libtest = Libtest::default();
        for line in [
            "     Running tests/it.rs (target/debug/deps/it-0123456789abcdef)",
            "running 3 tests",
            "test works ... ok",
            "     Running tests/b.rs (target/debug/deps/b-0123456789abcdef)",
        ] {
            libtest.read(line);
        }
        let records = libtest.records();
        assert_eq!(
            records.iter().map(|record| record.outcome.clone()).collect::<Vec<_>>(),
            [Outcome::Test, Outcome::started("test")]
        );
        assert_eq!(records[1].reasons, ["2 of its tests were not told of"]);
    }

    #[test]
    fn the_runner_has_the_last_word_on_what_mmf_recorded() {
        let record = |program: &str, test: &str, passed, outcome| {
            let mut record = Record::new(test, passed, 1.0, outcome);
            record.program = Some(program.into());
            record
        };
        let own =
            |test, passed| record("a::it", test, passed, Outcome::Contract(Default::default()));
        let mut known = Results::default();
        for record in [own("it::good", true), own("it::torn_down", true), own("it::flaky", true)] {
            known.records.insert(record.test.clone(), record);
        }
        let told = |test, passed| record("a::it", test, passed, Outcome::Test);
        let mut flaky = told("it::flaky", true);
        flaky.flaky = true;
        let of_another = record("b::it", "it::good", true, Outcome::Test);
        let all = vec![told("it::good", true), told("it::torn_down", false), flaky, of_another];
        let records = joined(&known, all);
        assert_eq!(
            seen(&records),
            [("it::torn_down", false), ("it::flaky", true), ("it::good", true)]
        );
        assert!(records[1].flaky && records[1].outcome.kind() == "contract");
        assert_eq!(records[2].outcome, Outcome::Test);
    }

    #[test]
    fn programs_of_every_kind_have_their_crate() {
        let crates = ["my-lib", "my-lib::it", "my-lib::bin/my-program"].map(crate_of);
        assert_eq!(crates, ["my_lib", "it", "my_program"]);
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
        assert!(records[2].flaky && !records[0].flaky);
        assert!(of_junit("<testsuites").is_err());
    }
}
