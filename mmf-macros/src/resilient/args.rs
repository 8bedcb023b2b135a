//! What was written in `#[resilient(…)]`, group by group.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Ident, Lit};

use crate::common::errors::{Errors, error, suggestion};
use crate::common::keys::{
    Code, Flag, FromItem, Item, ItemBody, Names, PathValue, Text, items, keys,
};
use crate::common::pattern::Patterns;
use crate::common::value::{Literal, Value};

type Integer = Value<u32>;
type Share = Value<f64>;

/// `max_attempts = 5` or `max_attempts = "unlimited"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempts(pub(crate) u32);

impl Attempts {
    const UNLIMITED: Self = Self(u32::MAX);
}

impl Literal for Attempts {
    fn from_lit(lit: &Lit, key: &str) -> darling::Result<Self> {
        match lit {
            Lit::Str(text) if text.value() == "unlimited" => Ok(Self::UNLIMITED),
            Lit::Str(text) => Err(error(
                text.span(),
                format!("expected a whole number or `\"unlimited\"`: `{key} = 5`"),
            )),
            other => u32::from_lit(other, key).map(Self),
        }
    }

    fn text(&self) -> String {
        if *self == Self::UNLIMITED { "\"unlimited\"".into() } else { self.0.text() }
    }

    fn code(&self, span: Span) -> TokenStream {
        self.0.code(span)
    }
}

pub(crate) type Time = Value<Duration>;

/// A group: its keys, or a ready policy.
#[derive(Clone, Debug)]
pub(crate) enum Group<K> {
    Keys(K, Span),
    Policy(Box<Expr>),
}

impl<K> Group<K> {
    pub(crate) fn keys(&self) -> Option<&K> {
        match self {
            Self::Keys(keys, _) => Some(keys),
            Self::Policy(_) => None,
        }
    }

    pub(crate) fn policy(&self) -> Option<&Expr> {
        match self {
            Self::Keys(..) => None,
            Self::Policy(expr) => Some(expr),
        }
    }

    pub(crate) fn span(&self) -> Span {
        match self {
            Self::Keys(_, span) => *span,
            Self::Policy(expr) => expr.span(),
        }
    }
}

/// The whole attribute.
#[derive(Clone, Debug, Default)]
pub(crate) struct Args {
    pub(crate) name: Option<Text>,
    pub(crate) krate: Option<PathValue>,
    pub(crate) deadline: Option<Time>,
    pub(crate) timeout: Option<Time>,
    pub(crate) retry: Option<Group<Retry>>,
    pub(crate) breaker: Option<Group<Breaker>>,
    pub(crate) rate_limit: Option<Group<RateLimit>>,
    pub(crate) bulkhead: Option<Group<Bulkhead>>,
    pub(crate) hedge: Option<Group<Hedge>>,
    pub(crate) fallback: Option<Fallback>,
    pub(crate) clone: Option<Names>,
    pub(crate) all: Option<Flag>,
    pub(crate) skip: Option<Flag>,
}

keys! {
    /// `retry(…)`
    struct Retry {
        max_attempts: Value<Attempts>,
        backoff: Backoff,
        base_delay: Time,
        max_delay: Time,
        multiplier: Share,
        jitter: Share,
        max_duration: Time,
        before_retry: Code,
        retry_on: Patterns,
        abort_on: Patterns,
        retry_if: Code,
        retry_if_ok: Code,
        retry_after: Code,
        on_refusal: Refusals,
        budget: Share,
    }
}

keys! {
    /// `breaker(…)`
    struct Breaker {
        failure_threshold: Integer,
        failure_rate_threshold: Share,
        minimum_throughput: Integer,
        window: Window,
        slow_call_threshold: Time,
        slow_call_rate_threshold: Share,
        recovery_timeout: Time,
        recovery_multiplier: Share,
        max_recovery_timeout: Time,
        half_open_max_calls: Integer,
        success_threshold: Integer,
        fail_on: Patterns,
        skip_on: Patterns,
        fail_if: Code,
        fail_if_ok: Code,
        on_refusal: Refusals,
        shared: Text,
        key: Code,
        max_keys: Integer,
    }
}

keys! {
    /// `rate_limit(…)`
    struct RateLimit {
        permits: Integer,
        period: Time,
        burst: Integer,
        max_wait: Time,
    }
}

keys! {
    /// `bulkhead(…)`
    struct Bulkhead {
        max_concurrent: Integer,
        max_queue: Integer,
        max_wait: Time,
    }
}

keys! {
    /// `hedge(…)`
    struct Hedge {
        delay: Time,
        percentile: Share,
        max_hedges: Integer,
        budget: Share,
    }
}

keys! {
    /// `fallback(…)`, without its path.
    struct FallbackKeys {
        value: Code,
        stale: Stale,
        apply_on: Patterns,
        skip_on: Patterns,
        on_refusal: Refusals,
    }
}

keys! {
    /// `stale(…)`
    struct Stale {
        key: Code,
        max_age: Time,
        capacity: Integer,
    }
}

/// `fallback(path, …)` or `fallback(value(…), …)`.
#[derive(Clone, Debug)]
pub(crate) struct Fallback {
    pub(crate) path: Option<Expr>,
    pub(crate) keys: FallbackKeys,
    pub(crate) span: Span,
}

/// `backoff = "fibonacci"`, or an expression.
#[derive(Clone, Debug)]
pub(crate) enum Backoff {
    /// The name as written, and the variant it stands for.
    Named(&'static str, &'static str, Span),
    Expr(Box<Expr>),
}

impl Backoff {
    const NAMES: [(&str, &str); 7] = [
        ("constant", "Constant"),
        ("linear", "Linear"),
        ("exponential", "Exponential"),
        ("fibonacci", "Fibonacci"),
        ("random", "Random"),
        ("jittered_exponential", "JitteredExponential"),
        ("decorrelated", "Decorrelated"),
    ];

    pub(crate) fn expr(&self) -> Option<&Expr> {
        match self {
            Self::Named(..) => None,
            Self::Expr(expr) => Some(expr),
        }
    }
}

/// `window = 100` or `window = "60s"`.
#[derive(Clone, Debug)]
pub(crate) enum Window {
    Calls(u32, Span),
    Time(Duration, Span),
    Expr(Box<Expr>),
}

/// `on_refusal("timeout", "breaker")`
#[derive(Clone, Debug)]
pub(crate) struct Refusals(pub(crate) Vec<(String, Span)>);

impl Args {
    const KEYS: [&str; 13] = [
        "name",
        "deadline",
        "timeout",
        "retry",
        "breaker",
        "rate_limit",
        "bulkhead",
        "hedge",
        "fallback",
        "clone",
        "crate",
        "all",
        "skip",
    ];

    pub(crate) fn read(attribute: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Self::default();
        for item in items(attribute, errors) {
            args.read_item(&item, errors);
        }
        args
    }

    fn read_item(&mut self, item: &Item, errors: &mut Errors) {
        let name = item.name();
        match name.as_str() {
            "name" => once(&mut self.name, item, errors),
            "crate" => once(&mut self.krate, item, errors),
            "deadline" => once(&mut self.deadline, item, errors),
            "timeout" => once(&mut self.timeout, item, errors),
            "clone" => once(&mut self.clone, item, errors),
            "all" => once(&mut self.all, item, errors),
            "skip" => once(&mut self.skip, item, errors),
            "fallback" => {
                let fallback = Fallback::read(item, errors);
                set(&mut self.fallback, fallback, item, errors);
            }
            "retry" => group(&mut self.retry, item, errors, Retry::read, |keys, value| {
                keys.max_attempts = Some(value);
            }),
            "breaker" => group(&mut self.breaker, item, errors, Breaker::read, |keys, value| {
                keys.failure_threshold = Some(value);
            }),
            "rate_limit" => {
                group(&mut self.rate_limit, item, errors, RateLimit::read, |keys, value| {
                    keys.permits = Some(value);
                });
            }
            "bulkhead" => group(&mut self.bulkhead, item, errors, Bulkhead::read, |keys, value| {
                keys.max_concurrent = Some(value);
            }),
            "hedge" => group(&mut self.hedge, item, errors, Hedge::read, |keys, value| {
                keys.delay = Some(value);
            }),
            wrong => {
                let hint = suggestion(wrong, &Self::KEYS);
                errors.push(item.span(), format!("unknown key `{wrong}`{hint}"));
            }
        }
    }

    /// The arguments named in `clone(…)`.
    pub(crate) fn cloned(&self) -> &[Ident] {
        self.clone.as_ref().map(|names| names.0.as_slice()).unwrap_or_default()
    }

    /// `fallback(stale(…))`, where it is written.
    pub(crate) fn stale(&self) -> Option<&Stale> {
        self.fallback.as_ref()?.keys.stale.as_ref()
    }

    /// The groups that are a ready policy of the user's, with the type it has. A `retry` is not among them: it has
    /// no state, and is asked for outside of the attempts.
    pub(crate) fn ready_policies(
        &self,
    ) -> impl Iterator<Item = (&'static str, &'static str, &Expr)> {
        let groups = [
            ("breaker", "CircuitBreaker", self.breaker.as_ref().and_then(Group::policy)),
            ("rate_limit", "RateLimiter", self.rate_limit.as_ref().and_then(Group::policy)),
            ("bulkhead", "Bulkhead", self.bulkhead.as_ref().and_then(Group::policy)),
            ("hedge", "HedgePolicy", self.hedge.as_ref().and_then(Group::policy)),
        ];
        groups.into_iter().filter_map(|(group, ty, policy)| Some((group, ty, policy?)))
    }

    /// Whether a fallback function takes the arguments over.
    pub(crate) fn hands_over(&self) -> bool {
        self.fallback.as_ref().is_some_and(|fallback| fallback.path.is_some())
    }

    /// What the attribute of an `impl` block adds to a method: the method's own groups win.
    pub(crate) fn or(self, defaults: &Self) -> Self {
        let defaults = defaults.clone();
        Self {
            name: self.name,
            krate: self.krate.or(defaults.krate),
            deadline: self.deadline.or(defaults.deadline),
            timeout: self.timeout.or(defaults.timeout),
            retry: self.retry.or(defaults.retry),
            breaker: self.breaker.or(defaults.breaker),
            rate_limit: self.rate_limit.or(defaults.rate_limit),
            bulkhead: self.bulkhead.or(defaults.bulkhead),
            hedge: self.hedge.or(defaults.hedge),
            fallback: self.fallback.or(defaults.fallback),
            clone: self.clone,
            all: None,
            skip: self.skip,
        }
    }
}

fn once<T: FromItem>(field: &mut Option<T>, item: &Item, errors: &mut Errors) {
    let value = errors.keep(T::from_item(item));
    set(field, value, item, errors);
}

fn set<T>(field: &mut Option<T>, value: Option<T>, item: &Item, errors: &mut Errors) {
    if field.is_some() {
        errors.push(item.span(), format!("`{}` is written twice", item.name()));
    }
    *field = value.or(field.take());
}

/// A group: alone with its defaults, a shorthand for its main value, its keys, or a ready policy.
fn group<K: Default, T: Literal>(
    field: &mut Option<Group<K>>,
    item: &Item,
    errors: &mut Errors,
    read: fn(Vec<Item>, &mut Errors) -> K,
    shorthand: impl FnOnce(&mut K, Value<T>),
) {
    let mut keys = K::default();
    let policy = match &item.body {
        ItemBody::Word => None,
        ItemBody::List(tokens) => {
            keys = read(items(tokens.clone(), errors), errors);
            None
        }
        ItemBody::Value(expr) => match errors.keep(Value::from_expr(expr, &item.name())) {
            None => return set(field, None, item, errors),
            Some(Value::Expr(expr)) => Some(expr),
            Some(value) => {
                shorthand(&mut keys, value);
                None
            }
        },
    };
    let group = policy.map_or(Group::Keys(keys, item.span()), Group::Policy);
    set(field, Some(group), item, errors);
}

impl Fallback {
    fn read(item: &Item, errors: &mut Errors) -> Option<Self> {
        let span = item.span();
        let tokens = match &item.body {
            ItemBody::Value(expr) => {
                let (path, keys) = (Some((**expr).clone()), FallbackKeys::default());
                return Some(Self { path, keys, span });
            }
            ItemBody::List(tokens) => tokens.clone(),
            ItemBody::Word => TokenStream::new(),
        };
        let mut path = None;
        let mut keys = Vec::new();
        for element in items(tokens, errors) {
            let is_key = element
                .path
                .get_ident()
                .is_some_and(|name| FallbackKeys::KEYS.contains(&name.to_string().as_str()));
            match &element.body {
                ItemBody::Word if !is_key => {
                    if path.is_some() {
                        errors.push(element.span(), "only one fallback function can be named");
                    }
                    let element = &element.path;
                    path = Some(syn::parse_quote!(#element));
                }
                _ => keys.push(element),
            }
        }
        Some(Self { path, keys: FallbackKeys::read(keys, errors), span })
    }
}

impl FromItem for Stale {
    fn from_item(item: &Item) -> darling::Result<Self> {
        let ItemBody::List(tokens) = &item.body else {
            return Err(error(
                item.span(),
                "`stale` needs a key: `stale(key(id), max_age = \"5m\")`",
            ));
        };
        let mut errors = Errors::default();
        let stale = Self::read(items(tokens.clone(), &mut errors), &mut errors);
        errors.finish()?;
        Ok(stale)
    }
}

impl FromItem for Backoff {
    fn from_item(item: &Item) -> darling::Result<Self> {
        let expr = item.scalar()?;
        let Expr::Lit(ExprLit { lit, .. }) = expr else {
            return Ok(Self::Expr(Box::new(expr.clone())));
        };
        let names = Self::NAMES.map(|(name, _)| name);
        let Lit::Str(written) = lit else {
            let message = "expected the name of a back-off: `backoff = \"exponential\"`";
            return Err(error(lit.span(), message));
        };
        let written = written.value();
        match Self::NAMES.into_iter().find(|(name, _)| *name == written) {
            Some((name, variant)) => Ok(Self::Named(name, variant, lit.span())),
            None => {
                let hint = suggestion(&written, &names);
                Err(error(lit.span(), format!("unknown back-off `{written}`{hint}")))
            }
        }
    }
}

impl FromItem for Window {
    fn from_item(item: &Item) -> darling::Result<Self> {
        match item.scalar()? {
            Expr::Lit(ExprLit { lit: lit @ Lit::Int(_), .. }) => {
                Ok(Self::Calls(u32::from_lit(lit, "window")?, lit.span()))
            }
            Expr::Lit(ExprLit { lit: lit @ Lit::Str(_), .. }) => {
                Ok(Self::Time(Duration::from_lit(lit, "window")?, lit.span()))
            }
            Expr::Lit(ExprLit { lit, .. }) => Err(error(
                lit.span(),
                "expected a number of calls or a duration: `window = 100` or `window = \"60s\"`",
            )),
            other => Ok(Self::Expr(Box::new(other.clone()))),
        }
    }
}

impl FromItem for Refusals {
    fn from_item(item: &Item) -> darling::Result<Self> {
        let names = item.list(<Lit as syn::parse::Parse>::parse)?;
        names
            .into_iter()
            .map(|name| match name {
                Lit::Str(name) => Ok((name.value(), name.span())),
                other => Err(error(
                    other.span(),
                    "expected the name of a refusal: `on_refusal(\"timeout\")`",
                )),
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    fn read(tokens: TokenStream) -> (Args, Vec<String>) {
        let mut errors = Errors::default();
        let args = Args::read(tokens, &mut errors);
        (args, errors.messages())
    }

    #[test]
    fn a_shorthand_is_the_main_value_and_an_expression_a_policy() {
        let (args, errors) = read(quote!(retry = 5, breaker = &PAYMENTS, bulkhead));
        assert!(errors.is_empty());
        let retry = args.retry.unwrap();
        assert_eq!(
            retry.keys().unwrap().max_attempts.as_ref().unwrap().literal(),
            Some(&Attempts(5))
        );
        assert!(matches!(args.breaker, Some(Group::Policy(_))));
        assert!(args.bulkhead.unwrap().keys().unwrap().max_concurrent.is_none());
    }

    #[test]
    fn code_is_read_from_a_list_and_from_a_value() {
        for tokens in [quote!(retry(retry_if(E::is_busy))), quote!(retry(retry_if = E::is_busy))] {
            let (args, errors) = read(tokens);
            assert!(errors.is_empty(), "{errors:?}");
            assert!(args.retry.unwrap().keys().unwrap().retry_if.is_some());
        }
    }

    #[test]
    fn all_mistakes_are_reported_at_once() {
        let (_, errors) = read(quote!(
            timeout = 5,
            retry(max_attemps = 3, backoff = "fibonaci", jitter = "much"),
            brekaer(failure_threshold = 5),
        ));
        assert_eq!(
            errors,
            [
                "a duration needs a unit: write `timeout = \"5s\"` or `timeout = \"5ms\"`",
                "unknown key `max_attemps`, did you mean `max_attempts`?",
                "unknown back-off `fibonaci`, did you mean `fibonacci`?",
                "expected a number: `jitter = 0.5`",
                "unknown key `brekaer`, did you mean `breaker`?",
            ]
        );
    }

    #[test]
    fn a_fallback_is_a_path_or_a_keyed_form() {
        let (args, errors) = read(quote!(fallback(Self::cached, on_refusal("timeout"))));
        assert!(errors.is_empty(), "{errors:?}");
        assert!(args.fallback.unwrap().path.is_some());
        let (args, errors) = read(quote!(fallback(stale(key(id), max_age = "5m"))));
        assert!(errors.is_empty(), "{errors:?}");
        assert!(args.fallback.unwrap().keys.stale.unwrap().key.is_some());
    }

    #[test]
    fn a_method_wins_over_its_block_group_by_group() {
        let (method, _) = read(quote!(timeout = "1s"));
        let (block, _) = read(quote!(timeout = "9s", retry = 4));
        let merged = method.or(&block);
        assert_eq!(merged.timeout.unwrap().literal(), Some(&Duration::from_secs(1)));
        assert!(merged.retry.is_some());
    }
}
