//! `cargo mmf gate`

use std::path::PathBuf;

use clap::Args;
use mmf::testing::QualityReport;

use crate::end::End;
use crate::limits::Limits;
use crate::say::say;
use crate::write::{page, write};

#[derive(Args)]
pub(crate) struct Gate {
    #[command(flatten)]
    limits: Limits,
    /// Where the report is written as a page of HTML; report.html beside the results without it
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Writes the report as Markdown, for a pull request
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Writes the report as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes the report as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

impl Gate {
    pub(crate) fn run(self) -> End {
        self.decide().unwrap_or_else(End::Undecided)
    }

    fn decide(self) -> Result<End, String> {
        let (report, folder) = self.limits.judge()?;
        say(format_args!("{}", report.text()));
        let page = page(&report, &folder, self.html)?;
        say(format_args!("report: {}\n", page.display()));
        if let Some(file) = self.markdown {
            write(&file, &report.markdown())?;
        }
        if let Some(file) = self.json {
            write(&file, &report.json().map_err(|error| error.to_string())?)?;
        }
        if let Some(file) = self.junit {
            write(&file, &crate::junit::of_report(&report)?)?;
        }
        Ok(end(&report))
    }
}

/// What a report comes to.
fn end(report: &QualityReport) -> End {
    match (report.all_gates_passed, report.unreadable.is_empty()) {
        (false, _) => End::Failed,
        (true, true) => End::Passed,
        (true, false) => End::Undecided(format!("not readable: {}", report.unreadable.join("; "))),
    }
}
