//! Records into the file of the process that ran the test.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::record::{Outcome, Record};
use crate::testing::names::record_of_conflict;

impl Record {
    /// Notes that a test of a kind begins, so that one which is killed is missed. What it returns is that note.
    pub fn start(test: impl Into<String>, kind: &str) -> Self {
        #[cfg(feature = "pact")]
        crate::testing::crypto::provide();
        let record = Self::new(test, false, 0.0, Outcome::started(kind));
        record.write_or_say();
        record
    }

    /// Appends it to the file of this process, or says on standard error why that cannot be.
    pub fn write_or_say(&self) {
        if let Err(error) = self.write() {
            eprintln!("the result of {} could not be recorded: {error}", self.test);
        }
    }

    /// Appends it to the file of this process.
    ///
    /// # Errors
    ///
    /// Where there is no target folder, or the file cannot be written.
    pub fn write(&self) -> io::Result<()> {
        static OUT: Mutex<Option<File>> = Mutex::new(None);
        let mut out = OUT.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match &mut *out {
            Some(file) => file,
            none => none.insert(create()?),
        };
        self.write_to(file)
    }

    fn write_to(&self, file: &mut File) -> io::Result<()> {
        let mut line = serde_json::to_string(self)?;
        line.push('\n');
        // One write a line: a process that is killed leaves whole lines.
        file.write_all(line.as_bytes())
    }
}

/// The file of this process, which begins with what is wrong with its names.
fn create() -> io::Result<File> {
    let program = std::env::current_exe()?;
    let folder = folder(&program)?;
    std::fs::create_dir_all(&folder)?;
    let name = program.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let path = folder.join(format!("{name}-{}.jsonl", std::process::id()));
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    // A file is `<crate>-<hash>`.
    let name = name.rsplit_once('-').map_or(name.as_str(), |(name, _)| name);
    if let Some(conflict) = record_of_conflict(name) {
        conflict.write_to(&mut file)?;
    }
    Ok(file)
}

/// Where results of a program go: `MMF_RESULTS`, else `mmf/results` of the target folder it lies in.
fn folder(program: &Path) -> io::Result<PathBuf> {
    if let Some(folder) = std::env::var_os("MMF_RESULTS") {
        return Ok(folder.into());
    }
    let target = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    let target = target.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            "no target folder above this program; MMF_RESULTS says where results go",
        )
    })?;
    Ok(target.join("mmf").join("results"))
}
