//! What a document is read from: its files, and the names in them.

use std::sync::OnceLock;

use serde_json::Value;

use super::files::{File, Files};
use super::names::{Names, Version};

/// The files of a document.
#[derive(Debug)]
pub struct Sources {
    pub(super) files: Files,
    /// Which schemas its schemas are.
    pub version: Version,
    names: OnceLock<Names>,
}

impl Sources {
    pub(super) fn new(files: Files, version: Version) -> Self {
        Self { files, version, names: OnceLock::new() }
    }

    /// Whether its schemas choose one another while they are looked at, by `$dynamicRef`.
    pub fn is_dynamic(&self) -> bool {
        self.names().is_dynamic
    }

    pub(super) fn names(&self) -> &Names {
        self.names.get_or_init(|| Names::of(&self.files, self.version))
    }

    /// What is at a pointer of a file; nothing where there is nothing.
    pub(super) fn at(&self, file: usize, pointer: &str) -> Result<Option<&Value>, String> {
        let File { name, root } = &self.files.all[file];
        let root = root.as_ref().map_err(|why| match why.contains(name.as_str()) {
            true => why.clone(),
            false => format!("{name}: {why}"),
        })?;
        Ok(root.pointer(pointer))
    }
}
