//! The document of `openapi = …`: read by the reader of the tests themselves, once however many functions name it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use mmf_rules::openapi::{Document, in_folder, needed};

use super::args::{Args, pairs};
use super::files::path;
use super::part::Part;
use crate::common::errors::{Errors, suggestion};
use crate::common::keys::Text;

/// So many documents are kept.
const KEPT: usize = 8;

/// A document as it was read, and what its files looked like then.
struct Read {
    document: Arc<Document>,
    files: Vec<(PathBuf, Option<(SystemTime, u64)>)>,
}

/// The document that a file holds, with those it refers to; or an error at its name.
pub(super) fn read(file: &Text, errors: &mut Errors) -> Option<Arc<Document>> {
    static READ: Mutex<Option<HashMap<PathBuf, Read>>> = Mutex::new(None);
    let path = path(file);
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    let read = read.get_or_insert_default();
    if let Some(known) = read.get(&path)
        && known.files.iter().all(|(path, before)| stamp(path) == *before)
    {
        return Some(Arc::clone(&known.document));
    }
    match document(&path) {
        Ok(document) => {
            let document = Arc::new(document);
            let names = document.file_names().map(|name| beside(&path, name));
            let files = names.map(|path| (path.clone(), stamp(&path))).collect();
            if read.len() == KEPT {
                read.clear();
            }
            read.insert(path, Read { document: Arc::clone(&document), files });
            Some(document)
        }
        Err(why) => {
            errors.push(file.span, format!("the document {}: {why}", file.text));
            None
        }
    }
}

fn document(path: &Path) -> Result<Document, String> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let document = Document::read(&name, &in_folder(folder))?;
    document.check_references()?;
    Ok(document)
}

fn beside(document: &Path, name: &str) -> PathBuf {
    document.parent().unwrap_or(Path::new(".")).join(name)
}

fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// The files of a document, each by its name there and its path beside the manifest.
pub(super) fn files(document: &Document, file: &Text) -> Vec<(String, String)> {
    let folder = file.text.rsplit_once('/').map_or("", |(folder, _)| folder);
    let names = document.file_names().map(str::to_owned);
    names
        .map(|name| {
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            (name, path)
        })
        .collect()
}

/// Looks for an operation by name.
///
/// # Errors
///
/// Where there is none, with the nearest.
pub(super) fn has_operation(document: &Document, name: &str) -> Result<(), String> {
    let operations = document.operations()?;
    if operations.iter().any(|known| known.name() == name || known.title() == name) {
        return Ok(());
    }
    let names: Vec<_> = operations.iter().map(mmf_rules::openapi::Operation::name).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    Err(format!("has no operation `{name}`{}", suggestion(name, &names)))
}

/// One part for each operation; without an example for its request it is ignored, unless one is generated.
///
/// # Errors
///
/// Where a reference leads nowhere.
pub(super) fn operations(document: &Document, args: &Args) -> Result<Vec<Part>, String> {
    let headers: Vec<_> =
        pairs(args.request_headers.as_ref()).iter().map(|pair| pair.name.value()).collect();
    let has_body = args.request_json.is_some();
    let operations = document.operations()?.into_iter().enumerate();
    operations
        .map(|(number, operation)| {
            let missing = match args.generates() {
                true => None,
                false => needed(&operation, &headers, has_body)?.missing(),
            };
            Ok(Part { name: operation.name(), number, ignored: missing, pact: None })
        })
        .collect()
}
