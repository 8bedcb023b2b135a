//! Values of parameters and headers: texts, which a schema says how to read.

use serde_json::{Map, Value, json};

use super::place::Place;
use super::schema::{Direction, compiled};

/// Checks the texts that stand for a parameter or a header: several where a list is written item by item.
///
/// # Errors
///
/// What is wrong with it, or with its schema.
pub(super) fn check(
    owner: &Place<'_>,
    texts: &[String],
    direction: Direction,
) -> Result<(), String> {
    let Some(schema) = owner.schema() else { return Ok(()) };
    let style = match owner.text("style") {
        style @ ("label" | "matrix") => return Err(format!("the style {style:?} is not known")),
        style => style,
    };
    let separator = match style {
        "spaceDelimited" => ' ',
        "pipeDelimited" => '|',
        _ => ',',
    };
    let is_list = is_of(&schema, "array");
    let value = match texts {
        [text] if is_list => text
            .split(separator)
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect(),
        texts => texts.to_vec(),
    };
    let items =
        schema.clone().followed().ok().and_then(|schema| schema.get("items").ok().flatten());
    let candidates: Vec<Value> = if is_list {
        let readings = value.iter().map(|item| read(item, items.as_ref()));
        vec![readings.collect()]
    } else {
        readings(value.first().map(String::as_str).unwrap_or_default(), &schema)
    };
    first_that_holds(&schema, &candidates, direction)
}

/// Checks the fields of an object that is written field by field.
///
/// # Errors
///
/// What is wrong with it, or with its schema.
pub(super) fn check_fields(
    owner: &Place<'_>,
    fields: &[(String, String)],
    direction: Direction,
) -> Result<(), String> {
    let Some(schema) = owner.schema() else { return Ok(()) };
    let properties = schema.clone().followed()?.get("properties")?;
    let mut object = Map::new();
    for (name, text) in fields {
        let property = properties.as_ref().and_then(|known| known.get(name).ok().flatten());
        object.insert(name.clone(), read(text, property.as_ref()));
    }
    first_that_holds(&schema, &[Value::Object(object)], direction)
}

/// Whether a schema says that it is of a type, references followed.
pub(super) fn is_of(schema: &Place<'_>, kind: &str) -> bool {
    let Ok(schema) = schema.clone().followed() else { return false };
    match &schema.value["type"] {
        Value::String(known) => known == kind,
        Value::Array(known) => known.iter().any(|known| known == kind),
        _ => false,
    }
}

fn first_that_holds(
    schema: &Place<'_>,
    candidates: &[Value],
    direction: Direction,
) -> Result<(), String> {
    let schema = compiled(schema, direction)?;
    let mut first = None;
    for candidate in candidates {
        match schema.check_value(candidate) {
            Ok(()) => return Ok(()),
            Err(why) => first = first.or(Some(why)),
        }
    }
    Err(first.unwrap_or_default())
}

/// What a text may mean, the likeliest first: by the type of its schema, or as it is.
fn readings(text: &str, schema: &Place<'_>) -> Vec<Value> {
    let is_text = is_of(schema, "string");
    let parsed = text
        .parse::<Value>()
        .ok()
        .filter(|value| !(value.is_object() || value.is_array() || value.is_string()));
    match parsed {
        Some(parsed) if is_text => vec![json!(text), parsed],
        Some(parsed) => vec![parsed, json!(text)],
        None => vec![json!(text)],
    }
}

fn read(text: &str, schema: Option<&Place<'_>>) -> Value {
    let value = schema.map(|schema| readings(text, schema).swap_remove(0));
    value.unwrap_or_else(|| json!(text))
}

#[cfg(test)]
mod tests {
    use super::super::document::Document;
    use super::*;

    fn holds(owner: &Value, texts: &[&str]) -> bool {
        let root = json!({
            "openapi": "3.1.0",
            "paths": { "/a": { "get": { "parameters": [owner] } } },
            "components": { "schemas": { "Tags": { "type": "array", "items": { "enum": ["a", "b"] } } } },
        });
        let document = Document::parse(&root.to_string()).unwrap();
        let operation = document.operation("GET /a").unwrap();
        let texts: Vec<_> = texts.iter().map(ToString::to_string).collect();
        check(&operation.parameters().unwrap()[0], &texts, Direction::Request).is_ok()
    }

    #[test]
    fn texts_are_read_as_their_schema_wants() {
        let of = |schema: Value| json!({ "schema": schema });
        let optional = of(json!({ "anyOf": [{ "type": "integer" }, { "type": "null" }] }));
        assert!(holds(&optional, &["10"]) && !holds(&optional, &["ten"]));
        assert!(holds(&of(json!({ "type": "string" })), &["10"]));
        assert!(holds(&of(json!({ "enum": [1, 2] })), &["1"]));
        assert!(holds(&of(json!({ "type": "boolean" })), &["true"]));
        let tags = of(json!({ "$ref": "#/components/schemas/Tags" }));
        assert!(
            holds(&tags, &["a, b"]) && holds(&tags, &["a", "b"]) && !holds(&tags, &["a,b", "c"])
        );
        let piped = json!({ "style": "pipeDelimited", "schema": tags["schema"] });
        assert!(holds(&piped, &["a|b"]) && !holds(&piped, &["a,b"]));
        assert!(!holds(&json!({ "style": "matrix", "schema": {} }), &["a"]));
    }
}
