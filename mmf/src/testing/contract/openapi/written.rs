//! Values written as parameters, in every style.

use std::fmt::Write as _;

use mmf_rules::openapi::Place;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::media::MediaType;
use super::parameter::{Location, Style, content};

/// What no part of a URL has to encode.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What may stay in a query where `allowReserved` says so: all reserved but what takes the query apart.
const RESERVED: &AsciiSet = &UNRESERVED
    .remove(b':')
    .remove(b'/')
    .remove(b'?')
    .remove(b'@')
    .remove(b'!')
    .remove(b'$')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b',')
    .remove(b';');

/// A value as it stands in a path, a header or a cookie.
pub(super) fn text(parameter: &Place<'_>, value: &Value) -> Result<String, String> {
    let (name, location) = (parameter.text("name"), Location::of(parameter));
    let encode = |text: &str| match location {
        Location::Path => encoded(text),
        _ => text.to_owned(),
    };
    if let Some((kind, _)) = content(parameter)? {
        return Ok(encode(&of_content(kind, value)));
    }
    let style = Style::of(parameter, location);
    let (start, between) = style.marks(name);
    let is_matrix = style.name == "matrix" && style.explode;
    let parts: Vec<String> = match value {
        Value::Array(items) if is_matrix => {
            items.iter().map(|item| format!("{name}={}", encode(&flat(item)))).collect()
        }
        Value::Array(items) => items.iter().map(|item| encode(&flat(item))).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| {
                let between = if style.explode { "=" } else { between };
                format!("{}{between}{}", encode(key), encode(&flat(value)))
            })
            .collect(),
        value if is_matrix => vec![format!("{name}={}", encode(&flat(value)))],
        value => vec![encode(&flat(value))],
    };
    Ok(format!("{start}{}", parts.join(between)))
}

/// Adds a value to a query.
pub(super) fn add_to_query(
    query: &mut String,
    parameter: &Place<'_>,
    value: &Value,
) -> Result<(), String> {
    let name = parameter.text("name");
    let set = if parameter.is("allowReserved") { RESERVED } else { UNRESERVED };
    let encode = |text: &str| utf8_percent_encode(text, set).to_string();
    if let Some((kind, _)) = content(parameter)? {
        push(query, &encoded(name), &encode(&of_content(kind, value)));
        return Ok(());
    }
    let style = Style::of(parameter, Location::Query);
    let (_, between) = style.marks(name);
    match value {
        Value::Array(_) | Value::Object(_) if style.name == "deepObject" => {
            add_fields(query, name, value);
        }
        Value::Array(items) if style.explode => {
            items.iter().for_each(|item| push(query, &encoded(name), &encode(&flat(item))));
        }
        Value::Object(fields) if style.explode => {
            fields
                .iter()
                .for_each(|(key, value)| push(query, &encoded(key), &encode(&flat(value))));
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| encode(&flat(item))).collect();
            push(query, &encoded(name), &items.join(between));
        }
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(key, value)| format!("{}{between}{}", encode(key), encode(&flat(value))));
            push(query, &encoded(name), &fields.collect::<Vec<_>>().join(between));
        }
        value => push(query, &encoded(name), &encode(&flat(value))),
    }
    Ok(())
}

/// The fields of a form.
pub(super) fn form(value: &Value) -> String {
    let mut text = String::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        match value {
            Value::Array(items)
                if !items.iter().any(|item| item.is_object() || item.is_array()) =>
            {
                items
                    .iter()
                    .for_each(|item| push(&mut text, &encoded(name), &encoded(&flat(item))));
            }
            value => add_fields(&mut text, name, value),
        }
    }
    text
}

// Input:  filter, { "age": { "gte": 7 }, "tags": ["a"] }
// Output: filter[age][gte]=7&filter[tags][]=a
fn add_fields(query: &mut String, name: &str, value: &Value) {
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(key, value)| add_fields(query, &format!("{name}[{key}]"), value)),
        Value::Array(items) => {
            let has_parts = items.iter().any(|item| item.is_object() || item.is_array());
            for (number, item) in items.iter().enumerate() {
                let number = if has_parts { number.to_string() } else { String::new() };
                add_fields(query, &format!("{name}[{number}]"), item);
            }
        }
        value => push(query, &encoded(name), &encoded(&flat(value))),
    }
}

fn push(query: &mut String, name: &str, value: &str) {
    let comma = if query.is_empty() { "" } else { "&" };
    let _ = write!(query, "{comma}{name}={value}");
}

fn of_content(kind: &str, value: &Value) -> String {
    if MediaType::parse(kind).is_json() { value.to_string() } else { flat(value) }
}

/// A value as a text, lists with commas.
fn flat(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(flat).collect::<Vec<_>>().join(","),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| format!("{key},{}", flat(value)));
            fields.collect::<Vec<_>>().join(",")
        }
        other => other.to_string(),
    }
}

pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}
