//! Patterns in JSON: an example, and the rule that other values are matched by.
//!
//! They are written as Pact's integrations write them, as objects with `pact:matcher:type`, so that `json!` can
//! hold them at any depth.

use pact_models::matchingrules::{MatchingRule, MatchingRuleCategory, RuleLogic};
use pact_models::path_exp::DocPath;
use serde_json::{Value, json};

const KIND: &str = "pact:matcher:type";

/// A value of the same type, and for objects and lists the same all the way down.
///
/// ```
/// use mmf_runtime::testing::pact::like;
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

/// A text that a regular expression matches.
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

/// The example of a pattern; its rules go to the category.
///
/// # Errors
///
/// Where a rule is none of Pact's.
pub(super) fn example(
    pattern: &Value,
    path: &DocPath,
    rules: &mut MatchingRuleCategory,
) -> Result<Value, String> {
    match pattern {
        Value::Object(fields) if fields.contains_key(KIND) => {
            let kind = fields[KIND].as_str().unwrap_or_default();
            let rule = MatchingRule::create_from_integration_json(kind, pattern);
            let rule = rule.map_err(|error| format!("at {path}: {error}"))?;
            if matches!(rule, MatchingRule::Plugin { .. }) {
                return Err(format!("at {path}: Pact has no rule {kind:?}"));
            }
            let value = fields.get("value").unwrap_or(&Value::Null);
            let is_each = rule.is_length_type_matcher();
            rules.add_rule(path.clone(), rule, RuleLogic::And);
            match value {
                Value::Array(items) if is_each => {
                    let mut path = path.clone();
                    path.push_star_index();
                    items.iter().map(|item| example(item, &path, rules)).collect()
                }
                value => example(value, path, rules),
            }
        }
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| Ok((name.clone(), example(value, &path.join_field(name), rules)?)))
            .collect::<Result<serde_json::Map<_, _>, String>>()
            .map(Value::Object),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(place, item)| example(item, &path.join_index(place), rules))
            .collect(),
        plain => Ok(plain.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_become_an_example_and_rules() {
        let pattern = json!({
            "users": each_like(json!({ "id": integer(1), "name": matching("^A", "Ada") })),
            "total": 2,
        });
        let mut rules = MatchingRuleCategory::empty("body");
        let made = example(&pattern, &DocPath::root(), &mut rules).unwrap();
        assert_eq!(made, json!({ "users": [{ "id": 1, "name": "Ada" }], "total": 2 }));
        let json = rules.to_v3_json().to_string();
        for path in ["$.users\"", "$.users[*].id", "$.users[*].name"] {
            assert!(json.contains(path), "{path}: {json}");
        }
        let unknown = json!({ KIND: "tpye", "value": 1 });
        let why = example(&unknown, &DocPath::root(), &mut rules).unwrap_err();
        assert_eq!(why, "at $: Pact has no rule \"tpye\"");
    }
}
