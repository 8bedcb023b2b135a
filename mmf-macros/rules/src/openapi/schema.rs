//! What a schema comes to, looked through what it is composed of: references, `allOf`, `anyOf` and `oneOf`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::place::Place;

/// The kinds of values that a schema allows; nothing where it says nothing of them.
pub type Kinds = Option<BTreeSet<&'static str>>;

const KINDS: [&str; 7] = ["null", "boolean", "object", "array", "number", "integer", "string"];

/// Keys with one schema.
const ONE: [&str; 12] = [
    "additionalProperties",
    "unevaluatedProperties",
    "items",
    "additionalItems",
    "unevaluatedItems",
    "contains",
    "propertyNames",
    "not",
    "if",
    "then",
    "else",
    "contentSchema",
];
/// Keys with schemas by name.
const NAMED: [&str; 5] =
    ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];
/// Keys with a list of schemas.
const LISTED: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];

/// Every schema that stands in a schema, references not followed.
pub fn subschemas<'d>(schema: &Place<'d>) -> Vec<Place<'d>> {
    let mut all = Vec::new();
    for (key, value) in schema.children() {
        if ONE.contains(&key) && value.value.is_array() || LISTED.contains(&key) {
            all.extend(value.elements());
        } else if ONE.contains(&key) {
            all.push(value);
        } else if NAMED.contains(&key) {
            all.extend(value.children().into_iter().map(|(_, schema)| schema));
        }
    }
    all
}

/// Every schema that a value here has to hold: this one, those behind its references, and those of their `allOf`.
pub fn parts<'d>(schema: &Place<'d>) -> Vec<Place<'d>> {
    let mut found: Vec<Place<'d>> = Vec::new();
    let mut open = vec![schema.clone()];
    while let Some(schema) = open.pop() {
        if found.iter().any(|known| known.identity() == schema.identity()) {
            continue;
        }
        if let Some(reference) = schema.value.get("$ref").and_then(Value::as_str) {
            open.extend(schema.resolved(reference));
        }
        let all = schema.child("allOf").map(|all| all.elements()).unwrap_or_default();
        open.extend(all.into_iter().rev());
        found.push(schema);
    }
    found
}

/// The choices of a schema: those of each `anyOf` and `oneOf`.
fn choices<'d>(part: &Place<'d>) -> Vec<Vec<Place<'d>>> {
    let choices = ["anyOf", "oneOf"].into_iter().filter_map(|key| part.child(key));
    choices.map(|branches| branches.elements()).filter(|all| !all.is_empty()).collect()
}

/// The kinds of values that a schema allows.
pub fn kinds(schema: &Place<'_>) -> Kinds {
    kinds_within(schema, &mut Vec::new())
}

fn kinds_within(schema: &Place<'_>, above: &mut Vec<(usize, String)>) -> Kinds {
    let here = (schema.file, schema.pointer.clone());
    if above.contains(&here) {
        return None;
    }
    above.push(here);
    let mut kinds: Kinds = None;
    let mut only = |these: Kinds| {
        kinds = match (kinds.take(), these) {
            (Some(known), Some(these)) => Some(&known & &these),
            (known, these) => known.or(these),
        };
    };
    for part in parts(schema) {
        only(kinds_of(&part));
        for branches in choices(&part) {
            let branches = branches.iter().map(|branch| kinds_within(branch, above));
            only(
                branches.collect::<Option<Vec<_>>>().map(|all| all.into_iter().flatten().collect()),
            );
        }
    }
    above.pop();
    kinds
}

/// By what a schema says itself: its type, its values, or what it says of properties or items.
fn kinds_of(schema: &Place<'_>) -> Kinds {
    let named = |name: &Value| KINDS.into_iter().find(|kind| name == kind);
    let mut kinds: BTreeSet<&str> = match &schema.value["type"] {
        Value::Array(names) => names.iter().filter_map(named).collect(),
        Value::String(name) => KINDS.into_iter().filter(|kind| kind == name).collect(),
        _ => BTreeSet::new(),
    };
    if kinds.is_empty() {
        let values = schema.value["enum"].as_array().into_iter().flatten();
        kinds = values.chain(schema.value.get("const")).map(kind_of).collect();
    }
    if kinds.is_empty() {
        let has = |key: &str| schema.value.get(key).is_some();
        let of_objects = ["properties", "additionalProperties", "patternProperties"];
        if of_objects.into_iter().any(has) {
            kinds.insert("object");
        } else if has("items") || has("prefixItems") {
            kinds.insert("array");
        }
    }
    if kinds.contains("number") {
        kinds.insert("integer");
    }
    if schema.is("nullable") && !kinds.is_empty() {
        kinds.insert("null");
    }
    (!kinds.is_empty()).then_some(kinds)
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Every schema of a schema: its parts, and the parts of its choices.
fn all_of(schema: &Place<'_>, each: &mut impl FnMut(&Place<'_>)) {
    with_choices(schema, &mut Vec::new(), &mut |part| each(part));
}

fn with_choices<'d>(
    schema: &Place<'d>,
    seen: &mut Vec<(usize, String)>,
    each: &mut impl FnMut(&Place<'d>),
) {
    for part in parts(schema) {
        let here = (part.file, part.pointer.clone());
        if seen.contains(&here) {
            continue;
        }
        seen.push(here);
        each(&part);
        for branch in choices(&part).into_iter().flatten() {
            with_choices(&branch, seen, each);
        }
    }
}

/// The names of the properties that a schema speaks of.
pub fn properties<'d>(schema: &Place<'d>) -> BTreeSet<&'d str> {
    let mut names = BTreeSet::new();
    with_choices(schema, &mut Vec::new(), &mut |part: &Place<'d>| {
        let own = part.value["properties"].as_object().into_iter().flatten();
        names.extend(own.map(|(name, _)| name.as_str()));
    });
    names
}

/// The schema of a property, or that of those that have no name.
pub fn property<'d>(schema: &Place<'d>, name: &str) -> Option<Place<'d>> {
    let (mut own, mut other) = (None, None);
    with_choices(schema, &mut Vec::new(), &mut |part: &Place<'d>| {
        let named = part.child("properties").and_then(|all| all.child(name));
        own = own.take().or(named);
        let more = part.child("additionalProperties").filter(|more| more.value.is_object());
        other = other.take().or(more);
    });
    own.or(other)
}

/// The schema of an item of a list.
pub fn item<'d>(schema: &Place<'d>, number: usize) -> Option<Place<'d>> {
    let mut found = None;
    with_choices(schema, &mut Vec::new(), &mut |part: &Place<'d>| {
        let first =
            part.child("prefixItems").and_then(|all| all.elements().into_iter().nth(number));
        let rest = part.child("items").filter(|items| items.value.is_object());
        found = found.take().or(first).or(rest);
    });
    found
}

/// Whether an object says itself that it takes properties of any name: by `additionalProperties` or
/// `patternProperties`, or because it names none.
pub fn is_free_form(schema: &Place<'_>) -> bool {
    let (mut says_so, mut names) = (false, false);
    all_of(schema, &mut |part| {
        let more = &part.value["additionalProperties"];
        says_so |= *more == true || more.is_object() || part.value["patternProperties"].is_object();
        names |= part.value["properties"].as_object().is_some_and(|named| !named.is_empty());
        names |= *more == false;
    });
    says_so || !names
}

#[cfg(test)]
mod tests {
    use super::super::document::Document;
    use super::*;

    fn of<T>(schema: &str, ask: impl Fn(&Place<'_>) -> T) -> T {
        let text = format!(
            "openapi: 3.0.3\npaths: {{ /a: {{}} }}\ncomponents: {{ schemas: {{ S: {schema}, \
             T: {{ type: object, properties: {{ a: {{ type: integer }} }} }}, L: {{ allOf: [{{ type: array, items: {{ type: string }} }}] }}, \
             R: {{ allOf: [{{ $ref: '#/components/schemas/R' }}], anyOf: [{{ $ref: '#/components/schemas/R' }}] }} }} }}"
        );
        let document = Document::parse(&text).unwrap();
        ask(&document.at(0, "/components/schemas/S".into()).unwrap().unwrap())
    }

    fn kinds_of(schema: &str) -> String {
        of(schema, |schema| {
            kinds(schema)
                .map_or("any".into(), |kinds| kinds.into_iter().collect::<Vec<_>>().join(" "))
        })
    }

    #[test]
    fn what_decides_is_what_a_schema_comes_to() {
        assert_eq!(kinds_of("{ $ref: '#/components/schemas/T' }"), "object");
        assert_eq!(kinds_of("{ $ref: '#/components/schemas/L' }"), "array");
        assert_eq!(
            kinds_of("{ allOf: [{ $ref: '#/components/schemas/L' }, { maxItems: 3 }] }"),
            "array"
        );
        assert_eq!(
            kinds_of("{ oneOf: [{ type: string }, { $ref: '#/components/schemas/L' }] }"),
            "array string"
        );
        assert_eq!(kinds_of("{ anyOf: [{ type: string }, {}] }"), "any");
        assert_eq!(kinds_of("{ type: number, nullable: true }"), "integer null number");
        assert_eq!(kinds_of("{ enum: [1, a] }"), "integer string");
        assert_eq!(kinds_of("{ $ref: '#/components/schemas/R' }"), "any");
        assert_eq!(kinds_of("{ properties: { a: {} } }"), "object");
        assert_eq!(kinds_of("{ items: {} }"), "array");
        assert_eq!(
            kinds_of("{ type: [string, integer], oneOf: [{ type: string }, { type: boolean }] }"),
            "string"
        );
    }

    #[test]
    fn properties_and_items_are_found_wherever_they_stand() {
        let composed = "{ allOf: [{ $ref: '#/components/schemas/T' }], oneOf: [{ properties: { b: { type: boolean } } }] }";
        assert_eq!(of(composed, |schema| properties(schema).len()), 2);
        assert_eq!(
            of(composed, |schema| property(schema, "a").unwrap().value["type"].clone()),
            "integer"
        );
        assert_eq!(
            of(composed, |schema| property(schema, "b").unwrap().value["type"].clone()),
            "boolean"
        );
        assert!(of(composed, |schema| property(schema, "c").is_none()));
        let list = "{ $ref: '#/components/schemas/L' }";
        assert_eq!(of(list, |schema| item(schema, 7).unwrap().value["type"].clone()), "string");
        for (schema, free) in [
            ("{ type: object }", true),
            ("{ type: object, additionalProperties: false }", false),
            ("{ additionalProperties: { type: string } }", true),
            ("{ properties: { a: {} } }", false),
            ("{ properties: { a: {} }, additionalProperties: true }", true),
            ("{ $ref: '#/components/schemas/T' }", false),
        ] {
            assert_eq!(of(schema, is_free_form), free, "{schema}");
        }
    }
}
