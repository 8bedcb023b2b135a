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

    /// A schema of 2020-12, whatever it says itself; its formats are checked, and one keyword means this.
    ///
    /// # Errors
    ///
    /// Where it is no schema, with the place in it.
    #[cfg(feature = "openapi")]
    pub(super) fn with_keyword<F>(schema: &Value, keyword: &str, means: F) -> Result<Self, String>
    where
        F: Fn(&Value) -> Box<dyn for<'i> jsonschema::Keyword<'i>> + Send + Sync + 'static,
    {
        let options = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .should_validate_formats(true)
            .with_format("byte", is_base64)
            .with_keyword(keyword, move |_, value, _| Ok(means(value)));
        Self::built(options.build(schema))
    }

    /// Whether a value holds.
    #[cfg(feature = "openapi")]
    pub(super) fn is_valid(&self, value: &Value) -> bool {
        self.0.is_valid(value)
    }

    /// All that is wrong with a value: where, and what.
    pub(super) fn wrong<'v>(&'v self, value: &'v Value) -> impl Iterator<Item = Wrong> + 'v {
        self.0.iter_errors(value).map(|error| Wrong::of(&error))
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
        let mut errors = self.wrong(value);
        let told: Vec<_> = errors.by_ref().take(TOLD).map(|wrong| wrong.to_string()).collect();
        if told.is_empty() {
            return Ok(());
        }
        let more = errors.count();
        let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
        Err(format!("{}{rest}", told.join("; ")))
    }
}

/// What is wrong with a value.
#[derive(Debug)]
pub(super) struct Wrong {
    /// The JSON pointer of the place.
    place: String,
    /// What is wrong there, and by which keyword.
    what: String,
}

impl Wrong {
    fn of(error: &jsonschema::ValidationError<'_>) -> Self {
        let place = error.instance_path().to_string();
        if let jsonschema::error::ValidationErrorKind::Custom { message, .. } = error.kind()
            && let Some((below, what)) = Self::from_message(message)
        {
            return Self { place: place + below, what: what.to_owned() };
        }
        let keyword = error.schema_path().to_string();
        let keyword = keyword.rsplit('/').next().unwrap_or_default();
        Self { place, what: format!("{error} [{keyword}]") }
    }

    /// As the error of a keyword that another schema stands behind: its place is below that of the keyword.
    #[cfg(feature = "openapi")]
    pub(super) fn into_message(self) -> String {
        format!("\0{}\0{}", self.place, self.what)
    }

    fn from_message(message: &str) -> Option<(&str, &str)> {
        message.strip_prefix('\0')?.split_once('\0')
    }
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.place.as_str() {
            "" => f.write_str(&self.what),
            place => write!(f, "at {place}: {}", self.what),
        }
    }
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
