//! Values against the schemas of a document. Each is compiled once, when a value first comes to it: what one refers to
//! stands behind a keyword of ours, so that no test compiles the whole document.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use jsonschema::ValidationError;
use mmf_rules::openapi::{Document, Place};
use serde_json::Value;

use super::super::schema::{Schema, Wrong};
use super::key::{Direction, Foreign, Key};
use super::translate::{LATER, bundle};

thread_local! {
    /// What is not checked of the schemas that a value has come to.
    static NOTES: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
    /// The schemas that a value is held against, each with the place of the value.
    static OPEN: RefCell<Vec<(usize, usize)>> = const { RefCell::new(Vec::new()) };
}

/// A schema that is compiled, or why it cannot be.
#[derive(Debug)]
struct Compiled {
    schema: Result<Schema, String>,
    notes: Vec<String>,
}

/// A document with those of its schemas that were asked for.
#[derive(Debug)]
pub(super) struct Checker {
    pub(super) document: Document,
    compiled: Mutex<HashMap<Key, Arc<Compiled>>>,
}

impl Checker {
    pub(super) fn new(document: Document) -> Arc<Self> {
        Arc::new(Self { document, compiled: Mutex::default() })
    }

    fn compiled(self: &Arc<Self>, key: &Key) -> Arc<Compiled> {
        let lock = || self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(key) {
            return Arc::clone(known);
        }
        let place = self.document.place(key.file, &key.pointer);
        let compiled = Arc::new(match place.and_then(|place| bundle(&place, key)) {
            Ok(bundle) => {
                let document = Arc::downgrade(self);
                let schema = Schema::with_keyword(&bundle.schema, LATER, move |value| {
                    let key = serde_json::from_value(value.clone()).ok();
                    Box::new(Later { document: document.clone(), key, compiled: OnceLock::new() })
                });
                let schema = schema.map_err(|why| format!("{why} (at {})", key.pointer));
                Compiled { schema, notes: bundle.notes }
            }
            Err(why) => Compiled { schema: Err(why), notes: Vec::new() },
        });
        lock().insert(key.clone(), Arc::clone(&compiled));
        compiled
    }
}

/// The keyword with another schema behind it, which is compiled when a value comes to it.
struct Later {
    document: Weak<Checker>,
    key: Option<Key>,
    compiled: OnceLock<Arc<Compiled>>,
}

impl Later {
    fn schema(&self) -> Result<&Schema, String> {
        let gone = || "the document is gone".to_owned();
        let compiled = match self.compiled.get() {
            Some(compiled) => compiled,
            None => {
                let document = self.document.upgrade().ok_or_else(gone)?;
                let compiled = document.compiled(self.key.as_ref().ok_or_else(gone)?);
                self.compiled.get_or_init(|| compiled)
            }
        };
        NOTES.with_borrow_mut(|notes| notes.extend(compiled.notes.iter().cloned()));
        compiled.schema.as_ref().map_err(Clone::clone)
    }
}

/// A schema that a value is held against.
struct Open;

impl Open {
    /// Nothing where it is held against it already: a schema that comes back to itself by `allOf` and `oneOf`, as those with
    /// a discriminator do, says nothing new the second time.
    fn new(schema: &Schema, value: &Value) -> Option<Self> {
        let here = (std::ptr::from_ref(schema).addr(), std::ptr::from_ref(value).addr());
        OPEN.with_borrow_mut(|open| {
            let is_new = !open.contains(&here);
            is_new.then(|| open.push(here))
        })?;
        Some(Self)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        OPEN.with_borrow_mut(Vec::pop);
    }
}

impl<'i> jsonschema::Keyword<'i> for Later {
    fn validate(&self, value: &'i Value) -> Result<(), ValidationError<'i>> {
        self.iter_errors(value).next().map_or(Ok(()), Err)
    }

    fn is_valid(&self, value: &'i Value) -> bool {
        self.schema().is_ok_and(|schema| match Open::new(schema, value) {
            Some(_open) => schema.is_valid(value),
            None => true,
        })
    }

    fn iter_errors(&self, value: &'i Value) -> Box<dyn Iterator<Item = ValidationError<'i>> + 'i> {
        let wrong: Vec<_> = match self.schema() {
            Ok(schema) => match Open::new(schema, value) {
                Some(_open) => schema.wrong(value).map(Wrong::into_message).collect(),
                None => Vec::new(),
            },
            Err(why) => vec![why],
        };
        let errors: Vec<ValidationError<'i>> =
            wrong.into_iter().map(ValidationError::custom).collect();
        Box::new(errors.into_iter())
    }
}

/// Checks the values of one request or one answer.
#[derive(Debug)]
pub(super) struct Judge<'s> {
    checker: &'s Arc<Checker>,
    direction: Direction,
    notes: RefCell<BTreeSet<String>>,
}

impl<'s> Judge<'s> {
    pub(super) fn new(checker: &'s Arc<Checker>, direction: Direction) -> Self {
        Self { checker, direction, notes: RefCell::default() }
    }

    /// Checks a value against the schema at a place.
    ///
    /// # Errors
    ///
    /// What is wrong with the value, or with the schema, and where.
    pub(super) fn check(&self, schema: &Place<'_>, value: &Value) -> Result<(), String> {
        let key = Key {
            file: schema.file,
            pointer: schema.pointer.clone(),
            direction: self.direction,
            foreign: Foreign::new(),
        };
        let compiled = self.checker.compiled(&key);
        let checked = compiled.schema.as_ref().map_err(Clone::clone)?.check_value(value);
        let mut notes = self.notes.borrow_mut();
        notes.extend(compiled.notes.iter().cloned());
        notes.append(&mut NOTES.take());
        checked
    }

    /// What was not checked of the schemas, and why.
    pub(super) fn notes(&self) -> String {
        let notes = self.notes.borrow();
        notes.iter().map(String::as_str).collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn accepts(version: &str, schema: &Value, value: &Value) -> Result<(), String> {
        accepts_in(version, schema, value, Direction::Response)
    }

    fn accepts_in(
        version: &str,
        schema: &Value,
        value: &Value,
        direction: Direction,
    ) -> Result<(), String> {
        let mut root = json!({
            "openapi": version,
            "paths": { "/a": { "get": {} } },
            "components": { "schemas": {
                "S": { "type": "integer" },
                "Base": { "properties": { "id": { "$ref": "#/components/schemas/Id" } } },
                "Id": { "type": "integer", "readOnly": true },
                "N": { "nullable": true, "type": "object", "properties": { "b": { "type": "integer" } } },
                "Cat": { "properties": { "kind": {}, "lives": { "type": "integer" } }, "required": ["kind"] },
                "Dog": { "properties": { "kind": {}, "bark": { "type": "string" } }, "required": ["kind"] },
            } },
        });
        root["paths"]["/a"]["get"]["schema"] = schema.clone();
        let checker = Checker::new(Document::parse(&root.to_string()).unwrap());
        let operation = checker.document.operation("GET /a").unwrap();
        Judge::new(&checker, direction).check(&operation.place.schema().unwrap(), value)
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
    fn references_lead_into_the_document_as_it_is_written() {
        let list = json!({ "type": "array", "items": { "$ref": "#/components/schemas/S" } });
        for version in ["3.0.3", "3.1.0"] {
            assert_eq!(accepts(version, &list, &json!([1, 2])), Ok(()));
            let wrong = accepts(version, &list, &json!([1, "b"])).unwrap_err();
            assert!(wrong.starts_with("at /1: "), "{wrong}");
        }
        let within = json!({ "$ref": "#/components/schemas/N/properties/b" });
        assert_eq!(accepts("3.0.3", &within, &json!(1)), Ok(()));
        assert!(accepts("3.0.3", &within, &json!("x")).is_err());
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
        let behind = json!({ "allOf": [
            { "$ref": "#/components/schemas/Base" },
            { "oneOf": [{ "required": ["id"] }] },
        ] });
        assert_eq!(accepts_in("3.0.3", &behind, &json!({}), Direction::Request), Ok(()));
        assert!(accepts_in("3.0.3", &behind, &json!({}), Direction::Response).is_err());
        let secret =
            json!({ "properties": { "password": { "type": "string", "writeOnly": true } } });
        let leaked = accepts("3.1.0", &secret, &json!({ "password": "x" })).unwrap_err();
        assert!(leaked.starts_with("at /password: "), "{leaked}");
    }

    #[test]
    fn a_discriminator_decides() {
        let branches =
            json!([{ "$ref": "#/components/schemas/Cat" }, { "$ref": "#/components/schemas/Dog" }]);
        let by_name = json!({ "oneOf": branches, "discriminator": { "propertyName": "kind" } });
        assert_eq!(accepts("3.0.3", &by_name, &json!({ "kind": "Cat", "lives": 9 })), Ok(()));
        let wrong =
            accepts("3.0.3", &by_name, &json!({ "kind": "Cat", "lives": "x" })).unwrap_err();
        assert!(wrong.starts_with("at /lives: "), "{wrong}");
        assert!(accepts("3.0.3", &by_name, &json!({ "kind": "Cow" })).is_err(), "as without one");
        assert!(accepts("3.0.3", &by_name, &json!({})).is_err());
        let mapped = json!({ "anyOf": branches, "discriminator": {
            "propertyName": "kind",
            "mapping": { "tom": "#/components/schemas/Cat", "rex": "Dog" },
        } });
        assert!(accepts("3.1.0", &mapped, &json!({ "kind": "tom", "lives": "x" })).is_err());
        assert_eq!(accepts("3.1.0", &mapped, &json!({ "kind": "rex", "lives": "x" })), Ok(()));
    }

    #[test]
    fn a_schema_that_comes_back_to_itself_ends() {
        let root = json!({
            "openapi": "3.0.4",
            "paths": { "/a": { "get": {
                "schema": { "$ref": "#/components/schemas/Pet" },
                "x": { "schema": { "$ref": "#/components/schemas/Round" } },
            } } },
            "components": { "schemas": {
                "Pet": {
                    "required": ["kind"],
                    "oneOf": [{ "$ref": "#/components/schemas/Cat" }],
                    "discriminator": { "propertyName": "kind" },
                },
                "Cat": { "allOf": [
                    { "$ref": "#/components/schemas/Pet" },
                    { "properties": { "lives": { "type": "integer" } } },
                ] },
                "Round": { "$ref": "#/components/schemas/Trip" },
                "Trip": { "$ref": "#/components/schemas/Round" },
            } },
        });
        let checker = Checker::new(Document::parse(&root.to_string()).unwrap());
        let operation = checker.document.operation("GET /a").unwrap();
        let judge = Judge::new(&checker, Direction::Response);
        let check = |value| judge.check(&operation.place.schema().unwrap(), &value);
        assert_eq!(check(json!({ "kind": "Cat", "lives": 9 })), Ok(()));
        assert!(
            check(json!({ "kind": "Cat", "lives": "x" })).unwrap_err().starts_with("at /lives: ")
        );
        assert!(check(json!({})).is_err());
        let round = operation.place.child("x").unwrap().schema().unwrap();
        assert!(judge.check(&round, &json!(1)).unwrap_err().ends_with("its references go round"));
    }

    #[test]
    fn patterns_are_those_of_ecmascript() {
        let name = json!({ "type": "string", "pattern": r"^[\w-\.]+$" });
        assert_eq!(accepts("3.0.3", &name, &json!("a-b.c")), Ok(()));
        assert!(accepts("3.0.3", &name, &json!("a b")).is_err());
        let none = json!({ "type": "string", "pattern": "(", "maxLength": 2 });
        assert_eq!(accepts("3.0.3", &none, &json!("ab")), Ok(()), "left out by itself");
        assert!(accepts("3.0.3", &none, &json!("abc")).is_err(), "what stands beside it holds");
        let names = json!({ "patternProperties": { "(": { "type": "integer" } }, "additionalProperties": false });
        assert_eq!(accepts("3.1.0", &names, &json!({ "a": 1 })), Ok(()));
    }

    #[test]
    fn names_below_components_are_found() {
        let root = json!({
            "openapi": "3.1.0",
            "paths": { "/a": { "get": { "schema": { "$ref": "#users" } } } },
            "components": { "schemas": {
                "User": { "type": "object", "required": ["name"] },
                "Page": {
                    "$id": "https://example.com/page",
                    "type": "object",
                    "properties": { "items": { "type": "array", "items": { "$dynamicRef": "#item" } } },
                    "$defs": { "item": { "$dynamicAnchor": "item" } },
                },
                "Users": {
                    "$id": "https://example.com/users",
                    "$anchor": "own",
                    "$ref": "page",
                    "$defs": { "item": { "$dynamicAnchor": "item", "type": "object", "required": ["name"] } },
                },
                "Named": { "$anchor": "users", "$ref": "https://example.com/users#own" },
            } },
        });
        let checker = Checker::new(Document::parse(&root.to_string()).unwrap());
        let operation = checker.document.operation("GET /a").unwrap();
        let judge = Judge::new(&checker, Direction::Response);
        let check = |value| judge.check(&operation.place.schema().unwrap(), &value);
        assert_eq!(check(json!({ "items": [{ "name": "Ada" }] })), Ok(()));
        let wrong = check(json!({ "items": [{}] })).unwrap_err();
        assert!(wrong.starts_with("at /items/0: \"name\" is a required"), "{wrong}");
    }

    #[test]
    fn formats_are_checked() {
        for (format, right, wrong) in [
            ("int32", json!(2_147_483_647), json!(3_000_000_000_u64)),
            ("int64", json!(i64::MIN), json!(1e30)),
            ("byte", json!("YWJj"), json!("%")),
            ("byte", json!("YQ=="), json!("YQ=")),
            ("date", json!("2026-11-29"), json!("2026-13-29")),
            ("date-time", json!("2026-11-27T10:00:00Z"), json!("yesterday")),
            ("uuid", json!("6f1f5ad6-9c2b-4b2e-8a4e-3d1f6c7b8a90"), json!("seven")),
            ("email", json!("a@example.com"), json!("a")),
            ("uri", json!("https://example.com/a"), json!("not a uri")),
            ("ipv4", json!("127.0.0.1"), json!("1.2.3")),
        ] {
            let schema = json!({ "format": format });
            for version in ["3.0.3", "3.1.0"] {
                assert_eq!(accepts(version, &schema, &right), Ok(()), "{format} {right}");
                assert!(accepts(version, &schema, &wrong).is_err(), "{format} {wrong}");
            }
        }
    }

    #[test]
    fn what_is_not_checked_is_told() {
        let root = json!({
            "openapi": "3.1.0",
            "paths": { "/a": { "get": { "schema": { "pattern": "(" } } } },
        });
        let checker = Checker::new(Document::parse(&root.to_string()).unwrap());
        let operation = checker.document.operation("GET /a").unwrap();
        for _ in 0..2 {
            let judge = Judge::new(&checker, Direction::Request);
            judge.check(&operation.place.schema().unwrap(), &json!("a")).unwrap();
            assert!(
                judge.notes().contains("the pattern \"(\" at /paths/~1a/get/schema/pattern"),
                "{}",
                judge.notes()
            );
        }
    }
}
