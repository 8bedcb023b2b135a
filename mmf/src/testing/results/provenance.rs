//! Which run results are of.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// The file of a results folder that says so.
const FILE: &str = "run.json";
/// It is larger only where it is another file.
const MOST_BYTES: u64 = 1 << 20;

/// What `cargo mmf test` says of its run, beside the records.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Provenance {
    /// What its records carry.
    pub run: String,
    /// When it began, in milliseconds since 1970.
    pub started_ms: u64,
    /// How long it took; nothing where it has not ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// What was run.
    #[serde(default)]
    pub command: String,
    /// The commit it was run on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The machine it was run on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

impl Provenance {
    /// Of a run that begins now.
    pub fn begin(command: impl Into<String>) -> Self {
        let started_ms = super::record::now_ms();
        let run = format!("mmf-{started_ms}-{}", std::process::id());
        Self { run, started_ms, command: command.into(), ..Self::default() }
    }

    /// Writes it into a results folder.
    ///
    /// # Errors
    ///
    /// Where that cannot be.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        crate::testing::file::replace(&folder.join(FILE), &text)
    }

    /// That of a results folder; nothing where none is said.
    ///
    /// # Errors
    ///
    /// Where it cannot be read.
    pub fn read(folder: &Path) -> io::Result<Option<Self>> {
        match crate::testing::file::read(&folder.join(FILE), MOST_BYTES) {
            Ok(text) => Ok(Some(serde_json::from_str(&text)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
