//! The way through a document: places by their JSON pointers, references followed.

use serde_json::Value;

use super::document::Document;

/// So many references in a row are followed.
const MOST_REFERENCES: usize = 32;

/// A value of a document, and where it is.
#[derive(Clone, Debug)]
pub(super) struct Place<'d> {
    pub(super) document: &'d Document,
    pub(super) pointer: String,
    pub(super) value: &'d Value,
}

impl<'d> Place<'d> {
    /// What is behind a key, references followed.
    pub(super) fn get(&self, key: &str) -> Result<Option<Self>, String> {
        self.value.get(key).map(|value| self.at(key, value).followed()).transpose()
    }

    /// The schema behind `schema`, references not followed: from 3.1 on keys may stand beside them.
    pub(super) fn schema(&self) -> Option<Self> {
        self.value.get("schema").map(|schema| self.at("schema", schema))
    }

    /// What is behind each key, references followed.
    pub(super) fn entries(&self) -> Result<Vec<(&'d str, Self)>, String> {
        let object = self.value.as_object().into_iter().flatten();
        object.map(|(key, value)| Ok((key.as_str(), self.at(key, value).followed()?))).collect()
    }

    /// What is in a list, references followed.
    pub(super) fn items(&self) -> Result<Vec<Self>, String> {
        let items = self.value.as_array().into_iter().flatten().enumerate();
        items.map(|(place, value)| self.at(&place.to_string(), value).followed()).collect()
    }

    /// A text behind a key.
    pub(super) fn text(&self, key: &str) -> &'d str {
        self.value[key].as_str().unwrap_or_default()
    }

    /// Whether `true` is behind a key.
    pub(super) fn is(&self, key: &str) -> bool {
        self.value[key] == true
    }

    /// The first example that is written here, or in the schema here.
    pub(super) fn example(&self) -> Result<Option<&'d Value>, String> {
        if let Some(example) = self.value.get("example") {
            return Ok(Some(example));
        }
        if let Some(examples) = self.get("examples")?
            && let Some((_, first)) = examples.entries()?.into_iter().next()
            && let Some(value) = first.value.get("value")
        {
            return Ok(Some(value));
        }
        let Some(schema) = self.get("schema")? else { return Ok(None) };
        let schema = schema.value;
        let all = [
            &schema["example"],
            &schema["examples"][0],
            &schema["default"],
            &schema["const"],
            &schema["enum"][0],
        ];
        Ok(all.into_iter().find(|value| !value.is_null()))
    }

    fn at(&self, key: &str, value: &'d Value) -> Self {
        let key = key.replace('~', "~0").replace('/', "~1");
        Self { document: self.document, pointer: format!("{}/{key}", self.pointer), value }
    }

    pub(super) fn followed(self) -> Result<Self, String> {
        let mut place = self;
        for _ in 0..MOST_REFERENCES {
            let Some(reference) = place.value.get("$ref").and_then(Value::as_str) else {
                return Ok(place);
            };
            let pointer = reference.strip_prefix('#').ok_or_else(|| {
                format!("{reference:?} lies in another file: bundle the document into one")
            })?;
            let pointer = percent_encoding::percent_decode_str(pointer).decode_utf8_lossy();
            let value = place
                .document
                .root
                .pointer(&pointer)
                .ok_or_else(|| format!("at {}: there is no {reference:?}", place.pointer))?;
            place = Self { document: place.document, pointer: pointer.into_owned(), value };
        }
        Err(format!("at {}: its references go round", place.pointer))
    }
}
