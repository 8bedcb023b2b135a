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
            path(&pair.name, pair.name.value().as_str(), errors);
            if let Some(value) = &pair.value {
                errors.keep(Value::<Duration>::from_expr(value, "endpoints"));
            }
        }
        for pair in self.health_check_endpoints.iter().flat_map(|pairs| &pairs.0) {
            path(&pair.name, pair.name.value().as_str(), errors);
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

fn path(literal: &LitStr, text: &str, errors: &mut Errors) {
    let path = text.split_once(' ').map_or(text, |(_, path)| path);
    if !path.starts_with('/') {
        errors.push(literal.span(), format!("an endpoint begins with `/`: `\"/{path}\"`"));
    }
}
