//! Files that an attribute names: read now, so that a mistake in one is an error of the compiler.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::common::errors::Errors;
use crate::common::keys::Text;

/// The JSON of a file, or an error at its name.
pub(super) fn json(what: &str, file: &Text, errors: &mut Errors) -> Option<Value> {
    let text = read(what, file, errors)?;
    match serde_json::from_str(&text) {
        Ok(value) => Some(value),
        Err(error) => {
            errors.push(file.span, format!("{} is no JSON: {error}", file.text));
            None
        }
    }
}

/// The text of a file beside `Cargo.toml`, or an error at its name.
pub(super) fn read(what: &str, file: &Text, errors: &mut Errors) -> Option<String> {
    let path = path(file);
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) => {
            let message = format!("the {what} {} cannot be read: {error}", path.display());
            errors.push(file.span, message);
            None
        }
    }
}

/// Beside `Cargo.toml`.
pub(super) fn path(file: &Text) -> PathBuf {
    let root = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    Path::new(&root).join(&file.text)
}
