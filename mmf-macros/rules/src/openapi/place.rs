//! The way through a document: places by file and JSON pointer, references followed.

use std::fmt;

use serde_json::Value;

use super::files::{file_of, has_scheme};
use super::names::joined;
use super::sources::Sources;

/// So many references in a row are followed.
const MOST_REFERENCES: usize = 32;

/// A value of a document, and where it is.
#[derive(Clone)]
pub struct Place<'d> {
    /// The files of the document.
    pub sources: &'d Sources,
    /// Which of its files.
    pub file: usize,
    /// The JSON pointer in it.
    pub pointer: String,
    /// What is there.
    pub value: &'d Value,
}

impl fmt::Debug for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// As an error tells it: the file where it is not the document's own, and the pointer.
impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.file > 0 {
            write!(f, "{}#", self.sources.files.all[self.file].name)?;
        }
        f.write_str(&self.pointer)
    }
}

impl<'d> Place<'d> {
    /// The root of a document.
    pub(super) fn root_of(sources: &'d Sources) -> Self {
        // A document that could not be read is none.
        let value = sources.files.all[0].root.as_ref().unwrap_or(&Value::Null);
        Self { sources, file: 0, pointer: String::new(), value }
    }

    /// What is at a pointer of a file; nothing where there is nothing.
    pub(super) fn at_pointer(
        sources: &'d Sources,
        file: usize,
        pointer: String,
    ) -> Result<Option<Self>, String> {
        let found = sources.at(file, &pointer)?;
        Ok(found.map(|value| Self { sources, file, pointer, value }))
    }

    /// The root of its document.
    pub fn root(&self) -> Self {
        Self::root_of(self.sources)
    }

    /// What is behind a key, references followed.
    ///
    /// # Errors
    ///
    /// Where they lead nowhere.
    pub fn get(&self, key: &str) -> Result<Option<Self>, String> {
        self.child(key).map(Self::followed).transpose()
    }

    /// What is behind a key, as it stands there.
    pub fn child(&self, key: &str) -> Option<Self> {
        self.value.get(key).map(|value| self.at(key, value))
    }

    /// The schema behind `schema`, references not followed: from 3.1 on keys may stand beside them.
    pub fn schema(&self) -> Option<Self> {
        self.child("schema")
    }

    /// What is behind each key, references followed.
    ///
    /// # Errors
    ///
    /// Where one leads nowhere.
    pub fn entries(&self) -> Result<Vec<(&'d str, Self)>, String> {
        self.children().into_iter().map(|(key, place)| Ok((key, place.followed()?))).collect()
    }

    /// What is behind each key, as it stands there; extensions left out.
    pub fn children(&self) -> Vec<(&'d str, Self)> {
        let object = self.value.as_object().into_iter().flatten();
        object.map(|(key, value)| (key.as_str(), self.at(key, value))).collect()
    }

    /// What is in a list, references followed.
    ///
    /// # Errors
    ///
    /// Where one leads nowhere.
    pub fn items(&self) -> Result<Vec<Self>, String> {
        self.elements().into_iter().map(Self::followed).collect()
    }

    /// What is in a list, as it stands there.
    pub fn elements(&self) -> Vec<Self> {
        let items = self.value.as_array().into_iter().flatten().enumerate();
        items.map(|(place, value)| self.at(&place.to_string(), value)).collect()
    }

    /// A text behind a key; empty where there is none.
    pub fn text(&self, key: &str) -> &'d str {
        self.value[key].as_str().unwrap_or_default()
    }

    /// Whether `true` is behind a key.
    pub fn is(&self, key: &str) -> bool {
        self.value[key] == true
    }

    /// What tells it from other places.
    pub fn identity(&self) -> (usize, &str) {
        (self.file, &self.pointer)
    }

    fn at(&self, key: &str, value: &'d Value) -> Self {
        let key = key.replace('~', "~0").replace('/', "~1");
        let pointer = format!("{}/{key}", self.pointer);
        Self { sources: self.sources, file: self.file, pointer, value }
    }

    /// Where its references lead to, or itself where it is none.
    ///
    /// # Errors
    ///
    /// Where one leads nowhere, or all lead back.
    pub fn followed(self) -> Result<Self, String> {
        let mut place = self;
        for _ in 0..MOST_REFERENCES {
            let Some(reference) = place.value.get("$ref").and_then(Value::as_str) else {
                return Ok(place);
            };
            place = place.resolved(reference)?;
        }
        Err(format!("at {place}: its references go round"))
    }

    /// Where a reference that stands here leads to.
    ///
    /// # Errors
    ///
    /// Where it leads nowhere.
    pub fn resolved(&self, reference: &str) -> Result<Self, String> {
        let told = |why: String| format!("at {self}: {why}");
        let (target, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let names = self.sources.names();
        let base = names.base_of(self.file, &self.pointer, &self.sources.files);
        let resource = match target {
            "" => names.resources.get(&base),
            target => names.resources.get(&joined(&base, target)),
        };
        let (file, root) = match (resource, file_of(self.file_name(), target)) {
            (Some((file, pointer)), _) => (*file, pointer.as_str()),
            (None, None) if has_scheme(target) => {
                return Err(told(format!(
                    "{reference:?} lies in the network, which is not asked: put it into a file of the same folder"
                )));
            }
            (None, None) => (self.file, ""),
            (None, Some(name)) => {
                let name = name.map_err(told)?;
                let absent = || told(format!("there is no {reference:?}"));
                (self.sources.files.by_name(&name).ok_or_else(absent)?, "")
            }
        };
        let at_root = |pointer: String| Self::at_pointer(self.sources, file, pointer);
        let fragment = percent_encoding::percent_decode_str(fragment).decode_utf8_lossy();
        if !fragment.is_empty() && !fragment.starts_with('/') {
            let base = match target {
                "" => base,
                _ => names.base_of(file, root, &self.sources.files),
            };
            let anchor = names.anchors.get(&(base, fragment.into_owned()));
            let absent = || told(format!("there is no {reference:?}"));
            let (file, pointer) = anchor.ok_or_else(absent)?;
            return Self::at_pointer(self.sources, *file, pointer.clone())
                .map_err(told)?
                .ok_or_else(absent);
        }
        let mut found = at_root(format!("{root}{fragment}")).map_err(told)?;
        if found.is_none() && !root.is_empty() {
            // Most tools take a pointer for one of the whole file, also below an `$id`.
            found = at_root(fragment.into_owned()).map_err(told)?;
        }
        found.ok_or_else(|| told(format!("there is no {reference:?}")))
    }

    fn file_name(&self) -> &'d str {
        &self.sources.files.all[self.file].name
    }
}

#[cfg(test)]
mod tests {
    use super::super::document::Document;

    fn resolved(text: &str, from: &str, reference: &str) -> Result<String, String> {
        let document = Document::parse(text).unwrap();
        let place = document.at(0, from.to_owned()).unwrap().unwrap();
        place.resolved(reference).map(|found| found.pointer)
    }

    const DOCUMENT: &str = r##"
openapi: 3.1.0
paths: { /a: { x-a: {} } }
components:
  schemas:
    T: { $anchor: thing, properties: { b: { type: string } } }
    "a b": { $dynamicAnchor: node }
    U:
      $id: https://example.com/schemas/u
      $anchor: here
      $defs: { v: { $id: v, $anchor: there } }
"##;

    #[test]
    fn references_lead_by_pointer_anchor_and_id() {
        let at = |from, reference| resolved(DOCUMENT, from, reference).unwrap();
        assert_eq!(
            at("/paths", "#/components/schemas/T/properties/b"),
            "/components/schemas/T/properties/b"
        );
        assert_eq!(at("/paths", "#/components/schemas/a%20b"), "/components/schemas/a b");
        assert_eq!(at("/paths", "#thing"), "/components/schemas/T");
        assert_eq!(at("/paths", "#node"), "/components/schemas/a b");
        assert_eq!(at("/paths", "https://example.com/schemas/u"), "/components/schemas/U");
        assert_eq!(
            at("/paths", "https://example.com/schemas/v#there"),
            "/components/schemas/U/$defs/v"
        );
        assert_eq!(at("/components/schemas/U/$defs", "#here"), "/components/schemas/U");
        assert_eq!(at("/components/schemas/U", "v"), "/components/schemas/U/$defs/v");
        assert_eq!(at("/components/schemas/U", "#/$defs/v"), "/components/schemas/U/$defs/v");
        assert_eq!(at("/components/schemas/U", "#/components/schemas/T"), "/components/schemas/T");
    }

    #[test]
    fn references_that_lead_nowhere_are_told() {
        let why = |reference| resolved(DOCUMENT, "/paths", reference).unwrap_err();
        for absent in ["#/nowhere", "#nowhere", "b.yaml", "https://example.com/schemas/u#there"] {
            assert_eq!(why(absent), format!("at /paths: there is no {absent:?}"));
        }
        assert!(why("https://example.com/w").contains("lies in the network, which is not asked"));
        assert!(why("../b.yaml").contains("leads out of the folder"));
    }

    #[test]
    fn other_files_of_the_folder_are_followed() {
        let load = |name: &str| match name {
            "openapi.yaml" => {
                Ok("openapi: 3.0.3\npaths: { /a: { $ref: 'paths/a.yaml#/item' } }".into())
            }
            "paths/a.yaml" => {
                Ok("item: { get: { responses: { $ref: ../responses.json } } }".into())
            }
            "responses.json" => Ok(r#"{ "200": { "description": "ok" } }"#.into()),
            name => Err(format!("{name} cannot be read")),
        };
        let document = Document::read("openapi.yaml", &load).unwrap();
        let operation = document.operation("GET /a").unwrap();
        let responses = operation.place.get("responses").unwrap().unwrap();
        assert_eq!(responses.get("200").unwrap().unwrap().to_string(), "responses.json#/200");
        let files: Vec<_> = document.file_names().collect();
        assert_eq!(files, ["openapi.yaml", "paths/a.yaml", "responses.json"]);
    }
}
