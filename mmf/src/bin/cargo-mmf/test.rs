//! `cargo mmf test`

use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use clap::Args;
use mmf::testing::results::{Record, Results};

use crate::progress::Progress;
use crate::suite::{Libtest, joined, of_junit};
use crate::{End, results};

/// What nextest is told and tells, beside the results.
const CONFIG: &str = "nextest.toml";
const JUNIT: &str = "junit.xml";

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
        let (status, records) = if nextest {
            by_nextest(&cargo, &self.arguments, &folder)?
        } else {
            by_libtest(&cargo, &self.arguments, &folder)
                .map_err(|error| format!("cargo test cannot be run: {error}"))?
        };
        let results = Results::read(&folder).map_err(|error| error.to_string())?;
        add(&folder, &results, records)
            .map_err(|error| format!("the suite cannot be recorded: {error}"))?;
        let conflicts = conflicts(&results);
        for (test, reason) in &conflicts {
            eprintln!("cargo mmf: {test} failed: {reason}");
        }
        Ok(status.success() && conflicts.is_empty())
    }
}

/// What programs say of the names of their policies: no test of the runner's.
fn conflicts(results: &Results) -> Vec<(&str, String)> {
    let records = results.records.values();
    let failed = records.filter(|record| !record.passed && record.path() == "names_are_unique");
    failed.map(|record| (record.test.as_str(), record.reasons.join("; "))).collect()
}

/// Of tests that are gone no result may stay. What is not ours stays.
fn clear(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        let is_ours = path.extension().is_some_and(|end| end == "jsonl")
            || path.file_name().is_some_and(|name| name == JUNIT || name == CONFIG);
        if is_ours {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Adds what the runner says to the results.
fn add(folder: &Path, results: &Results, records: Vec<Record>) -> io::Result<()> {
    let mut text = String::new();
    for record in joined(results, records) {
        text.push_str(&serde_json::to_string(&record)?);
        text.push('\n');
    }
    std::fs::write(folder.join("suite.jsonl"), text)
}

/// The whole suite counts, so that a failure does not end the run; unless the arguments say so themselves.
fn to_the_end(arguments: &[String]) -> Option<&'static str> {
    let says =
        |argument: &String| argument.ends_with("fail-fast") || argument.starts_with("--max-fail");
    (!arguments.iter().any(says)).then_some("--no-fail-fast")
}

fn by_nextest(
    cargo: &OsString,
    arguments: &[String],
    folder: &Path,
) -> Result<(ExitStatus, Vec<Record>), String> {
    let junit = folder.join(JUNIT);
    let config = folder.join(CONFIG);
    let text = format!("[profile.default.junit]\npath = {:?}\n", junit.display().to_string());
    std::fs::write(&config, text).map_err(|error| error.to_string())?;
    let status = Command::new(cargo)
        .args(["nextest", "run", "--tool-config-file"])
        .arg(format!("mmf:{}", config.display()))
        .args(to_the_end(arguments))
        .args(arguments)
        .env("MMF_RESULTS", folder)
        .status()
        .map_err(|error| format!("cargo nextest cannot be run: {error}"))?;
    let xml = std::fs::read_to_string(&junit)
        .map_err(|error| {
            format!(
                "nextest has left no report at {}: {error}; a junit.path of the repository's own goes before ours: take \
                 it out, or use --no-nextest",
                junit.display()
            )
        })?;
    let records = of_junit(&xml).map_err(|error| format!("{}: {error}", junit.display()))?;
    Ok((status, records))
}

fn by_libtest(
    cargo: &OsString,
    arguments: &[String],
    folder: &Path,
) -> io::Result<(ExitStatus, Vec<Record>)> {
    // One pipe for both, so that it stays told which program a test belongs to.
    let (output, input) = io::pipe()?;
    let mut command = Command::new(cargo);
    command
        .arg("test")
        .args(to_the_end(arguments))
        .args(arguments)
        .env("MMF_RESULTS", folder)
        .stdout(input.try_clone()?)
        .stderr(input);
    let mut child = command.spawn()?;
    // It holds the pipe open.
    drop(command);
    let mut libtest = Libtest::default();
    let progress = Progress::new();
    for line in BufReader::new(output).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).trim_end_matches('\r').to_owned();
        progress.line(&line);
        libtest.read(&line);
        progress.set(libtest.told(), libtest.announced());
    }
    progress.end();
    let status = child.wait()?;
    if libtest.untold() > 0 {
        eprintln!(
            "cargo mmf: {} tests are not counted, as cargo test told nothing of them: their program broke off, or \
             -q was given",
            libtest.untold()
        );
    }
    Ok((status, libtest.records()))
}
