//! What schemas name themselves by, and the version that says whether they do.

use std::collections::HashMap;

use serde_json::Value;

use super::files::{Files, has_scheme};

/// Which JSON Schema the schemas of a document are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// A dialect of its own, near to draft 4.
    V3_0,
    /// 2020-12.
    V3_1,
}

/// What schemas name themselves by: `$id`, `$anchor`, `$dynamicAnchor`.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// By their absolute `$id`.
    pub(super) resources: HashMap<String, (usize, String)>,
    /// By the `$id` that they are below, or their file.
    pub(super) anchors: HashMap<(String, String), (usize, String)>,
    /// Those places that have an `$id`, with it.
    bases: HashMap<(usize, String), String>,
    /// Whether there is a `$dynamicRef`.
    pub(super) is_dynamic: bool,
}

impl Names {
    pub(super) fn of(files: &Files, version: Version) -> Self {
        let mut names = Self::default();
        if version != Version::V3_0 {
            for (file, known) in files.all.iter().enumerate() {
                if let Ok(root) = &known.root {
                    names.collect(root, (file, String::new()), &known.name);
                }
            }
        }
        names
    }

    fn collect(&mut self, value: &Value, (file, pointer): (usize, String), base: &str) {
        match value {
            Value::Object(fields) => {
                let text = |key: &str| fields.get(key).and_then(Value::as_str);
                self.is_dynamic |= text("$dynamicRef").is_some();
                let mut base = base.to_owned();
                if let Some(id) = text("$id") {
                    base = joined(&base, id.trim_end_matches('#'));
                    self.resources.insert(base.clone(), (file, pointer.clone()));
                    self.bases.insert((file, pointer.clone()), base.clone());
                }
                for key in ["$anchor", "$dynamicAnchor"] {
                    if let Some(anchor) = text(key) {
                        let key = (base.clone(), anchor.to_owned());
                        self.anchors.insert(key, (file, pointer.clone()));
                    }
                }
                for (key, value) in fields {
                    if ["example", "examples", "default", "enum", "const"].contains(&&**key) {
                        continue;
                    }
                    let key = key.replace('~', "~0").replace('/', "~1");
                    self.collect(value, (file, format!("{pointer}/{key}")), &base);
                }
            }
            Value::Array(items) => {
                for (number, item) in items.iter().enumerate() {
                    self.collect(item, (file, format!("{pointer}/{number}")), base);
                }
            }
            _ => {}
        }
    }

    /// The `$id` that a place is below, or its file.
    pub(super) fn base_of(&self, file: usize, pointer: &str, files: &Files) -> String {
        if !self.bases.is_empty() {
            let mut pointer = pointer;
            loop {
                if let Some(base) = self.bases.get(&(file, pointer.to_owned())) {
                    return base.clone();
                }
                match pointer.rfind('/') {
                    Some(end) => pointer = &pointer[..end],
                    None => break,
                }
            }
        }
        files.all[file].name.clone()
    }
}

/// A reference by the base it stands below (RFC 3986, 5.2, without dots).
pub(super) fn joined(base: &str, reference: &str) -> String {
    if has_scheme(reference) || reference.starts_with("urn:") {
        return reference.to_owned();
    }
    let host = base.find("://").map_or(0, |start| start + 3);
    let path = base[host..].find('/').map_or(base.len(), |start| host + start);
    match reference.strip_prefix('/') {
        Some(_) => format!("{}{reference}", &base[..if host > 0 { path } else { 0 }]),
        None => {
            let folder = base[host..].rfind('/').map_or(host, |end| host + end + 1);
            let reference = reference.strip_prefix("./").unwrap_or(reference);
            format!("{}{reference}", &base[..folder])
        }
    }
}
