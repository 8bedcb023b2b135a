//! A request against what a document says of its operation.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::http::Request;
use super::document::Operation;
use super::parameter;
use super::place::Place;
use super::response::{is_json, media_type};
use super::schema::{Direction, check as check_schema};

/// Checks path, parameters and body.
///
/// # Errors
///
/// All that is wrong.
pub(super) fn check(operation: &Operation<'_>, request: &Request) -> Result<(), String> {
    if !operation.method.eq_ignore_ascii_case(&request.method) {
        let method = operation.method.to_uppercase();
        return Err(format!("{} is a {method}, not a {}", operation.name(), request.method));
    }
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let captures = operation.captures(path).ok_or_else(|| {
        format!("{path} is not the path of {}: {}", operation.name(), operation.template)
    })?;
    let mut wrong = Vec::new();
    let query = parsed(query);
    let mut known: Vec<String> = operation.keys_in_query().into_iter().map(str::to_owned).collect();
    for parameter in operation.parameters()? {
        let name = parameter.text("name");
        let given = match parameter.text("in") {
            "path" => captures
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| Given::Texts(vec![value.clone()])),
            "query" => in_query(&parameter, &query, &mut known)?,
            // Said elsewhere in a document (OpenAPI 3.1.1, 4.8.12.2.1).
            "header" if is_said_elsewhere(name) => continue,
            "header" => header(request, name).map(|value| Given::Texts(vec![value.to_owned()])),
            _ => header(request, "cookie")
                .and_then(|cookies| cookie(cookies, name))
                .map(|value| Given::Texts(vec![value])),
        };
        let is = match &given {
            Some(Given::Texts(texts)) => parameter::check(&parameter, texts, Direction::Request),
            Some(Given::Fields(fields)) => {
                parameter::check_fields(&parameter, fields, Direction::Request)
            }
            None if parameter.is("required") => {
                wrong.push(format!("the parameter `{name}` is required"));
                continue;
            }
            None => Ok(()),
        };
        let told = |why| format!("the parameter `{name}` is not as documented: {why}");
        wrong.extend(is.err().map(told));
    }
    let unknown = query.keys().filter(|name| !known.contains(name));
    wrong.extend(unknown.map(|name| format!("there is no parameter `{name}` in the query")));
    wrong.extend(body(operation, request).err());
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

/// What stands for a parameter.
enum Given {
    Texts(Vec<String>),
    /// An object, field by field.
    Fields(Vec<(String, String)>),
}

/// Whether a document says it elsewhere than among its parameters.
pub(super) fn is_said_elsewhere(header: &str) -> bool {
    ["accept", "authorization", "content-type"].iter().any(|name| header.eq_ignore_ascii_case(name))
}

/// What the query has of a parameter; its names become known.
fn in_query(
    parameter: &Place<'_>,
    query: &BTreeMap<String, Vec<String>>,
    known: &mut Vec<String>,
) -> Result<Option<Given>, String> {
    let name = parameter.text("name");
    let is_object = parameter.schema().is_some_and(|schema| parameter::is_of(&schema, "object"));
    let is_deep = parameter.text("style") == "deepObject";
    if !is_deep && (!is_object || parameter.value["explode"] == false) {
        known.push(name.to_owned());
        return Ok(query.get(name).cloned().map(Given::Texts));
    }
    let own = match parameter.schema() {
        Some(schema) => schema.followed()?.get("properties")?,
        None => None,
    };
    let own: Vec<&str> = own
        .iter()
        .flat_map(|own| own.value.as_object())
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect();
    let mut fields = Vec::new();
    for (key, values) in query {
        let field = match is_deep {
            true => key
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix('['))
                .and_then(|rest| rest.strip_suffix(']')),
            false => Some(key.as_str()).filter(|key| own.contains(key)),
        };
        if let Some(field) = field {
            known.push(key.clone());
            fields.push((field.to_owned(), values.join(",")));
        }
    }
    Ok((!fields.is_empty()).then_some(Given::Fields(fields)))
}

fn body(operation: &Operation<'_>, request: &Request) -> Result<(), String> {
    let documented = operation.place.get("requestBody")?;
    let Some(body) = &request.body else {
        return match documented {
            Some(documented) if documented.is("required") => {
                Err("a request body is required".into())
            }
            _ => Ok(()),
        };
    };
    let documented = documented.ok_or("no request body is documented")?;
    let kind = header(request, "content-type").unwrap_or("application/octet-stream");
    let content = documented.get("content")?;
    let content = content.as_ref().map(|content| media_type(content, kind)).transpose()?.flatten();
    let content = content.ok_or_else(|| format!("a request body of {kind} is not documented"))?;
    let Some(schema) = content.schema().filter(|_| is_json(kind)) else { return Ok(()) };
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| format!("the request body is no JSON: {error}"))?;
    check_schema(&schema, &value, Direction::Request)
        .map_err(|why| format!("the request body is not as documented: {why}"))
}

fn header<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    let found = request.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

fn cookie(cookies: &str, name: &str) -> Option<String> {
    let pairs = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
}

fn parsed(query: &str) -> BTreeMap<String, Vec<String>> {
    let decoded = |text: &str| {
        let text = text.replace('+', " ");
        percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned()
    };
    let mut parsed = BTreeMap::<_, Vec<_>>::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        parsed.entry(decoded(name)).or_default().push(decoded(value));
    }
    parsed
}

#[cfg(test)]
mod tests {
    use super::super::document::Document;
    use super::*;

    const DOCUMENT: &str = r#"
openapi: 3.1.0
paths:
  /users/{id}:
    post:
      operationId: change
      parameters:
        - { name: id, in: path, required: true, schema: { type: integer, minimum: 1 } }
        - { name: tag, in: query, required: true, schema: { type: array, items: { enum: [a, b] } } }
      requestBody:
        content:
          application/json: { schema: { type: object, required: [name] } }
"#;

    fn wrong(endpoint: &str, body: Option<&str>) -> String {
        let document = Document::parse(DOCUMENT).unwrap();
        let mut request = Request::of_endpoint(endpoint);
        if let Some(body) = body {
            request.set_header("content-type", "application/json; charset=utf-8");
            request.body = Some(body.as_bytes().to_vec());
        }
        let operation = document.operation("change").unwrap();
        check(&operation, &request).err().unwrap_or_default()
    }

    #[test]
    fn requests_are_checked_part_by_part() {
        assert_eq!(wrong("POST /users/7?tag=a&tag=b", Some(r#"{"name": 1}"#)), "");
        assert_eq!(wrong("GET /users/7", None), "change is a POST, not a GET");
        assert_eq!(wrong("POST /user/7", None), "/user/7 is not the path of change: /users/{id}");
        let all = wrong("POST /users/0?tag=c&page=2", Some("{}"));
        for part in [
            "the parameter `id` is not as documented: 0 is less than the minimum of 1",
            "the parameter `tag` is not as documented: at /0: ",
            "there is no parameter `page` in the query",
            "the request body is not as documented: ",
        ] {
            assert!(all.contains(part), "{part}: {all}");
        }
        assert_eq!(wrong("POST /users/7", None), "the parameter `tag` is required");
        assert!(wrong("POST /users/x?tag=a", None).contains("\"x\" is not of type \"integer\""));
    }

    #[test]
    fn objects_in_the_query_have_their_fields_and_no_others() {
        let text = r##"
openapi: 3.0.3
paths:
  /users:
    get:
      operationId: list
      parameters:
        - { name: filter, in: query, style: deepObject, schema: { $ref: "#/components/schemas/Filter" } }
        - { name: page, in: query, schema: { type: object, properties: { limit: { type: integer } } } }
        - { name: Authorization, in: header, required: true }
components:
  schemas: { Filter: { type: object, properties: { age: { type: integer } }, required: [age] } }
  securitySchemes: { key: { type: apiKey, in: query, name: api_key } }
"##;
        let document = Document::parse(text).unwrap();
        let operation = document.operation("list").unwrap();
        let wrong = |query: &str| {
            let request = Request::of_endpoint(&format!("/users?{query}"));
            check(&operation, &request).err().unwrap_or_default()
        };
        assert_eq!(wrong("filter[age]=7&limit=5&api_key=x"), "");
        assert_eq!(wrong("limti=5"), "there is no parameter `limti` in the query");
        assert!(wrong("limit=many").contains("`page` is not as documented: at /limit: "));
        assert!(
            wrong("filter[name]=a")
                .contains("`filter` is not as documented: \"age\" is a required")
        );
    }
}
