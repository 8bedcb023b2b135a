//! A document, and the operations in it.

use std::sync::OnceLock;

use serde_json::Value;

use super::super::http::Request;
use super::place::Place;

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// A document of version 3.0 or 3.1.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) root: Value,
    pub(super) version: Version,
    /// With its schemas as JSON Schema has them, made when first asked for.
    pub(super) for_requests: OnceLock<Value>,
    pub(super) for_responses: OnceLock<Value>,
}

/// Which JSON Schema the schemas of a document are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Version {
    /// A dialect of its own, near to draft 4.
    V3_0,
    /// 2020-12.
    V3_1,
}

impl Document {
    /// Reads JSON or YAML.
    ///
    /// # Errors
    ///
    /// Where it is neither, with the place, or of another version.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let root: Value = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?
        } else {
            serde_saphyr::from_str(text).map_err(|error| format!("it is no YAML: {error}"))?
        };
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
        Ok(Self { root, version, for_requests: OnceLock::new(), for_responses: OnceLock::new() })
    }

    fn place(&self) -> Place<'_> {
        Place { document: self, pointer: String::new(), value: &self.root }
    }

    /// The path of the first server, without a slash at its end.
    pub(super) fn base_path(&self) -> String {
        let server = &self.root["servers"][0];
        let mut url = server["url"].as_str().unwrap_or_default().to_owned();
        for (name, variable) in server["variables"].as_object().into_iter().flatten() {
            url = url
                .replace(&format!("{{{name}}}"), variable["default"].as_str().unwrap_or_default());
        }
        let path = match url.split_once("://") {
            Some((_, rest)) => rest.find('/').map_or("", |start| &rest[start..]),
            None => &url,
        };
        // Relative ones are relative to where the document is, which is taken to be the root.
        let path = path.trim_start_matches('.').trim_matches('/');
        if path.is_empty() { String::new() } else { format!("/{path}") }
    }

    /// An operation by its `operationId`, or by method and path as the document writes them.
    pub(super) fn operation(&self, name: &str) -> Result<Operation<'_>, String> {
        let operations = self.operations()?;
        let mut known = operations.iter().map(Operation::name).collect::<Vec<_>>();
        match operations.into_iter().find(|known| known.id() == Some(name) || known.title() == name)
        {
            Some(operation) => Ok(operation),
            None => {
                known.sort();
                Err(format!("there is no operation {name:?}; there are: {}", known.join(", ")))
            }
        }
    }

    /// The operation that a request belongs to. The path is found first, one without parameters before one with.
    pub(super) fn operation_of(&self, request: &Request) -> Result<Operation<'_>, String> {
        let path = request.path.split('?').next().unwrap_or_default();
        let mut at_path: Vec<_> =
            self.operations()?.into_iter().filter(|known| known.captures(path).is_some()).collect();
        at_path.sort_by_key(|known| known.template.matches('{').count());
        let template = at_path.first().map(|first| first.template.clone());
        at_path.retain(|known| Some(&known.template) == template.as_ref());
        let methods: Vec<_> = at_path.iter().map(|known| known.method.to_uppercase()).collect();
        at_path
            .into_iter()
            .find(|known| known.method.eq_ignore_ascii_case(&request.method))
            .ok_or_else(|| match methods.as_slice() {
                [] => format!("no path of the document is {path}"),
                known => format!("{path} is documented for {} only", known.join(", ")),
            })
    }

    fn operations(&self) -> Result<Vec<Operation<'_>>, String> {
        let paths = self.place().get("paths")?.ok_or("it has no `paths`")?;
        let mut operations = Vec::new();
        for (template, item) in paths.entries()? {
            for method in METHODS {
                if let Some(place) = item.get(method)? {
                    operations.push(Operation {
                        method,
                        template: template.to_owned(),
                        item: item.clone(),
                        place,
                    });
                }
            }
        }
        Ok(operations)
    }
}

/// A method of a path.
#[derive(Clone, Debug)]
pub(super) struct Operation<'d> {
    pub(super) method: &'static str,
    /// `/users/{id}`
    pub(super) template: String,
    item: Place<'d>,
    pub(super) place: Place<'d>,
}

impl<'d> Operation<'d> {
    fn id(&self) -> Option<&'d str> {
        self.place.value["operationId"].as_str()
    }

    fn title(&self) -> String {
        format!("{} {}", self.method.to_uppercase(), self.template)
    }

    /// Its id, or method and path where it has none.
    pub(super) fn name(&self) -> String {
        self.id().map_or_else(|| self.title(), str::to_owned)
    }

    /// Its parameters; those of the path that it does not have itself included.
    pub(super) fn parameters(&self) -> Result<Vec<Place<'d>>, String> {
        let mut parameters: Vec<Place<'d>> = Vec::new();
        for owner in [&self.place, &self.item] {
            for parameter in
                owner.get("parameters")?.map(|all| all.items()).transpose()?.into_iter().flatten()
            {
                let same = |known: &Place<'_>| {
                    known.value["name"] == parameter.value["name"]
                        && known.value["in"] == parameter.value["in"]
                };
                if !parameters.iter().any(same) {
                    parameters.push(parameter);
                }
            }
        }
        Ok(parameters)
    }

    /// What stands in a path in place of the parameters; nothing where it is another path.
    pub(super) fn captures(&self, path: &str) -> Option<Vec<(&str, String)>> {
        let (wanted, parts) = (self.template.split('/'), path.split('/'));
        if wanted.clone().count() != parts.clone().count() {
            return None;
        }
        let mut captures = Vec::new();
        for (template, part) in wanted.zip(parts) {
            captures.extend(captures_of_part(template, part)?);
        }
        Some(captures)
    }

    /// Names in the query that are of no parameter: keys of an API.
    pub(super) fn keys_in_query(&self) -> Vec<&'d str> {
        let schemes = &self.place.document.root["components"]["securitySchemes"];
        let schemes = schemes.as_object().into_iter().flatten().map(|(_, scheme)| scheme);
        schemes
            .filter(|scheme| scheme["in"] == "query")
            .filter_map(|scheme| scheme["name"].as_str())
            .collect()
    }
}

/// Of `{name}.json` and `a.b.json`: the last that fits, since what follows is more telling than what it may be.
fn captures_of_part<'t>(template: &'t str, part: &str) -> Option<Vec<(&'t str, String)>> {
    let Some((before, rest)) = template.split_once('{') else {
        return (template == part).then(Vec::new);
    };
    let (name, after) = rest.split_once('}')?;
    let part = part.strip_prefix(before)?;
    let ends = part.char_indices().map(|(start, letter)| start + letter.len_utf8());
    ends.rev().find_map(|end| {
        let (value, left) = part.split_at(end);
        let mut captures = captures_of_part(after, left)?;
        let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy();
        captures.insert(0, (name, value.into_owned()));
        Some(captures)
    })
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
components:
  parameters:
    Verbose: { name: verbose, in: query, schema: { type: boolean } }
"##;

    #[test]
    fn operations_are_found_by_name_and_by_request() {
        let document = Document::parse(DOCUMENT).unwrap();
        assert_eq!(document.base_path(), "/v1");
        let operation = document.operation("getUser").unwrap();
        assert_eq!(document.operation("GET /users/{id}").unwrap().name(), operation.name());
        let parameters = operation.parameters().unwrap();
        let names: Vec<_> = parameters.iter().map(|parameter| parameter.text("name")).collect();
        assert_eq!(names, ["verbose", "id"]);
        assert_eq!(parameters[0].pointer, "/components/parameters/Verbose");
        let of = |endpoint| document.operation_of(&Request::of_endpoint(endpoint));
        assert_eq!(of("/users/7?verbose=true").unwrap().name(), "getUser");
        assert_eq!(of("/users/me").unwrap().template, "/users/me");
        assert_eq!(of("/files/a.b").unwrap().captures("/files/a.b").unwrap()[1].1, "b");
        let one = of("/files/a.b.c").unwrap();
        assert_eq!(one.captures("/files/a.b.c").unwrap()[0].1, "a.b");
        assert_eq!(of("DELETE /users/me").unwrap_err(), "/users/me is documented for GET only");
        assert_eq!(of("POST /users/7").unwrap_err(), "/users/7 is documented for GET only");
        assert_eq!(of("/user").unwrap_err(), "no path of the document is /user");
        let unknown = document.operation("getUsr").unwrap_err();
        assert!(
            unknown.ends_with("there are: DELETE /users/{name}, GET /users/me, file, getUser"),
            "{unknown}"
        );
    }

    #[test]
    fn what_is_no_document_is_told() {
        let error = |text| Document::parse(text).unwrap_err();
        assert!(error("{").starts_with("it is no JSON: "));
        assert!(error("a: [").starts_with("it is no YAML: "), "{}", error("a: ["));
        assert!(error("swagger: '2.0'").starts_with("Swagger 2.0 is not known"));
        assert!(error("openapi: 4.0.0").contains("4.0.0 is not known"));
        assert!(error("info: {}").starts_with("it says no version"));
        let astray = r##"{"openapi": "3.1.0", "paths": {"/a": {"$ref": "#/nowhere"}}}"##;
        let astray = Document::parse(astray).unwrap();
        assert_eq!(astray.operation("a").unwrap_err(), "at /paths/~1a: there is no \"#/nowhere\"");
        let round = r##"{"openapi": "3.1.0", "paths": {"/a": {"$ref": "#/paths/~1a"}}}"##;
        let round = Document::parse(round).unwrap();
        assert!(round.operation("a").unwrap_err().ends_with("its references go round"));
        let other = r##"{"openapi": "3.1.0", "paths": {"/a": {"$ref": "a.yaml"}}}"##;
        let other = Document::parse(other).unwrap();
        assert!(other.operation("a").unwrap_err().contains("bundle the document into one"));
    }
}
