//! Schemas of a document, as JSON Schemas of 2020-12.
//!
//! A document of 3.1 has such schemas. Those of 3.0 are translated: `nullable`, bounds that are `exclusive` by
//! `true`, and keys beside a `$ref`, which mean nothing there. `nullable` is taken to allow null also where the
//! schema says no `type`, as most tools do: 3.0.3 would have it mean nothing there.

use serde_json::{Map, Value, json};

use super::super::schema::Schema;
use super::document::Version;
use super::place::Place;

/// Who sends the value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Direction {
    /// `readOnly` properties are not required.
    Request,
    /// `writeOnly` properties are not required, nor allowed.
    Response,
}

impl Direction {
    /// What marks a property of the other direction.
    fn foreign(self) -> &'static str {
        match self {
            Self::Request => "readOnly",
            Self::Response => "writeOnly",
        }
    }
}

/// Checks a value against the schema at a place.
///
/// # Errors
///
/// What is wrong with the value, or with the schema, and where.
pub(super) fn check(schema: &Place<'_>, value: &Value, direction: Direction) -> Result<(), String> {
    compiled(schema, direction)?.check_value(value)
}

/// The schema at a place. The document is the root that references are resolved in, and the schema a reference
/// into it: a document that is a schema itself would accept everything.
pub(super) fn compiled(schema: &Place<'_>, direction: Direction) -> Result<Schema, String> {
    let document = schema.document;
    let translated = match direction {
        Direction::Request => &document.for_requests,
        Direction::Response => &document.for_responses,
    };
    let mut root = translated
        .get_or_init(|| {
            let (root, version) = (&document.root, document.version);
            Translation { root, version, direction }.of(root)
        })
        .clone();
    if let Value::Object(root) = &mut root {
        root.insert("$ref".into(), Value::String(fragment(&schema.pointer)));
    }
    Schema::of(&root, jsonschema::Draft::Draft202012)
}

fn fragment(pointer: &str) -> String {
    let encoded =
        percent_encoding::utf8_percent_encode(pointer, percent_encoding::NON_ALPHANUMERIC);
    // Slash and tilde are what a pointer is made of.
    format!("#{}", encoded.to_string().replace("%2F", "/").replace("%7E", "~"))
}

/// A document with its schemas as JSON Schema has them.
struct Translation<'d> {
    root: &'d Value,
    version: Version,
    direction: Direction,
}

impl Translation<'_> {
    fn of(&self, value: &Value) -> Value {
        match value {
            Value::Object(object) => self.of_object(object),
            Value::Array(items) => items.iter().map(|item| self.of(item)).collect(),
            other => other.clone(),
        }
    }

    fn of_object(&self, object: &Map<String, Value>) -> Value {
        if self.version == Version::V3_0
            && let Some(reference) = object.get("$ref").filter(|reference| reference.is_string())
        {
            return json!({ "$ref": reference });
        }
        let mut result: Map<String, Value> =
            object.iter().map(|(key, value)| (key.clone(), self.below(key, value))).collect();
        self.drop_foreign(&mut result, object);
        if self.version == Version::V3_0 {
            exclude_bounds(&mut result);
            allow_null(&mut result);
        }
        Value::Object(result)
    }

    fn below(&self, key: &str, value: &Value) -> Value {
        match (key, value) {
            // Values of the user's, which may look like schemas.
            ("example" | "examples" | "default" | "enum" | "const", _) => value.clone(),
            // Names of the user's, which may look like keys.
            (
                "properties" | "patternProperties" | "schemas" | "$defs" | "responses" | "headers"
                | "parameters" | "requestBodies",
                Value::Object(named),
            ) => {
                let named = named.iter().map(|(name, value)| (name.clone(), self.of(value)));
                named.collect::<Map<_, _>>().into()
            }
            _ => self.of(value),
        }
    }

    /// Properties of the other direction are not required; in an answer they are not allowed either.
    fn drop_foreign(&self, result: &mut Map<String, Value>, schema: &Map<String, Value>) {
        let mut foreign = self.foreign_of(schema);
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            foreign.extend(part.as_object().map(|part| self.foreign_of(part)).unwrap_or_default());
        }
        if foreign.is_empty() {
            return;
        }
        drop_required(result, &foreign);
        for part in result.get_mut("allOf").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Value::Object(part) = part {
                drop_required(part, &foreign);
            }
        }
        if self.direction == Direction::Response
            && let Some(Value::Object(properties)) = result.get_mut("properties")
        {
            for name in
                foreign.iter().filter(|name| properties.contains_key(*name)).collect::<Vec<_>>()
            {
                properties.insert(name.clone(), json!({ "not": {} }));
            }
        }
    }

    /// The properties of a schema that only the other side sends.
    fn foreign_of(&self, schema: &Map<String, Value>) -> Vec<String> {
        let mark = self.direction.foreign();
        let properties = schema.get("properties").and_then(Value::as_object);
        let is_foreign = |property: &Value| {
            let target =
                property["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
            let target = target.and_then(|pointer| self.root.pointer(pointer));
            property[mark] == true || target.is_some_and(|target| target[mark] == true)
        };
        let properties = properties.into_iter().flatten();
        properties
            .filter(|(_, property)| is_foreign(property))
            .map(|(name, _)| name.clone())
            .collect()
    }
}

fn drop_required(schema: &mut Map<String, Value>, names: &[String]) {
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|name| {
            name.as_str().is_none_or(|name| !names.iter().any(|known| known == name))
        });
    }
}

// Input:  { "minimum": 5, "exclusiveMinimum": true }
// Output: { "exclusiveMinimum": 5 }
fn exclude_bounds(schema: &mut Map<String, Value>) {
    for (bound, exclusive) in [("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")] {
        match schema.get(exclusive) {
            Some(Value::Bool(true)) => {
                schema.remove(exclusive);
                if let Some(value) = schema.remove(bound) {
                    schema.insert(exclusive.into(), value);
                }
            }
            Some(Value::Bool(false)) => {
                schema.remove(exclusive);
            }
            _ => {}
        }
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
        check(&operation.place.schema().unwrap(), value, direction)
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
    fn keys_beside_a_reference_count_from_3_1_on() {
        let beside = json!({ "$ref": "#/components/schemas/S", "minimum": 5 });
        assert!(accepts("3.1.0", &beside, &json!(4)).is_err());
        assert_eq!(accepts("3.0.3", &beside, &json!(4)), Ok(()));
    }

    #[test]
    fn marks_count_wherever_they_stand() {
        let parts = json!({ "allOf": [
            { "properties": { "id": { "type": "integer", "readOnly": true } } },
            { "required": ["id", "name"] },
        ], "nullable": true });
        let asked = |value: &Value| accepts_in("3.0.3", &parts, value, Direction::Request);
        assert_eq!(asked(&json!({ "name": "a" })), Ok(()));
        assert!(asked(&json!({ "id": 1 })).is_err());
        assert_eq!(asked(&json!(null)), Ok(()));
        let secret =
            json!({ "properties": { "password": { "type": "string", "writeOnly": true } } });
        let leaked = accepts("3.1.0", &secret, &json!({ "password": "x" })).unwrap_err();
        assert!(leaked.starts_with("at /password: "), "{leaked}");
    }

    #[test]
    fn what_is_said_of_a_default_response_counts() {
        let mut root = json!({ "openapi": "3.0.3", "paths": { "/a": { "get": { "responses": { "default": {
            "schema": { "type": "string", "nullable": true } } } } } } });
        root["components"] = json!({});
        let document = Document::parse(&root.to_string()).unwrap();
        let operation = document.operation("GET /a").unwrap();
        let responses = operation.place.get("responses").unwrap().unwrap();
        let default = responses.get("default").unwrap().unwrap();
        assert_eq!(check(&default.schema().unwrap(), &json!(null), Direction::Response), Ok(()));
    }

    #[test]
    fn formats_are_checked() {
        let id = json!({ "type": "string", "format": "uuid" });
        assert!(accepts("3.0.3", &id, &json!("seven")).is_err());
        let when = json!({ "type": "string", "format": "date-time" });
        for version in ["3.0.3", "3.1.0"] {
            assert_eq!(accepts(version, &when, &json!("2026-11-27T10:00:00Z")), Ok(()));
            assert!(accepts(version, &when, &json!("yesterday")).is_err());
        }
    }
}
