//! Where results are.

use std::path::PathBuf;
use std::process::Command;

use mmf::testing::results::Results;

/// What the results folder holds, and where it is.
///
/// # Errors
///
/// Where it cannot be read.
pub(crate) fn read(given: Option<PathBuf>) -> Result<(Results, PathBuf), String> {
    let folder = folder(given)?;
    let results = Results::read(&folder)
        .map_err(|error| format!("there are no results in {}: {error}", folder.display()))?;
    Ok((results, folder))
}

/// The folder of the results: the one given, that of `MMF_RESULTS`, or that of the target folder of this
/// workspace.
///
/// # Errors
///
/// Where cargo does not tell its target folder.
pub(crate) fn folder(given: Option<PathBuf>) -> Result<PathBuf, String> {
    if let Some(folder) = given.or_else(|| std::env::var_os("MMF_RESULTS").map(PathBuf::from)) {
        // Tests run elsewhere, in the folder of their package.
        return std::path::absolute(&folder)
            .map_err(|error| format!("{}: {error}", folder.display()));
    }
    let metadata = metadata()?;
    let target =
        metadata["target_directory"].as_str().ok_or("cargo metadata names no target folder")?;
    Ok(PathBuf::from(target).join("mmf").join("results"))
}

/// The root of the workspace here; nothing where there is none.
pub(crate) fn workspace() -> Option<PathBuf> {
    metadata().ok()?["workspace_root"].as_str().map(PathBuf::from)
}

fn metadata() -> Result<serde_json::Value, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()
        .map_err(|error| format!("cargo metadata cannot be run: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(format!("no results folder is given, and there is no package here: {said}"));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("cargo metadata is not understood: {error}"))
}
