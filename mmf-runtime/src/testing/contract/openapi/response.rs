//! An answer against what a document says of its operation.

use serde_json::Value;

use super::super::http::ContractResponse;
use super::super::report::Checked;
use super::document::Operation;
use super::parameter;
use super::place::Place;
use super::schema::{Direction, check as check_schema};

/// Checks status, content type, body and headers. What is not documented fails.
pub(super) fn check(operation: &Operation<'_>, answer: &ContractResponse, checked: &mut Checked) {
    let documented = match documented(operation, answer.status()) {
        Ok(documented) => documented,
        Err(why) => return checked.add("documented status", false, why),
    };
    checked.add("documented status", true, "");
    match content(&documented, operation, answer) {
        Ok(None) => checked.add("documented body", true, ""),
        Ok(Some(content)) => {
            checked.add("documented content-type", true, "");
            checked.add_result("documented body", body(&content, answer));
        }
        Err(why) => checked.add("documented content-type", false, why),
    }
    checked.add_result("documented headers", headers(&documented, answer));
}

/// What is said of a status: by itself, by its class (`2XX`), or by `default`.
fn documented<'d>(operation: &Operation<'d>, status: u16) -> Result<Place<'d>, String> {
    let none = || format!("{} documents no responses", operation.name());
    let responses = operation.place.get("responses")?.ok_or_else(none)?;
    for key in [status.to_string(), format!("{}XX", status / 100), "default".into()] {
        if let Some(found) = responses.get(&key)? {
            return Ok(found);
        }
    }
    let known: Vec<_> = responses.entries()?.into_iter().map(|(status, _)| status).collect();
    let (name, known) = (operation.name(), known.join(", "));
    Err(format!("{status} is not documented for {name}, which has {known}"))
}

/// What is said of the type of the body; nothing where there is none, and none is expected.
fn content<'d>(
    documented: &Place<'d>,
    operation: &Operation<'_>,
    answer: &ContractResponse,
) -> Result<Option<Place<'d>>, String> {
    let kinds = documented
        .get("content")?
        .filter(|kinds| kinds.value.as_object().is_some_and(|kinds| !kinds.is_empty()));
    let is_empty = answer.bytes().is_empty();
    let Some(kinds) = kinds else {
        return match is_empty {
            true => Ok(None),
            false => Err(format!("a body of {} bytes is not documented", answer.bytes().len())),
        };
    };
    if is_empty && (operation.method == "head" || matches!(answer.status(), 204 | 304)) {
        return Ok(None);
    }
    let names = || {
        let names: Vec<_> =
            kinds.value.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        names.join(", ")
    };
    let Some(kind) = answer.header("content-type") else {
        return Err(format!("the answer has no content-type, documented is {}", names()));
    };
    let found = media_type(&kinds, kind)?;
    found.map(Some).ok_or_else(|| format!("{kind} is not documented, but {}", names()))
}

/// The entry of a type: the same, its class, or any.
pub(super) fn media_type<'d>(kinds: &Place<'d>, kind: &str) -> Result<Option<Place<'d>>, String> {
    let kind = main_type(kind);
    let class = format!("{}/*", kind.split('/').next().unwrap_or_default());
    let entries = kinds.entries()?;
    for wanted in [kind.as_str(), &class, "*/*"] {
        if let Some((_, found)) = entries.iter().find(|(name, _)| main_type(name) == wanted) {
            return Ok(Some(found.clone()));
        }
    }
    Ok(None)
}

/// Whether bodies of a type are JSON.
pub(super) fn is_json(kind: &str) -> bool {
    let kind = main_type(kind);
    kind == "application/json" || kind == "text/json" || kind.ends_with("+json")
}

/// The type without its parameters, in small letters.
fn main_type(kind: &str) -> String {
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn body(content: &Place<'_>, answer: &ContractResponse) -> Result<(), String> {
    let Some(schema) = content.schema() else { return Ok(()) };
    let kind = answer.header("content-type").unwrap_or_default();
    if is_json(kind) {
        let value: Value = serde_json::from_slice(answer.bytes())
            .map_err(|error| format!("the body is no JSON: {error}"))?;
        return check_schema(&schema, &value, Direction::Response);
    }
    if main_type(kind).starts_with("text/") {
        return parameter::check(content, &[answer.text()], Direction::Response);
    }
    Ok(())
}

fn headers(documented: &Place<'_>, answer: &ContractResponse) -> Result<(), String> {
    let mut wrong = Vec::new();
    let headers = documented.get("headers")?.map(|headers| headers.entries()).transpose()?;
    for (name, header) in headers.into_iter().flatten() {
        // The document says that this one is told by the content.
        if name.eq_ignore_ascii_case("content-type") {
            continue;
        }
        match answer.header(name) {
            None if header.is("required") => wrong.push(format!("{name} is missing")),
            None => {}
            Some(text) => {
                let is = parameter::check(&header, &[text.to_owned()], Direction::Response);
                wrong.extend(is.err().map(|why| format!("{name}: {why}")));
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}
