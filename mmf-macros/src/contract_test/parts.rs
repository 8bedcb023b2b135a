//! What is in the files that an attribute names: the operations or interactions that tests are made of.

use super::args::Args;
use crate::common::errors::Errors;

/// An operation or an interaction.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: String,
    /// Its place in the file.
    pub(super) number: usize,
    /// Why its test cannot be run.
    pub(super) ignored: Option<String>,
}

/// Looks into the files that are named; the parts of one of them that tests are made of.
pub(super) fn of_files(args: &Args, errors: &mut Errors) -> Option<Vec<Part>> {
    schema(args, errors);
    let operations = operations(args, errors);
    interactions(args, errors).or(operations)
}

#[cfg(feature = "schema")]
fn schema(args: &Args, errors: &mut Errors) {
    if let Some(schema) = &args.schema {
        super::files::json("schema", schema, errors);
    }
}

#[cfg(not(feature = "schema"))]
fn schema(_: &Args, _: &mut Errors) {}

#[cfg(not(feature = "openapi"))]
fn operations(_: &Args, _: &mut Errors) -> Option<Vec<Part>> {
    None
}

#[cfg(feature = "openapi")]
fn operations(args: &Args, errors: &mut Errors) -> Option<Vec<Part>> {
    let file = args.openapi.as_ref()?;
    let text = super::files::read("document", file, errors)?;
    let by_hand = super::openapi::ByHand {
        headers: super::args::pairs(args.request_headers.as_ref())
            .iter()
            .map(|pair| pair.name.value().to_ascii_lowercase())
            .collect(),
        body: args.request_json.is_some(),
    };
    let operations = match super::openapi::operations(&text, &by_hand) {
        Ok(operations) => operations,
        Err(why) => {
            errors.push(file.span, format!("{} {why}", file.text));
            return None;
        }
    };
    if let Some(operation) = &args.operation {
        if !operations.iter().any(|known| known.is(&operation.text)) {
            let names: Vec<_> = operations.iter().map(|known| known.name.as_str()).collect();
            let hint = crate::common::errors::suggestion(&operation.text, &names);
            let message = format!("{} has no operation `{}`{hint}", file.text, operation.text);
            errors.push(operation.span, message);
        }
        return None;
    }
    if let Some(endpoint) = &args.endpoint {
        let path = endpoint.text.split_once(' ').map_or(endpoint.text.as_str(), |(_, path)| path);
        if !operations.iter().any(|known| known.may_be_at(path)) {
            let message = format!("no path of {} is `{path}`", file.text);
            errors.push(endpoint.span, message);
        }
    }
    if args.endpoint.is_some() || args.pact.is_some() {
        return None;
    }
    if operations.is_empty() {
        errors.push(file.span, format!("{} has no operations", file.text));
        return None;
    }
    let parts = operations.into_iter().enumerate().map(|(number, operation)| Part {
        name: operation.name,
        number,
        ignored: operation.missing,
    });
    Some(parts.collect())
}

#[cfg(not(feature = "pact"))]
fn interactions(_: &Args, _: &mut Errors) -> Option<Vec<Part>> {
    None
}

#[cfg(feature = "pact")]
fn interactions(args: &Args, errors: &mut Errors) -> Option<Vec<Part>> {
    let file = args.pact.as_ref()?;
    let pact = super::files::json("Pact file", file, errors)?;
    match super::pact::interactions(&pact) {
        Ok(interactions) => {
            let parts = interactions.into_iter().enumerate().map(|(number, interaction)| Part {
                name: interaction.name,
                number,
                ignored: interaction.ignored,
            });
            Some(parts.collect())
        }
        Err(why) => {
            errors.push(file.span, format!("{} {why}", file.text));
            None
        }
    }
}
