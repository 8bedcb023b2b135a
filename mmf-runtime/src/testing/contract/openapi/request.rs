//! A request against what a document says of its operation.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::http::Request;
use super::document::Operation;
use super::place::Place;
use super::response::media_type;
use super::schema::{Direction, check as check_schema, value_of};

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
    let parameters = operation.parameters()?;
    for parameter in &parameters {
        let name = parameter.text("name");
        let given = match parameter.text("in") {
            "path" => {
                captures.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
            }
            "query" => query.get(name).map(|values| values.join(",")),
            "header" => header(request, name).map(str::to_owned),
            _ => header(request, "cookie").and_then(|cookies| cookie(cookies, name)),
        };
        match given {
            Some(text) => {
                wrong.extend(
                    parameter_is(parameter, &text)
                        .err()
                        .map(|why| format!("the parameter `{name}` is not as documented: {why}")),
                );
            }
            None if parameter.is("required") && !is_deep(parameter) => {
                wrong.push(format!("the parameter `{name}` is required"));
            }
            None => {}
        }
    }
    let is_known = |name: &str| {
        parameters.iter().any(|parameter| {
            let object = parameter.value["schema"]["type"] == "object";
            parameter.text("in") == "query" && (parameter.text("name") == name || object)
        })
    };
    wrong.extend(
        query
            .keys()
            .filter(|name| !is_known(name))
            .map(|name| format!("there is no parameter `{name}` in the query")),
    );
    wrong.extend(body(operation, request).err());
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

/// Whether its parts are written one by one.
fn is_deep(parameter: &Place<'_>) -> bool {
    parameter.value["style"] == "deepObject" || parameter.value["schema"]["type"] == "object"
}

fn parameter_is(parameter: &Place<'_>, text: &str) -> Result<(), String> {
    let Some(schema) = parameter.get("schema")? else { return Ok(()) };
    check_schema(&schema, &value_of(text, &schema), Direction::Request)
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
    let Some(schema) = content.get("schema")? else { return Ok(()) };
    if !kind.contains("json") {
        return Ok(());
    }
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
}
