//! A schema of a document as one of JSON Schema 2020-12.
//!
//! What it refers to is left for later, behind a keyword. Only where a schema asks what others have looked at
//! (`unevaluatedProperties`, `unevaluatedItems`, `$dynamicRef`), they go into it as definitions.
//!
//! A document of 3.1 has such schemas. Those of 3.0 are translated: `nullable`, bounds that are `exclusive` by
//! `true`, and keys beside a `$ref`, which mean nothing there. References are resolved in the document as it is written,
//! so that no translation moves what one leads to.

use std::collections::HashMap;

use mmf_rules::openapi::{Place, Version, parts};
use serde_json::{Map, Value, json};

use super::key::{Direction, Foreign, Key};
use super::pattern::translated;

/// The keyword that another schema stands behind, by its [`Key`].
pub(super) const LATER: &str = "mmf-ref";
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
}

/// What goes down from a schema to those that a value has to hold in the same place.
#[derive(Clone, Debug, Default)]
struct Above {
    foreign: Foreign,
    /// Whether one asks what the others have looked at.
    asks: bool,
}

struct Translation<'d> {
    direction: Direction,
    /// The definitions, and those among them that are still to be translated.
    known: HashMap<(usize, String, Foreign), usize>,
    open: Vec<(Place<'d>, Above)>,
    notes: Vec<String>,
    /// The definition that is being translated.
    resource: (usize, String),
    is_dynamic: bool,
}

/// Translates a schema.
///
/// # Errors
///
/// Where a reference leads nowhere.
pub(super) fn bundle(schema: &Place<'_>, key: &Key) -> Result<Bundle, String> {
    let mut translation = Translation {
        direction: key.direction,
        known: HashMap::new(),
        open: Vec::new(),
        notes: Vec::new(),
        resource: (0, String::new()),
        is_dynamic: schema.sources.is_dynamic(),
    };
    let above = Above { foreign: key.foreign.clone(), asks: translation.is_dynamic };
    let root = translation.definition(schema, &above);
    let mut definitions = Map::new();
    while definitions.len() < translation.open.len() {
        let number = definitions.len();
        let (place, above) = translation.open[number].clone();
        translation.resource = (place.file, place.pointer.clone());
        let mut schema = translation.of(&place, &above)?;
        if let (true, Value::Object(schema)) = (has_id(&place), &mut schema) {
            schema.insert("$id".into(), json!(format!("{BASE}{number}")));
        }
        definitions.insert(number.to_string(), schema);
    }
    let schema = json!({ "$id": BASE, "$ref": root, "$defs": definitions });
    Ok(Bundle { schema, notes: translation.notes })
}

fn has_id(place: &Place<'_>) -> bool {
    place.sources.version == Version::V3_1 && place.value["$id"].is_string()
}

impl<'d> Translation<'d> {
    /// Puts a reference to a schema into another.
    fn refer(&mut self, result: &mut Map<String, Value>, target: &Place<'d>, above: &Above) {
        if above.asks || self.is_dynamic {
            let reference = self.definition(target, above);
            result.insert("$ref".into(), reference.into());
            return;
        }
        let key = Key {
            file: target.file,
            pointer: target.pointer.clone(),
            direction: self.direction,
            foreign: above.foreign.clone(),
        };
        result.insert(LATER.into(), serde_json::to_value(key).unwrap_or_default());
    }

    /// The reference to a schema as a definition, which is translated in its turn.
    fn definition(&mut self, place: &Place<'d>, above: &Above) -> String {
        let key = (place.file, place.pointer.clone(), above.foreign.clone());
        let number = *self.known.entry(key).or_insert_with(|| {
            self.open.push((place.clone(), above.clone()));
            self.open.len() - 1
        });
        if has_id(place) { format!("{BASE}{number}") } else { format!("{BASE}#/$defs/{number}") }
    }

    /// A schema in place.
    fn of(&mut self, schema: &Place<'d>, inherited: &Above) -> Result<Value, String> {
        let Some(fields) = schema.value.as_object() else { return Ok(schema.value.clone()) };
        let mut above = inherited.clone();
        above.asks |=
            fields.contains_key("unevaluatedProperties") || fields.contains_key("unevaluatedItems");
        let apart = Above { foreign: Foreign::new(), asks: self.is_dynamic };
        let mut result = Map::new();
        if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
            let target = schema.resolved(reference)?;
            // One that leads nowhere but to itself says nothing.
            schema.clone().followed()?;
            self.refer(&mut result, &target, &above);
            if schema.sources.version == Version::V3_0 {
                return Ok(result.into());
            }
        }
        above.foreign.extend(self.foreign_of(schema));
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
                        self.definition(&target, &apart);
                    }
                    child.value.clone()
                }
                "required" => self.required(child.value, &above.foreign),
                "properties" => self.properties(&child, &above.foreign)?,
                "patternProperties" => match self.pattern_properties(&child)? {
                    Some(value) => value,
                    None => continue,
                },
                "$defs" | "definitions" => self.named(&child, &apart)?,
                "dependentSchemas" => self.named(&child, &above)?,
                "allOf" | "anyOf" | "oneOf" => self.listed(&child, &above)?,
                "then" | "else" => self.of(&child, &above)?,
                // What they ask is no claim: what need not be there is asked for all the same.
                "not" | "if" => {
                    self.of(&child, &Above { foreign: Foreign::new(), ..above.clone() })?
                }
                "prefixItems" => self.listed(&child, &apart)?,
                "items" | "additionalItems" if child.value.is_array() => {
                    self.listed(&child, &apart)?
                }
                "additionalProperties"
                | "unevaluatedProperties"
                | "items"
                | "additionalItems"
                | "unevaluatedItems"
                | "contains"
                | "propertyNames"
                | "contentSchema" => self.of(&child, &apart)?,
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
        if schema.sources.version == Version::V3_0 && schema.is("nullable") {
            allow_null(&mut result);
        }
        Ok(result.into())
    }

    fn named(&mut self, named: &Place<'d>, above: &Above) -> Result<Value, String> {
        let children = named.children().into_iter();
        children
            .map(|(name, schema)| Ok((name.to_owned(), self.of(&schema, above)?)))
            .collect::<Result<Map<_, _>, String>>()
            .map(Value::Object)
    }

    fn listed(&mut self, listed: &Place<'d>, above: &Above) -> Result<Value, String> {
        listed.elements().iter().map(|schema| self.of(schema, above)).collect()
    }

    /// Those of the other side are not allowed in an answer.
    fn properties(&mut self, named: &Place<'d>, foreign: &Foreign) -> Result<Value, String> {
        let apart = Above { foreign: Foreign::new(), asks: self.is_dynamic };
        let mut properties = self.named(named, &apart)?;
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
            let apart = Above { foreign: Foreign::new(), asks: self.is_dynamic };
            result.insert(pattern, self.of(&schema, &apart)?);
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
