//! `cargo mmf test`

use std::path::PathBuf;
use std::process::Command;

use clap::Args;

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
        let folder = match results::folder(self.results) {
            Ok(folder) => folder,
            Err(why) => return End::Undecided(why),
        };
        // Of tests that are gone no result may stay.
        if folder.exists()
            && let Err(error) = std::fs::remove_dir_all(&folder)
        {
            return End::Undecided(format!("old results cannot be removed: {error}"));
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let nextest = !self.no_nextest
            && Command::new(&cargo)
                .args(["nextest", "--version"])
                .output()
                .is_ok_and(|output| output.status.success());
        let mut command = Command::new(cargo);
        if nextest {
            command.args(["nextest", "run", "--no-fail-fast"]);
        } else {
            command.args(["test", "--no-fail-fast"]);
        }
        command.args(self.arguments).env("MMF_RESULTS", &folder);
        match command.status() {
            Ok(status) if status.success() => End::Passed,
            Ok(_) => End::Failed,
            Err(error) => End::Undecided(format!("cargo cannot be run: {error}")),
        }
    }
}
