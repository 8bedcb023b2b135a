//! What is written in `#[contract_test(…)]`.

use std::time::Duration;

use proc_macro2::Span;
use syn::parse::{Parse, ParseStream};
use syn::{Expr, LitStr, Token};

use crate::common::errors::Errors;
use crate::common::keys::{Code, FromItem, Item, PathValue, Text, keys};
use crate::common::value::Value;
use crate::performance_test::args::percentile;

keys! {
    /// The whole attribute.
    struct Args {
        service: Text,
        endpoints: Pairs,
        endpoint: Text,
        base_url: Code,
        health_check_endpoints: Pairs,
        status: Value<u32>,
        header: Pairs,
        schema: Text,
        sla: Value<Duration>,
        samples: Value<u64>,
        percentile: Value<f64>,
        wait_ready: Value<Duration>,
        krate as "crate": PathValue,
    }
}

/// `("/users" = "2s", "/health")`: texts, each with a value or without.
#[derive(Clone, Debug)]
pub(super) struct Pairs(pub(super) Vec<Pair>);

#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) name: LitStr,
    pub(super) value: Option<Expr>,
}

impl Parse for Pair {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = input.parse()?;
        let has_value = input.parse::<Option<Token![=]>>()?.is_some();
        Ok(Self { name, value: if has_value { Some(input.parse()?) } else { None } })
    }
}

impl FromItem for Pairs {
    fn from_item(item: &Item) -> darling::Result<Self> {
        item.list(<Pair as Parse>::parse).map(Self)
    }
}

impl Args {
    /// What is missing, or does not go together.
    pub(super) fn check(&self, errors: &mut Errors) {
        if self.service.is_none() {
            errors.push(
                Span::call_site(),
                "`#[contract_test]` needs the name of the service: `service = \"user-service\"`",
            );
        }
        match (&self.endpoint, &self.endpoints) {
            (None, None) => errors.push(
                Span::call_site(),
                "`#[contract_test]` needs an endpoint: `endpoint = \"GET /users/1\"`, or \
                 `endpoints(\"/users\" = \"2s\")` that the body asks itself",
            ),
            (Some(endpoint), Some(_)) => {
                errors.push(endpoint.span, "`endpoint` and `endpoints` exclude each other");
            }
            _ => {}
        }
        if self.endpoints.is_some() {
            let text = |span: Option<Span>| span;
            for (key, span) in [
                ("status", text(self.status.as_ref().map(Value::span))),
                ("schema", self.schema.as_ref().map(|schema| schema.span)),
                ("sla", text(self.sla.as_ref().map(Value::span))),
                (
                    "base_url",
                    self.base_url.as_ref().map(|code| syn::spanned::Spanned::span(&code.0)),
                ),
            ] {
                let Some(span) = span else { continue };
                errors.push(
                    span,
                    format!("`{key}` goes with `endpoint`: of `endpoints` the body asks itself"),
                );
            }
        }
        for pair in self.endpoints.iter().flat_map(|pairs| &pairs.0) {
            path(&pair.name.value(), pair.name.span(), errors);
            if let Some(value) = &pair.value {
                let key = format!("{:?}", pair.name.value());
                errors.keep(Value::<Duration>::from_expr(value, &key));
            }
        }
        for pair in self.health_check_endpoints.iter().flat_map(|pairs| &pairs.0) {
            path(&pair.name.value(), pair.name.span(), errors);
        }
        if let Some(endpoint) = &self.endpoint {
            path(&endpoint.text, endpoint.span, errors);
        }
        if let Some(schema) = &self.schema {
            self::schema(schema, errors);
        }
        if let Some(Value::Literal(status, span)) = &self.status
            && !(100..=599).contains(status)
        {
            errors.push(*span, "a status lies between 100 and 599");
        }
        if let Some(samples) = self.samples.as_ref().filter(|samples| samples.literal() == Some(&0))
        {
            errors.push(samples.span(), "`samples` must be at least 1");
        }
        percentile(self.percentile.as_ref(), errors);
    }
}

/// The file is read now, so that a mistake in it is an error of the compiler.
#[cfg(feature = "schema")]
fn schema(schema: &Text, errors: &mut Errors) {
    let root = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let file = std::path::Path::new(&root).join(&schema.text);
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("the schema {} cannot be read: {error}", file.display());
            return errors.push(schema.span, message);
        }
    };
    if let Err(error) = serde_json::from_str::<serde_json::Value>(&text) {
        errors.push(schema.span, format!("{} is no JSON: {error}", schema.text));
    }
}

#[cfg(not(feature = "schema"))]
fn schema(schema: &Text, errors: &mut Errors) {
    errors.push(schema.span, "`schema` needs the feature `schema` of `mmf`");
}

/// `/users`, or `GET /users`.
fn path(endpoint: &str, span: Span, errors: &mut Errors) {
    let path = endpoint.split_once(' ').map_or(endpoint, |(_, path)| path);
    if !path.starts_with('/') {
        errors.push(span, format!("an endpoint begins with `/`: `\"/{path}\"`"));
    }
}
