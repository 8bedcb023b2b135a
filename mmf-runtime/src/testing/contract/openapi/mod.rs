//! OpenAPI 3.0 and 3.1: what a document says of an operation, asked and checked.
//!
//! `document` knows its operations, `place` finds its way in it, `schema` makes JSON Schemas of OpenAPI's, `example`
//! makes a request of the document's own examples, `request` checks one written by hand, `parameter` reads what is in
//! it, `response` checks the answer.

mod document;
mod example;
mod parameter;
mod place;
mod request;
mod response;
mod schema;

use std::sync::Arc;

use super::http::{ContractResponse, Request};
use super::report::Checked;
use document::{Document, Operation};

/// An operation of a document that a contract is checked against.
#[derive(Clone, Debug)]
pub(super) struct OpenApiContract {
    file: String,
    document: Arc<Result<Document, String>>,
    /// By its id, or by method and path; empty where the request tells.
    operation: String,
}

impl OpenApiContract {
    pub(super) fn new(file: String, text: &str, operation: String) -> Self {
        Self { document: Arc::new(Document::parse(text)), file, operation }
    }

    /// Empty where the request tells it.
    pub(super) fn operation_name(&self) -> &str {
        &self.operation
    }

    /// Where the document's paths lie below: those of its first server, which the base may end with already.
    pub(super) fn root(&self, base: &str) -> String {
        let below = self.document().map(Document::base_path).unwrap_or_default();
        let path = base.split_once("://").and_then(|(_, rest)| Some(&rest[rest.find('/')?..]));
        let is_there = path.is_some_and(|path| path == below || path.ends_with(&below));
        if is_there { base.to_owned() } else { format!("{base}{below}") }
    }

    /// The request: the endpoint where one is given, else that of the operation's examples; with what was
    /// written by hand. Checked against the document.
    pub(super) fn request(
        &self,
        endpoint: &str,
        (headers, body): (&[(String, String)], Option<&Vec<u8>>),
    ) -> Result<Request, String> {
        let document = self.document()?;
        let request = if endpoint.is_empty() {
            let operation = document.operation(&self.operation).map_err(|why| self.told(&why))?;
            example::request(&operation, headers, body).map_err(|why| self.told(&why))?
        } else {
            Request::of_endpoint(endpoint).with(headers, body)
        };
        let operation = self.operation(document, &request)?;
        request::check(&operation, &request).map_err(|why| self.told(&why))?;
        Ok(request)
    }

    /// Checks a request of somebody else's, whose path is that of the service as a whole.
    #[cfg(feature = "pact")]
    pub(super) fn check_request(&self, request: &Request) -> Result<(), String> {
        let document = self.document()?;
        let request = in_document(document, request);
        let operation = self.operation(document, &request)?;
        request::check(&operation, &request).map_err(|why| self.told(&why))
    }

    /// Checks an answer, part by part.
    pub(super) fn check(
        &self,
        request: &Request,
        answer: &ContractResponse,
        checked: &mut Checked,
    ) {
        let document = match self.document() {
            Ok(document) => document,
            Err(why) => return checked.add("documented status", false, why),
        };
        match self.operation(document, &in_document(document, request)) {
            Ok(operation) => response::check(&operation, answer, checked),
            Err(why) => checked.add("documented status", false, why),
        }
    }

    fn document(&self) -> Result<&Document, String> {
        self.document.as_ref().as_ref().map_err(|why| self.told(why))
    }

    fn operation<'d>(
        &self,
        document: &'d Document,
        request: &Request,
    ) -> Result<Operation<'d>, String> {
        let found = if self.operation.is_empty() {
            document.operation_of(request)
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

/// A request by the document's path: without that of its server.
fn in_document(document: &Document, request: &Request) -> Request {
    let below = document.base_path();
    let path = match request.path.strip_prefix(&below) {
        Some(path) if path.starts_with('/') => path,
        _ => &request.path,
    };
    Request { path: path.to_owned(), ..request.clone() }
}
