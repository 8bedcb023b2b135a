//! What is in the files that an attribute names: the operations or interactions that tests are made of.

use super::args::Args;
use super::part::Part;
use crate::common::errors::Errors;
#[cfg(feature = "pact")]
use crate::common::keys::Text;

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
    let document = super::openapi::read(file, errors)?;
    if let Some(operation) = &args.operation {
        if let Err(why) = super::openapi::has_operation(&document, &operation.text) {
            errors.push(operation.span, format!("{} {why}", file.text));
        }
        return None;
    }
    if let Some(endpoint) = &args.endpoint {
        let path = endpoint.text.split_once(' ').map_or(endpoint.text.as_str(), |(_, path)| path);
        if !document.has_path(path) {
            let message = format!("no path of {} is `{path}`", file.text);
            errors.push(endpoint.span, message);
        }
    }
    if args.endpoint.is_some() || args.is_by_pact() {
        return None;
    }
    match super::openapi::operations(&document, args) {
        Ok(parts) if parts.is_empty() => {
            errors.push(file.span, format!("{} has no operations", file.text));
            None
        }
        Ok(parts) => Some(parts),
        Err(why) => {
            errors.push(file.span, format!("{}: {why}", file.text));
            None
        }
    }
}

#[cfg(not(feature = "pact"))]
fn interactions(_: &Args, _: &mut Errors) -> Option<Vec<Part>> {
    None
}

#[cfg(feature = "pact")]
fn interactions(args: &Args, errors: &mut Errors) -> Option<Vec<Part>> {
    let mut files: Vec<_> = args.pact.iter().cloned().collect();
    for pattern in super::args::pairs(args.pacts.as_ref()) {
        let span = pattern.name.span();
        let found = super::pact::files(&pattern.name.value());
        let found = found.unwrap_or_else(|why| {
            errors.push(span, why);
            Vec::new()
        });
        files.extend(found.into_iter().map(|text| Text { text, span }));
    }
    if !args.is_by_pact() {
        return None;
    }
    Some(files.iter().flat_map(|file| interactions_of(file, args, errors)).collect())
}

#[cfg(feature = "pact")]
fn interactions_of(file: &Text, args: &Args, errors: &mut Errors) -> Vec<Part> {
    let Some(pact) = super::files::json("Pact file", file, errors) else { return Vec::new() };
    let interactions = match super::pact::interactions(&pact) {
        Ok(interactions) => interactions,
        Err(why) => {
            errors.push(file.span, format!("{} {why}", file.text));
            return Vec::new();
        }
    };
    let stem = file.text.rsplit('/').next().and_then(|name| name.strip_suffix(".json"));
    let parts = interactions.into_iter().enumerate().map(|(number, interaction)| Part {
        // Of several files, each interaction names its own.
        name: match stem.filter(|_| args.pacts.is_some()) {
            Some(stem) => format!("{stem} {}", interaction.name),
            None => interaction.name,
        },
        number,
        ignored: interaction.ignored,
        pact: Some(file.clone()),
    });
    parts.collect()
}
