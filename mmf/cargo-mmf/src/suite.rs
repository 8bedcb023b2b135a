//! What the test runners say of the whole suite: plain tests count as much as those of MMF.

use std::collections::{BTreeSet, HashMap};

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
            record.runner = Some("nextest".into());
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
///
/// What a test prints may look like a line of its own. So the tests are listed before they run: what is on no list is
/// none, and of one that is told of twice the worse counts.
#[derive(Default)]
pub(crate) struct Libtest {
    /// The tests of each program, where they were listed.
    listed: HashMap<String, BTreeSet<String>>,
    /// The file of the program that runs, without its ending; of doc tests `doc-tests` and the crate.
    program: String,
    records: Vec<Record>,
    /// How many of its tests are still to be told of.
    awaited: usize,
    /// Where the records of the program that runs begin.
    first: usize,
    /// Those of its tests that were told of, with their places among the records; ignored ones have none.
    seen: HashMap<String, Option<usize>>,
    /// Whether the program has said how it ended.
    has_ended: bool,
    /// How many tests the programs said they run, and how many were told of.
    announced: usize,
    told: usize,
    untold: usize,
    ghosts: usize,
}

/// What libtest says behind the name of a test.
const MODES: [&str; 4] = [" - should panic", " - compile fail", " - compile", " - no run"];

impl Libtest {
    /// A line of a run with `--list`. Whether it is one for people: of cargo, and of no program.
    pub(crate) fn list(&mut self, line: &str) -> bool {
        if self.begins(line.trim()) {
            self.listed.entry(self.program.clone()).or_default();
            return false;
        }
        if let Some(listed) = self.listed.get_mut(&self.program) {
            listed.extend(line.strip_suffix(": test").map(str::to_owned));
            return false;
        }
        true
    }

    /// The tests are listed, and the run begins.
    pub(crate) fn listed(&mut self) {
        self.program.clear();
        self.announced = self.listed.values().map(BTreeSet::len).sum();
    }

    /// Whether a program begins.
    fn begins(&mut self, line: &str) -> bool {
        let doc = line.strip_prefix("Doc-tests ").map(|name| format!("doc-tests {name}"));
        match doc.or_else(|| program(line)) {
            Some(program) => {
                self.program = program;
                true
            }
            None => false,
        }
    }

    /// A line of cargo or of a test program.
    pub(crate) fn read(&mut self, line: &str) {
        let before = self.program.clone();
        let is_new = self.begins(line.trim());
        if is_new && self.listed.contains_key(&before) {
            let next = std::mem::replace(&mut self.program, before);
            self.close();
            self.program = next;
        }
        if is_new {
            self.first = self.records.len();
            return;
        }
        match self.listed.contains_key(&self.program) {
            true => self.read_listed(line),
            false => self.read_unlisted(line),
        }
    }

    fn read_listed(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("test result: ") {
            self.has_ended = true;
            return self.finished(rest);
        }
        // What was printed before without an end of line stands before it.
        let starts = line.match_indices("test ").map(|(start, _)| &line[start + 5..]);
        let parts = starts.filter_map(|rest| rest.rsplit_once(" ... "));
        let mut found = None;
        for (name, verdict) in parts {
            let listed = &self.listed[&self.program];
            let bare = MODES.iter().find_map(|mode| name.strip_suffix(mode)).unwrap_or(name);
            if let Some(name) = [name, bare].into_iter().find(|name| listed.contains(*name)) {
                found = Some((name.to_owned(), verdict.trim().to_owned()));
            }
        }
        match found {
            Some((name, verdict)) => self.listed_test(name, &verdict),
            None if line.starts_with("test ") && line.contains(" ... ") => self.ghosts += 1,
            None => {}
        }
    }

    fn listed_test(&mut self, name: String, verdict: &str) {
        let passed = match verdict.split([' ', ',']).next() {
            Some("ok") => Some(true),
            Some("FAILED") => Some(false),
            Some("ignored") => None,
            _ => return,
        };
        if let Some(known) = self.seen.get(&name) {
            self.ghosts += 1;
            if passed == Some(false) {
                match known {
                    Some(place) => self.records[*place].passed = false,
                    None => self.push(&name, false, Outcome::Test),
                }
            }
            return;
        }
        self.told += 1;
        let place = passed.map(|passed| {
            self.push(&name, passed, Outcome::Test);
            self.records.len() - 1
        });
        self.seen.insert(name, place);
    }

    /// The program that was listed has ended.
    fn close(&mut self) {
        let listed = self.listed.get(&self.program).map_or(0, BTreeSet::len);
        let missing = listed.saturating_sub(self.seen.len());
        let was_quiet = self.has_ended && self.seen.is_empty();
        if missing > 0 && was_quiet {
            self.untold += missing;
        } else if missing > 0 {
            self.awaited = missing;
            self.broken_off();
        }
        self.seen.clear();
        self.has_ended = false;
    }

    fn read_unlisted(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("running ") {
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
        let is_doc = self.program.starts_with("doc-tests ");
        let crate_name = self.program.rsplit_once('-').map_or(&*self.program, |(name, _)| name);
        let name = match crate_name {
            "" => name.to_owned(),
            _ if is_doc => name.to_owned(),
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
        let is_time = (0.0..1e9).contains(&seconds);
        let records = &mut self.records[self.first..];
        let share = seconds * 1000.0 / records.len().max(1) as f64;
        records.iter_mut().filter(|_| is_time).for_each(|record| record.duration_ms = share);
    }

    pub(crate) fn told(&self) -> usize {
        self.told
    }

    pub(crate) fn announced(&self) -> usize {
        self.announced
    }

    /// How many tests ran of which nothing was told, as with `-q`.
    pub(crate) fn untold(&self) -> usize {
        match self.listed.is_empty() {
            true => self.announced.saturating_sub(self.told),
            false => self.untold,
        }
    }

    /// How many lines looked like those of a test, and were none.
    pub(crate) fn ghosts(&self) -> usize {
        self.ghosts
    }

    /// The run has ended.
    pub(crate) fn end(&mut self) {
        match self.listed.contains_key(&self.program) {
            true => self.close(),
            false => self.broken_off(),
        }
        self.program.clear();
    }

    pub(crate) fn records(mut self) -> Vec<Record> {
        self.end();
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

    /// Of one program with these tests, what is read of these lines.
    fn listed(tests: &[&str], lines: &[&str]) -> Libtest {
        let running = "     Running tests/it.rs (target/debug/deps/it-0123456789abcdef)";
        let mut libtest = Libtest::default();
        assert!(libtest.list("   Compiling it v0.1.0"));
        assert!(!libtest.list(running));
        for test in tests {
            assert!(!libtest.list(&format!("{test}: test")));
        }
        assert!(!libtest.list("2 tests, 0 benchmarks"));
        libtest.listed();
        libtest.read(running);
        lines.iter().for_each(|line| libtest.read(line));
        libtest
    }

    #[test]
    fn what_a_test_prints_is_none_of_the_runner() {
        let libtest = listed(
            &["a", "b", "c", "d", "e"],
            &[
                "running 5 tests",
                "test ghost ... ok",
                "test a ... ok",
                "test b ... ok",
                "running 99 tests",
                "test result: ok. 99 passed; finished in 0.00s",
                "half a linetest c - should panic ... ok",
                "test b ... FAILED",
                "test d ... ignored, for a reason",
                "test e ... ok <0.001s>",
                "test ghost ... FAILED",
                "test result: FAILED. 3 passed; 1 failed; 1 ignored; finished in 0.40s",
            ],
        );
        assert_eq!((libtest.announced(), libtest.told(), libtest.ghosts()), (5, 5, 3));
        let records = libtest.records();
        assert_eq!(
            seen(&records),
            [("it::a", true), ("it::b", false), ("it::c", true), ("it::e", true)]
        );
        assert_eq!(records[0].duration_ms, 100.0);
    }

    #[test]
    fn what_was_listed_and_never_told_of_is_missed() {
        let broken = listed(&["a", "b"], &["running 2 tests", "test a ... ok"]).records();
        assert_eq!(seen(&broken), [("it::a", true), ("it::(the program broke off)", false)]);
        let mut quiet = listed(&["a", "b"], &["..", "test result: ok. 2 passed; finished in 0.1s"]);
        quiet.end();
        assert_eq!(quiet.untold(), 2);
        assert!(quiet.records().is_empty());
    }

    #[test]
    fn doc_tests_are_told_apart_by_their_crate() {
        let mut libtest = Libtest::default();
        for line in [
            "   Doc-tests a",
            "src/lib.rs - f (line 3): test",
            "src/lib.rs - g (line 9): test",
            "   Doc-tests b",
            "src/lib.rs - f (line 3): test",
        ] {
            libtest.list(line);
        }
        libtest.listed();
        for line in [
            "   Doc-tests a",
            "test src/lib.rs - f (line 3) ... ok",
            "test src/lib.rs - g (line 9) - compile fail ... ok",
            "   Doc-tests b",
            "test src/lib.rs - f (line 3) ... FAILED",
        ] {
            libtest.read(line);
        }
        let records = libtest.records();
        let programs: Vec<_> = records
            .iter()
            .map(|record| (record.program.as_deref().unwrap(), record.passed))
            .collect();
        assert_eq!(
            programs,
            [("doc-tests a", true), ("doc-tests a", true), ("doc-tests b", false)]
        );
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
