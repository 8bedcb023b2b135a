//! Schemas of a document, as JSON Schemas.
//!
//! A document of 3.1 has JSON Schemas of 2020-12. Those of 3.0 are near to draft 4, but for `nullable`. It is
//! taken to allow null also where the schema says no `type`, as most tools do: 3.0.3 would have it mean nothing
//! there.

use serde_json::{Map, Value, json};

use super::super::schema::Schema;
use super::document::Version;
use super::place::Place;

/// Who sends the value: properties of the other direction need not be there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Direction {
    /// `readOnly` properties are never required.
    Request,
    /// `writeOnly` properties are never required.
    Response,
}

/// Checks a value against the schema at a place.
///
/// # Errors
///
/// What is wrong with the value, or with the schema, and where.
pub(super) fn check(schema: &Place<'_>, value: &Value, direction: Direction) -> Result<(), String> {
    let document = schema.document;
    let mut root = translated(&document.root, document.version, direction);
    if let Value::Object(root) = &mut root {
        // The document is the root that references are resolved in, and the schema a reference into it: a
        // document that is a schema itself would accept everything.
        root.insert("$ref".into(), Value::String(fragment(&schema.pointer)));
    }
    let draft = match document.version {
        Version::V3_0 => jsonschema::Draft::Draft4,
        Version::V3_1 => jsonschema::Draft::Draft202012,
    };
    Schema::of(&root, draft)?.check_value(value)
}

/// The value that a text in a path, a query or a header stands for, by the type of its schema.
pub(super) fn value_of(text: &str, schema: &Place<'_>) -> Value {
    let is = |name: &str| match &schema.value["type"] {
        Value::String(kind) => kind == name,
        Value::Array(kinds) => kinds.iter().any(|kind| kind == name),
        _ => false,
    };
    let number = || text.parse::<Value>().ok().filter(Value::is_number);
    if is("array") {
        let items = text.split(',').filter(|item| !item.is_empty());
        let schema = schema.get("items").ok().flatten();
        return items
            .map(|item| {
                schema.as_ref().map_or_else(|| json!(item), |schema| value_of(item, schema))
            })
            .collect();
    }
    match text {
        "true" | "false" if is("boolean") => Value::Bool(text == "true"),
        _ if is("integer") || is("number") => number().unwrap_or_else(|| json!(text)),
        _ => json!(text),
    }
}

fn fragment(pointer: &str) -> String {
    let encoded =
        percent_encoding::utf8_percent_encode(pointer, percent_encoding::NON_ALPHANUMERIC);
    // Slash and tilde are what a pointer is made of.
    format!("#{}", encoded.to_string().replace("%2F", "/").replace("%7E", "~"))
}

/// The document, with its schemas as JSON Schema has them.
fn translated(value: &Value, version: Version, direction: Direction) -> Value {
    match value {
        Value::Object(object) => {
            let mut result: Map<String, Value> = object
                .iter()
                .map(|(key, value)| (key.clone(), below(key, value, version, direction)))
                .collect();
            if version == Version::V3_0 {
                allow_null(&mut result);
            }
            drop_required(&mut result, direction);
            Value::Object(result)
        }
        Value::Array(items) => {
            items.iter().map(|item| translated(item, version, direction)).collect()
        }
        other => other.clone(),
    }
}

fn below(key: &str, value: &Value, version: Version, direction: Direction) -> Value {
    match (key, value) {
        // Values of the user's, which may look like schemas.
        ("example" | "examples" | "default" | "enum" | "const", _) => value.clone(),
        // Names of the user's, which may look like keys.
        ("properties" | "patternProperties" | "schemas" | "$defs", Value::Object(named)) => named
            .iter()
            .map(|(name, schema)| (name.clone(), translated(schema, version, direction)))
            .collect::<Map<_, _>>()
            .into(),
        _ => translated(value, version, direction),
    }
}

// Input:  { "type": "string", "nullable": true }
// Output: { "type": ["string", "null"] }
// Input:  { "allOf": […], "nullable": true }
// Output: { "anyOf": [{ "enum": [null] }, { "allOf": […] }] }
fn allow_null(schema: &mut Map<String, Value>) {
    if schema.get("nullable") != Some(&Value::Bool(true)) {
        return;
    }
    schema.remove("nullable");
    if let Some(kind) = schema.get("type").filter(|kind| kind.is_string()).cloned() {
        schema.insert("type".into(), json!([kind, "null"]));
    } else {
        let rest = Value::Object(std::mem::take(schema));
        schema.insert("anyOf".into(), json!([{ "enum": [null] }, rest]));
    }
}

fn drop_required(schema: &mut Map<String, Value>, direction: Direction) {
    let mark = match direction {
        Direction::Request => "readOnly",
        Direction::Response => "writeOnly",
    };
    let Some(Value::Array(mut required)) = schema.get("required").cloned() else { return };
    let Some(properties) = schema.get("properties") else { return };
    required.retain(|name| name.as_str().is_none_or(|name| properties[name][mark] != true));
    // Draft 4 knows no empty list here.
    if required.is_empty() {
        schema.remove("required");
    } else {
        schema.insert("required".into(), Value::Array(required));
    }
}

#[cfg(test)]
mod tests {
    use super::super::document::Document;
    use super::*;

    fn document(version: &str, schema: &Value) -> Document {
        let mut root = json!({
            "openapi": version,
            "paths": { "/a": { "get": {} } },
            "components": { "schemas": { "S": { "type": "integer" } } },
        });
        root["paths"]["/a"]["get"]["schema"] = schema.clone();
        Document::parse(&root.to_string()).unwrap()
    }

    fn accepts(version: &str, schema: &Value, value: &Value) -> Result<(), String> {
        accepts_in(version, schema, value, Direction::Response)
    }

    fn accepts_in(
        version: &str,
        schema: &Value,
        value: &Value,
        direction: Direction,
    ) -> Result<(), String> {
        let document = document(version, schema);
        let operation = document.operation("GET /a").unwrap();
        check(&operation.place.get("schema").unwrap().unwrap(), value, direction)
    }

    #[test]
    fn null_is_allowed_where_3_0_says_so_and_nowhere_else() {
        let nullable = json!({ "type": "string", "nullable": true });
        assert_eq!(accepts("3.0.3", &nullable, &json!(null)), Ok(()));
        assert!(accepts("3.0.3", &nullable, &json!(1)).is_err());
        assert!(accepts("3.1.0", &nullable, &json!(null)).is_err(), "3.1 has no such key");
        let reference =
            json!({ "nullable": true, "allOf": [{ "$ref": "#/components/schemas/S" }] });
        assert_eq!(accepts("3.0.3", &reference, &json!(null)), Ok(()));
        assert_eq!(accepts("3.0.3", &reference, &json!(7)), Ok(()));
        assert!(accepts("3.0.3", &reference, &json!("7")).is_err());
        let named = json!({
            "type": "object",
            "properties": { "nullable": { "type": "string" } },
            "required": ["nullable"],
            "example": { "nullable": true },
        });
        assert_eq!(accepts("3.0.3", &named, &json!({ "nullable": "a" })), Ok(()));
        assert!(accepts("3.0.3", &named, &json!({ "nullable": null })).is_err());
        let types = json!({ "type": ["string", "null"] });
        assert_eq!(accepts("3.1.0", &types, &json!(null)), Ok(()));
    }

    #[test]
    fn references_lead_into_the_document() {
        let list = json!({ "type": "array", "items": { "$ref": "#/components/schemas/S" } });
        for version in ["3.0.3", "3.1.0"] {
            assert_eq!(accepts(version, &list, &json!([1, 2])), Ok(()));
            let wrong = accepts(version, &list, &json!([1, "b"])).unwrap_err();
            assert!(wrong.starts_with("at /1: "), "{wrong}");
        }
    }

    #[test]
    fn bounds_of_both_versions_hold() {
        let old = json!({ "type": "integer", "minimum": 5, "exclusiveMinimum": true });
        assert!(accepts("3.0.3", &old, &json!(5)).is_err());
        assert_eq!(accepts("3.0.3", &old, &json!(6)), Ok(()));
        let new = json!({ "type": "integer", "exclusiveMinimum": 5 });
        assert!(accepts("3.1.0", &new, &json!(5)).is_err());
    }

    #[test]
    fn what_the_other_side_sends_is_not_required() {
        let user = json!({
            "type": "object",
            "properties": {
                "id": { "type": "integer", "readOnly": true },
                "password": { "type": "string", "writeOnly": true },
            },
            "required": ["id", "password"],
        });
        for version in ["3.0.3", "3.1.0"] {
            let answer = json!({ "id": 1 });
            let asked = json!({ "password": "x" });
            assert_eq!(accepts_in(version, &user, &answer, Direction::Response), Ok(()));
            assert_eq!(accepts_in(version, &user, &asked, Direction::Request), Ok(()));
            assert!(accepts_in(version, &user, &answer, Direction::Request).is_err());
            assert!(accepts_in(version, &user, &asked, Direction::Response).is_err());
        }
    }

    #[test]
    fn formats_are_checked() {
        let when = json!({ "type": "string", "format": "date-time" });
        for version in ["3.0.3", "3.1.0"] {
            assert_eq!(accepts(version, &when, &json!("2026-11-27T10:00:00Z")), Ok(()));
            assert!(accepts(version, &when, &json!("yesterday")).is_err());
        }
    }
}
