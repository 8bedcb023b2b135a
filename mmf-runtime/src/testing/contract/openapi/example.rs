//! A request made of the examples of a document.

use std::fmt::Write as _;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::super::http::Request;
use super::document::Operation;
use super::place::Place;
use super::request::is_said_elsewhere;

/// The request of an operation: its required parameters, and its body. What was written by hand goes before
/// the examples.
///
/// # Errors
///
/// Which example is missing.
pub(super) fn request(
    operation: &Operation<'_>,
    headers: &[(String, String)],
    body: Option<&Vec<u8>>,
) -> Result<Request, String> {
    let mut request = Request {
        method: operation.method.to_uppercase(),
        path: operation.template.clone(),
        headers: Vec::new(),
        body: None,
    };
    let mut query = String::new();
    for parameter in operation.parameters()? {
        let (name, place) = (parameter.text("name"), parameter.text("in"));
        let is_given = headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        let is_by_hand = place == "header" && (is_given || is_said_elsewhere(name));
        if is_by_hand || !(parameter.is("required") || place == "path") {
            continue;
        }
        let example = parameter.example()?.ok_or_else(|| {
            format!("{}: the parameter `{name}` has no example", operation.name())
        })?;
        match place {
            "path" => {
                request.path =
                    request.path.replace(&format!("{{{name}}}"), &encoded(&flat(example)));
            }
            "query" => write_query(&mut query, &parameter, name, example),
            "header" => request.set_header(name, &flat(example)),
            _ => {
                let cookie = format!("{name}={}", flat(example));
                match request.headers.iter_mut().find(|(known, _)| known == "cookie") {
                    Some((_, cookies)) => *cookies = format!("{cookies}; {cookie}"),
                    None => request.set_header("cookie", &cookie),
                }
            }
        }
    }
    if !query.is_empty() {
        let _ = write!(request.path, "?{query}");
    }
    if body.is_none() {
        add_body(operation, &mut request)?;
    }
    Ok(request.with(headers, body))
}

fn add_body(operation: &Operation<'_>, request: &mut Request) -> Result<(), String> {
    let Some(body) = operation.place.get("requestBody")? else { return Ok(()) };
    let content = body.get("content")?.map(|content| content.entries()).transpose()?;
    for (kind, content) in content.into_iter().flatten() {
        let Some(example) = content.example()?.filter(|example| is_writable(kind, example)) else {
            continue;
        };
        request.set_header("content-type", kind);
        request.body = Some(match (kind, example) {
            ("application/x-www-form-urlencoded", Value::Object(fields)) => {
                let fields = fields
                    .iter()
                    .map(|(name, value)| format!("{}={}", encoded(name), encoded(&flat(value))));
                fields.collect::<Vec<_>>().join("&").into_bytes()
            }
            (kind, Value::String(text)) if !kind.contains("json") => text.clone().into_bytes(),
            (_, value) => value.to_string().into_bytes(),
        });
        return Ok(());
    }
    if body.is("required") {
        return Err(format!("{}: its request body has no example", operation.name()));
    }
    Ok(())
}

/// Whether an example can be sent as a body of a type: others than these have forms of their own.
fn is_writable(kind: &str, example: &Value) -> bool {
    let is_form = kind == "application/x-www-form-urlencoded" && example.is_object();
    is_form || kind.contains("json") || example.is_string()
}

/// A list is written item by item, unless the document says otherwise.
fn write_query(query: &mut String, parameter: &Place<'_>, name: &str, value: &Value) {
    let explodes = parameter.value["explode"] != false;
    let is_deep = parameter.value["style"] == "deepObject";
    let mut add = |name: &str, value: &str| {
        let comma = if query.is_empty() { "" } else { "&" };
        let _ = write!(query, "{comma}{}={}", encoded(name), encoded(value));
    };
    match value {
        Value::Array(items) if explodes => items.iter().for_each(|item| add(name, &flat(item))),
        Value::Object(fields) if is_deep => {
            fields.iter().for_each(|(key, value)| add(&format!("{name}[{key}]"), &flat(value)));
        }
        Value::Object(fields) if explodes => {
            fields.iter().for_each(|(key, value)| add(key, &flat(value)));
        }
        value => add(name, &flat(value)),
    }
}

/// A value as a text, lists with commas.
fn flat(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(flat).collect::<Vec<_>>().join(","),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| format!("{key},{}", flat(value)));
            fields.collect::<Vec<_>>().join(",")
        }
        other => other.to_string(),
    }
}

fn encoded(text: &str) -> String {
    const LEFT: &percent_encoding::AsciiSet =
        &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b',');
    utf8_percent_encode(text, LEFT).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::document::Document;
    use super::*;

    fn of(operation: &str, parts: &str) -> Result<Request, String> {
        let text = format!("openapi: 3.0.3\npaths:\n  {operation}:\n    post:\n{parts}");
        let document = Document::parse(&text).unwrap();
        request(&document.operation(&format!("POST {operation}")).unwrap(), &[], None)
    }

    #[test]
    fn examples_make_a_request() {
        let made = of(
            "/users/{id}/tags",
            "      parameters:
        - { name: id, in: path, required: true, schema: { type: string, example: 'a b' } }
        - { name: tag, in: query, required: true, example: [x, 'y&z'] }
        - { name: page, in: query, schema: { type: integer, default: 1 } }
        - { name: X-Trace, in: header, required: true, examples: { one: { value: 7 } } }
        - { name: session, in: cookie, required: true, schema: { enum: [s1] } }
      requestBody:
        required: true
        content:
          application/json: { example: { name: Ada } }
",
        )
        .unwrap();
        assert_eq!(made.to_string(), "POST /users/a%20b/tags?tag=x&tag=y%26z");
        let header = |name, value: &str| (String::from(name), value.to_owned());
        assert_eq!(
            made.headers,
            [
                header("X-Trace", "7"),
                header("cookie", "session=s1"),
                header("content-type", "application/json"),
            ]
        );
        assert_eq!(made.body.unwrap(), br#"{"name":"Ada"}"#);
    }

    #[test]
    fn a_missing_example_is_named() {
        let path =
            of("/users/{id}", "      parameters: [{ name: id, in: path, required: true }]\n");
        assert_eq!(path.unwrap_err(), "POST /users/{id}: the parameter `id` has no example");
        let body = "      requestBody: { required: true, content: { application/json: {} } }\n";
        let body = of("/users", body);
        assert_eq!(body.unwrap_err(), "POST /users: its request body has no example");
    }

    #[test]
    fn forms_are_encoded() {
        let made = of(
            "/login",
            "      requestBody:
        content: { application/x-www-form-urlencoded: { example: { 'a user': 'a&b' } } }
",
        );
        assert_eq!(made.unwrap().body.unwrap(), b"a%20user=a%26b");
    }
}
