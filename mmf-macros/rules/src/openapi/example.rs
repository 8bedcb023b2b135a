//! What a request of an operation is made of: the examples of the document.

use serde_json::Value;

use super::operation::Operation;
use super::place::Place;

/// What the request of an operation needs.
#[derive(Debug)]
pub struct Needed<'d> {
    /// The parameters that are required, each with its example.
    pub parameters: Vec<(Place<'d>, Option<&'d Value>)>,
    /// The body: its type, what is said of it, and its example; nothing where there is none, or it need not be.
    pub body: Option<(&'d str, Place<'d>, Option<&'d Value>)>,
}

impl Needed<'_> {
    /// What has no example.
    pub fn missing(&self) -> Option<String> {
        let parameter = self.parameters.iter().find(|(_, example)| example.is_none());
        if let Some((parameter, _)) = parameter {
            return Some(format!("the parameter `{}` has no example", parameter.text("name")));
        }
        let body = self.body.as_ref().filter(|(_, _, example)| example.is_none());
        body.map(|_| "its request body has no example".into())
    }
}

/// Whether a document says it elsewhere than among its parameters (OpenAPI 3.1.1, 4.8.12.2.1).
pub fn is_said_elsewhere(header: &str) -> bool {
    ["accept", "authorization", "content-type"].iter().any(|name| header.eq_ignore_ascii_case(name))
}

/// What the request of an operation needs, where these headers, and perhaps the body, are given by hand.
///
/// # Errors
///
/// Where a reference leads nowhere.
pub fn needed<'d>(
    operation: &Operation<'d>,
    headers: &[String],
    has_body: bool,
) -> Result<Needed<'d>, String> {
    let mut parameters = Vec::new();
    for parameter in operation.parameters()? {
        let (name, place) = (parameter.text("name"), parameter.text("in"));
        let is_given = headers.iter().any(|known| known.eq_ignore_ascii_case(name));
        let is_by_hand = place == "header" && (is_given || is_said_elsewhere(name));
        if !is_by_hand && (parameter.is("required") || place == "path") {
            let value = example(&parameter)?;
            parameters.push((parameter, value));
        }
    }
    let body = if has_body { None } else { body(operation)? };
    Ok(Needed { parameters, body })
}

/// The first body that has an example which can be sent; else the first, where one is required.
#[expect(clippy::type_complexity, reason = "it is a field of `Needed`")]
fn body<'d>(
    operation: &Operation<'d>,
) -> Result<Option<(&'d str, Place<'d>, Option<&'d Value>)>, String> {
    let Some(body) = operation.place.get("requestBody")? else { return Ok(None) };
    let kinds = body.get("content")?.map(|content| content.entries()).transpose()?;
    let kinds = kinds.unwrap_or_default();
    for (kind, content) in &kinds {
        if let Some(example) = example(content)?.filter(|example| is_writable(kind, example)) {
            return Ok(Some((kind, content.clone(), Some(example))));
        }
    }
    let mut kinds = kinds.into_iter();
    let first = kinds.find(|(kind, _)| is_writable(kind, &Value::Null)).or_else(|| kinds.next());
    let first = first.filter(|_| body.is("required"));
    Ok(first.map(|(kind, content)| (kind, content, None)))
}

/// Whether a value can be sent as a body of a type: others than JSON and forms have forms of their own.
pub fn is_writable(kind: &str, value: &Value) -> bool {
    let kind = kind.to_ascii_lowercase();
    let is_form = kind.contains("form-urlencoded") && (value.is_object() || value.is_null());
    is_form || kind.contains("json") || value.is_string()
}

/// The first example of a parameter, a header or a content: its own, that of its content, or that of its schema.
///
/// # Errors
///
/// Where a reference leads nowhere.
pub fn example<'d>(owner: &Place<'d>) -> Result<Option<&'d Value>, String> {
    if let Some(example) = owner.value.get("example") {
        return Ok(Some(example));
    }
    let named = owner.child("examples").filter(|examples| examples.value.is_object());
    if let Some((_, first)) = named.map(|named| named.entries()).transpose()?.and_then(first)
        && let Some(value) = first.value.get("value")
    {
        return Ok(Some(value));
    }
    let content = owner.get("content")?.map(|content| content.entries()).transpose()?;
    if let Some((_, content)) = content.and_then(first) {
        return example(&content);
    }
    let Some(schema) = owner.schema() else { return Ok(None) };
    // From 3.1 on, what stands beside a reference goes before what is behind it.
    let behind = schema.clone().followed()?;
    Ok([schema.value, behind.value].into_iter().find_map(of_schema))
}

fn first<T>(all: Vec<T>) -> Option<T> {
    all.into_iter().next()
}

fn of_schema(schema: &Value) -> Option<&Value> {
    let all = ["/example", "/examples/0", "/default", "/const", "/enum/0"];
    all.into_iter().filter_map(|pointer| schema.pointer(pointer)).find(|value| !value.is_null())
}

#[cfg(test)]
mod tests {
    use super::super::document::Document;
    use super::*;

    #[test]
    fn operations_tell_which_example_they_lack() {
        let text = r##"
openapi: 3.0.3
paths:
  /users/{id}:
    parameters: [{ $ref: "#/components/parameters/Id" }]
    get: { operationId: getUser }
    put: { requestBody: { required: true, content: { application/json: {} } } }
    post: { requestBody: { required: true, content: { a/b: { example: 1 }, text/plain: { example: x } } } }
    delete: { parameters: [{ name: id, in: path, required: true }] }
    patch: { parameters: [{ name: X-Key, in: header, required: true }, { name: Accept, in: header, required: true }] }
components: { parameters: { Id: { name: id, in: path, required: true, content: { application/json: { example: 1 } } } } }
"##;
        let document = Document::parse(text).unwrap();
        let missing = |name: &str, headers: &[String], has_body| {
            let operation = document.operation(name).unwrap();
            needed(&operation, headers, has_body).unwrap().missing().unwrap_or_default()
        };
        assert_eq!(missing("getUser", &[], false), "");
        assert_eq!(missing("PUT /users/{id}", &[], false), "its request body has no example");
        assert_eq!(missing("PUT /users/{id}", &[], true), "");
        assert_eq!(missing("POST /users/{id}", &[], false), "");
        assert_eq!(missing("DELETE /users/{id}", &[], false), "the parameter `id` has no example");
        assert_eq!(
            missing("PATCH /users/{id}", &[], false),
            "the parameter `X-Key` has no example"
        );
        assert_eq!(missing("PATCH /users/{id}", &["x-key".into()], false), "");
    }
}
