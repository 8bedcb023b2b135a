//! An answer against what a document says of its operation.

use mmf_rules::openapi::{Operation, Place};
use serde_json::Value;

use super::super::http::ContractResponse;
use super::super::report::Checked;
use super::media::{MediaType, documented};
use super::parameter::{self, Given, Location};
use super::schema::Judge;

/// Checks status, content type, body and headers. What is not documented fails.
pub(super) fn check(
    operation: &Operation<'_>,
    answer: &ContractResponse,
    judge: &Judge<'_>,
    checked: &mut Checked,
) {
    let said = match said(operation, answer.status()) {
        Ok(said) => said,
        Err(why) => return checked.add("documented status", false, why),
    };
    checked.add("documented status", true, "");
    match content(&said, operation, answer) {
        Ok(None) => checked.add("documented body", true, ""),
        Ok(Some((kind, content))) => {
            checked.add("documented content-type", true, "");
            let body = body(&content, &kind, answer, judge);
            // What a schema says and nobody can check is told beside what was checked.
            let (is_right, detail) = (body.is_ok(), body.err().unwrap_or_else(|| judge.notes()));
            checked.add("documented body", is_right, detail);
        }
        Err(why) => checked.add("documented content-type", false, why),
    }
    checked.add_result("documented headers", headers(&said, answer, judge));
}

/// What is said of a status: by itself, by its class (`2XX`), or by `default`.
fn said<'d>(operation: &Operation<'d>, status: u16) -> Result<Place<'d>, String> {
    let none = || format!("{} documents no responses", operation.name());
    let responses = operation.place.get("responses")?.ok_or_else(none)?;
    let class = status / 100;
    for key in [status.to_string(), format!("{class}XX"), format!("{class}xx"), "default".into()] {
        if let Some(found) = responses.get(&key)? {
            return Ok(found);
        }
    }
    let known = responses.children().into_iter().map(|(status, _)| status);
    let known: Vec<_> = known.filter(|status| !status.starts_with("x-")).collect();
    let (name, known) = (operation.name(), known.join(", "));
    Err(format!("{status} is not documented for {name}, which has {known}"))
}

/// What is said of the type of the body; nothing where there is none, and none is expected.
fn content<'d>(
    said: &Place<'d>,
    operation: &Operation<'_>,
    answer: &ContractResponse,
) -> Result<Option<(MediaType, Place<'d>)>, String> {
    let kinds = said
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
        let names: Vec<_> = kinds.children().into_iter().map(|(name, _)| name).collect();
        names.join(", ")
    };
    let given: Vec<_> = answer.header_values("content-type").collect();
    let kind = match given.as_slice() {
        [] => return Err(format!("the answer has no content-type, documented is {}", names())),
        [kind] => *kind,
        several => {
            return Err(format!("the answer has several content-types: {}", several.join(", ")));
        }
    };
    let parsed = MediaType::parse(kind);
    let found = documented(&kinds, &parsed)?;
    let found = found.ok_or_else(|| format!("{kind} is not documented, but {}", names()))?;
    Ok(Some((parsed, found)))
}

fn body(
    content: &Place<'_>,
    kind: &MediaType,
    answer: &ContractResponse,
    judge: &Judge<'_>,
) -> Result<(), String> {
    let Some(schema) = content.schema() else { return Ok(()) };
    if kind.is_json() {
        let value: Value = serde_json::from_slice(answer.bytes())
            .map_err(|error| format!("the body is no JSON: {error}"))?;
        return judge.check(&schema, &value);
    }
    if kind.is_text() {
        return parameter::check_text(&schema, &answer.text(), judge);
    }
    Ok(())
}

fn headers(said: &Place<'_>, answer: &ContractResponse, judge: &Judge<'_>) -> Result<(), String> {
    let mut wrong = Vec::new();
    let headers = said.get("headers")?.map(|headers| headers.entries()).transpose()?;
    let headers = headers.unwrap_or_default();
    for (number, (name, header)) in headers.iter().enumerate() {
        let same = |(other, _): &&(&str, Place<'_>)| other.eq_ignore_ascii_case(name);
        if let Some((other, _)) = headers[..number].iter().find(same) {
            wrong.push(format!("{other} and {name} are one header, and it stands twice"));
        }
        // The document says that this one is told by the content.
        if name.eq_ignore_ascii_case("content-type") {
            continue;
        }
        let values: Vec<_> = answer.header_values(name).map(str::to_owned).collect();
        if values.is_empty() {
            if header.is("required") {
                wrong.push(format!("{name} is missing"));
            }
            continue;
        }
        let given = Given::Texts(values);
        let is = parameter::check(header, (name, Location::Header), &given, judge);
        wrong.extend(is.err().map(|why| format!("{name}: {why}")));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}
