//! The smallest value that a schema allows.
//!
//! It is built by what the schema says of each kind, and then checked like any other: where the parts of a schema
//! contradict what was built, another is tried, by the next seed. So a value is always the same, and always valid.

use std::collections::BTreeSet;

use mmf_rules::openapi::{Place, item, kinds, parts, properties, property};
use regex_syntax::hir::{Class, Hir, HirKind};
use serde_json::{Map, Value, json};

use super::pattern::translated;
use super::schema::Judge;

/// So many seeds are tried.
const SEEDS: u64 = 24;

/// A valid value; the empty text where there is no schema.
///
/// # Errors
///
/// Where none was found.
pub(super) fn generated(schema: Option<&Place<'_>>, judge: &Judge<'_>) -> Result<Value, String> {
    let Some(schema) = schema else { return Ok(json!("a")) };
    let mut first = None;
    for seed in 0..SEEDS {
        let made = Generator { seed }.at(schema, 0, &Vec::new());
        let checked = made.and_then(|value| judge.check(schema, &value).map(|()| value));
        match checked {
            Ok(value) => return Ok(value),
            Err(why) => first = first.or(Some(why)),
        }
    }
    Err(format!("cannot be made of its schema: {}", first.unwrap_or_default()))
}

struct Generator {
    seed: u64,
}

/// The schemas that a value is within: one that is within itself would be again, without end.
type Within = Vec<(usize, String)>;

/// A schema, and where it says several things of a key, the strictest.
struct Merged<'d> {
    parts: Vec<Place<'d>>,
}

impl Merged<'_> {
    fn numbers(&self, key: &str) -> impl Iterator<Item = f64> {
        self.parts.iter().filter_map(move |part| part.value[key].as_f64())
    }

    fn most(&self, key: &str) -> Option<f64> {
        self.numbers(key).reduce(f64::max)
    }

    fn least(&self, key: &str) -> Option<f64> {
        self.numbers(key).reduce(f64::min)
    }

    fn count(&self, key: &str) -> usize {
        self.most(key).map_or(0, |count| count as usize)
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.parts.iter().find_map(|part| part.value[key].as_str())
    }

    fn has(&self, key: &str) -> bool {
        self.parts.iter().any(|part| part.value.get(key).is_some())
    }

    fn is(&self, key: &str) -> bool {
        self.parts.iter().any(|part| part.is(key))
    }
}

impl Generator {
    /// By the seed and a place among equals, so that items can differ.
    fn at(&self, schema: &Place<'_>, salt: u64, within: &Within) -> Result<Value, String> {
        let schema = &schema.clone().followed()?;
        let here = (schema.file, schema.pointer.clone());
        if within.contains(&here) {
            return Err("it holds itself without end".into());
        }
        let within = &[within.as_slice(), &[here]].concat();
        let merged = Merged { parts: parts(schema) };
        let turn = self.seed + salt;
        if let Some(value) = merged.parts.iter().find_map(|part| part.value.get("const")) {
            return Ok(value.clone());
        }
        if let Some(values) = merged.parts.iter().find_map(|part| part.value["enum"].as_array())
            && let Some(value) = values.get(turn as usize % values.len().max(1))
        {
            return Ok(value.clone());
        }
        let mut choices = Vec::new();
        for key in ["oneOf", "anyOf"] {
            for part in &merged.parts {
                let branches = part.child(key).map(|all| all.elements()).unwrap_or_default();
                if let Some(branch) = branches.get(turn as usize % branches.len().max(1)) {
                    choices.push(self.at(branch, salt, within)?);
                }
            }
        }
        let kinds = kinds(schema);
        let is = |kind: &str| kinds.as_ref().is_some_and(|kinds| kinds.contains(kind));
        let says_itself =
            ["type", "properties", "items"].iter().any(|key| merged.has(key)) && kinds.is_some();
        if !says_itself && !choices.is_empty() {
            return Ok(choices.swap_remove(0));
        }
        let mut value = if is("object") {
            self.object(schema, &merged, salt, within)?
        } else if is("array") {
            self.array(schema, &merged, within)?
        } else if is("string") || kinds.is_none() {
            self.string(&merged, turn)?.into()
        } else if is("integer") || is("number") {
            number(&merged, turn, is("integer"))
        } else if is("boolean") {
            (turn % 2 == 1).into()
        } else {
            Value::Null
        };
        for choice in choices {
            match (&mut value, choice) {
                (Value::Object(fields), Value::Object(more)) => {
                    more.into_iter().for_each(|(name, value)| {
                        fields.entry(name).or_insert(value);
                    });
                }
                (Value::Object(_) | Value::Array(_), _) => {}
                (value, choice) => *value = choice,
            }
        }
        Ok(value)
    }

    fn object(
        &self,
        schema: &Place<'_>,
        merged: &Merged<'_>,
        salt: u64,
        within: &Within,
    ) -> Result<Value, String> {
        let is_read_only = |name: &str| {
            property(schema, name)
                .is_some_and(|property| parts(&property).iter().any(|part| part.is("readOnly")))
        };
        let required = merged.parts.iter().filter_map(|part| part.value["required"].as_array());
        let mut names: BTreeSet<&str> = required.flatten().filter_map(Value::as_str).collect();
        names.retain(|name| !is_read_only(name));
        let least = merged.count("minProperties");
        let optional = properties(schema).into_iter().filter(|name| !is_read_only(name));
        for name in optional {
            if names.len() < least {
                names.insert(name);
            }
        }
        let mut object = Map::new();
        for name in names {
            let value = match property(schema, name) {
                Some(property) => self.at(&property, salt, within)?,
                None => json!("a"),
            };
            object.insert(name.to_owned(), value);
        }
        for number in object.len()..least {
            let name = format!("a{number}");
            let value = match property(schema, &name) {
                Some(more) => self.at(&more, salt, within)?,
                None => json!("a"),
            };
            object.insert(name, value);
        }
        Ok(object.into())
    }

    fn array(
        &self,
        schema: &Place<'_>,
        merged: &Merged<'_>,
        within: &Within,
    ) -> Result<Value, String> {
        let has_contains = merged.parts.iter().find_map(|part| part.child("contains"));
        let least = merged.count("minItems").max(usize::from(has_contains.is_some()));
        (0..least)
            .map(|number| {
                let salt = if merged.is("uniqueItems") { number as u64 } else { 0 };
                match (&has_contains, item(schema, number)) {
                    (Some(contains), _) if number == 0 => self.at(contains, salt, within),
                    (_, Some(item)) => self.at(&item, salt, within),
                    (_, None) => Ok(json!(format!("a{number}"))),
                }
            })
            .collect()
    }

    fn string(&self, merged: &Merged<'_>, turn: u64) -> Result<String, String> {
        let least = merged.count("minLength");
        let most = merged.least("maxLength").map_or(usize::MAX, |most| most as usize);
        if let Some(pattern) = merged.text("pattern") {
            return matching(pattern, least, turn);
        }
        if let Some(text) = merged.text("format").and_then(|format| of_format(format, turn)) {
            return Ok(text);
        }
        let letter = char::from(b'a' + (turn % 26) as u8);
        // An empty text stands for nothing in many places.
        Ok(letter.to_string().repeat(least.max(1).min(most)))
    }
}

/// The number nearest to 0.
fn number(merged: &Merged<'_>, turn: u64, is_integer: bool) -> Value {
    let step = merged.most("multipleOf").unwrap_or(1.0).abs().max(f64::MIN_POSITIVE);
    let bound = |plain: Option<f64>, key: &str, by: f64| {
        // In 3.0 the bound itself is exclusive by `true`.
        let exclusive = if merged.is(key) { plain } else { merged.most(key) };
        match (plain, exclusive) {
            (Some(plain), Some(exclusive)) if by > 0.0 => Some(plain.max(exclusive + by)),
            (Some(plain), Some(exclusive)) => Some(plain.min(exclusive + by)),
            (plain, exclusive) => plain.or(exclusive.map(|exclusive| exclusive + by)),
        }
    };
    let small = if is_integer || step >= 1.0 { 1.0 } else { step };
    let least = bound(merged.most("minimum"), "exclusiveMinimum", small);
    let most = bound(merged.least("maximum"), "exclusiveMaximum", -small);
    let mut value: f64 = 0.0;
    if let Some(least) = least {
        value = value.max(least);
    }
    if let Some(most) = most {
        value = value.min(most);
    }
    if merged.most("multipleOf").is_some() || is_integer {
        value =
            if value >= 0.0 { (value / step).ceil() * step } else { (value / step).floor() * step };
    }
    let moved = value + turn as f64 * step;
    if most.is_none_or(|most| moved <= most) {
        value = moved;
    }
    if value.fract() == 0.0 && value.abs() < 9e15 { json!(value as i64) } else { json!(value) }
}

fn of_format(format: &str, turn: u64) -> Option<String> {
    let day = 1 + turn % 28;
    Some(match format {
        "date" => format!("2000-01-{day:02}"),
        "date-time" => format!("2000-01-{day:02}T00:00:00Z"),
        "time" => format!("00:00:{:02}Z", turn % 60),
        "duration" => format!("P{day}D"),
        "uuid" => format!("00000000-0000-4000-8000-{turn:012x}"),
        "email" | "idn-email" => format!("a{turn}@example.com"),
        "uri" | "url" | "iri" => format!("https://example.com/{turn}"),
        "uri-reference" | "iri-reference" | "json-pointer" => format!("/{turn}"),
        "hostname" | "idn-hostname" => format!("a{turn}.example.com"),
        "ipv4" => format!("127.0.0.{}", 1 + turn % 200),
        "ipv6" => format!("::{:x}", 1 + turn),
        "byte" => "YQ==".into(),
        "regex" => "a".into(),
        _ => return None,
    })
}

/// A text that a pattern matches, at least so long.
fn matching(pattern: &str, least: usize, turn: u64) -> Result<String, String> {
    let told =
        |why: &dyn std::fmt::Display| format!("no text was found that {pattern:?} matches: {why}");
    let hir = regex_syntax::ParserBuilder::new().build().parse(&translated(pattern));
    let hir = hir.map_err(|error| told(&error))?;
    for more in 0..=least.min(512) as u32 {
        let mut text = String::new();
        smallest(&hir, more, turn, &mut text);
        if text.chars().count() >= least {
            return Ok(text);
        }
    }
    Err(told(&format!("of {least} letters")))
}

/// What a pattern matches with so many more repetitions than it needs.
fn smallest(hir: &Hir, more: u32, turn: u64, text: &mut String) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.push_str(&String::from_utf8_lossy(&literal.0)),
        HirKind::Class(class) => text.extend(letter_of(class, turn)),
        HirKind::Repetition(repeated) => {
            let times = repeated.min.saturating_add(more);
            for _ in 0..times.min(repeated.max.unwrap_or(u32::MAX)) {
                smallest(&repeated.sub, more, turn, text);
            }
        }
        HirKind::Capture(capture) => smallest(&capture.sub, more, turn, text),
        HirKind::Concat(parts) => parts.iter().for_each(|part| smallest(part, more, turn, text)),
        HirKind::Alternation(choices) => {
            if let Some(choice) = choices.get(turn as usize % choices.len().max(1)) {
                smallest(choice, more, turn, text);
            }
        }
    }
}

/// A letter or a digit where there is one, else the first there is.
fn letter_of(class: &Class, turn: u64) -> Option<char> {
    let Class::Unicode(class) = class else { return None };
    let holds = |letter: &char| {
        class.ranges().iter().any(|range| (range.start()..=range.end()).contains(letter))
    };
    let plain: Vec<char> =
        ('a'..='z').chain('0'..='9').chain('A'..='Z').filter(|letter| holds(letter)).collect();
    let first = class.ranges().first().map(regex_syntax::hir::ClassUnicodeRange::start);
    plain.get(turn as usize % plain.len().max(1)).copied().or(first)
}

#[cfg(test)]
mod tests {
    use mmf_rules::openapi::Document;
    use proptest::prelude::*;

    use super::super::key::Direction;
    use super::super::schema::Checker;
    use super::*;

    /// A schema, with values that break one of its constraints each.
    #[derive(Clone, Debug)]
    struct Sample {
        schema: Value,
        wrong: Vec<(&'static str, Value)>,
    }

    fn integers() -> impl Strategy<Value = Sample> {
        (-50_i64..50, 0_i64..50, 1_i64..7).prop_map(|(least, width, step)| {
            let most = least + width + step;
            Sample {
                schema: json!({ "type": "integer", "minimum": least, "maximum": most, "multipleOf": step }),
                wrong: vec![
                    ("type", json!("x")),
                    ("minimum", json!(((least as f64 / step as f64).floor() as i64 - 1) * step)),
                    ("maximum", json!(((most as f64 / step as f64).ceil() as i64 + 1) * step)),
                ],
            }
        })
    }

    fn texts() -> impl Strategy<Value = Sample> {
        let lengths = (0_usize..5, 0_usize..5).prop_map(|(least, width)| Sample {
            schema: json!({ "type": "string", "minLength": least + 1, "maxLength": least + 1 + width }),
            wrong: vec![
                ("type", json!(1)),
                ("minLength", json!("a".repeat(least))),
                ("maxLength", json!("a".repeat(least + width + 2))),
            ],
        });
        let patterns =
            prop::sample::select(vec!["^[a-c]{2,4}$", "^x-[0-9]+$", r"^(one|two)\.[\w-\.]$"]);
        let patterns = patterns.prop_map(|pattern| Sample {
            schema: json!({ "type": "string", "pattern": pattern }),
            wrong: vec![("pattern", json!("!")), ("type", json!(null))],
        });
        let formats = prop::sample::select(vec![
            "date",
            "date-time",
            "uuid",
            "email",
            "uri",
            "ipv4",
            "ipv6",
            "byte",
        ]);
        let formats = formats.prop_map(|format| Sample {
            schema: json!({ "type": "string", "format": format }),
            wrong: vec![("format", json!("% %"))],
        });
        let values = prop::collection::vec("[a-z]{1,3}", 1..4).prop_map(|values| Sample {
            schema: json!({ "enum": values }),
            wrong: vec![("enum", json!("none of them"))],
        });
        prop_oneof![lengths, patterns, formats, values]
    }

    fn samples() -> impl Strategy<Value = Sample> {
        let leaf = prop_oneof![
            integers(),
            texts(),
            Just(Sample { schema: json!({ "type": "boolean" }), wrong: vec![("type", json!(0))] }),
            Just(Sample {
                schema: json!({ "const": { "a": 1 } }),
                wrong: vec![("const", json!({ "a": 2 }))]
            }),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| prop_oneof![lists(inner.clone()), objects(inner)])
    }

    fn lists(inner: impl Strategy<Value = Sample> + Clone) -> impl Strategy<Value = Sample> {
        (inner, 1_usize..3).prop_map(|(item, least)| {
            let many = |value: &Value, times| Value::Array(vec![value.clone(); times]);
            let (keyword, wrong) = item.wrong[0].clone();
            Sample {
                schema: json!({ "type": "array", "items": item.schema, "minItems": least, "maxItems": least + 2 }),
                wrong: vec![
                    ("type", json!({})),
                    ("minItems", json!([])),
                    (keyword, many(&wrong, least)),
                ],
            }
        })
    }

    fn objects(inner: impl Strategy<Value = Sample> + Clone) -> impl Strategy<Value = Sample> {
        (prop::collection::btree_map("[a-z]{1,4}", inner, 1..4), any::<bool>()).prop_map(
            |(fields, through_all)| {
                let names: Vec<_> = fields.keys().cloned().collect();
                let schemas: Map<_, _> = fields
                    .iter()
                    .map(|(name, field)| (name.clone(), field.schema.clone()))
                    .collect();
                let own = json!({ "type": "object", "properties": schemas, "required": names });
                let schema = match through_all {
                    true => json!({ "allOf": [own, { "minProperties": names.len() }] }),
                    false => {
                        let mut own = own;
                        own["additionalProperties"] = false.into();
                        own
                    }
                };
                Sample { schema, wrong: vec![("type", json!([])), ("required", json!({}))] }
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

        #[test]
        fn what_is_made_is_right_and_what_breaks_one_constraint_is_told_by_its_name(
            sample in samples(),
            version in prop::sample::select(vec!["3.0.4", "3.1.1"]),
        ) {
            let root = json!({ "openapi": version, "paths": { "/a": { "get": { "schema": sample.schema } } } });
            let checker = Checker::new(Document::parse(&root.to_string()).unwrap());
            let operation = checker.document.operation("GET /a").unwrap();
            let schema = operation.place.schema().unwrap();
            let judge = Judge::new(&checker, Direction::Request);
            let made = generated(Some(&schema), &judge);
            prop_assert!(made.is_ok(), "{made:?}");
            for (keyword, wrong) in &sample.wrong {
                let told = judge.check(&schema, wrong);
                prop_assert!(told.is_err(), "{wrong} breaks {keyword}");
                let told = told.unwrap_err();
                prop_assert!(told.contains(&format!("[{keyword}]")), "{keyword}: {told}");
            }
        }
    }

    fn made(schema: &Value) -> Result<Value, String> {
        let root = json!({ "openapi": "3.1.1", "paths": { "/a": { "get": { "schema": schema } } }, "components": { "schemas": {
            "Tree": { "type": "object", "properties": { "next": { "$ref": "#/components/schemas/Tree" } } },
            "Choice": { "oneOf": [{ "type": "object", "required": ["a"], "properties": { "a": { "$ref": "#/components/schemas/Choice" } } }, { "type": "string" }] },
            "Endless": { "type": "object", "properties": { "next": { "$ref": "#/components/schemas/Endless" } }, "required": ["next"] },
            "Broad": { "type": "object", "required": ["l", "r"], "properties": { "l": { "$ref": "#/components/schemas/Broad" }, "r": { "$ref": "#/components/schemas/Broad" } } },
        } } });
        let checker = Checker::new(Document::parse(&root.to_string()).unwrap());
        let operation = checker.document.operation("GET /a").unwrap();
        let judge = Judge::new(&checker, Direction::Request);
        generated(operation.place.schema().as_ref(), &judge)
    }

    #[test]
    fn the_smallest_value_is_made() {
        for (schema, value) in [
            (json!({ "type": "integer", "exclusiveMinimum": 3 }), json!(4)),
            (json!({ "type": "number", "minimum": 1.5, "multipleOf": 0.5 }), json!(1.5)),
            (json!({ "type": "integer", "maximum": -3 }), json!(-3)),
            (json!({ "type": ["null", "string"], "maxLength": 2 }), json!("a")),
            (
                json!({ "type": "array", "items": { "type": "integer" }, "minItems": 2, "uniqueItems": true }),
                json!([0, 1]),
            ),
            (json!({ "type": "array", "contains": { "const": 7 } }), json!([7])),
            (json!({ "type": "object", "minProperties": 1 }), json!({ "a0": "a" })),
            (json!({ "$ref": "#/components/schemas/Tree" }), json!({})),
            (json!({ "$ref": "#/components/schemas/Choice" }), json!("b")),
            (
                json!({ "oneOf": [{ "type": "integer" }, { "type": "string" }], "not": { "type": "integer" } }),
                json!("b"),
            ),
            (
                json!({ "type": "object", "required": ["a"], "properties": { "a": { "readOnly": true } } }),
                json!({}),
            ),
            (
                json!({ "type": "object", "oneOf": [{ "required": ["x"], "properties": { "x": { "type": "boolean" } } }] }),
                json!({ "x": false }),
            ),
            (json!({ "type": "string", "pattern": "^a+$", "minLength": 3 }), json!("aaa")),
        ] {
            assert_eq!(made(&schema), Ok(value), "{schema}");
        }
        for never in [
            json!({ "$ref": "#/components/schemas/Endless" }),
            json!({ "$ref": "#/components/schemas/Broad" }),
            json!({ "type": "string", "minLength": 2, "maxLength": 1 }),
        ] {
            assert!(
                made(&never).unwrap_err().starts_with("cannot be made of its schema: "),
                "{never}"
            );
        }
    }
}
