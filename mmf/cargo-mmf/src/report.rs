//! `cargo mmf report`

use std::path::{Path, PathBuf};

use clap::Args;
use mmf::testing::{QualityReport, Run};

use crate::gate::write;
use crate::limits::Limits;
use crate::{End, say};

#[derive(Args)]
pub(crate) struct Report {
    #[command(flatten)]
    limits: Limits,
    /// Where the page is written; report.html beside the results without it
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Report {
    pub(crate) fn run(self) -> End {
        self.write().unwrap_or_else(End::Undecided)
    }

    fn write(self) -> Result<End, String> {
        let (report, folder) = self.limits.judge()?;
        let file = page(&report, &folder, self.html)?;
        say(format_args!("{}\n", file.display()));
        Ok(End::Passed)
    }
}

/// Writes the page with the runs before this one, where it is said or beside the results, which are cleared.
pub(crate) fn page(
    report: &QualityReport,
    folder: &Path,
    file: Option<PathBuf>,
) -> Result<PathBuf, String> {
    let beside = folder.parent().unwrap_or(folder);
    let history = beside.join("history.jsonl");
    let unreadable = |error: std::io::Error| format!("{}: {error}", history.display());
    report.as_run().append(&history).map_err(unreadable)?;
    let runs = Run::history(&history).map_err(unreadable)?;
    let file = file.unwrap_or_else(|| beside.join("report.html"));
    write(&file, &report.html(&runs))?;
    Ok(file)
}
