//! Files that the command writes.

use std::path::{Path, PathBuf};

use mmf::testing::{QualityReport, Run};

/// Replaces a file as a whole.
///
/// # Errors
///
/// Where it cannot be written, by its name.
pub(crate) fn write(file: &Path, text: &str) -> Result<(), String> {
    mmf::testing::file::replace(file, text)
        .map_err(|error| format!("{} cannot be written: {error}", file.display()))
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
