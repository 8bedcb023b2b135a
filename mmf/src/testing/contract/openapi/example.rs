//! A request made of the examples of a document, or of its schemas.

use mmf_rules::openapi::{Operation, Place, needed};
use serde_json::Value;

use super::super::http::Request;
use super::generate::generated;
use super::media::MediaType;
use super::parameter::{Location, content};
use super::schema::Judge;
use super::written;

/// The request of an operation: its required parameters, and its body. What was written by hand goes before
/// the examples. Where values are generated, what has no example gets one of its schema.
///
/// # Errors
///
/// Which example is missing, or cannot be made.
pub(super) fn request(
    operation: &Operation<'_>,
    (headers, body): (&[(String, String)], Option<&Vec<u8>>),
    generates: Option<&Judge<'_>>,
) -> Result<Request, String> {
    let told = |why: String| format!("{}: {why}", operation.name());
    let names: Vec<_> = headers.iter().map(|(name, _)| name.clone()).collect();
    let needed = needed(operation, &names, body.is_some())?;
    if let (Some(missing), None) = (needed.missing(), generates) {
        return Err(told(format!("{missing}; `generate = true` makes one of its schema")));
    }
    let value = |owner: &Place<'_>, what: &str, example: Option<&Value>| {
        let Some(judge) = generates.filter(|_| example.is_none()) else {
            return Ok(example.cloned().unwrap_or_default());
        };
        let content = content(owner)?.map(|(_, content)| content);
        let schema = content.as_ref().unwrap_or(owner).schema();
        generated(schema.as_ref(), judge).map_err(|why| told(format!("{what} {why}")))
    };
    let mut request = Request {
        method: operation.method.to_uppercase(),
        path: operation.template.clone(),
        headers: Vec::new(),
        body: None,
    };
    let mut query = String::new();
    let mut cookies = Vec::new();
    for (parameter, example) in &needed.parameters {
        let name = parameter.text("name");
        let value = value(parameter, &format!("the parameter `{name}`"), *example)?;
        match Location::of(parameter) {
            Location::Query => written::add_to_query(&mut query, parameter, &value)?,
            Location::Path => {
                let text = written::text(parameter, &value)?;
                request.path = request.path.replace(&format!("{{{name}}}"), &text);
            }
            Location::Cookie => {
                cookies.push(format!("{name}={}", written::text(parameter, &value)?));
            }
            Location::Header => {
                request.set_header(name, &written::text(parameter, &value)?);
            }
        }
    }
    if !cookies.is_empty() {
        request.set_header("cookie", &cookies.join("; "));
    }
    if !query.is_empty() {
        request.path = format!("{}?{query}", request.path);
    }
    if let Some((kind, content, example)) = needed.body {
        let value = value(&content, "the request body", example)?;
        request.set_header("content-type", kind);
        let parsed = MediaType::parse(kind);
        request.body = Some(match &value {
            value if parsed.is_form() && value.is_object() => written::form(value).into_bytes(),
            Value::String(text) if !parsed.is_json() => text.clone().into_bytes(),
            value => value.to_string().into_bytes(),
        });
    }
    Ok(request.with(headers, body))
}

#[cfg(test)]
mod tests {
    use mmf_rules::openapi::Document;

    use super::super::key::Direction;
    use super::super::request::check;
    use super::super::schema::Checker;
    use super::*;

    fn made(operation: &str, parts: &str, generates: bool) -> Result<Request, String> {
        let text = format!("openapi: 3.0.4\npaths:\n  {operation}:\n    post:\n{parts}");
        let checker = Checker::new(Document::parse(&text).unwrap());
        let document = &checker.document;
        let judge = Judge::new(&checker, Direction::Request);
        let operation = document.operation(&format!("POST {operation}")).unwrap();
        let request = request(&operation, (&[], None), generates.then_some(&judge))?;
        check(&operation, &request, &judge).map_err(|why| format!("{request}: {why}"))?;
        Ok(request)
    }

    #[test]
    fn examples_make_a_request() {
        let made = made(
            "/users/{id}/tags",
            "      parameters:
        - { name: id, in: path, required: true, schema: { type: string, example: 'a b' } }
        - { name: tag, in: query, required: true, schema: { type: array, items: { type: string } }, example: [x, 'y&z'] }
        - { name: page, in: query, schema: { type: integer, default: 1 } }
        - { name: X-Trace, in: header, required: true, examples: { one: { value: 7 } } }
        - { name: session, in: cookie, required: true, schema: { enum: [s1] } }
      requestBody:
        required: true
        content:
          application/json: { example: { name: Ada } }
",
            false,
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
    fn every_style_is_written_as_it_is_read() {
        for (place, style, explode, example, written) in [
            ("path", "simple", false, "[1, 2]", "/a/1,2"),
            ("path", "label", false, "[1, 2]", "/a/.1,2"),
            ("path", "label", true, "[1, 2]", "/a/.1.2"),
            ("path", "matrix", true, "[1, 2]", "/a/;p=1;p=2"),
            ("path", "matrix", false, "{ x: 1 }", "/a/;p=x,1"),
            ("path", "matrix", true, "7", "/a/;p=7"),
            ("path", "simple", true, "{ x: 1 }", "/a/x=1"),
            ("query", "form", false, "[1, 2]", "/a/b?p=1,2"),
            ("query", "form", true, "{ x: 1 }", "/a/b?x=1"),
            ("query", "pipeDelimited", false, "[1, 2]", "/a/b?p=1|2"),
            ("query", "spaceDelimited", false, "[1, 2]", "/a/b?p=1%202"),
            ("query", "deepObject", true, "{ x: { y: 1 } }", "/a/b?p%5Bx%5D%5By%5D=1"),
            ("query", "deepObject", true, "[a, b]", "/a/b?p%5B%5D=a&p%5B%5D=b"),
        ] {
            let kind = match &example[..1] {
                "[" => "array",
                "{" => "object",
                _ => "integer",
            };
            let other = if place == "path" {
                ""
            } else {
                "        - { name: q, in: path, required: true, example: b }\n"
            };
            let name = if place == "path" { "p" } else { "q" };
            let parts = format!(
                "      parameters:\n        - {{ name: p, in: {place}, required: true, style: {style}, explode: {explode}, \
                 schema: {{ type: {kind}, additionalProperties: true }}, example: {example} }}\n{other}"
            );
            let made = made(&format!("/a/{{{name}}}"), &parts, false).unwrap();
            assert_eq!(made.path, written, "{style} {explode}");
        }
    }

    #[test]
    fn contents_and_reserved_letters_are_written() {
        let made = made(
            "/a",
            "      parameters:
        - { name: q, in: query, required: true, content: { application/json: { schema: { type: object }, example: { a: 1 } } } }
        - { name: r, in: query, required: true, allowReserved: true, schema: { type: string, example: 'a/b?c&d#e' } }
        - { name: s, in: query, required: true, schema: { type: string, example: 'a/b' } }
",
            false,
        );
        assert_eq!(made.unwrap().path, "/a?q=%7B%22a%22%3A1%7D&r=a/b?c%26d%23e&s=a%2Fb");
    }

    #[test]
    fn a_missing_example_is_named_or_made() {
        let path = "      parameters: [{ name: id, in: path, required: true, schema: { type: integer, minimum: 3 } }]\n";
        let missing = made("/users/{id}", path, false).unwrap_err();
        assert!(
            missing.starts_with("POST /users/{id}: the parameter `id` has no example"),
            "{missing}"
        );
        assert_eq!(made("/users/{id}", path, true).unwrap().path, "/users/3");
        let body = "      requestBody: { required: true, content: { application/json: { schema: { type: object, required: [a], properties: { a: { format: date } } } } } }\n";
        let missing = made("/users", body, false).unwrap_err();
        assert!(missing.starts_with("POST /users: its request body has no example"), "{missing}");
        assert_eq!(made("/users", body, true).unwrap().body.unwrap(), br#"{"a":"2000-01-01"}"#);
        let never =
            "      parameters: [{ name: id, in: path, required: true, schema: { not: {} } }]\n";
        let never = made("/users/{id}", never, true).unwrap_err();
        assert!(never.contains("the parameter `id` cannot be made"), "{never}");
    }

    #[test]
    fn forms_are_encoded() {
        let made = made(
            "/login",
            "      requestBody:
        content: { application/x-www-form-urlencoded: { schema: { type: object, properties: { t: { type: array, items: { type: string } }, o: { type: object } } }, example: { 'a user': 'a&b', t: [x, y], o: { k: v } } } }
",
            false,
        );
        assert_eq!(made.unwrap().body.unwrap(), b"a%20user=a%26b&o%5Bk%5D=v&t=x&t=y");
    }
}
