//! The text of a file as a value: JSON, or YAML by its version 1.2.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// So many nodes a YAML file may have, aliases counted as what they stand for.
const MOST_NODES: usize = 20_000_000;

/// Reads JSON or YAML.
///
/// # Errors
///
/// Where it is neither, with the place, and where a key stands twice in an object.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let text = text.trim_start_matches('\u{feff}');
    if !text.trim_start().starts_with('{') {
        return of_yaml(text).map_err(|why| format!("it is no YAML: {why}"));
    }
    // YAML may begin with a brace as well.
    match serde_json::from_str::<Unique>(text) {
        Ok(Unique(value)) => Ok(value),
        Err(error) => of_yaml(text).map_err(|_| format!("it is no JSON: {error}")),
    }
}

/// By the core schema, as OpenAPI asks: `NO`, `y` and `1_000` are texts.
fn of_yaml(text: &str) -> Result<Value, String> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        underscored_numbers_as_strings: true,
        budget: serde_saphyr::budget! {
            max_nodes: MOST_NODES,
            max_events: 2 * MOST_NODES,
            max_total_scalar_bytes: 1 << 30,
        },
    };
    serde_saphyr::from_str_with_options::<Unique>(text, options)
        .map(|Unique(value)| value)
        .map_err(|error| error.to_string())
}

/// A value whose objects have each key once.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue).map(Self)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom(format!("{value} is no number of JSON")))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Unique(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let Unique(value) = entries.next_value()?;
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!("the key {key:?} stands twice")));
            }
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn yaml_is_read_by_the_core_schema() {
        let value = parse(
            "a: [NO, y, on, yes, True, 1_000, 0o17, 0x1f, 12, 1.5, ~, null, 2026-11-29, 12:30:45]\n200: ok\nNO: b\n",
        );
        let list = json!([
            "NO",
            "y",
            "on",
            "yes",
            true,
            "1_000",
            15,
            31,
            12,
            1.5,
            null,
            null,
            "2026-11-29",
            "12:30:45"
        ]);
        assert_eq!(value.unwrap(), json!({ "a": list, "200": "ok", "NO": "b" }));
        assert_eq!(parse("{a: 1, b: [c]}").unwrap(), json!({ "a": 1, "b": ["c"] }));
        assert_eq!(parse("\u{feff}{\"a\": 1}").unwrap(), json!({ "a": 1 }));
    }

    #[test]
    fn a_key_that_stands_twice_is_told() {
        let json = parse("{\"a\": 1,\n \"a\": 2}").unwrap_err();
        assert!(json.contains("\"a\" stands twice at line 2"), "{json}");
        let yaml = parse("a: 1\na: 2\n").unwrap_err();
        assert!(yaml.starts_with("it is no YAML: ") && yaml.contains('a'), "{yaml}");
    }
}
