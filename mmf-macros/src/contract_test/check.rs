//! What an attribute means, and every mistake in it.

use std::time::Duration;

use proc_macro2::Span;
use syn::LitStr;
use syn::spanned::Spanned;

use super::args::{Args, Pair, pairs};
use super::part::Part;
use super::parts;
use crate::common::errors::Errors;
use crate::common::keys::Text;
use crate::common::value::Value;
use crate::performance_test::args::percentile;

const METHODS: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// Which tests are made of a function.
#[derive(Debug)]
pub(super) enum Plan {
    /// One for each endpoint, which the body asks by itself.
    Endpoints(Vec<Pair>),
    /// One, of an endpoint or an operation.
    One,
    /// One for each operation or interaction of a file.
    Each(Vec<Part>),
    /// One, of gRPC services alone.
    Grpc,
    /// One, of a consumer.
    Consumer { consumer: String, provider: String, writes: String },
}

impl Plan {
    /// What the function takes, in words; nothing where it takes none.
    pub(super) fn argument(&self) -> Option<&'static str> {
        match self {
            Self::Endpoints(_) => Some("the `endpoint: &str`"),
            Self::One | Self::Each(_) => Some("the `response: ContractResponse`"),
            Self::Consumer { .. } => Some("the `pact: ConsumerPact`"),
            Self::Grpc => None,
        }
    }
}

/// Checks the attribute. There is a plan where enough is said for one, errors or not.
pub(super) fn check(args: &Args, errors: &mut Errors) -> Option<Plan> {
    values(args, errors);
    if args.consumer.is_some() || args.writes.is_some() || args.provider.is_some() {
        return consumer(args, errors);
    }
    if args.service.is_none() {
        errors.push(
            Span::call_site(),
            "`#[contract_test]` needs the name of the service: `service = \"user-service\"`",
        );
    }
    goes_with(args, errors);
    features(args, errors);
    let parts = parts::of_files(args, errors);
    if let Some(endpoints) = &args.endpoints {
        return Some(Plan::Endpoints(endpoints.0.clone()));
    }
    if let Some(parts) = parts {
        return Some(Plan::Each(parts));
    }
    if args.endpoint.is_some() || args.operation.is_some() || args.openapi.is_some() {
        return Some(Plan::One);
    }
    if args.grpc_services.is_some() {
        for (key, span) in written(args) {
            if !["grpc_services", "service", "base_url", "wait_ready", "sla", "timeout"]
                .contains(&key)
            {
                let message =
                    format!("`{key}` goes with an endpoint: of gRPC only the health is asked");
                errors.push(span, message);
            }
        }
        return Some(Plan::Grpc);
    }
    if !args.is_by_pact() {
        errors.push(
            Span::call_site(),
            "`#[contract_test]` needs something to ask: `endpoint = \"GET /users/1\"`, `endpoints(\"/users\" = \
             \"2s\")` that the body asks itself, `openapi = \"openapi.yaml\"`, `pact = \
             \"pacts/web-user.json\"`, or `grpc_services(\"users.v1.Users\")`",
        );
    }
    None
}

/// Literals that can never be meant.
fn values(args: &Args, errors: &mut Errors) {
    for pair in pairs(args.endpoints.as_ref()) {
        path(&pair.name.value(), pair.name.span(), errors);
        if let Some(value) = &pair.value {
            let key = format!("{:?}", pair.name.value());
            errors.keep(Value::<Duration>::from_expr(value, &key));
        }
    }
    for pair in pairs(args.health_check_endpoints.as_ref()) {
        path(&pair.name.value(), pair.name.span(), errors);
    }
    if let Some(endpoint) = &args.endpoint {
        path(&endpoint.text, endpoint.span, errors);
    }
    for (key, list) in [("header", &args.header), ("request_headers", &args.request_headers)] {
        for pair in pairs(list.as_ref()) {
            header_name(&pair.name, errors);
        }
        for pair in pairs(list.as_ref()).iter().filter(|pair| pair.value.is_none()) {
            let name = pair.name.value();
            errors
                .push(pair.name.span(), format!("a value is missing: `{key}(\"{name}\" = \"…\")`"));
        }
    }
    for pair in pairs(args.grpc_services.as_ref()) {
        let name = pair.name.value();
        if name.starts_with('/') || name.matches('/').count() > 1 {
            let message = "a gRPC service is written `\"users.v1.Users\"`, a method of it \
                           `\"users.v1.Users/Get\"`";
            errors.push(pair.name.span(), message);
        }
        if let Some(value) = &pair.value {
            errors.push(value.span(), "a gRPC service takes no value");
        }
    }
    if let Some(Value::Literal(status, span)) = &args.status
        && !(100..=599).contains(status)
    {
        errors.push(*span, "a status lies between 100 and 599");
    }
    if let Some(samples) = args.samples.as_ref().filter(|samples| samples.literal() == Some(&0)) {
        errors.push(samples.span(), "`samples` must be at least 1");
    }
    percentile(args.percentile.as_ref(), errors);
    if let Some(timeout) =
        args.timeout.as_ref().filter(|timeout| timeout.literal() == Some(&Duration::ZERO))
    {
        errors.push(timeout.span(), "`timeout` must be above 0");
    }
    for pattern in pairs(args.pacts.as_ref()) {
        if let Some(value) = &pattern.value {
            errors.push(value.span(), "a folder of pacts takes no value");
        }
    }
}

/// `/users`, or `GET /users`.
fn path(endpoint: &str, span: Span, errors: &mut Errors) {
    let (method, path) = endpoint.split_once(' ').unwrap_or(("GET", endpoint));
    let path = path.trim_start();
    if !path.starts_with('/') {
        errors.push(span, format!("an endpoint begins with `/`: `\"/{path}\"`"));
    }
    // Others exist, so that only what looks like a slip is one.
    let slip = METHODS.iter().find(|known| mmf_rules::names::distance(known, method) == 1);
    if let Some(known) = slip.filter(|_| !METHODS.contains(&method)) {
        errors.push(span, format!("unknown method `{method}`, did you mean `{known}`?"));
    }
}

/// The characters that a name of a header may have (RFC 9110, 5.6.2).
fn header_name(name: &LitStr, errors: &mut Errors) {
    let is_token =
        |letter: char| letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(letter);
    let text = name.value();
    if text.is_empty() || !text.chars().all(is_token) {
        errors.push(name.span(), format!("{text:?} is no name of a header"));
    }
}

/// Every key that is written and says what to ask or to expect, with its place.
fn written(args: &Args) -> Vec<(&'static str, Span)> {
    let text = |key, text: &Option<Text>| Some((key, text.as_ref()?.span));
    let list = |key, list: &Option<super::args::Pairs>| {
        Some((key, pairs(list.as_ref()).first()?.name.span()))
    };
    let code = |key, code: &Option<crate::common::keys::Code>| Some((key, code.as_ref()?.0.span()));
    [
        list("endpoints", &args.endpoints),
        text("endpoint", &args.endpoint),
        text("openapi", &args.openapi),
        text("operation", &args.operation),
        args.generate.as_ref().map(|generate| ("generate", generate.span())),
        text("pact", &args.pact),
        list("pacts", &args.pacts),
        code("provider_states", &args.provider_states),
        list("grpc_services", &args.grpc_services),
        code("base_url", &args.base_url),
        list("request_headers", &args.request_headers),
        args.request_json.as_ref().map(|json| ("request_json", json.0.span())),
        args.status.as_ref().map(|status| ("status", status.span())),
        list("header", &args.header),
        text("schema", &args.schema),
        args.sla.as_ref().map(|sla| ("sla", sla.span())),
        text("service", &args.service),
        list("health_check_endpoints", &args.health_check_endpoints),
        args.samples.as_ref().map(|samples| ("samples", samples.span())),
        args.percentile.as_ref().map(|percentile| ("percentile", percentile.span())),
        args.wait_ready.as_ref().map(|wait| ("wait_ready", wait.span())),
        args.timeout.as_ref().map(|timeout| ("timeout", timeout.span())),
        args.max_body.as_ref().map(|size| ("max_body", size.span())),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Which keys exclude each other, and which need another.
fn goes_with(args: &Args, errors: &mut Errors) {
    let is_allowed = |key: &str| -> Option<&str> {
        if args.endpoints.is_some() {
            return match key {
                "endpoints" | "service" | "samples" | "percentile" => None,
                "endpoint" => Some("`endpoint` and `endpoints` exclude each other"),
                _ => Some("goes with `endpoint`: of `endpoints` the body asks itself"),
            };
        }
        match key {
            "operation" | "generate" if args.openapi.is_none() => {
                Some("needs the document: `openapi = \"openapi.yaml\"`")
            }
            "generate" if args.endpoint.is_some() || args.is_by_pact() => {
                Some("makes a request of a schema, which is given already")
            }
            "operation" if args.is_by_pact() => {
                Some("does not go with `pact`, whose interactions find their operations themselves")
            }
            "endpoint" if args.is_by_pact() => {
                Some("does not go with `pact`, whose interactions say what to ask")
            }
            "provider_states" if !args.is_by_pact() => {
                Some("needs the file: `pact = \"pacts/web-user.json\"`")
            }
            _ => None,
        }
    };
    for (key, span) in written(args) {
        if let Some(why) = is_allowed(key) {
            let message =
                if why.starts_with('`') { why.to_owned() } else { format!("`{key}` {why}") };
            errors.push(span, message);
        }
    }
}

/// What only works with a feature of the facade.
fn features(args: &Args, errors: &mut Errors) {
    let needs = [
        ("schema", cfg!(feature = "schema"), args.schema.as_ref().map(|file| file.span)),
        ("openapi", cfg!(feature = "openapi"), args.openapi.as_ref().map(|file| file.span)),
        ("pact", cfg!(feature = "pact"), args.pact.as_ref().map(|file| file.span)),
        (
            "pacts",
            cfg!(feature = "pact"),
            pairs(args.pacts.as_ref()).first().map(|first| first.name.span()),
        ),
        (
            "grpc",
            cfg!(feature = "grpc"),
            pairs(args.grpc_services.as_ref()).first().map(|first| first.name.span()),
        ),
    ];
    for (feature, is_on, span) in needs {
        if let Some(span) = span.filter(|_| !is_on) {
            let (key, feature) = match feature {
                "grpc" => ("grpc_services", feature),
                "pacts" => (feature, "pact"),
                feature => (feature, feature),
            };
            errors.push(span, format!("`{key}` needs the feature `{feature}` of `mmf`"));
        }
    }
}

fn consumer(args: &Args, errors: &mut Errors) -> Option<Plan> {
    for (key, span) in written(args) {
        errors.push(span, format!("`{key}` does not go with `consumer`, whose body asks"));
    }
    if !cfg!(feature = "pact")
        && let Some(consumer) = &args.consumer
    {
        errors.push(consumer.span, "`consumer` needs the feature `pact` of `mmf`");
    }
    let (Some(consumer), Some(provider), Some(writes)) =
        (&args.consumer, &args.provider, &args.writes)
    else {
        errors.push(
            Span::call_site(),
            "a test of a consumer names both sides and the folder of the file: `consumer = \"web\", provider = \
             \"user-service\", writes = \"pacts/\"`",
        );
        return None;
    };
    let text = |text: &Text| text.text.clone();
    Some(Plan::Consumer {
        consumer: text(consumer),
        provider: text(provider),
        writes: text(writes),
    })
}
