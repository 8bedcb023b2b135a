//! A document, and the operations in it.

use std::collections::HashMap;

use super::files::Files;
use super::names::Version;
use super::operation::{Operation, captures, without_names};
use super::place::Place;
use super::sources::Sources;

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// A document of version 3.0 or 3.1, with the files that it refers to.
#[derive(Debug)]
pub struct Document {
    sources: Sources,
    operations: Vec<Entry>,
}

/// An operation, where it is.
#[derive(Debug)]
struct Entry {
    method: &'static str,
    template: String,
    id: Option<String>,
    item: (usize, String),
    place: (usize, String),
}

impl Entry {
    fn title(&self) -> String {
        format!("{} {}", self.method.to_uppercase(), self.template)
    }

    fn name(&self) -> String {
        self.id.clone().unwrap_or_else(|| self.title())
    }
}

impl Document {
    /// Reads a document that refers to no other file.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::read("openapi", &|name| match name {
            "openapi" => Ok(text.to_owned()),
            name => {
                Err(format!("{name} lies in another file, and the document was given by itself"))
            }
        })
    }

    /// Reads a document, and the files of its folder that it refers to, by their names below that folder.
    ///
    /// # Errors
    ///
    /// Where it is neither JSON nor YAML, with the place; of another version; without paths; or where an operation
    /// stands twice.
    pub fn read(name: &str, load: &dyn Fn(&str) -> Result<String, String>) -> Result<Self, String> {
        let files = Files::read(name, load)?;
        let root = files.all[0].root.as_ref().map_err(Clone::clone)?;
        let version = match root["openapi"].as_str() {
            Some(version) if version.starts_with("3.0") => Version::V3_0,
            Some(version) if version.starts_with("3.1") => Version::V3_1,
            Some(version) => {
                return Err(format!("OpenAPI {version} is not known: 3.0 and 3.1 are"));
            }
            None if root["swagger"].is_string() => {
                return Err("Swagger 2.0 is not known: convert it to OpenAPI 3.0 or 3.1".into());
            }
            None => return Err("it says no version: `openapi: 3.1.0`".into()),
        };
        let sources = Sources::new(files, version);
        let operations = found(&sources)?;
        each_stands_once(&operations)?;
        Ok(Self { sources, operations })
    }

    /// The names of its files, its own first.
    pub fn file_names(&self) -> impl Iterator<Item = &str> {
        let read = self.sources.files.all.iter().filter(|file| file.root.is_ok());
        read.map(|file| file.name.as_str())
    }

    /// The root of the document.
    pub fn root(&self) -> Place<'_> {
        Place::root_of(&self.sources)
    }

    /// What is at a pointer of a file; nothing where there is nothing.
    pub(super) fn at(&self, file: usize, pointer: String) -> Result<Option<Place<'_>>, String> {
        Place::at_pointer(&self.sources, file, pointer)
    }

    /// What is at a JSON pointer of one of its files, by its number.
    ///
    /// # Errors
    ///
    /// Where there is nothing.
    pub fn place(&self, file: usize, pointer: &str) -> Result<Place<'_>, String> {
        self.at(file, pointer.to_owned())?.ok_or_else(|| format!("there is nothing at {pointer}"))
    }

    /// Every operation, in the order of the document.
    ///
    /// # Errors
    ///
    /// Where a reference leads nowhere.
    pub fn operations(&self) -> Result<Vec<Operation<'_>>, String> {
        self.operations.iter().map(|entry| self.operation_at(entry)).collect()
    }

    /// An operation by its `operationId`, or by method and path as the document writes them.
    ///
    /// # Errors
    ///
    /// Where there is none, with those that there are.
    pub fn operation(&self, name: &str) -> Result<Operation<'_>, String> {
        let is_it = |entry: &&Entry| entry.id.as_deref() == Some(name) || entry.title() == name;
        match self.operations.iter().find(is_it) {
            Some(entry) => self.operation_at(entry),
            None => {
                let mut known: Vec<_> = self.operations.iter().map(Entry::name).collect();
                known.sort();
                Err(format!("there is no operation {name:?}; there are: {}", known.join(", ")))
            }
        }
    }

    /// The operation that a request belongs to: a path as the document writes it, or one below a server of the
    /// document. The path is found first, one without parameters before one with.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub fn operation_of(&self, method: &str, path: &str) -> Result<Operation<'_>, String> {
        let path = path.split('?').next().unwrap_or_default();
        let found = self.at_path(method, path);
        let Err(why) = found else { return found };
        let mut below: Vec<_> = self.server_paths()?;
        below.sort_by_key(|server| std::cmp::Reverse(server.len()));
        for server in below {
            if let Some(rest) = path.strip_prefix(&server).filter(|rest| rest.starts_with('/'))
                && let Ok(found) = self.at_path(method, rest)
                && found.server_path() == server
            {
                return Ok(found);
            }
        }
        Err(why)
    }

    /// Whether a path is one of the document, by whatever method.
    pub fn has_path(&self, path: &str) -> bool {
        METHODS.into_iter().any(|method| self.operation_of(method, path).is_ok())
    }

    fn at_path(&self, method: &str, path: &str) -> Result<Operation<'_>, String> {
        let mut at_path: Vec<_> = self
            .operations
            .iter()
            .filter(|entry| captures(&entry.template, path).is_some())
            .collect();
        let parameters = |entry: &&Entry| entry.template.matches('{').count();
        let least = at_path.iter().map(parameters).min();
        at_path.retain(|entry| Some(parameters(entry)) == least);
        if let Some(entry) = at_path.iter().find(|entry| entry.method.eq_ignore_ascii_case(method))
        {
            return self.operation_at(entry);
        }
        let known: Vec<_> = at_path.iter().map(|entry| entry.method.to_uppercase()).collect();
        Err(match known.as_slice() {
            [] => format!("no path of the document is {path}"),
            known => format!("{path} is documented for {} only", known.join(", ")),
        })
    }

    /// Every path that a server has, those without left out.
    fn server_paths(&self) -> Result<Vec<String>, String> {
        let mut paths = Vec::new();
        for operation in self.operations()? {
            let path = operation.server_path();
            if !path.is_empty() && !paths.contains(&path) {
                paths.push(path);
            }
        }
        Ok(paths)
    }

    fn operation_at(&self, entry: &Entry) -> Result<Operation<'_>, String> {
        let at = |(file, pointer): &(usize, String)| self.place(*file, pointer);
        Ok(Operation {
            method: entry.method,
            template: entry.template.clone(),
            item: at(&entry.item)?,
            place: at(&entry.place)?,
        })
    }
}

/// The operations of a document.
fn found(sources: &Sources) -> Result<Vec<Entry>, String> {
    let paths = Place::root_of(sources).get("paths")?.ok_or("it has no `paths`")?;
    let mut operations = Vec::new();
    for (template, item) in paths.children() {
        if template.starts_with("x-") {
            continue;
        }
        let item = item.followed()?;
        for method in METHODS {
            if let Some(place) = item.get(method)? {
                operations.push(Entry {
                    method,
                    template: template.to_owned(),
                    id: place.value["operationId"].as_str().map(str::to_owned),
                    item: (item.file, item.pointer.clone()),
                    place: (place.file, place.pointer),
                });
            }
        }
    }
    Ok(operations)
}

/// Of an `operationId` there is one, and of a path that differs in the names of its parameters alone.
fn each_stands_once(operations: &[Entry]) -> Result<(), String> {
    let (mut ids, mut paths) = (HashMap::new(), HashMap::new());
    for entry in operations {
        let title = entry.title();
        if let Some(id) = &entry.id
            && let Some(first) = ids.insert(id, title.clone())
        {
            return Err(format!(
                "two operations have the `operationId` {id:?}: {first} and {title}"
            ));
        }
        let shape = (entry.method, without_names(&entry.template));
        if let Some(first) = paths.insert(shape, title.clone()) {
            return Err(format!(
                "two paths differ in the names of their parameters alone: {first} and {title}"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r##"
openapi: 3.0.3
servers:
  - url: https://{host}/v1/
    variables: { host: { default: example.com } }
paths:
  /users/{id}:
    parameters:
      - { name: id, in: path, required: true, schema: { type: integer } }
    get: { operationId: getUser, parameters: [{ $ref: "#/components/parameters/Verbose" }] }
  /users/me:
    get: {}
  /users/{name}:
    delete: {}
  /files/{name}.{ending}:
    get: { operationId: file }
  /v1/keys:
    servers: [{ url: https://example.com/v9 }]
    get: { servers: [{ url: /v8/ }] }
    put: {}
  /links/{id}#add:
    put: {}
  x-more: { get: {} }
components:
  parameters:
    Verbose: { name: verbose, in: query, schema: { type: boolean } }
"##;

    #[test]
    fn operations_are_found_by_name_and_by_request() {
        let document = Document::parse(DOCUMENT).unwrap();
        let operation = document.operation("getUser").unwrap();
        assert_eq!(operation.server_path(), "/v1");
        assert_eq!(document.operation("GET /users/{id}").unwrap().name(), operation.name());
        let parameters = operation.parameters().unwrap();
        let names: Vec<_> = parameters.iter().map(|parameter| parameter.text("name")).collect();
        assert_eq!(names, ["verbose", "id"]);
        assert_eq!(parameters[0].pointer, "/components/parameters/Verbose");
        let of = |endpoint: &str| {
            let (method, path) = endpoint.split_once(' ').unwrap_or(("GET", endpoint));
            document.operation_of(method, path)
        };
        assert_eq!(of("/users/7?verbose=true").unwrap().name(), "getUser");
        assert_eq!(of("/v1/users/7").unwrap().name(), "getUser");
        assert_eq!(of("/users/me").unwrap().template, "/users/me");
        assert_eq!(of("DELETE /users/7").unwrap().template, "/users/{name}");
        assert_eq!(of("/files/a.b").unwrap().captures("/files/a.b").unwrap()[1].1, "b");
        let one = of("/files/a.b.c").unwrap();
        assert_eq!(one.captures("/files/a.b.c").unwrap()[0].1, "a.b");
        assert_eq!(of("DELETE /users/me").unwrap_err(), "/users/me is documented for GET only");
        assert_eq!(of("POST /users/7").unwrap_err(), "/users/7 is documented for GET, DELETE only");
        assert_eq!(of("/user").unwrap_err(), "no path of the document is /user");
        assert_eq!(of("PUT /links/7#add?fields=x").unwrap().template, "/links/{id}#add");
        assert_eq!(of("PUT /links/7%23add").unwrap().template, "/links/{id}#add");
        let unknown = document.operation("getUsr").unwrap_err();
        assert!(
            unknown.starts_with("there is no operation \"getUsr\"; there are: DELETE "),
            "{unknown}"
        );
    }

    #[test]
    fn the_nearest_server_counts() {
        let document = Document::parse(DOCUMENT).unwrap();
        let server = |name| document.operation(name).unwrap().server_path();
        assert_eq!(server("GET /v1/keys"), "/v8");
        assert_eq!(server("PUT /v1/keys"), "/v9");
        assert_eq!(document.operation_of("GET", "/v1/keys").unwrap().template, "/v1/keys");
        assert_eq!(document.operation_of("GET", "/v8/v1/keys").unwrap().template, "/v1/keys");
        assert!(document.operation_of("GET", "/v9/v1/keys").is_err(), "the server of another");
    }

    #[test]
    fn what_stands_twice_is_told_with_both_places() {
        let twice =
            |paths: &str| Document::parse(&format!("openapi: 3.1.0\npaths: {paths}")).unwrap_err();
        assert_eq!(
            twice("{ /a: { get: { operationId: x } }, /k: { put: { operationId: x } } }"),
            "two operations have the `operationId` \"x\": GET /a and PUT /k"
        );
        assert_eq!(
            twice("{ '/a/{b}': { get: {} }, '/a/{c}': { get: {}, put: {} } }"),
            "two paths differ in the names of their parameters alone: GET /a/{b} and GET /a/{c}"
        );
    }

    #[test]
    fn what_is_no_document_is_told() {
        let error = |text: &str| Document::parse(text).unwrap_err();
        assert!(error("{").starts_with("it is no JSON: "));
        assert!(error("a: [").starts_with("it is no YAML: "), "{}", error("a: ["));
        assert!(error("swagger: '2.0'").starts_with("Swagger 2.0 is not known"));
        assert!(error("openapi: 4.0.0").contains("4.0.0 is not known"));
        assert!(error("info: {}").starts_with("it says no version"));
        assert!(error("openapi: 3.0.0").starts_with("it has no `paths`"));
        let item = |reference: &str| {
            error(&format!(
                r##"{{"openapi": "3.1.0", "paths": {{"/a": {{"$ref": "{reference}"}}}}}}"##
            ))
        };
        assert_eq!(item("#/nowhere"), "at /paths/~1a: there is no \"#/nowhere\"");
        assert!(item("#/paths/~1a").ends_with("its references go round"));
        assert!(item("a.yaml").contains("a.yaml lies in another file"), "{}", item("a.yaml"));
    }
}
