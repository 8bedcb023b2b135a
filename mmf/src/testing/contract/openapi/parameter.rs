//! Values of parameters, headers and fields: texts, which a style says how to take apart, and a schema how to read.

use mmf_rules::openapi::{Kinds, Place, item, kinds, property};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::media::MediaType;
use super::schema::Judge;

/// What stands for a parameter.
#[derive(Clone, Debug)]
pub(super) enum Given {
    /// As they are written: several where a list is written item by item.
    Texts(Vec<String>),
    /// An object, field by field: the way to each, and its text as it is written.
    Fields(Vec<(Vec<String>, String)>),
}

/// Where a value stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Location {
    Path,
    Query,
    Header,
    Cookie,
}

impl Location {
    pub(super) fn of(parameter: &Place<'_>) -> Self {
        match parameter.text("in") {
            "path" => Self::Path,
            "query" => Self::Query,
            "cookie" => Self::Cookie,
            _ => Self::Header,
        }
    }

    fn decoded(self, text: &str) -> String {
        match self {
            Self::Path => percent_decode_str(text).decode_utf8_lossy().into_owned(),
            Self::Query => {
                percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
            }
            Self::Header | Self::Cookie => text.to_owned(),
        }
    }
}

/// How a value is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style<'d> {
    pub(super) name: &'d str,
    pub(super) explode: bool,
}

impl<'d> Style<'d> {
    pub(super) fn of(parameter: &Place<'d>, location: Location) -> Self {
        let by_default = match location {
            Location::Query | Location::Cookie => "form",
            _ => "simple",
        };
        let name = match parameter.text("style") {
            "" => by_default,
            name => name,
        };
        let explode = parameter.value["explode"].as_bool().unwrap_or(name == "form");
        Self { name, explode }
    }

    /// What stands before the value, and between its parts.
    pub(super) fn marks(&self, name: &str) -> (String, &'static str) {
        match (self.name, self.explode) {
            ("label", true) => (".".into(), "."),
            ("label", false) => (".".into(), ","),
            ("matrix", true) => (";".into(), ";"),
            ("matrix", false) => (format!(";{name}="), ","),
            ("spaceDelimited", _) => (String::new(), "%20"),
            ("pipeDelimited", _) => (String::new(), "|"),
            _ => (String::new(), ","),
        }
    }
}

/// Checks what stands for a parameter or a header.
///
/// # Errors
///
/// What is wrong with it, or with its schema.
pub(super) fn check(
    owner: &Place<'_>,
    (name, location): (&str, Location),
    given: &Given,
    judge: &Judge<'_>,
) -> Result<(), String> {
    if let Given::Texts(texts) = given
        && owner.is("allowEmptyValue")
        && texts.iter().all(String::is_empty)
    {
        return Ok(());
    }
    if let Some((kind, content)) = content(owner)? {
        return check_content(kind, &content, location, given, judge);
    }
    let Some(schema) = owner.schema() else { return Ok(()) };
    let texts = match given {
        Given::Fields(fields) => {
            let value = of_fields(fields, Some(&schema), location, judge);
            return judge.check(&schema, &value);
        }
        Given::Texts(texts) => texts,
    };
    let style = Style::of(owner, location);
    let candidates = candidates(texts, &schema, (name, location, style), judge)?;
    first_that_holds(&schema, &candidates, judge)
}

/// Checks the text of a body.
///
/// # Errors
///
/// As [`check`].
pub(super) fn check_text(schema: &Place<'_>, text: &str, judge: &Judge<'_>) -> Result<(), String> {
    first_that_holds(schema, &readings(text, &kinds(schema)), judge)
}

/// Checks the fields of a form.
///
/// # Errors
///
/// As [`check`].
pub(super) fn check_form(
    schema: &Place<'_>,
    fields: &[(Vec<String>, String)],
    judge: &Judge<'_>,
) -> Result<(), String> {
    judge.check(schema, &of_fields(fields, Some(schema), Location::Query, judge))
}

/// What stands in place of a schema: one type of content.
pub(super) fn content<'d>(owner: &Place<'d>) -> Result<Option<(&'d str, Place<'d>)>, String> {
    let content = owner.get("content")?.map(|content| content.entries()).transpose()?;
    Ok(content.and_then(|all| all.into_iter().next()))
}

fn check_content(
    kind: &str,
    content: &Place<'_>,
    location: Location,
    given: &Given,
    judge: &Judge<'_>,
) -> Result<(), String> {
    let (Some(schema), Given::Texts(texts)) = (content.schema(), given) else { return Ok(()) };
    for text in texts {
        let text = location.decoded(text);
        if MediaType::parse(kind).is_json() {
            let value = serde_json::from_str(&text)
                .map_err(|error| format!("{text:?} is no JSON: {error}"))?;
            judge.check(&schema, &value)?;
        } else {
            check_text(&schema, &text, judge)?;
        }
    }
    Ok(())
}

/// What texts may mean, the likeliest first.
fn candidates(
    texts: &[String],
    schema: &Place<'_>,
    (name, location, style): (&str, Location, Style<'_>),
    judge: &Judge<'_>,
) -> Result<Vec<Value>, String> {
    let kinds = kinds(schema);
    let may_be = |kind: &str| kinds.as_ref().is_some_and(|kinds| kinds.contains(kind));
    let (start, between) = style.marks(name);
    let mut bare = Vec::new();
    for text in texts {
        match text.strip_prefix(&start) {
            Some(text) => bare.push(text),
            None => {
                return Err(format!(
                    "{text:?} does not begin with {start:?}, as the style {} does",
                    style.name
                ));
            }
        }
    }
    let parts = |text: &str| -> Vec<String> {
        let parts = match between {
            "%20" => {
                text.replace("%20", " ").replace('+', " ").split(' ').map(str::to_owned).collect()
            }
            "|" => {
                text.replace("%7C", "|").replace("%7c", "|").split('|').map(str::to_owned).collect()
            }
            between => text.split(between).map(str::to_owned).collect::<Vec<_>>(),
        };
        parts.into_iter().filter(|part| !part.trim().is_empty()).collect()
    };
    let mut found = Vec::new();
    if may_be("array") {
        let is_item_by_item = location == Location::Query && style.explode && style.name == "form";
        let mut items: Vec<String> = match is_item_by_item {
            true => bare.iter().map(ToString::to_string).filter(|text| !text.is_empty()).collect(),
            false => bare.iter().flat_map(|text| parts(text)).collect(),
        };
        if style.name == "matrix" && style.explode {
            let named = format!("{name}=");
            items.iter_mut().for_each(|item| *item = item.trim_start_matches(&named).to_owned());
        }
        let items = items.iter().enumerate().map(|(number, text)| {
            let text = location.decoded(text.trim());
            read(&text, item(schema, number).as_ref(), judge)
        });
        found.push(items.collect());
    }
    if may_be("object") {
        let parts: Vec<_> = bare.iter().flat_map(|text| parts(text)).collect();
        let pairs: Vec<(String, String)> = match style.explode {
            true => parts
                .iter()
                .filter_map(|part| part.split_once('='))
                .map(|(name, text)| (name.to_owned(), text.to_owned()))
                .collect(),
            false => parts
                .chunks(2)
                .filter_map(|pair| Some((pair[0].clone(), pair.get(1)?.clone())))
                .collect(),
        };
        let fields: Vec<_> = pairs
            .into_iter()
            .map(|(name, text)| (vec![location.decoded(name.trim())], text.trim().to_owned()))
            .collect();
        found.push(of_fields(&fields, Some(schema), location, judge));
    }
    let is_structure = kinds
        .as_ref()
        .is_some_and(|kinds| kinds.iter().all(|kind| ["array", "object", "null"].contains(kind)));
    if !is_structure {
        // A value that is none of those stands once.
        if let [_, second, ..] = bare.as_slice() {
            return match found.is_empty() {
                true => Err(format!("it is given {} times, {second:?} among them", bare.len())),
                false => Ok(found),
            };
        }
        let text = bare.first().copied().unwrap_or_default();
        let text = match (style.name, style.explode) {
            ("matrix", true) => text.trim_start_matches(&format!("{name}=")),
            _ => text,
        };
        found.extend(readings(&location.decoded(text), &kinds));
    }
    Ok(found)
}

fn first_that_holds(
    schema: &Place<'_>,
    candidates: &[Value],
    judge: &Judge<'_>,
) -> Result<(), String> {
    let mut first = None;
    for candidate in candidates {
        match judge.check(schema, candidate) {
            Ok(()) => return Ok(()),
            Err(why) => first = first.or(Some(why)),
        }
    }
    first.map_or(Ok(()), Err)
}

/// What a text may mean, the likeliest first: by the kinds that its schema allows, or as it is.
fn readings(text: &str, kinds: &Kinds) -> Vec<Value> {
    let parsed = text.parse::<Value>().ok().filter(|value| {
        text.trim() == text && !(value.is_object() || value.is_array() || value.is_string())
    });
    let is_text = kinds.as_ref().is_some_and(|kinds| kinds.contains("string"));
    match parsed {
        Some(_) if kinds.as_ref().is_some_and(|kinds| kinds.len() == 1) && is_text => {
            vec![json!(text)]
        }
        Some(parsed) if is_text => vec![json!(text), parsed],
        Some(parsed) => vec![parsed, json!(text)],
        None => vec![json!(text)],
    }
}

/// The reading that a schema allows, or the likeliest.
fn read(text: &str, schema: Option<&Place<'_>>, judge: &Judge<'_>) -> Value {
    let Some(schema) = schema else { return json!(text) };
    let mut readings = readings(text, &kinds(schema));
    let right = readings.iter().position(|value| judge.check(schema, value).is_ok());
    readings.swap_remove(right.unwrap_or(0))
}

/// An object of its fields. A field of `tags[]`, `tags[0]`, or of a list that is written item by item, is an item.
fn of_fields(
    fields: &[(Vec<String>, String)],
    schema: Option<&Place<'_>>,
    location: Location,
    judge: &Judge<'_>,
) -> Value {
    // The field itself, and no part of it.
    let own: Vec<_> = fields.iter().filter(|(way, _)| way.is_empty()).collect();
    let is_list = schema.and_then(kinds).is_some_and(|kinds| kinds.contains("array"));
    let is_number = |part: &String| part.chars().all(|letter| letter.is_ascii_digit());
    if !own.is_empty() {
        let texts: Vec<_> = own.iter().map(|(_, text)| location.decoded(text)).collect();
        let items = texts.iter().enumerate().map(|(number, text)| {
            let schema = schema.filter(|_| is_list).and_then(|schema| item(schema, number));
            read(text, schema.as_ref(), judge)
        });
        return match is_list || texts.len() > 1 {
            true => items.collect(),
            false => read(&texts[0], schema, judge),
        };
    }
    let mut names: Vec<&String> = Vec::new();
    for (way, _) in fields {
        if !names.contains(&&way[0]) {
            names.push(&way[0]);
        }
    }
    let below = |name: &String| -> Vec<(Vec<String>, String)> {
        let own = fields.iter().filter(|(way, _)| way[0] == *name);
        own.map(|(way, text)| (way[1..].to_vec(), text.clone())).collect()
    };
    if is_list && names.iter().all(|name| is_number(name)) {
        let mut items = Vec::new();
        for name in names {
            let parts = below(name);
            // Each `tags[]` is an item of its own.
            let each: Vec<Vec<_>> = match name.is_empty() {
                true => parts.into_iter().map(|part| vec![part]).collect(),
                false => vec![parts],
            };
            for parts in each {
                let schema = schema.and_then(|schema| item(schema, items.len()));
                items.push(of_fields(&parts, schema.as_ref(), location, judge));
            }
        }
        return items.into();
    }
    let object = names.into_iter().map(|name| {
        let schema = schema.and_then(|schema| property(schema, name));
        (name.clone(), of_fields(&below(name), schema.as_ref(), location, judge))
    });
    Value::Object(object.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use mmf_rules::openapi::Document;

    use super::super::key::Direction;
    use super::super::schema::Checker;
    use super::*;

    fn told(owner: &Value, texts: &[&str]) -> Result<(), String> {
        let root = json!({
            "openapi": "3.1.0",
            "paths": { "/a": { "get": { "parameters": [owner] } } },
            "components": { "schemas": { "Tags": { "type": "array", "items": { "enum": ["a", "b"] } } } },
        });
        let checker = Checker::new(Document::parse(&root.to_string()).unwrap());
        let document = &checker.document;
        let operation = document.operation("GET /a").unwrap();
        let parameter = &operation.parameters().unwrap()[0];
        let texts = texts.iter().map(ToString::to_string).collect();
        let judge = Judge::new(&checker, Direction::Request);
        check(parameter, ("p", Location::of(parameter)), &Given::Texts(texts), &judge)
    }

    fn holds(owner: &Value, texts: &[&str]) -> bool {
        told(owner, texts).is_ok()
    }

    #[test]
    fn texts_are_read_as_their_schema_wants() {
        let of = |schema: Value| json!({ "in": "query", "schema": schema });
        let optional = of(json!({ "anyOf": [{ "type": "integer" }, { "type": "null" }] }));
        assert!(
            holds(&optional, &["10"]) && !holds(&optional, &["ten"]) && !holds(&optional, &[" 10"])
        );
        assert!(holds(&of(json!({ "type": "string" })), &["10"]));
        assert!(holds(&of(json!({ "type": "string", "maxLength": 2 })), &["%41+"]));
        assert!(holds(&of(json!({ "enum": [1, 2] })), &["1"]));
        assert!(holds(&of(json!({ "type": "boolean" })), &["true"]));
        assert!(
            told(&of(json!({ "type": "integer" })), &["1", "2"]).unwrap_err().contains("2 times")
        );
        let tags = json!({ "$ref": "#/components/schemas/Tags" });
        assert!(holds(&of(tags.clone()), &["a", "b"]) && !holds(&of(tags.clone()), &["a,b"]));
        let header = json!({ "in": "header", "schema": tags });
        assert!(
            holds(&header, &["a, b"])
                && holds(&header, &["a", "b"])
                && !holds(&header, &["a,b", "c"])
        );
        let either = of(
            json!({ "oneOf": [{ "type": "integer" }, { "type": "array", "items": { "type": "integer" } }] }),
        );
        assert!(
            holds(&either, &["1"]) && holds(&either, &["1", "2"]) && !holds(&either, &["1", "x"])
        );
    }

    #[test]
    fn every_style_is_taken_apart() {
        let list = json!({ "type": "array", "items": { "type": "integer" }, "minItems": 2 });
        let object = json!({ "type": "object", "properties": { "a": { "type": "integer" } }, "required": ["a", "b"] });
        for (place, style, explode, of_list, of_object) in [
            ("path", "simple", false, "1,2", "a,1,b,x"),
            ("path", "simple", true, "1,2", "a=1,b=x"),
            ("path", "label", false, ".1,2", ".a,1,b,x"),
            ("path", "label", true, ".1.2", ".a=1.b=x"),
            ("path", "matrix", false, ";p=1,2", ";p=a,1,b,x"),
            ("path", "matrix", true, ";p=1;p=2", ";a=1;b=x"),
            ("query", "form", false, "1,2", "a,1,b,x"),
            ("query", "spaceDelimited", false, "1%202", "a%201%20b%20x"),
            ("query", "pipeDelimited", false, "1|2", "a%7C1%7Cb%7Cx"),
            ("header", "simple", true, "1, 2", "a=1, b=x"),
            ("cookie", "form", false, "1,2", "a,1,b,x"),
        ] {
            let owner = |schema| json!({ "in": place, "style": style, "explode": explode, "schema": schema });
            assert_eq!(told(&owner(&list), &[of_list]), Ok(()), "{style} {explode}");
            assert_eq!(told(&owner(&object), &[of_object]), Ok(()), "{style} {explode}");
            let broken = [of_list.replace('2', "x"), of_object.replace('1', "x")];
            assert!(!holds(&owner(&list), &[&broken[0]]), "{style} {explode}");
            assert!(!holds(&owner(&object), &[&broken[1]]), "{style} {explode}");
        }
        let number =
            |style: &str| json!({ "in": "path", "style": style, "schema": { "type": "integer" } });
        assert!(holds(&number("label"), &[".5"]) && holds(&number("matrix"), &[";p=5"]));
        assert!(told(&number("label"), &["5"]).unwrap_err().contains("does not begin with \".\""));
    }

    #[test]
    fn content_is_read_by_its_type() {
        let json = json!({ "in": "query", "content": { "application/json": { "schema": { "type": "object" } } } });
        assert!(holds(&json, &["%7B%22a%22:1%7D"]) && !holds(&json, &["1"]));
        assert!(told(&json, &["%7B"]).unwrap_err().contains("is no JSON"));
        let text = json!({ "in": "header", "content": { "text/plain": { "schema": { "maxLength": 1 } } } });
        assert!(holds(&text, &["a"]) && !holds(&text, &["ab"]));
    }

    #[test]
    fn an_empty_value_may_be_allowed() {
        let owner = |allow: bool| json!({ "in": "query", "allowEmptyValue": allow, "schema": { "type": "integer" } });
        assert!(holds(&owner(true), &[""]) && !holds(&owner(false), &[""]));
        assert!(!holds(&owner(true), &["x"]));
    }

    #[test]
    fn fields_make_lists_and_objects() {
        let schema = json!({ "type": "object", "properties": {
            "tags": { "type": "array", "items": { "type": "integer" } },
            "at": { "type": "object", "properties": { "gte": { "type": "integer" } } },
            "users": { "type": "array", "items": { "type": "object" } },
        } });
        let root =
            json!({ "openapi": "3.1.0", "paths": { "/a": { "get": { "schema": schema } } } });
        let checker = Checker::new(Document::parse(&root.to_string()).unwrap());
        let document = &checker.document;
        let schema = document.operation("GET /a").unwrap().place.schema().unwrap();
        let judge = Judge::new(&checker, Direction::Request);
        let made = |fields: &[(&str, &str)]| {
            let fields: Vec<_> = fields
                .iter()
                .map(|(way, text)| {
                    (
                        way.split(' ').map(|part| part.trim_matches('_').to_owned()).collect(),
                        text.to_string(),
                    )
                })
                .collect();
            of_fields(&fields, Some(&schema), Location::Query, &judge)
        };
        assert_eq!(made(&[("tags _", "1"), ("tags _", "2")]), json!({ "tags": [1, 2] }));
        assert_eq!(made(&[("tags 0", "1"), ("tags 1", "2")]), json!({ "tags": [1, 2] }));
        assert_eq!(made(&[("tags", "1")]), json!({ "tags": [1] }));
        assert_eq!(
            made(&[("at gte", "1"), ("b", "x+y")]),
            json!({ "at": { "gte": 1 }, "b": "x y" })
        );
        assert_eq!(
            made(&[("users 0 name", "a"), ("users 1 name", "b")]),
            json!({ "users": [{ "name": "a" }, { "name": "b" }] })
        );
    }
}
