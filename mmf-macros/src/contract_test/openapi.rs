//! The operations of an OpenAPI document, as far as tests are made of them. What requests and answers have to be
//! is the runtime's to say.

use serde_json::Value;

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// Headers that a document tells of elsewhere than among its parameters.
const SAID_ELSEWHERE: [&str; 3] = ["accept", "authorization", "content-type"];
const VALUES: [&str; 5] = ["example", "examples", "default", "enum", "const"];
const NAMES: [&str; 8] = [
    "properties",
    "patternProperties",
    "schemas",
    "$defs",
    "responses",
    "headers",
    "parameters",
    "requestBodies",
];

/// An operation of a document.
#[derive(Debug, PartialEq)]
pub(super) struct Operation {
    /// Its id, or method and path.
    pub(super) name: String,
    title: String,
    /// `/users/{id}`
    path: String,
    /// Which example is missing for a request to be made of it.
    pub(super) missing: Option<String>,
}

impl Operation {
    /// Whether it is meant by a name.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name == name || self.title == name
    }

    /// Whether a path may be one of it: as many parts, and those that are no parameters the same. What the runtime
    /// finds out is more.
    pub(super) fn may_be_at(&self, path: &str) -> bool {
        let path = path.split('?').next().unwrap_or_default();
        let is_same = |(part, asked): (&str, &str)| part.contains('{') || part == asked;
        self.path.split('/').count() == path.split('/').count()
            && self.path.split('/').zip(path.split('/')).all(is_same)
    }
}

/// What of a request is written by hand, so that no example is missed.
#[derive(Debug, Default)]
pub(super) struct ByHand {
    /// In small letters.
    pub(super) headers: Vec<String>,
    pub(super) body: bool,
}

/// The operations of a document, in its order.
///
/// # Errors
///
/// Where it is no document, with the place.
pub(super) fn operations(text: &str, by_hand: &ByHand) -> Result<Vec<Operation>, String> {
    let document: Value = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}"))?
    } else {
        serde_saphyr::from_str(text).map_err(|error| format!("is no YAML: {error}"))?
    };
    if !document["openapi"].as_str().is_some_and(|version| version.starts_with("3.")) {
        return Err("is no OpenAPI document of 3.0 or 3.1: it has no `openapi: 3.…`".into());
    }
    references(&document, &document, "")?;
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        let item = followed(&document, item);
        for method in METHODS {
            let Some(operation) = item.get(method) else { continue };
            let title = format!("{} {path}", method.to_uppercase());
            let id = operation["operationId"].as_str().map(str::to_owned);
            operations.push(Operation {
                name: id.unwrap_or_else(|| title.clone()),
                missing: missing(&document, item, operation, by_hand),
                title,
                path: path.clone(),
            });
        }
    }
    Ok(operations)
}

/// What has no example and needs one.
fn missing(document: &Value, item: &Value, operation: &Value, by_hand: &ByHand) -> Option<String> {
    let mut parameters: Vec<&Value> = Vec::new();
    for owner in [operation, item] {
        for parameter in owner["parameters"].as_array().into_iter().flatten() {
            let parameter = followed(document, parameter);
            let same = |known: &&Value| {
                known["name"] == parameter["name"] && known["in"] == parameter["in"]
            };
            if !parameters.iter().any(same) {
                parameters.push(parameter);
            }
        }
    }
    for parameter in parameters {
        let name = parameter["name"].as_str().unwrap_or_default().to_ascii_lowercase();
        let is_given = parameter["in"] == "header"
            && (by_hand.headers.contains(&name) || SAID_ELSEWHERE.contains(&&*name));
        let is_needed = parameter["required"] == true || parameter["in"] == "path";
        if is_needed && !is_given && !has_example(document, parameter) {
            let name = parameter["name"].as_str().unwrap_or_default();
            return Some(format!("the parameter `{name}` has no example"));
        }
    }
    let body = followed(document, &operation["requestBody"]);
    let mut content = body["content"].as_object().into_iter().flatten();
    let is_writable = |kind: &str, content: &Value| {
        let is_known = kind.contains("json") || kind.contains("form-urlencoded");
        has_example(document, content) && (is_known || example(document, content).is_string())
    };
    let is_needed = body["required"] == true && !by_hand.body;
    if is_needed && !content.any(|(kind, content)| is_writable(kind, content)) {
        return Some("its request body has no example".into());
    }
    None
}

fn has_example(document: &Value, owner: &Value) -> bool {
    !example(document, owner).is_null()
}

/// The first example that is written; null where there is none.
fn example<'d>(document: &'d Value, owner: &'d Value) -> &'d Value {
    let schema = followed(document, &owner["schema"]);
    let named = owner["examples"].as_object().and_then(|examples| examples.values().next());
    let named = named.map_or(&Value::Null, |named| &followed(document, named)["value"]);
    let all = [
        &owner["example"],
        named,
        &schema["example"],
        &schema["examples"][0],
        &schema["default"],
        &schema["const"],
        &schema["enum"][0],
    ];
    all.into_iter().find(|example| !example.is_null()).unwrap_or(&Value::Null)
}

/// Looks whether every reference leads somewhere in the document.
fn references(document: &Value, value: &Value, place: &str) -> Result<(), String> {
    match value {
        Value::Object(fields) => {
            if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                return reference_leads(document, reference)
                    .map_err(|why| format!("is wrong at {place}: {why}"));
            }
            fields.iter().try_for_each(|(key, value)| {
                let place = format!("{place}/{key}");
                match value {
                    // Values of the user's are no part of the document.
                    _ if VALUES.contains(&key.as_str()) => Ok(()),
                    // Names of the user's, which may look like keys.
                    Value::Object(named) if NAMES.contains(&key.as_str()) => {
                        named.iter().try_for_each(|(name, value)| {
                            references(document, value, &format!("{place}/{name}"))
                        })
                    }
                    value => references(document, value, &place),
                }
            })
        }
        Value::Array(items) => items.iter().enumerate().try_for_each(|(number, value)| {
            references(document, value, &format!("{place}/{number}"))
        }),
        _ => Ok(()),
    }
}

fn reference_leads(document: &Value, reference: &str) -> Result<(), String> {
    let Some(pointer) = reference.strip_prefix('#') else {
        return Err(format!("{reference:?} lies in another file: bundle the document into one"));
    };
    // Where it is encoded or names an anchor, the runtime tells.
    let is_plain = pointer.starts_with('/') && !pointer.contains('%');
    match is_plain && document.pointer(pointer).is_none() {
        true => Err(format!("there is no {reference:?}")),
        false => Ok(()),
    }
}

/// What a reference of the document leads to, or the value itself.
fn followed<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    let target = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    target.and_then(|pointer| document.pointer(pointer)).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_tell_which_example_they_lack() {
        let text = r##"
openapi: 3.0.3
paths:
  /users/{id}:
    parameters: [{ $ref: "#/components/parameters/Id" }]
    get: { operationId: getUser }
    put: { requestBody: { required: true, content: { application/json: {} } } }
    delete: { parameters: [{ name: id, in: path, required: true }] }
components: { parameters: { Id: { name: id, in: path, required: true, example: 1 } } }
"##;
        let found = operations(text, &ByHand::default()).unwrap();
        let missing = |name: &str| {
            let found = found.iter().find(|operation| operation.is(name)).unwrap();
            found.missing.as_deref().unwrap_or_default()
        };
        assert_eq!(missing("getUser"), "");
        assert_eq!(missing("GET /users/{id}"), "");
        assert_eq!(missing("PUT /users/{id}"), "its request body has no example");
        assert_eq!(missing("DELETE /users/{id}"), "the parameter `id` has no example");
        let by_hand = ByHand { headers: Vec::new(), body: true };
        let given = operations(text, &by_hand).unwrap();
        assert!(
            given
                .iter()
                .any(|operation| operation.is("PUT /users/{id}") && operation.missing.is_none())
        );
        assert!(found[0].may_be_at("/users/7?x=1") && !found[0].may_be_at("/users/7/tags"));
        let astray = text.replace("parameters/Id", "parameters/Ident");
        assert_eq!(
            operations(&astray, &ByHand::default()).unwrap_err(),
            "is wrong at /paths//users/{id}/parameters/0: there is no \"#/components/parameters/Ident\""
        );
        for (wrong, why) in [
            ("{", "is no JSON: "),
            ("a: [", "is no YAML: "),
            ("swagger: '2.0'", "is no OpenAPI document"),
        ] {
            assert!(operations(wrong, &ByHand::default()).unwrap_err().starts_with(why));
        }
    }
}
