//! What would be written: nothing that is there is overwritten, and where one file cannot be written none is.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::format::Rustfmt;

/// Files of one folder.
pub(super) struct Plan {
    folder: PathBuf,
    /// Whether the folder is to be new as well.
    is_new: bool,
    /// New ones.
    new: Vec<(PathBuf, String)>,
    /// Those that get more, with what they had.
    more: Vec<(PathBuf, String, String)>,
}

impl Plan {
    /// Of a folder that is there.
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), is_new: false, new: Vec::new(), more: Vec::new() }
    }

    /// Of one that is not there yet.
    pub(super) fn of_new_folder(folder: &Path) -> Self {
        Self { is_new: true, ..Self::in_folder(folder) }
    }

    /// One more file.
    pub(super) fn add(&mut self, path: &str, text: String) {
        self.new.push((self.folder.join(path), text));
    }

    /// A line before a mark in a file that is there, among those above the mark that begin as it does, in their order.
    pub(super) fn insert(&mut self, path: &str, mark: &str, line: &str) -> Result<(), String> {
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
        let mut lines: Vec<_> = now.split_inclusive('\n').map(str::to_owned).collect();
        let mut marks = lines.iter().enumerate().filter(|(_, line)| line.trim() == mark);
        let (Some((at, marked)), None) = (marks.next(), marks.next()) else {
            return Err(format!(
                "{} has not one line `{mark}`: write it back where this is to stand\n{line}",
                path.display()
            ));
        };
        let end = if marked.ends_with("\r\n") { "\r\n" } else { "\n" };
        let indent = &marked[..marked.len() - marked.trim_start().len()];
        let new = format!("{indent}{line}{end}");
        let begin = line.rsplit_once(' ').map_or(line, |(begin, _)| begin);
        let is_kin = |line: &&String| !line.trim().is_empty() && line.trim().starts_with(begin);
        let above = lines[..at].iter().rev().take_while(is_kin);
        let at = at - above.take_while(|kin| kin.trim() > line).count();
        lines.insert(at, new);
        *now = lines.concat();
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

    /// Formats what is new of Rust, as names decide where lines break; whether there is a rustfmt for it.
    pub(super) fn format(&mut self) -> bool {
        let rustfmt = Rustfmt::find();
        for (path, text) in &mut self.new {
            if path.extension().is_some_and(|extension| extension == "rs")
                && let Some(formatted) = rustfmt.as_ref().and_then(|rustfmt| rustfmt.format(text))
            {
                *text = formatted;
            }
        }
        rustfmt.is_some()
    }

    /// What stands in the way of it.
    pub(super) fn check(&self) -> Result<(), String> {
        let folder = self.is_new.then_some(&self.folder);
        let all = folder.into_iter().chain(self.new.iter().map(|(path, _)| path));
        // A module is a file or a folder.
        let all = all.flat_map(|path| [path.clone(), path.with_extension("")]);
        let taken = all.into_iter().find(|path| path.symlink_metadata().is_ok());
        taken.map_or(Ok(()), |path| {
            Err(format!("{} is there already, and is left as it is", shown(&path)))
        })
    }

    /// Writes all of it, or takes back what it has written.
    pub(super) fn write(&self) -> Result<(), String> {
        self.check()?;
        let mut written = Written::default();
        let done = self.write_each(&mut written);
        if done.is_err() {
            written.take_back();
        }
        done
    }

    fn write_each(&self, written: &mut Written) -> Result<(), String> {
        let wrong = |path: &Path, error: &io::Error| format!("{}: {error}", shown(path));
        if self.is_new {
            // Whoever was faster keeps what is theirs: here, and with each file.
            fs::create_dir(&self.folder).map_err(|error| wrong(&self.folder, &error))?;
            written.folders.push(self.folder.clone());
        }
        for (path, text) in &self.new {
            written.folder_of(path).map_err(|error| wrong(path, &error))?;
            let file = OpenOptions::new().write(true).create_new(true).open(path);
            let mut file = file.map_err(|error| wrong(path, &error))?;
            written.files.push(path.clone());
            file.write_all(text.as_bytes()).map_err(|error| wrong(path, &error))?;
        }
        for (path, _, now) in &self.more {
            crate::write::write(path, now)?;
        }
        Ok(())
    }
}

/// What this process has made.
#[derive(Default)]
struct Written {
    files: Vec<PathBuf>,
    /// The outermost first.
    folders: Vec<PathBuf>,
}

impl Written {
    /// Makes the folders of a file that are not there.
    fn folder_of(&mut self, path: &Path) -> io::Result<()> {
        let missing = path
            .ancestors()
            .skip(1)
            .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists());
        let missing: Vec<_> = missing.collect();
        for folder in missing.into_iter().rev() {
            fs::create_dir(folder)?;
            self.folders.push(folder.to_owned());
        }
        Ok(())
    }

    /// A folder that has something of somebody else's stays.
    fn take_back(self) {
        for path in self.files {
            let _ = fs::remove_file(path);
        }
        for folder in self.folders.into_iter().rev() {
            let _ = fs::remove_dir(folder);
        }
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
        assert!(plan.check().is_err());
        assert!(plan.write().unwrap_err().contains("is there already"));
        assert!(!folder.join("a").exists());
        assert_eq!(fs::read_to_string(folder.join("b")).unwrap(), "mine");
        // A module may be a folder.
        fs::create_dir(folder.join("c")).unwrap();
        let mut plan = Plan::in_folder(&folder);
        plan.add("c.rs", String::new());
        assert!(plan.check().is_err());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn where_one_cannot_be_written_none_is_and_what_is_others_stays() {
        let parent = folder("none");
        let new = parent.join("service");
        let mut plan = Plan::of_new_folder(&new);
        plan.add("src/a", "new".into());
        // A folder where a file is.
        plan.add("src/a/b", "new".into());
        assert!(plan.write().is_err());
        assert!(!new.exists(), "what was written is taken back");
        let mut written = Written::default();
        written.folder_of(&new.join("src/a")).unwrap();
        fs::write(new.join("theirs"), "theirs").unwrap();
        written.take_back();
        assert!(new.join("theirs").exists() && !new.join("src").exists());
        // Whoever comes second has no folder of its own, and takes nothing away.
        let mut plan = Plan::of_new_folder(&new);
        plan.add("a", "new".into());
        assert!(plan.write().unwrap_err().contains("is there already"));
        assert!(plan.write_each(&mut Written::default()).is_err());
        assert!(new.join("theirs").exists());
        fs::remove_dir_all(parent).unwrap();
    }

    #[test]
    fn more_of_a_file_stands_before_its_mark_and_in_its_order() {
        let folder = folder("mark");
        fs::write(
            folder.join("mod.rs"),
            "mod a;\r\nmod z;\r\n// here\r\n\nfn f() {\n    // there\n}\n",
        )
        .unwrap();
        let mut plan = Plan::in_folder(&folder);
        plan.insert("mod.rs", "// here", "mod b;").unwrap();
        plan.insert("mod.rs", "// there", "b::register(app);").unwrap();
        plan.insert("mod.rs", "// there", "a::register(app);").unwrap();
        plan.add("b.rs", "\n\n".into());
        assert!(plan.insert("mod.rs", "// nowhere", "").unwrap_err().contains("has not one line"));
        assert!(plan.insert("none.rs", "// here", "").unwrap_err().contains("no service"));
        let told = plan.told();
        assert!(told.contains("new         2 lines") && told.contains("+3 lines"), "{told}");
        plan.write().unwrap();
        let text = fs::read_to_string(folder.join("mod.rs")).unwrap();
        let wanted = "mod a;\r\nmod b;\r\nmod z;\r\n// here\r\n\nfn f() {\n    b::register(app);\n    a::register(app);\n    // there\n}\n";
        assert_eq!(text, wanted);
        fs::remove_dir_all(folder).unwrap();
    }
}
