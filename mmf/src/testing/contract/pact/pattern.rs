//! Patterns in JSON: an example, and the rule that other values are matched by.
//!
//! They are written as Pact's integrations write them, as objects with `pact:matcher:type`, so that `json!` can
//! hold them at any depth.

use pact_matching::matchingrules::DoMatch as _;
use pact_models::generators::{Generator, GeneratorCategory, Generators};
use pact_models::matchingrules::{MatchingRule, MatchingRules, RuleLogic};
use pact_models::path_exp::DocPath;
use serde_json::{Map, Value, json};

const KIND: &str = "pact:matcher:type";
const GENERATOR: &str = "pact:generator:type";

/// A value of the same type, and for objects and lists the same all the way down.
///
/// ```
/// use mmf::testing::pact::like;
///
/// let user = like(serde_json::json!({ "id": 1, "name": "Ada" }));
/// assert_eq!(user["value"]["name"], "Ada");
/// ```
pub fn like(example: impl Into<Value>) -> Value {
    json!({ KIND: "type", "value": example.into() })
}

/// A list of one or more values like this one.
pub fn each_like(example: impl Into<Value>) -> Value {
    json!({ KIND: "type", "min": 1, "value": [example.into()] })
}

/// A text that a regular expression matches as a whole, in the syntax of Oniguruma.
pub fn matching(regex: &str, example: &str) -> Value {
    json!({ KIND: "regex", "regex": regex, "value": example })
}

/// A whole number.
pub fn integer(example: i64) -> Value {
    json!({ KIND: "integer", "value": example })
}

/// A number with digits behind the point.
pub fn decimal(example: f64) -> Value {
    json!({ KIND: "decimal", "value": example })
}

/// A value that the provider's state gives: `from_state("${id}", 7)` is the `id` that bringing the state about has
/// returned, and 7 for the consumer.
pub fn from_state(expression: &str, example: impl Into<Value>) -> Value {
    json!({
        KIND: "type",
        GENERATOR: "ProviderState",
        "expression": expression,
        "value": example.into(),
    })
}

/// What patterns become: rules and generators of a part of a request or a response.
pub(super) struct Rules<'r> {
    pub(super) matching: &'r mut MatchingRules,
    pub(super) generators: &'r mut Generators,
    pub(super) part: GeneratorCategory,
}

impl Rules<'_> {
    fn add(&mut self, path: &DocPath, rule: MatchingRule, generator: Option<Generator>) {
        let part: &str = self.part.into();
        self.matching.add_category(part).add_rule(path.clone(), rule, RuleLogic::And);
        if let Some(generator) = generator {
            self.generators.add_generator_with_subcategory(&self.part, path.clone(), generator);
        }
    }
}

/// The example of a pattern; its rules are noted.
///
/// # Errors
///
/// Where a rule is none of Pact's, or does not match its own example.
pub(super) fn example(
    pattern: &Value,
    path: &DocPath,
    rules: &mut Rules<'_>,
) -> Result<Value, String> {
    match pattern {
        Value::Object(fields) if fields.contains_key(KIND) => {
            of_matcher(pattern, fields, path, rules)
        }
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| Ok((name.clone(), example(value, &path.join_field(name), rules)?)))
            .collect::<Result<Map<_, _>, String>>()
            .map(Value::Object),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(place, item)| example(item, &path.join_index(place), rules))
            .collect(),
        plain => Ok(plain.clone()),
    }
}

fn of_matcher(
    pattern: &Value,
    fields: &Map<String, Value>,
    path: &DocPath,
    rules: &mut Rules<'_>,
) -> Result<Value, String> {
    let told = |why: String| format!("at {path}: {why}");
    let kind = fields[KIND].as_str().unwrap_or_default();
    let rule = MatchingRule::create_from_integration_json(kind, pattern)
        .map_err(|error| told(error.to_string()))?;
    if matches!(rule, MatchingRule::Plugin { .. }) {
        return Err(told(format!("Pact has no rule {kind:?}")));
    }
    let generator = fields.get(GENERATOR).and_then(Value::as_str).map(|generator| {
        Generator::create(generator, pattern).map_err(|error| told(error.to_string()))
    });
    let value = fields.get("value").unwrap_or(&Value::Null);
    if !value.is_array() && !value.is_object() {
        // What a rule does not match itself no provider can.
        rule.match_value(value, value, false, true).map_err(|error| told(error.to_string()))?;
    }
    let is_each = rule.is_length_type_matcher();
    rules.add(path, rule, generator.transpose()?);
    match value {
        Value::Array(items) if is_each => {
            let mut path = path.clone();
            path.push_star_index();
            items.iter().map(|item| example(item, &path, rules)).collect()
        }
        value => example(value, path, rules),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(pattern: &Value) -> (Result<Value, String>, MatchingRules, Generators) {
        let (mut matching, mut generators) = (MatchingRules::default(), Generators::default());
        let mut rules = Rules {
            matching: &mut matching,
            generators: &mut generators,
            part: GeneratorCategory::BODY,
        };
        let made = example(pattern, &DocPath::root(), &mut rules);
        (made, matching, generators)
    }

    #[test]
    fn patterns_become_an_example_and_rules() {
        let (made, matching, generators) = taken(&json!({
            "users": each_like(json!({ "id": from_state("${id}", 1), "name": matching("A.*", "Ada") })),
            "total": 2,
        }));
        assert_eq!(made.unwrap(), json!({ "users": [{ "id": 1, "name": "Ada" }], "total": 2 }));
        let json = matching.rules_for_category("body").unwrap().to_v3_json().to_string();
        for path in ["$.users\"", "$.users[*].id", "$.users[*].name"] {
            assert!(json.contains(path), "{path}: {json}");
        }
        let generators = format!("{generators:?}");
        assert!(generators.contains("ProviderStateGenerator(\"${id}\""), "{generators}");
    }

    #[test]
    fn what_is_no_pattern_is_told() {
        let why = |pattern| taken(&json!({ "a": pattern })).0.unwrap_err();
        assert_eq!(why(json!({ KIND: "tpye", "value": 1 })), "at $.a: Pact has no rule \"tpye\"");
        let apart = why(matching("^x$", "y"));
        assert!(apart.contains("at $.a: ") && apart.contains("^x$"), "{apart}");
        assert!(why(matching("^(x$", "y")).starts_with("at $.a: "));
        assert!(why(json!({ KIND: "integer", "value": 1.5 })).starts_with("at $.a: "));
    }
}
