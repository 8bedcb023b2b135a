//! A schema of a document as one of JSON Schema 2020-12, with all that it refers to and nothing else.
//!
//! A document of 3.1 has such schemas. Those of 3.0 are translated: `nullable`, bounds that are `exclusive` by
//! `true`, and keys beside a `$ref`, which mean nothing there. References are resolved in the document as it is written,
//! so that no translation moves what one leads to.

use std::collections::{BTreeSet, HashMap};

use mmf_rules::openapi::{Place, Version, parts};
use serde_json::{Map, Value, json};

use super::pattern::translated;
use super::schema::Direction;

/// Where the schema is, so that references from below an `$id` lead out of it.
const BASE: &str = "mmf:///";

/// Keys that say nothing of values, or whose meaning is translated.
const LEFT_OUT: [&str; 17] = [
    "$id",
    "$anchor",
    "$schema",
    "$comment",
    "$vocabulary",
    "id",
    "title",
    "description",
    "nullable",
    "discriminator",
    "xml",
    "externalDocs",
    "example",
    "examples",
    "default",
    "readOnly",
    "writeOnly",
];

/// A schema that stands by itself.
#[derive(Debug)]
pub(super) struct Bundle {
    pub(super) schema: Value,
    /// What of it is not checked, and why.
    pub(super) notes: Vec<String>,
    /// How many schemas of the document it holds.
    pub(super) size: usize,
}

/// Names of properties that only the other side sends.
type Foreign = BTreeSet<String>;

struct Translation<'d> {
    direction: Direction,
    known: HashMap<(usize, String, Foreign), usize>,
    open: Vec<(Place<'d>, Foreign)>,
    notes: Vec<String>,
    /// The definition that is being translated.
    resource: (usize, String),
}

/// Translates a schema, and each that it refers to.
///
/// # Errors
///
/// Where a reference leads nowhere.
pub(super) fn bundle(schema: &Place<'_>, direction: Direction) -> Result<Bundle, String> {
    let mut translation = Translation {
        direction,
        known: HashMap::new(),
        open: Vec::new(),
        notes: Vec::new(),
        resource: (0, String::new()),
    };
    let root = translation.reference(schema, Foreign::new());
    let mut definitions = Map::new();
    while definitions.len() < translation.open.len() {
        let number = definitions.len();
        let (place, foreign) = translation.open[number].clone();
        translation.resource = (place.file, place.pointer.clone());
        let mut schema = translation.of(&place, &foreign)?;
        if let (true, Value::Object(schema)) = (has_id(&place), &mut schema) {
            schema.insert("$id".into(), json!(format!("{BASE}{number}")));
        }
        definitions.insert(number.to_string(), schema);
    }
    let size = definitions.len();
    let schema = json!({ "$id": BASE, "$ref": root, "$defs": definitions });
    Ok(Bundle { schema, notes: translation.notes, size })
}

fn has_id(place: &Place<'_>) -> bool {
    place.document.version == Version::V3_1 && place.value["$id"].is_string()
}

impl<'d> Translation<'d> {
    /// The reference to a schema, which is translated in its turn.
    fn reference(&mut self, place: &Place<'d>, foreign: Foreign) -> String {
        let key = (place.file, place.pointer.clone(), foreign);
        let number = match self.known.get(&key) {
            Some(number) => *number,
            None => {
                let number = self.open.len();
                self.open.push((place.clone(), key.2.clone()));
                self.known.insert(key, number);
                number
            }
        };
        if has_id(place) { format!("{BASE}{number}") } else { format!("{BASE}#/$defs/{number}") }
    }

    /// A schema in place, where these properties need not be.
    fn of(&mut self, schema: &Place<'d>, inherited: &Foreign) -> Result<Value, String> {
        let Some(fields) = schema.value.as_object() else { return Ok(schema.value.clone()) };
        let mut result = Map::new();
        if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
            let target = schema.resolved(reference)?;
            result.insert("$ref".into(), self.reference(&target, inherited.clone()).into());
            if schema.document.version == Version::V3_0 {
                return Ok(result.into());
            }
        }
        let mut foreign = self.foreign_of(schema);
        foreign.extend(inherited.iter().cloned());
        for (key, child) in schema.children() {
            let value = match key {
                "$ref" => continue,
                key if LEFT_OUT.contains(&key) || key.starts_with("x-") => continue,
                "$dynamicRef" => {
                    // Its anchor has to be there, and keeps its name.
                    let reference = child.value.as_str().unwrap_or_default();
                    let target = schema.resolved(reference)?;
                    let is_below = target.file == self.resource.0
                        && target.pointer.starts_with(&self.resource.1);
                    if !is_below {
                        self.reference(&target, Foreign::new());
                    }
                    child.value.clone()
                }
                "required" => self.required(child.value, &foreign),
                "properties" => self.properties(&child, &foreign)?,
                "patternProperties" => match self.pattern_properties(&child)? {
                    Some(value) => value,
                    None => continue,
                },
                "$defs" | "definitions" | "dependentSchemas" => {
                    self.named(&child, &Foreign::new())?
                }
                "allOf" | "anyOf" | "oneOf" => self.listed(&child, &foreign)?,
                "prefixItems" => self.listed(&child, &Foreign::new())?,
                "then" | "else" => self.of(&child, &foreign)?,
                "items" | "additionalItems" if child.value.is_array() => {
                    self.listed(&child, &Foreign::new())?
                }
                "additionalProperties"
                | "unevaluatedProperties"
                | "items"
                | "additionalItems"
                | "unevaluatedItems"
                | "contains"
                | "propertyNames"
                | "not"
                | "if"
                | "contentSchema" => self.of(&child, &Foreign::new())?,
                "pattern" => match child.value.as_str() {
                    Some(pattern) => match self.pattern(pattern, &child) {
                        Some(pattern) => pattern.into(),
                        None => continue,
                    },
                    None => child.value.clone(),
                },
                _ => child.value.clone(),
            };
            result.insert(key.to_owned(), value);
        }
        // Names that cannot be matched may be of any property.
        if fields.contains_key("patternProperties") && !result.contains_key("patternProperties") {
            result.remove("additionalProperties");
            result.remove("unevaluatedProperties");
        }
        exclude_bounds(&mut result);
        bound_integers(&mut result);
        self.decide_by_discriminator(schema, &mut result)?;
        if schema.document.version == Version::V3_0 && schema.is("nullable") {
            allow_null(&mut result);
        }
        Ok(result.into())
    }

    fn named(&mut self, named: &Place<'d>, foreign: &Foreign) -> Result<Value, String> {
        let children = named.children().into_iter();
        children
            .map(|(name, schema)| Ok((name.to_owned(), self.of(&schema, foreign)?)))
            .collect::<Result<Map<_, _>, String>>()
            .map(Value::Object)
    }

    fn listed(&mut self, listed: &Place<'d>, foreign: &Foreign) -> Result<Value, String> {
        listed.elements().iter().map(|schema| self.of(schema, foreign)).collect()
    }

    /// Those of the other side are not allowed in an answer.
    fn properties(&mut self, named: &Place<'d>, foreign: &Foreign) -> Result<Value, String> {
        let mut properties = self.named(named, &Foreign::new())?;
        if let (Direction::Response, Value::Object(properties)) = (self.direction, &mut properties)
        {
            for (name, property) in properties {
                if foreign.contains(name) {
                    *property = json!({ "not": {} });
                }
            }
        }
        Ok(properties)
    }

    fn required(&self, required: &Value, foreign: &Foreign) -> Value {
        let Some(names) = required.as_array() else { return required.clone() };
        let is_own = |name: &&Value| name.as_str().is_none_or(|name| !foreign.contains(name));
        names.iter().filter(is_own).cloned().collect()
    }

    /// The properties that only the other side sends, wherever in the schema they are declared.
    fn foreign_of(&self, schema: &Place<'d>) -> Foreign {
        let mark = self.direction.foreign();
        let mut foreign = Foreign::new();
        for part in parts(schema) {
            let named = part.child("properties").map(|named| named.children()).unwrap_or_default();
            for (name, property) in named {
                if parts(&property).iter().any(|part| part.is(mark)) {
                    foreign.insert(name.to_owned());
                }
            }
        }
        foreign
    }

    fn pattern_properties(&mut self, named: &Place<'d>) -> Result<Option<Value>, String> {
        let mut result = Map::new();
        for (pattern, schema) in named.children() {
            let Some(pattern) = self.pattern(pattern, named) else { return Ok(None) };
            result.insert(pattern, self.of(&schema, &Foreign::new())?);
        }
        Ok(Some(result.into()))
    }

    /// In the syntax of the engine; nothing where it cannot match it, which is told.
    fn pattern(&mut self, pattern: &str, place: &Place<'d>) -> Option<String> {
        let pattern = translated(pattern);
        match jsonschema::validator_for(&json!({ "pattern": &pattern })) {
            Ok(_) => Some(pattern),
            Err(_) => {
                let note = format!(
                    "the pattern {pattern:?} at {place} is none that can be matched, and is not checked"
                );
                self.notes.push(note);
                None
            }
        }
    }

    // Input:  { "oneOf": [{ "$ref": "#/…/Cat" }, { "$ref": "#/…/Dog" }], "discriminator": { "propertyName": "kind" } }
    // Output: { "allOf": [{ "if": { "properties": { "kind": { "enum": ["Cat", "Dog"] } }, … }, "then": { "allOf": [
    //             { "if": { "properties": { "kind": { "enum": ["Cat"] } } }, "then": { "$ref": … } }, … ] },
    //             "else": { "oneOf": [ … ] } }] }
    fn decide_by_discriminator(
        &mut self,
        schema: &Place<'d>,
        result: &mut Map<String, Value>,
    ) -> Result<(), String> {
        let Some(discriminator) = schema.child("discriminator") else { return Ok(()) };
        let property = discriminator.text("propertyName");
        for key in ["oneOf", "anyOf"] {
            let Some(branches) = schema.child(key).map(|branches| branches.elements()) else {
                continue;
            };
            let (mut all, mut choices) = (Vec::new(), Vec::new());
            for (branch, translated) in
                branches.iter().zip(result[key].as_array().cloned().unwrap_or_default())
            {
                let names = names_of(branch, &discriminator);
                if !names.is_empty() {
                    let asks = json!({ "properties": { property: { "enum": &names } } });
                    choices.push(json!({ "if": asks, "then": translated }));
                    all.extend(names);
                }
            }
            if all.is_empty() {
                continue;
            }
            let is_named = json!({
                "type": "object",
                "required": [property],
                "properties": { property: { "enum": all } },
            });
            let branches = result.remove(key);
            let decided =
                json!({ "if": is_named, "then": { "allOf": choices }, "else": { key: branches } });
            also(result, decided);
        }
        Ok(())
    }
}

/// What a discriminator calls a branch: by its mapping, and by the name of the schema.
fn names_of(branch: &Place<'_>, discriminator: &Place<'_>) -> Vec<String> {
    let Some(reference) = branch.value["$ref"].as_str() else { return Vec::new() };
    let Ok(target) = branch.resolved(reference) else { return Vec::new() };
    let mut names: Vec<String> = Vec::new();
    for (name, mapped) in discriminator.child("mapping").iter().flat_map(Place::children) {
        let mapped = mapped.value.as_str().unwrap_or_default();
        // The name of a schema, or a reference.
        let by_name = format!("#/components/schemas/{mapped}");
        let leads_there = |reference: &str| {
            discriminator
                .resolved(reference)
                .is_ok_and(|found| found.identity() == target.identity())
        };
        if leads_there(mapped) || leads_there(&by_name) {
            names.push(name.to_owned());
        }
    }
    let last = target.pointer.rsplit('/').next().unwrap_or_default();
    let last = last.replace("~1", "/").replace("~0", "~");
    if !last.is_empty() && !names.contains(&last) {
        names.push(last);
    }
    names
}

/// Adds a schema that has to hold as well.
fn also(schema: &mut Map<String, Value>, more: Value) {
    let all = schema.entry("allOf").or_insert_with(|| json!([]));
    if let Value::Array(all) = all {
        all.push(more);
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

// Input:  { "format": "int32" }
// Output: { "allOf": [{ "minimum": -2147483648, "maximum": 2147483647 }] }
fn bound_integers(schema: &mut Map<String, Value>) {
    let bounds = match schema.get("format").and_then(Value::as_str) {
        Some("int32") => json!({ "minimum": i32::MIN, "maximum": i32::MAX }),
        Some("int64") => json!({ "minimum": i64::MIN, "maximum": i64::MAX }),
        _ => return,
    };
    schema.remove("format");
    also(schema, bounds);
}

// Input:  { "type": "string" }
// Output: { "type": ["string", "null"] }
// Input:  { "allOf": […] }
// Output: { "anyOf": [{ "enum": [null] }, { "allOf": […] }] }
fn allow_null(schema: &mut Map<String, Value>) {
    if let Some(kind) = schema.get("type").filter(|kind| kind.is_string()).cloned() {
        schema.insert("type".into(), json!([kind, "null"]));
    } else {
        let rest = Value::Object(std::mem::take(schema));
        schema.insert("anyOf".into(), json!([{ "enum": [null] }, rest]));
    }
}
