//! `cargo mmf report`

use std::path::PathBuf;

use clap::Args;
use mmf::testing::Run;

use crate::End;
use crate::gate::write;
use crate::limits::Limits;

#[derive(Args)]
pub(crate) struct Report {
    #[command(flatten)]
    limits: Limits,
    /// Where the page is written; report.html beside the results without it
    #[arg(long)]
    html: Option<PathBuf>,
}

impl Report {
    pub(crate) fn run(self) -> End {
        self.write().unwrap_or_else(End::Undecided)
    }

    fn write(self) -> Result<End, String> {
        let (report, folder) = self.limits.judge()?;
        // Beside the results, which are cleared.
        let beside = folder.parent().unwrap_or(&folder);
        let history = beside.join("history.jsonl");
        let unreadable = |error: std::io::Error| format!("{}: {error}", history.display());
        report.as_run().append(&history).map_err(unreadable)?;
        let runs = Run::history(&history).map_err(unreadable)?;
        let file = self.html.unwrap_or_else(|| beside.join("report.html"));
        write(&file, &report.html(&runs))?;
        println!("{}", file.display());
        Ok(End::Passed)
    }
}
