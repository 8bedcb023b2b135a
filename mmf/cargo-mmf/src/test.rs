//! `cargo mmf test`

use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Instant;

use clap::Args;
use mmf::testing::file;
use mmf::testing::results::{Provenance, Record, Results};

use crate::end::End;
use crate::progress::Progress;
use crate::results;
use crate::say::say;
use crate::suite::{Libtest, joined, of_junit};

/// What nextest is told and tells, beside the results.
const CONFIG: &str = "mmf-nextest.toml";
const JUNIT: &str = "mmf-junit.xml";
/// A larger report is none of nextest's.
const MOST_BYTES: u64 = 1 << 30;

#[derive(Args)]
pub(crate) struct Test {
    /// Where results go; target/mmf/results without it
    #[arg(long)]
    results: Option<PathBuf>,
    /// Runs `cargo test` also where cargo-nextest is installed
    #[arg(long)]
    no_nextest: bool,
    /// For cargo, such as --workspace or the name of a test
    #[arg(last = true)]
    arguments: Vec<String>,
}

impl Test {
    pub(crate) fn run(self) -> End {
        match self.tested() {
            Ok(true) => End::Passed,
            Ok(false) => End::Failed,
            Err(why) => End::Undecided(why),
        }
    }

    /// Whether all passed, the names of policies included.
    fn tested(self) -> Result<bool, String> {
        let folder = results::folder(self.results)?;
        clear(&folder).map_err(|error| format!("old results cannot be removed: {error}"))?;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let nextest = !self.no_nextest
            && Command::new(&cargo)
                .args(["nextest", "--version"])
                .output()
                .is_ok_and(|output| output.status.success());
        let mut provenance = provenance(&self.arguments, nextest);
        let noted = |error| format!("the run cannot be noted: {error}");
        provenance.write(&folder).map_err(noted)?;
        let start = Instant::now();
        let run = Run { cargo: &cargo, folder: &folder, id: &provenance.run };
        let (passed, records) = if nextest {
            run.by_nextest(&self.arguments)?
        } else {
            run.by_libtest(&self.arguments)
                .map_err(|error| format!("cargo test cannot be run: {error}"))?
        };
        provenance.duration_ms = u64::try_from(start.elapsed().as_millis()).ok();
        provenance.write(&folder).map_err(noted)?;
        let results = Results::read_all(&folder).map_err(|error| error.to_string())?;
        add(&folder, &results, &provenance.run, records)
            .map_err(|error| format!("the suite cannot be recorded: {error}"))?;
        let conflicts = conflicts(&results);
        for (test, reason) in &conflicts {
            eprintln!("cargo mmf: {test} failed: {reason}");
        }
        Ok(passed && conflicts.is_empty())
    }
}

/// What is run, where, and of which commit.
fn provenance(arguments: &[String], nextest: bool) -> Provenance {
    let runner = if nextest { "cargo nextest run" } else { "cargo test" };
    let command = [runner].into_iter().chain(arguments.iter().map(String::as_str));
    let mut provenance = Provenance::begin(command.collect::<Vec<_>>().join(" "));
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        (output.status.success() && !text.is_empty()).then_some(text)
    };
    provenance.commit = said("git", &["describe", "--always", "--dirty", "--abbrev=12"]);
    provenance.host = std::env::var("HOSTNAME").ok().or_else(|| said("hostname", &[]));
    provenance
}

/// What programs say of the names of their policies: no test of the runner's.
fn conflicts(results: &Results) -> Vec<(&str, String)> {
    let records = results.records.values();
    let failed = records.filter(|record| !record.passed && record.path() == "names_are_unique");
    failed.map(|record| (record.test.as_str(), record.reasons.join("; "))).collect()
}

/// Of tests that are gone no result may stay. What is not ours stays: a file is ours by its name, or by its first
/// line.
fn clear(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let is_ours = entry.file_type()?.is_file()
            && (name == JUNIT
                || name == CONFIG
                || path.extension().is_some_and(|end| end == "jsonl") && begins_with_record(&path));
        if is_ours {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn begins_with_record(path: &Path) -> bool {
    /// The longest line of ours.
    const MOST: u64 = 16 << 20;
    let mut line = Vec::new();
    let read = file::open(path)
        .and_then(|file| BufReader::new(file.take(MOST)).read_until(b'\n', &mut line));
    let record = serde_json::from_slice::<serde_json::Value>(&line).unwrap_or_default();
    // One that is torn is known by how it begins.
    let is_torn = line.starts_with(b"{\"schema\":") && !line.ends_with(b"\n");
    read.is_ok() && (is_torn || record["schema"].is_u64() && record["kind"].is_string())
}

/// Adds what the runner says to the results.
fn add(folder: &Path, results: &Results, run: &str, records: Vec<Record>) -> io::Result<()> {
    let mut text = String::new();
    for mut record in joined(results, records) {
        record.run = Some(run.to_owned());
        text.push_str(&serde_json::to_string(&record)?);
        text.push('\n');
    }
    file::replace(&folder.join("suite.jsonl"), &text)
}

/// The whole suite counts, so that a failure does not end the run; unless the arguments say so themselves.
fn to_the_end(arguments: &[String]) -> Option<&'static str> {
    let says =
        |argument: &String| argument.ends_with("fail-fast") || argument.starts_with("--max-fail");
    (!arguments.iter().any(says)).then_some("--no-fail-fast")
}

/// A run of cargo, and what it is called.
struct Run<'r> {
    cargo: &'r OsString,
    folder: &'r Path,
    id: &'r str,
}

impl Run<'_> {
    fn command(&self) -> Command {
        let mut command = Command::new(self.cargo);
        command.env("MMF_RESULTS", self.folder).env("MMF_RUN", self.id);
        command
    }

    /// Whether all passed, and what is told of each: by nextest, which knows no doc tests, and by cargo of those.
    fn by_nextest(&self, arguments: &[String]) -> Result<(bool, Vec<Record>), String> {
        let junit = self.folder.join(JUNIT);
        let config = self.folder.join(CONFIG);
        let text = format!("[profile.default.junit]\npath = {:?}\n", junit.display().to_string());
        file::replace(&config, &text).map_err(|error| format!("{}: {error}", config.display()))?;
        let status = self
            .command()
            .args(["nextest", "run", "--tool-config-file"])
            .arg(format!("mmf:{}", config.display()))
            .args(to_the_end(arguments))
            .args(arguments)
            .status()
            .map_err(|error| format!("cargo nextest cannot be run: {error}"))?;
        let xml = file::read(&junit, MOST_BYTES)
            .map_err(|error| {
                format!(
                    "nextest has left no report at {}: {error}; a junit.path of the repository's own goes before ours: take \
                     it out, or use --no-nextest",
                    junit.display()
                )
            })?;
        let mut records =
            of_junit(&xml).map_err(|error| format!("{}: {error}", junit.display()))?;
        let Some(arguments) = of_doc_tests(arguments) else {
            return Ok((status.success(), records));
        };
        let (passed, doc) = self
            .by_libtest(&arguments)
            .map_err(|error| format!("cargo test --doc cannot be run: {error}"))?;
        records.extend(doc);
        Ok((status.success() && passed, records))
    }

    /// Whether all passed, and what cargo tells of each. They are listed first, so that nothing that a test prints is
    /// taken for a word of its runner.
    fn by_libtest(&self, arguments: &[String]) -> io::Result<(bool, Vec<Record>)> {
        let mut libtest = Libtest::default();
        let mut said = String::new();
        let listed = self.test(&with_list(arguments), |line| {
            if libtest.list(line) {
                say(format_args!("{line}\n"));
                said.push_str(line);
            }
        })?;
        if !listed.success() {
            // Of programs alone there are no doc tests.
            let is_empty = said.contains("no library targets found");
            return Ok((is_empty, Vec::new()));
        }
        libtest.listed();
        let progress = Progress::new();
        let mut arguments: Vec<_> = arguments.to_vec();
        arguments.splice(0..0, to_the_end(&arguments).map(str::to_owned));
        let status = self.test(&arguments, |line| {
            progress.line(line);
            libtest.read(line);
            progress.set(libtest.told(), libtest.announced());
        })?;
        progress.end();
        libtest.end();
        if libtest.untold() > 0 {
            eprintln!(
                "cargo mmf: {} tests are not counted, as cargo test told nothing of them: their program broke off, or \
                 -q was given",
                libtest.untold()
            );
        }
        if libtest.ghosts() > 0 {
            eprintln!(
                "cargo mmf: {} lines looked like those of a test, and are not counted: what is on no list is none",
                libtest.ghosts()
            );
        }
        Ok((status.success(), libtest.records()))
    }

    /// Runs `cargo test`, and hands on each line that it prints.
    fn test(&self, arguments: &[String], mut each: impl FnMut(&str)) -> io::Result<ExitStatus> {
        // One pipe for both, so that it stays told which program a test belongs to.
        let (output, input) = io::pipe()?;
        let mut command = self.command();
        command.arg("test").args(arguments).stdout(input.try_clone()?).stderr(input);
        let mut child = command.spawn()?;
        // It holds the pipe open.
        drop(command);
        for line in BufReader::new(output).split(b'\n') {
            each(String::from_utf8_lossy(&line?).trim_end_matches('\r'));
        }
        child.wait()
    }
}

/// The arguments, for a run that lists its tests.
fn with_list(arguments: &[String]) -> Vec<String> {
    let mut arguments = arguments.to_vec();
    if !arguments.iter().any(|argument| argument == "--") {
        arguments.push("--".into());
    }
    arguments.push("--list".into());
    arguments
}

/// The arguments of nextest that cargo understands as well, for the doc tests; nothing where they choose among
/// tests, which doc tests then are not.
fn of_doc_tests(arguments: &[String]) -> Option<Vec<String>> {
    const ALONE: [&str; 11] = [
        "--workspace",
        "--all",
        "--all-features",
        "--no-default-features",
        "--locked",
        "--offline",
        "--frozen",
        "--release",
        "-r",
        "-v",
        "--verbose",
    ];
    const WITH_VALUE: [&str; 11] = [
        "-p",
        "--package",
        "--exclude",
        "-F",
        "--features",
        "--manifest-path",
        "--target",
        "--target-dir",
        "--cargo-profile",
        "--config",
        "-Z",
    ];
    /// What says how tests are run, and not which.
    const OF_NEXTEST: [&str; 7] = [
        "-j",
        "--test-threads",
        "--retries",
        "--profile",
        "--max-fail",
        "--color",
        "--failure-output",
    ];
    let mut kept = vec!["--doc".to_owned()];
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let (name, value) = argument.split_once('=').unwrap_or((argument, ""));
        if ALONE.contains(&name) {
            kept.push(argument.clone());
        } else if WITH_VALUE.contains(&name) {
            kept.push(match name {
                "--cargo-profile" => "--profile".into(),
                name => name.to_owned(),
            });
            kept.push(if value.is_empty() { arguments.next()?.clone() } else { value.to_owned() });
        } else if OF_NEXTEST.contains(&name) {
            if value.is_empty() {
                arguments.next();
            }
        } else if !(name.ends_with("fail-fast") || name == "--no-capture" || name == "--nocapture")
        {
            return None;
        }
    }
    Some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(arguments: &[&str]) -> Vec<String> {
        arguments.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn doc_tests_are_run_where_all_tests_are() {
        let of = |arguments: &[&str]| of_doc_tests(&texts(arguments));
        assert_eq!(of(&[]), Some(texts(&["--doc"])));
        assert_eq!(
            of(&["-p", "a", "--features=b", "--cargo-profile", "ci", "-j", "2", "--no-fail-fast"]),
            Some(texts(&["--doc", "-p", "a", "--features", "b", "--profile", "ci"]))
        );
        for some in [
            &["--test", "it"][..],
            &["-E", "test(a)"],
            &["get_order"],
            &["--lib"],
            &["--run-ignored", "only"],
        ] {
            assert_eq!(of(some), None, "{some:?}");
        }
    }

    #[test]
    fn tests_are_listed_by_the_same_arguments() {
        assert_eq!(with_list(&texts(&["-p", "a"])), texts(&["-p", "a", "--", "--list"]));
        let given = texts(&["--", "--ignored"]);
        assert_eq!(with_list(&given), texts(&["--", "--ignored", "--list"]));
    }
}
