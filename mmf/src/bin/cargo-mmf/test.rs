//! `cargo mmf test`

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use mmf::testing::results::{Record, Results};

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
    let mut text = String::new();
    for record in records.iter().filter(|record| !known.records.contains_key(&record.test)) {
        text.push_str(&serde_json::to_string(record)?);
        text.push('\n');
    }
    std::fs::write(folder.join("suite.jsonl"), text)
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
        .args(["nextest", "run", "--no-fail-fast", "--tool-config-file"])
        .arg(format!("mmf:{}", config.display()))
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
    let mut child = Command::new(cargo)
        .args(["test", "--no-fail-fast"])
        .args(arguments)
        .env("MMF_RESULTS", folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let libtest = Arc::new(Mutex::new(Libtest::default()));
    let (output, errors) = (child.stdout.take(), child.stderr.take());
    let heard = Arc::clone(&libtest);
    let listener = std::thread::spawn(move || {
        each_line(errors, |line| {
            eprintln!("{line}");
            heard.lock().unwrap_or_else(PoisonError::into_inner).heard(line);
        });
    });
    each_line(output, |line| {
        println!("{line}");
        libtest.lock().unwrap_or_else(PoisonError::into_inner).read(line);
    });
    let _ = listener.join();
    let status = child.wait()?;
    let libtest = std::mem::take(&mut *libtest.lock().unwrap_or_else(PoisonError::into_inner));
    if libtest.untold() > 0 {
        eprintln!(
            "cargo mmf: {} tests are not counted, as cargo test was quiet about them: leave -q away",
            libtest.untold()
        );
    }
    Ok((status, libtest.records()))
}

fn each_line(from: Option<impl Read>, mut take: impl FnMut(&str)) {
    let lines = from.into_iter().flat_map(|from| BufReader::new(from).lines());
    // A line that is no text is one that the runner did not write.
    for line in lines.map_while(Result::ok) {
        take(&line);
    }
}
