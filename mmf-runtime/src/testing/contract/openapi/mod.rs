//! OpenAPI 3.0 and 3.1: what a document says of an operation, asked and checked.
//!
//! Documents are read by `mmf_rules::openapi`, as the attribute reads them. `translate` makes JSON Schemas of
//! theirs, with `pattern` for those of ECMA-262, and `schema` compiles and checks them. `example` makes a request of
//! the document's examples, or of what `generate` finds to be valid, `written` writes its parameters; `request` checks
//! it, `parameter` reads what is in it; `response` checks the answer, of the type that `media` finds.

mod example;
mod generate;
mod media;
mod parameter;
mod pattern;
mod request;
mod response;
mod schema;
mod translate;
mod written;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use mmf_rules::openapi::{Document, Operation, in_folder};

use super::http::{ContractResponse, Request};
use super::report::Checked;
use schema::{Direction, Judge, Schemas};

/// A document and the files it refers to, each by its name below the folder of the document, its own first.
pub(super) type Files = &'static [(&'static str, &'static [u8])];

/// An operation of a document that a contract is checked against.
#[derive(Clone, Debug)]
pub(super) struct OpenApiContract {
    file: String,
    read: Arc<Read>,
    /// By its id, or by method and path; empty where the request tells.
    operation: String,
    pub(super) generates: bool,
}

/// A document as a process reads it: once.
#[derive(Debug)]
struct Read {
    document: Result<Document, String>,
    schemas: Schemas,
}

impl Read {
    /// That of this key, or a new one.
    fn once(key: u64, read: impl FnOnce() -> Result<Document, String>) -> Arc<Self> {
        static READ: Mutex<Option<HashMap<u64, Arc<Read>>>> = Mutex::new(None);
        let mut known = READ.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get_or_insert_default();
        let new = || Arc::new(Self { document: read(), schemas: Schemas::default() });
        Arc::clone(known.entry(key).or_insert_with(new))
    }
}

impl OpenApiContract {
    /// A document by its text. The files that it refers to are read from the folder that it is in.
    pub(super) fn new(file: String, text: &str, operation: String) -> Self {
        let key = hash_of((&file, text));
        let read = Read::once(key, || {
            let path = Path::new(&file);
            let folder = path.parent().unwrap_or(Path::new("")).to_owned();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let load = in_folder(if folder.as_os_str().is_empty() { ".".into() } else { folder });
            Document::read(&name, &|asked| {
                if asked == name { Ok(text.to_owned()) } else { load(asked) }
            })
        });
        Self { file, read, operation, generates: false }
    }

    /// A document that was put into the program with all its files.
    pub(super) fn of_files(file: &str, files: Files, operation: String) -> Self {
        // Where it lies tells what it is, so that it is not looked through for each test.
        let places: Vec<_> =
            files.iter().map(|(_, bytes)| (bytes.as_ptr() as usize, bytes.len())).collect();
        let read = Read::once(hash_of((file, places)), || {
            let load = |asked: &str| {
                let found = files.iter().find(|(name, _)| *name == asked);
                let (_, bytes) = found.ok_or_else(|| format!("{asked} cannot be read"))?;
                String::from_utf8(bytes.to_vec())
                    .map_err(|error| format!("{asked} is no UTF-8: {error}"))
            };
            match files {
                [(name, _), ..] => Document::read(name, &load),
                [] => Err("it cannot be read".into()),
            }
        });
        Self { file: file.to_owned(), read, operation, generates: false }
    }

    /// Empty where the request tells it.
    pub(super) fn operation_name(&self) -> &str {
        &self.operation
    }

    /// The request: the endpoint where one is given, else that of the operation's examples; with what was
    /// written by hand. Checked against the document, and put below the server of the operation, unless the base ends
    /// with that already.
    pub(super) fn request(
        &self,
        base: &str,
        endpoint: &str,
        by_hand: (&[(String, String)], Option<&Vec<u8>>),
    ) -> Result<Request, String> {
        let document = self.document()?;
        let judge = Judge::new(&self.read.schemas, Direction::Request);
        let request = if endpoint.is_empty() {
            let operation = document.operation(&self.operation).map_err(|why| self.told(&why))?;
            let generates = self.generates.then_some(&judge);
            example::request(&operation, by_hand, generates).map_err(|why| self.told(&why))?
        } else {
            Request::of_endpoint(endpoint).with(by_hand.0, by_hand.1)
        };
        let operation = self.operation(document, &request)?;
        let request = in_document(&operation, &request);
        request::check(&operation, &request, &judge).map_err(|why| self.told(&why))?;
        let below = operation.server_path();
        let path = base.split_once("://").and_then(|(_, rest)| Some(&rest[rest.find('/')?..]));
        let is_there = path.is_some_and(|path| path.ends_with(&below));
        let path = if is_there { request.path } else { format!("{below}{}", request.path) };
        Ok(Request { path, ..request })
    }

    /// Checks a request of somebody else's, whose path is that of the service as a whole.
    #[cfg(feature = "pact")]
    pub(super) fn check_request(&self, request: &Request) -> Result<(), String> {
        let document = self.document()?;
        let operation = self.operation(document, request)?;
        let request = in_document(&operation, request);
        let judge = Judge::new(&self.read.schemas, Direction::Request);
        request::check(&operation, &request, &judge).map_err(|why| self.told(&why))
    }

    /// Checks an answer, part by part.
    pub(super) fn check(
        &self,
        request: &Request,
        answer: &ContractResponse,
        checked: &mut Checked,
    ) {
        let found = self.document().and_then(|document| self.operation(document, request));
        match found {
            Ok(operation) => {
                let judge = Judge::new(&self.read.schemas, Direction::Response);
                response::check(&operation, answer, &judge, checked);
            }
            Err(why) => checked.add("documented status", false, why),
        }
    }

    fn document(&self) -> Result<&Document, String> {
        self.read.document.as_ref().map_err(|why| self.told(why))
    }

    fn operation<'d>(
        &self,
        document: &'d Document,
        request: &Request,
    ) -> Result<Operation<'d>, String> {
        let found = if self.operation.is_empty() {
            document.operation_of(&request.method, &request.path)
        } else {
            document.operation(&self.operation)
        };
        found.map_err(|why| self.told(&why))
    }

    /// With the name of the file.
    fn told(&self, why: &str) -> String {
        format!("{}: {why}", self.file)
    }
}

/// A request by the document's path: as it is where that fits, else without that of the server.
fn in_document(operation: &Operation<'_>, request: &Request) -> Request {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let below = operation.server_path();
    let path = match path.strip_prefix(&below) {
        Some(rest) if operation.captures(path).is_none() && rest.starts_with('/') => rest,
        _ => path,
    };
    let path = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    Request { path, ..request.clone() }
}

fn hash_of(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
