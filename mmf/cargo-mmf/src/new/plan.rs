//! What would be written: nothing that is there is overwritten, and where one file cannot be written none is.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Files of one folder.
pub(super) struct Plan {
    folder: PathBuf,
    /// New ones.
    new: Vec<(PathBuf, String)>,
    /// Those that get more, with what they had.
    more: Vec<(PathBuf, String, String)>,
}

impl Plan {
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), new: Vec::new(), more: Vec::new() }
    }

    /// One more file.
    pub(super) fn add(&mut self, path: &str, text: String) {
        self.new.push((self.folder.join(path), text));
    }

    /// A text before a mark in a file that is there.
    pub(super) fn insert(&mut self, path: &str, mark: &str, text: &str) -> Result<(), String> {
        let path = self.folder.join(path);
        let known = self.more.iter().position(|(known, ..)| *known == path);
        let place = match known {
            Some(place) => place,
            None => {
                let before = fs::read_to_string(&path).map_err(|error| {
                    format!("{}: {error}; this is no service of `cargo mmf new`", path.display())
                })?;
                self.more.push((path, before.clone(), before));
                self.more.len() - 1
            }
        };
        let (path, _, now) = &mut self.more[place];
        let mut places = now.match_indices(mark).map(|(place, _)| place);
        let (Some(at), None) = (places.next(), places.next()) else {
            return Err(format!(
                "{} has not one line `{mark}`: write it back where this is to stand\n{text}",
                path.display()
            ));
        };
        now.insert_str(at, text);
        Ok(())
    }

    /// What is written, a line for each file.
    pub(super) fn told(&self) -> String {
        let mut told = String::new();
        for (path, text) in &self.new {
            let _ = writeln!(told, "new      {:>4} lines  {}", text.lines().count(), shown(path));
        }
        for (path, before, now) in &self.more {
            let more = now.lines().count() - before.lines().count();
            let _ = writeln!(told, "changed  {more:>+4} lines  {}", shown(path));
        }
        told
    }

    /// Writes all of it, or takes back what it has written.
    pub(super) fn write(&self) -> Result<(), String> {
        let taken = self.new.iter().find(|(path, _)| path.symlink_metadata().is_ok());
        if let Some((path, _)) = taken {
            return Err(format!("{} is there already, and is left as it is", shown(path)));
        }
        let is_new = self.folder.symlink_metadata().is_err();
        let mut written = Vec::new();
        let done = self.write_each(&mut written);
        if done.is_err() {
            for path in written {
                let _ = fs::remove_file(path);
            }
            if is_new {
                let _ = fs::remove_dir_all(&self.folder);
            }
        }
        done
    }

    fn write_each(&self, written: &mut Vec<PathBuf>) -> Result<(), String> {
        for (path, text) in &self.new {
            let wrong = |error: std::io::Error| format!("{}: {error}", shown(path));
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(wrong)?;
            }
            // Whoever was faster keeps what is theirs.
            let mut file =
                OpenOptions::new().write(true).create_new(true).open(path).map_err(wrong)?;
            written.push(path.clone());
            file.write_all(text.as_bytes()).map_err(wrong)?;
        }
        for (path, _, now) in &self.more {
            crate::write::write(path, now)?;
        }
        Ok(())
    }

    /// Formats what it has written of Rust, as names decide where lines break and in which order they stand; without rustfmt it
    /// stays as it is.
    pub(super) fn format(&self) {
        let all =
            self.new.iter().map(|(path, _)| path).chain(self.more.iter().map(|(path, ..)| path));
        let is_rust = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "rs");
        let mut rustfmt = Command::new("rustfmt");
        rustfmt.args(["--edition", "2024"]).args(all.filter(is_rust));
        let _ = rustfmt.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

fn shown(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("cargo-mmf-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn what_is_there_stays_and_then_nothing_is_written() {
        let folder = folder("stays");
        fs::write(folder.join("b"), "mine").unwrap();
        let mut plan = Plan::in_folder(&folder);
        plan.add("a", "new".into());
        plan.add("b", "new".into());
        assert!(plan.write().unwrap_err().contains("is there already"));
        assert!(!folder.join("a").exists());
        assert_eq!(fs::read_to_string(folder.join("b")).unwrap(), "mine");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn where_one_cannot_be_written_none_is() {
        let parent = folder("none");
        let new = parent.join("service");
        let mut plan = Plan::in_folder(&new);
        plan.add("a", "new".into());
        // A folder where a file is.
        plan.add("a/b", "new".into());
        assert!(plan.write().is_err());
        assert!(!new.exists(), "what was written is taken back");
        fs::remove_dir_all(parent).unwrap();
    }

    #[test]
    fn more_of_a_file_stands_before_its_mark() {
        let folder = folder("mark");
        fs::write(folder.join("mod.rs"), "mod a;\n// here\n// there\n").unwrap();
        let mut plan = Plan::in_folder(&folder);
        plan.insert("mod.rs", "// here", "mod b;\n").unwrap();
        plan.insert("mod.rs", "// there", "mod c;\n").unwrap();
        plan.add("b.rs", "\n\n".into());
        assert!(plan.insert("mod.rs", "// nowhere", "").unwrap_err().contains("has not one line"));
        assert!(plan.insert("none.rs", "// here", "").unwrap_err().contains("no service"));
        let told = plan.told();
        assert!(told.contains("new         2 lines") && told.contains("+2 lines"), "{told}");
        plan.write().unwrap();
        let text = fs::read_to_string(folder.join("mod.rs")).unwrap();
        assert_eq!(text, "mod a;\nmod b;\n// here\nmod c;\n// there\n");
        fs::remove_dir_all(folder).unwrap();
    }
}
