//! Everything that is wrong with `#[chaos(…)]`.

use proc_macro2::Span;

use super::args::{Args, Kind};
use crate::common::errors::{Errors, suggestion};
use crate::common::function::Function;
use crate::common::value::Value;

const DISTRIBUTIONS: [&str; 3] = ["uniform", "normal", "pareto"];
const SCENARIOS: [&str; 5] = ["network", "latency", "errors", "resources", "all"];

/// On a function, which becomes an injection point.
pub(super) fn point(args: &Args, function: &Function, errors: &mut Errors) {
    kinds(args, errors);
    let keys = &args.keys;
    let of_tests = [
        ("target", keys.target.as_ref().map(|target| target.span)),
        ("seed", keys.seed.as_ref().map(Value::span)),
        (
            "scenarios",
            keys.scenarios.as_ref().and_then(|texts| texts.0.first()).map(syn::LitStr::span),
        ),
        ("calls", keys.calls.as_ref().map(Value::span)),
        ("expect", keys.expect.as_ref().map(|_| Span::call_site())),
        ("blast_radius", keys.blast_radius.as_ref().map(Value::span)),
        ("allow_no_injection", keys.allow_no_injection.map(|flag| flag.0)),
    ];
    for (key, span) in of_tests {
        let Some(span) = span else { continue };
        errors.push(
            span,
            format!("`{key}` belongs to an experiment: `#[chaos(…)]` above `#[tokio::test]` or `#[test]`"),
        );
    }
    let is_blocking = function.sig.asyncness.is_none() && !function.returns_future();
    for kind in &args.kinds {
        if kind.name == "hang" && is_blocking {
            errors.push(
                kind.span,
                "`hang` needs an `async fn`: nothing can take a blocking function out of it",
            );
        }
        if kind.is_error() && matches!(function.sig.output, syn::ReturnType::Default) {
            errors.push(
                kind.span,
                format!("`{}` needs a function that returns a `Result`", kind.name),
            );
        }
    }
}

/// On a test, which becomes an experiment.
pub(super) fn experiment(args: &Args, errors: &mut Errors) {
    kinds(args, errors);
    if let Some(name) = &args.keys.name {
        errors.push(name.span(), "`name` belongs to a point: an experiment is named as its test");
    }
    for text in args.keys.scenarios.iter().flat_map(|texts| &texts.0) {
        let name = text.value();
        if !SCENARIOS.contains(&name.as_str()) {
            let hint = suggestion(&name, &SCENARIOS);
            errors.push(text.span(), format!("unknown scenario `{name}`{hint}"));
        }
    }
    if let Some(calls) = args.keys.calls.as_ref().filter(|calls| calls.literal() == Some(&0)) {
        errors.push(calls.span(), "`calls` must be at least 1");
    }
    share(args.keys.blast_radius.as_ref(), "blast_radius", errors);
    if let Some(expect) = &args.keys.expect {
        share(expect.success_rate.as_ref(), "success_rate", errors);
    }
    for kind in &args.kinds {
        if kind.keys.error.is_some() {
            errors.push(kind.span, "`error(…)` belongs to the point, which knows its error type");
        }
    }
}

fn kinds(args: &Args, errors: &mut Errors) {
    args.kinds.iter().for_each(|kind| self::kind(kind, errors));
}

fn kind(kind: &Kind, errors: &mut Errors) {
    let keys = &kind.keys;
    share(keys.probability.as_ref(), "probability", errors);
    share(keys.intensity.as_ref(), "intensity", errors);
    if let (Some(Value::Literal(min, span)), Some(Value::Literal(max, _))) = (&keys.min, &keys.max)
        && min > max
    {
        errors.push(*span, "`min` is above `max`");
    }
    if let Some(Value::Literal(burst, span)) = &keys.mean_burst
        && *burst < 1.0
    {
        errors.push(*span, "`mean_burst` must be at least 1: a burst has a call");
    }
    if let Some(text) = &keys.distribution
        && !DISTRIBUTIONS.contains(&text.text.as_str())
    {
        let hint = suggestion(&text.text, &DISTRIBUTIONS);
        errors.push(text.span, format!("unknown distribution `{}`{hint}", text.text));
    }
    if keys.error.is_some() && !kind.is_error() {
        errors.push(kind.span, format!("`{}` returns no error: `error(…)` has no use", kind.name));
    }
    let is_late = matches!(kind.name, "network_delay" | "high_latency");
    let belongs = [
        ("min", keys.min.as_ref().map(Value::span), is_late),
        ("max", keys.max.as_ref().map(Value::span), is_late),
        ("distribution", keys.distribution.as_ref().map(|text| text.span), is_late),
        (
            "mean_burst",
            keys.mean_burst.as_ref().map(Value::span),
            kind.name == "intermittent_failures",
        ),
        ("size", keys.size.as_ref().map(Value::span), kind.name == "memory_pressure"),
        ("threads", keys.threads.as_ref().map(Value::span), kind.name == "cpu_spike"),
    ];
    for (key, span, belongs) in belongs {
        let Some(span) = span.filter(|_| !belongs) else { continue };
        errors.push(span, format!("`{key}` has no use for `{}`", kind.name));
    }
}

fn share(value: Option<&Value<f64>>, key: &str, errors: &mut Errors) {
    if let Some(Value::Literal(share, span)) = value
        && !(0.0..=1.0).contains(share)
    {
        errors.push(*span, format!("`{key}` must lie between 0 and 1"));
    }
}
