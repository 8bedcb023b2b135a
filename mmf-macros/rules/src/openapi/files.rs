//! The files of a document: its own, and those of the same folder tree that it refers to.

use std::collections::HashMap;
use std::fs;
use std::io::Read as _;
use std::path::PathBuf;

use serde_json::Value;

use super::text::parse;

/// The largest file that is read.
const MOST_BYTES: u64 = 256 << 20;

/// Keys with values of the user's, which may look like references.
const VALUES: [&str; 5] = ["example", "examples", "default", "enum", "const"];
/// Keys with names of the user's, which may look like keys.
const NAMES: [&str; 5] =
    ["properties", "patternProperties", "$defs", "schemas", "dependentSchemas"];

/// A file by its name below the folder of the document.
#[derive(Debug)]
pub(super) struct File {
    pub(super) name: String,
    /// Why it could not be read matters only where it is asked for.
    pub(super) root: Result<Value, String>,
}

#[derive(Debug)]
pub(super) struct Files {
    pub(super) all: Vec<File>,
    by_name: HashMap<String, usize>,
}

impl Files {
    /// Reads a document, and every file that it or one of them refers to.
    ///
    /// # Errors
    ///
    /// Where the document itself cannot be read.
    pub(super) fn read(
        name: &str,
        load: &dyn Fn(&str) -> Result<String, String>,
    ) -> Result<Self, String> {
        let root = parse(&load(name)?)?;
        let mut files = Self { all: Vec::new(), by_name: HashMap::new() };
        files.push(name, Ok(root));
        let mut next = 0;
        while next < files.all.len() {
            let mut asked = Vec::new();
            let File { name, root } = &files.all[next];
            if let Ok(root) = root {
                collect(root, false, &mut |reference| {
                    asked.extend(file_of(name, reference).and_then(Result::ok));
                });
            }
            for name in asked {
                if !files.by_name.contains_key(&name) {
                    let root = load(&name).and_then(|text| parse(&text));
                    files.push(&name, root);
                }
            }
            next += 1;
        }
        Ok(files)
    }

    fn push(&mut self, name: &str, root: Result<Value, String>) {
        self.by_name.insert(name.to_owned(), self.all.len());
        self.all.push(File { name: name.to_owned(), root });
    }

    pub(super) fn by_name(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }
}

/// Every reference in a value, those of extensions and of the user's values left out.
fn collect(value: &Value, are_names: bool, each: &mut impl FnMut(&str)) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                if !are_names && (VALUES.contains(&&**key) || key.starts_with("x-")) {
                    continue;
                }
                match value {
                    Value::String(reference) if key == "$ref" => each(reference),
                    value => collect(value, !are_names && NAMES.contains(&&**key), each),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, false, each)),
        _ => {}
    }
}

/// The file that a reference of another file leads to, by its name below the folder of the document; nothing where
/// it stays in its own, or leads into the network.
pub(super) fn file_of(from: &str, reference: &str) -> Option<Result<String, String>> {
    let path = reference.split('#').next().unwrap_or_default();
    if path.is_empty() || has_scheme(path) {
        return None;
    }
    let path = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
    let path = path.replace('\\', "/");
    let out = || Err(format!("{reference:?} leads out of the folder of the document"));
    if path.starts_with('/') {
        return Some(out());
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/').filter(|part| !["", "."].contains(part)) {
        if part != ".." {
            parts.push(part);
        } else if parts.pop().is_none() {
            return Some(out());
        }
    }
    Some(Ok(parts.join("/")))
}

/// Whether it names a place in the network: `https:`.
pub(super) fn has_scheme(path: &str) -> bool {
    path.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.len() > 1
            && scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter))
    })
}

/// Reads files of a folder and of those below it, and nothing else.
pub fn in_folder(folder: impl Into<PathBuf>) -> impl Fn(&str) -> Result<String, String> {
    let folder = folder.into();
    move |name| {
        let wrong = |error: std::io::Error| format!("{name} cannot be read: {error}");
        let top = folder.canonicalize().map_err(wrong)?;
        let path = top.join(name).canonicalize().map_err(wrong)?;
        if !path.starts_with(&top) {
            return Err(format!("{name} leads out of the folder of the document"));
        }
        // A pipe would never end.
        if !fs::metadata(&path).map_err(wrong)?.is_file() {
            return Err(format!("{name} is no file"));
        }
        let mut bytes = Vec::new();
        let file = fs::File::open(&path).map_err(wrong)?;
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(wrong)?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(format!("{name} is larger than {} MiB", MOST_BYTES >> 20));
        }
        String::from_utf8(bytes).map_err(|error| format!("{name} is no UTF-8: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_stay_in_the_folder() {
        let of = |from, reference| file_of(from, reference).map(Result::unwrap_or_default);
        assert_eq!(of("openapi.yaml", "./schemas/user.yaml#/a"), Some("schemas/user.yaml".into()));
        assert_eq!(of("schemas/user.yaml", "../a%20b.yaml"), Some("a b.yaml".into()));
        assert_eq!(of("openapi.yaml", "#/a"), None);
        assert_eq!(of("openapi.yaml", "https://example.com/a.yaml"), None);
        for out in ["../a.yaml", "/etc/passwd", "a/../../b.yaml", "..\\a.yaml"] {
            assert!(file_of("openapi.yaml", out).unwrap().is_err(), "{out}");
        }
    }

    #[test]
    fn a_folder_has_files_and_nothing_else() {
        let folder = std::env::temp_dir().join(format!("mmf-folder-{}", std::process::id()));
        fs::create_dir_all(folder.join("in")).unwrap();
        fs::write(folder.join("in/a.yaml"), "a: 1").unwrap();
        fs::write(folder.join("out.yaml"), "a: 1").unwrap();
        let load = in_folder(folder.join("in"));
        assert_eq!(load("a.yaml").unwrap(), "a: 1");
        assert!(load("b.yaml").unwrap_err().starts_with("b.yaml cannot be read: "));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("../out.yaml", folder.join("in/link.yaml")).unwrap();
            assert!(load("link.yaml").unwrap_err().contains("leads out of the folder"));
        }
        fs::create_dir(folder.join("in/c")).unwrap();
        assert_eq!(load("c").unwrap_err(), "c is no file");
        fs::remove_dir_all(folder).unwrap();
    }
}
