//! `cargo mmf baseline`

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use mmf::testing::results::Outcome;
use mmf::testing::{BaselineRun, PerformanceBaseline};

use crate::{End, results};

#[derive(Args)]
pub(crate) struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Adds the last measurements to their baselines, of which each remembers ten
    Accept(Accept),
}

#[derive(Args)]
struct Accept {
    /// Where the results are; target/mmf/results without it
    #[arg(long)]
    results: Option<PathBuf>,
    /// Also measurements of tests that failed, after a change that may be slower
    #[arg(long)]
    slower: bool,
}

impl Command {
    pub(crate) fn run(self) -> End {
        let Action::Accept(accept) = self.action;
        accept.run().unwrap_or_else(End::Undecided)
    }
}

impl Accept {
    fn run(self) -> Result<End, String> {
        let (results, _) = results::read(self.results)?;
        let (mut accepted, mut left_out) = (0, 0);
        for record in results.records.values() {
            let Outcome::Performance(measured) = &record.outcome else { continue };
            let Some(file) = &measured.baseline else { continue };
            if !record.passed && !self.slower {
                println!("{}: left out, as it failed; --slower accepts it", record.test);
                left_out += 1;
                continue;
            }
            let file = Path::new(file);
            let wrong = |error: std::io::Error| format!("{}: {error}", file.display());
            let package = file.parent().and_then(Path::parent);
            if !package.is_some_and(Path::exists) {
                return Err(format!(
                    "{} is not on this machine: accept where it was measured",
                    file.display()
                ));
            }
            let mut baseline = PerformanceBaseline::read(file).map_err(wrong)?;
            let run = BaselineRun::of_record(record)
                .ok_or_else(|| format!("{}: it was recorded without its machine", record.test))?;
            if !baseline.accept(run) {
                println!("{}: left out, as this run is accepted already", record.test);
                left_out += 1;
                continue;
            }
            baseline.write(file).map_err(wrong)?;
            println!(
                "{}: {:.3} ms is run {} of {}",
                record.test,
                measured.p25_ms,
                baseline.runs.len(),
                file.display()
            );
            accepted += 1;
        }
        match (accepted, left_out) {
            (0, 0) => return Err("no measurement with a baseline is among the results".into()),
            (0, _) => return Ok(End::Failed),
            _ => {}
        }
        Ok(End::Passed)
    }
}
