//! `cargo mmf test`

use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use clap::Args;
use mmf::testing::results::{Record, Results};

use crate::progress::Progress;
use crate::suite::{Libtest, of_junit};
use crate::{End, results};

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
            Ok(status) if status.success() => End::Passed,
            Ok(_) => End::Failed,
            Err(why) => End::Undecided(why),
        }
    }

    fn tested(self) -> Result<ExitStatus, String> {
        let folder = results::folder(self.results)?;
        // Of tests that are gone no result may stay.
        if folder.exists() {
            std::fs::remove_dir_all(&folder)
                .map_err(|error| format!("old results cannot be removed: {error}"))?;
        }
        std::fs::create_dir_all(&folder)
            .map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
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
        add(&folder, &records).map_err(|error| format!("the suite cannot be recorded: {error}"))?;
        Ok(status)
    }
}

/// Adds the plain tests to the results; those of MMF have told more of themselves.
fn add(folder: &Path, records: &[Record]) -> io::Result<()> {
    let known = Results::read(folder)?;
    let is_known = |record: &Record| {
        known.records.values().any(|known| {
            let is_same = record.package.is_none() || known.package == record.package;
            known.test == record.test && is_same
        })
    };
    let mut text = String::new();
    for record in records.iter().filter(|record| !is_known(record)) {
        text.push_str(&serde_json::to_string(record)?);
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
    let junit = folder.join("junit.xml");
    let config = folder.join("nextest.toml");
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
        .map_err(|error| format!("nextest has left no report of the suite: {error}"))?;
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
