//! Values against a JSON Schema, of any draft up to 2020-12.

use jsonschema::Validator;
use serde_json::Value;

/// A schema that bodies are checked against.
#[derive(Debug)]
pub(super) struct Schema(Validator);

/// So many of what is wrong with a body are told.
const TOLD: usize = 5;

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    ///
    /// Where it is no JSON, or no schema, with the place in it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let schema: Value = serde_json::from_str(text)
            .map_err(|error| format!("the schema is no JSON: {error}"))?;
        Self::built(jsonschema::options().build(&schema))
    }

    /// A schema of a draft, whatever it says itself; its formats are checked.
    ///
    /// # Errors
    ///
    /// Where it is no schema, with the place in it.
    #[cfg(feature = "openapi")]
    pub(super) fn of(schema: &Value, draft: jsonschema::Draft) -> Result<Self, String> {
        let options = jsonschema::options()
            .with_draft(draft)
            .should_validate_formats(true)
            .with_format("byte", is_base64);
        Self::built(options.build(schema))
    }

    fn built(
        built: Result<Validator, jsonschema::ValidationError<'static>>,
    ) -> Result<Self, String> {
        built.map(Self).map_err(|error| {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() { place } else { format!(" at {place}") };
            format!("the schema is not valid{place}: {error}")
        })
    }

    /// Checks a body.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and where.
    pub(super) fn check(&self, body: &[u8]) -> Result<(), String> {
        let body: Value = serde_json::from_slice(body)
            .map_err(|error| format!("the body is no JSON: {error}"))?;
        self.check_value(&body)
    }

    /// Checks a value.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and where.
    pub(super) fn check_value(&self, value: &Value) -> Result<(), String> {
        let mut errors = self.0.iter_errors(value).map(|error| told(&error));
        let told: Vec<_> = errors.by_ref().take(TOLD).collect();
        if told.is_empty() {
            return Ok(());
        }
        let more = errors.count();
        let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
        Err(format!("{}{rest}", told.join("; ")))
    }
}

/// Where it is wrong, what is wrong, and by which keyword.
fn told(error: &jsonschema::ValidationError<'_>) -> String {
    let place = error.instance_path().to_string();
    let place = if place.is_empty() { place } else { format!("at {place}: ") };
    let keyword = error.schema_path().to_string();
    let keyword = keyword.rsplit('/').next().unwrap_or_default();
    format!("{place}{error} [{keyword}]")
}

/// RFC 4648, section 4.
#[cfg(feature = "openapi")]
fn is_base64(text: &str) -> bool {
    let letters = text.trim_end_matches('=');
    let is_letter = |letter: u8| letter.is_ascii_alphanumeric() || b"+/".contains(&letter);
    text.len().is_multiple_of(4)
        && text.len() - letters.len() <= 2
        && letters.bytes().all(is_letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: &str = r#"{
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": { "name": { "type": "string" }, "tags": { "prefixItems": [{ "type": "integer" }] } },
        "required": ["name"]
    }"#;

    #[test]
    fn bodies_are_checked_with_their_places() {
        let schema = Schema::parse(USER).unwrap();
        assert_eq!(schema.check(br#"{"name": "Ada", "tags": [1]}"#), Ok(()));
        let wrong = schema.check(br#"{"name": 7, "tags": ["a"]}"#).unwrap_err();
        assert!(wrong.contains("at /name: ") && wrong.contains("at /tags/0: "), "{wrong}");
        assert!(schema.check(b"{}").unwrap_err().starts_with("\"name\" is a required property"));
        assert!(schema.check(b"<html>").unwrap_err().starts_with("the body is no JSON: "));
    }

    #[test]
    fn a_schema_that_is_none_is_told() {
        assert!(Schema::parse("{").unwrap_err().starts_with("the schema is no JSON: "));
        assert!(
            Schema::parse(r#"{"type": "strin"}"#)
                .unwrap_err()
                .starts_with("the schema is not valid at /type: ")
        );
    }
}
