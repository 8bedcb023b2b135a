//! `cargo mmf baseline`

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use mmf::testing::results::Outcome;
use mmf::testing::{BaselineRun, PerformanceBaseline};

use crate::end::End;
use crate::results;
use crate::say::say;

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
        let is_given = self.results.is_some();
        let (results, folder) = results::read(self.results)?;
        let mut roots: Vec<_> = results::workspace().into_iter().collect();
        if is_given {
            roots.extend(folder.parent().map(Path::to_owned));
        }
        let (mut accepted, mut left_out) = (0, 0);
        for record in results.records.values() {
            let Outcome::Performance(measured) = &record.outcome else { continue };
            let Some(file) = &measured.baseline else { continue };
            if !record.passed && !self.slower {
                say(format_args!("{}: left out, as it failed; --slower accepts it\n", record.test));
                left_out += 1;
                continue;
            }
            let file = Path::new(file);
            let wrong = |error: std::io::Error| format!("{}: {error}", file.display());
            if let Err(why) = is_baseline(file, &roots) {
                return Err(format!(
                    "{}: {} is no place for a baseline: {why}",
                    record.test,
                    file.display()
                ));
            }
            let mut baseline = PerformanceBaseline::read(file).map_err(wrong)?;
            let run = BaselineRun::of_record(record)
                .ok_or_else(|| format!("{}: it was recorded without its machine", record.test))?;
            if !baseline.accept(run) {
                say(format_args!("{}: left out, as this run is accepted already\n", record.test));
                left_out += 1;
                continue;
            }
            baseline.write(file).map_err(wrong)?;
            say(format_args!(
                "{}: {:.3} ms is run {} of {}\n",
                record.test,
                measured.p25_ms,
                baseline.runs.len(),
                file.display()
            ));
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

/// Whether a baseline may be written there, whatever a record says: `mmf-baselines/NAME.json` of a package of the
/// workspace, or beside results that were given by hand.
fn is_baseline(file: &Path, roots: &[PathBuf]) -> Result<(), String> {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_named =
        name.strip_suffix(".json").is_some_and(|stem| !stem.is_empty() && !stem.starts_with('.'));
    let folder = file.parent().unwrap_or(Path::new(""));
    if !is_named || folder.file_name().is_none_or(|name| name != "mmf-baselines") {
        return Err("it is not called mmf-baselines/NAME.json".into());
    }
    let package = folder.parent().unwrap_or(Path::new(""));
    let package = package
        .canonicalize()
        .map_err(|_| "it is not on this machine: accept where it was measured".to_owned())?;
    // The folder itself may be a link.
    let folder = folder.canonicalize().unwrap_or_else(|_| package.join("mmf-baselines"));
    let is_below = |root: &PathBuf| {
        root.canonicalize()
            .is_ok_and(|root| package.starts_with(&root) && folder.starts_with(&root))
    };
    match roots.iter().any(is_below) {
        true => Ok(()),
        false => Err("it lies outside of the workspace".into()),
    }
}
