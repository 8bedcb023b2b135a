//! A folder of a test's own, and the command in it.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Removed at the end.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        // Several tests of one process may call theirs by one name.
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mmf-it-{}-{number}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    /// One in which `cargo mmf test` has run.
    pub(crate) fn with_results(name: &str) -> Self {
        let folder = Self::new(name);
        std::fs::create_dir(folder.results()).unwrap();
        folder
    }

    pub(crate) fn results(&self) -> PathBuf {
        self.0.join("results")
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.0.join(path)).unwrap()
    }

    /// Exit code and output of the command in a folder of this one.
    pub(crate) fn run(&self, below: &str, arguments: &[&str]) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_cargo-mmf"))
            .arg("mmf")
            .args(arguments)
            .current_dir(self.0.join(below))
            .output()
            .unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code().unwrap(), text)
    }

    /// Exit code and output of `cargo mmf gate` over its results.
    pub(crate) fn gate(&self, arguments: &[&str]) -> (i32, String) {
        let results = self.results();
        let first = ["gate", "--results", results.to_str().unwrap()];
        self.run("", &[&first, arguments].concat())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
