//! OpenAPI 3.0 and 3.1: what a document says of an operation, asked and checked.
//!
//! Documents are read by `mmf_rules::openapi`, as the attribute reads them. `translate` makes JSON Schemas of
//! theirs, with `pattern` for those of ECMA-262, and `schema` compiles and checks them. `example` makes a request of
//! the document's examples, or of what `generate` finds to be valid, `written` writes its parameters; `request` checks
//! it, `parameter` reads what is in it; `response` checks the answer, of the type that `media` finds.

mod example;
mod generate;
mod key;
mod media;
mod parameter;
mod pattern;
mod request;
mod response;
mod schema;
mod translate;
mod written;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use mmf_rules::openapi::{Document, Operation, in_folder};

use super::http::{ContractResponse, Request};
use super::report::Checked;
use key::Direction;
use schema::{Checker, Judge};

/// A document and the files it refers to, each by its name below the folder of the document, its own first.
pub(super) type Files = &'static [(&'static str, &'static [u8])];

/// An operation of a document that a contract is checked against.
#[derive(Clone, Debug)]
pub(super) struct OpenApiContract {
    file: String,
    read: Read,
    /// By its id, or by method and path; empty where the request tells.
    operation: String,
    pub(super) generates: bool,
}

/// A document as a process reads it: once, or why it could not be read.
type Read = Result<Arc<Checker>, String>;

/// What tells a document from others of its name.
#[derive(Debug, PartialEq)]
enum Source {
    Text(String),
    /// Where it lies in the program: it is not looked through for each test.
    Files(usize),
}

/// The document of a source, read by the first who asks.
fn once(
    file: &str,
    source: Source,
    read: impl FnOnce(&Source) -> Result<Document, String>,
) -> Read {
    static READ: Mutex<Vec<(String, Source, Read)>> = Mutex::new(Vec::new());
    let mut all = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((.., known)) = all.iter().find(|(name, known, _)| name == file && *known == source)
    {
        return known.clone();
    }
    let read = read(&source).map(Checker::new);
    all.push((file.to_owned(), source, read.clone()));
    read
}

impl OpenApiContract {
    /// A document by its text. The files that it refers to are read from the folder that it is in.
    pub(super) fn new(file: String, text: String, operation: String) -> Self {
        let read = once(&file, Source::Text(text), |source| {
            let path = Path::new(&file);
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let load = in_folder(folder.unwrap_or(Path::new(".")));
            Document::read(&name, &|asked| match source {
                Source::Text(text) if asked == name => Ok(text.clone()),
                _ => load(asked),
            })
        });
        Self { file, read, operation, generates: false }
    }

    /// A document that was put into the program with all its files.
    pub(super) fn of_files(file: &str, files: Files, operation: String) -> Self {
        let place = files.first().map_or(0, |(_, bytes)| bytes.as_ptr() as usize);
        let read = once(file, Source::Files(place), |_| {
            let load = |asked: &str| {
                let found = files.iter().find(|(name, _)| *name == asked);
                let (_, bytes) = found.ok_or_else(|| format!("{asked} cannot be read"))?;
                let text = String::from_utf8(bytes.to_vec());
                text.map_err(|error| format!("{asked} is no UTF-8: {error}"))
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
        let checker = self.checker()?;
        let document = &checker.document;
        let judge = Judge::new(checker, Direction::Request);
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
        let checker = self.checker()?;
        let operation = self.operation(&checker.document, request)?;
        let request = in_document(&operation, request);
        let judge = Judge::new(checker, Direction::Request);
        request::check(&operation, &request, &judge).map_err(|why| self.told(&why))
    }

    /// Checks an answer, part by part.
    pub(super) fn check(
        &self,
        request: &Request,
        answer: &ContractResponse,
        checked: &mut Checked,
    ) {
        let found = self
            .checker()
            .and_then(|checker| Ok((checker, self.operation(&checker.document, request)?)));
        match found {
            Ok((checker, operation)) => {
                let judge = Judge::new(checker, Direction::Response);
                response::check(&operation, answer, &judge, checked);
            }
            Err(why) => checked.add("documented status", false, why),
        }
    }

    fn checker(&self) -> Result<&Arc<Checker>, String> {
        self.read.as_ref().map_err(|why| self.told(why))
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
