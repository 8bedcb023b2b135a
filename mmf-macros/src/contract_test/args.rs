//! What is written in `#[contract_test(…)]`.

use std::time::Duration;

use syn::parse::{Parse, ParseStream};
use syn::{Expr, LitStr, Token};

use crate::common::errors::error;
use crate::common::keys::{Code, FromItem, Item, PathValue, Text, keys};
use crate::common::size::Size;
use crate::common::value::Value;

keys! {
    /// The whole attribute.
    struct Args {
        service: Text,
        endpoints: Pairs,
        endpoint: Text,
        openapi: Text,
        operation: Text,
        generate: Value<bool>,
        pact: Text,
        pacts: Pairs,
        provider_states: Code,
        consumer: Text,
        provider: Text,
        writes: Text,
        grpc_services: Pairs,
        base_url: Code,
        health_check_endpoints: Pairs,
        request_headers: Pairs,
        request_json: Json,
        status: Value<u32>,
        header: Pairs,
        schema: Text,
        sla: Value<Duration>,
        samples: Value<u64>,
        percentile: Value<f64>,
        wait_ready: Value<Duration>,
        timeout: Value<Duration>,
        max_body: Value<Size>,
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

/// A JSON body, by an expression.
#[derive(Clone, Debug)]
pub(super) struct Json(pub(super) Expr);

impl FromItem for Json {
    fn from_item(item: &Item) -> darling::Result<Self> {
        // Braces parse as a block, and fail with words that do not help.
        let hint = "`request_json` takes an expression: `request_json(serde_json::json!({ … }))`";
        item.code().map(Self).map_err(|_| error(item.span(), hint))
    }
}

/// The names of a list, none where it is not written.
pub(super) fn pairs(list: Option<&Pairs>) -> &[Pair] {
    list.map_or(&[], |list| &list.0)
}

impl Args {
    /// Whether interactions of Pact files say what to ask.
    pub(super) fn is_by_pact(&self) -> bool {
        self.pact.is_some() || self.pacts.is_some()
    }

    /// Whether requests without examples are made of their schemas.
    #[cfg(feature = "openapi")]
    pub(super) fn generates(&self) -> bool {
        self.generate.as_ref().is_some_and(|generate| generate.literal() != Some(&false))
    }
}
