//! `cargo mmf report`

use std::path::PathBuf;

use clap::Args;

use crate::end::End;
use crate::limits::Limits;
use crate::say::say;
use crate::write::page;

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
