//! What was written in `#[resilient(…)]`, group by group.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Ident, Lit};

use super::words::unknown;
use crate::common::errors::{Errors, error};
use crate::common::keys::{
    Callee, Code, Element, Flag, FromItem, Item, ItemBody, Name, Names, PathValue, Text, elements,
    items, keys, runtime, ungrouped,
};
use crate::common::pattern::Patterns;
use crate::common::source::source;
use crate::common::value::{Literal, Value, read};
use mmf_rules::keys::{self, ALGORITHMS, ANSWERED, BACKOFFS, Naming, TOP};
use mmf_rules::value;
use mmf_rules::words::is_key;

type Integer = Value<u32>;
type Share = Value<f64>;

/// `max_attempts = 5` or `max_attempts = "unlimited"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempts(pub(crate) u32);

impl Attempts {
    const UNLIMITED: Self = Self(value::UNLIMITED);
}

impl Literal for Attempts {
    fn from_lit(lit: &Lit, key: &str) -> darling::Result<Self> {
        read(lit, |written| value::attempts(key, written)).map(Self)
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
    pub(crate) name: Option<Name>,
    pub(crate) krate: Option<PathValue>,
    pub(crate) deadline: Option<Time>,
    pub(crate) timeout: Option<Time>,
    pub(crate) retry: Option<Group<Retry>>,
    pub(crate) breaker: Option<Group<Breaker>>,
    pub(crate) rate_limit: Option<Group<RateLimit>>,
    pub(crate) bulkhead: Option<Group<Bulkhead>>,
    pub(crate) hedge: Option<Group<Hedge>>,
    pub(crate) fallback: Option<Fallback>,
    pub(crate) feature: Option<Text>,
    pub(crate) disable_at: Option<Text>,
    pub(crate) refused: Option<Callee>,
    pub(crate) clone: Option<Names>,
    pub(crate) keep: Option<Names>,
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
        before_retry: Callee,
        retry_on: Patterns,
        abort_on: Patterns,
        retry_if: Callee,
        retry_if_ok: Callee,
        retry_after: Callee,
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
        fail_if: Callee,
        fail_if_ok: Callee,
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
        key: Code,
        max_keys: Integer,
    }
}

keys! {
    /// `bulkhead(…)`
    struct Bulkhead {
        max_concurrent: Integer,
        max_queue: Integer,
        max_wait: Time,
        adaptive: AdaptiveGroup,
        key: Code,
        max_keys: Integer,
    }
}

keys! {
    /// `adaptive(…)`
    struct Adaptive {
        min: Integer,
        max: Integer,
        algorithm: Algorithm,
    }
}

/// `adaptive` or `adaptive(…)`.
#[derive(Clone, Debug)]
pub(crate) struct AdaptiveGroup(pub(crate) Adaptive);

/// `algorithm = "gradient"`
#[derive(Clone, Debug)]
pub(crate) struct Algorithm {
    pub(crate) name: &'static str,
    pub(crate) span: Span,
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
        stale: LastGood,
        provider: Code,
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
        aged: Callee,
    }
}

/// `stale(…)`, and where the word stands.
#[derive(Clone, Debug)]
pub(crate) struct LastGood {
    pub(crate) keys: Stale,
    pub(crate) span: Span,
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
    Named(&'static str, Span),
    Expr(Box<Expr>),
}

impl Backoff {
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
pub(crate) struct Refusals(pub(crate) Vec<RefusalName>);

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct RefusalName {
    /// Of code, the name that it may have meant.
    pub(crate) name: String,
    pub(crate) span: Span,
    /// As it has to be.
    pub(crate) is_text: bool,
}

impl Args {
    pub(super) const KEYS: &[&str] = &[
        "name",
        "deadline",
        "timeout",
        "retry",
        "breaker",
        "rate_limit",
        "bulkhead",
        "hedge",
        "fallback",
        "feature",
        "disable_at",
        "refused",
        "clone",
        "keep",
        "crate",
        "all",
        "skip",
    ];

    pub(crate) fn read(attribute: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Self::default();
        let unnamed = "a value without a key: write for example `timeout = \"2s\"`";
        for item in items(attribute, errors, |_| unnamed.into()) {
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
            "feature" => once(&mut self.feature, item, errors),
            "disable_at" => once(&mut self.disable_at, item, errors),
            "refused" => once(&mut self.refused, item, errors),
            "clone" => once(&mut self.clone, item, errors),
            "keep" => once(&mut self.keep, item, errors),
            "all" => once(&mut self.all, item, errors),
            "skip" => once(&mut self.skip, item, errors),
            "fallback" => {
                let fallback = Fallback::read(item, errors);
                set(&mut self.fallback, fallback, item, errors);
            }
            "retry" => group(&mut self.retry, item, errors, "max_attempts", |keys, value| {
                keys.max_attempts = Some(value);
            }),
            "breaker" => {
                group(&mut self.breaker, item, errors, "failure_threshold", |keys, value| {
                    keys.failure_threshold = Some(value);
                });
            }
            "rate_limit" => group(&mut self.rate_limit, item, errors, "permits", |keys, value| {
                keys.permits = Some(value);
            }),
            "bulkhead" => {
                group(&mut self.bulkhead, item, errors, "max_concurrent", |keys, value| {
                    keys.max_concurrent = Some(value);
                });
            }
            "hedge" => group(&mut self.hedge, item, errors, "delay", |keys, value| {
                keys.delay = Some(value);
            }),
            _ => errors.push(item.span(), unknown(item, &TOP, Self::KEYS)),
        }
    }

    /// The arguments named in `clone(…)`.
    pub(crate) fn cloned(&self) -> &[Ident] {
        self.clone.as_ref().map(|names| names.0.as_slice()).unwrap_or_default()
    }

    /// The path of what expansions call.
    pub(crate) fn runtime(&self) -> TokenStream {
        runtime(self.krate.as_ref())
    }

    /// The arguments named in `keep(…)`.
    pub(crate) fn kept(&self) -> &[Ident] {
        self.keep.as_ref().map(|names| names.0.as_slice()).unwrap_or_default()
    }

    /// Whether each attempt gets its own clone of the receiver.
    pub(crate) fn clones_self(&self) -> bool {
        self.cloned().iter().any(|name| name == "self")
    }

    /// `fallback(stale(…))`, where it is written.
    pub(crate) fn stale(&self) -> Option<&Stale> {
        Some(&self.fallback.as_ref()?.keys.stale.as_ref()?.keys)
    }

    /// `fallback(provider(…))`, where it is written.
    pub(crate) fn provider(&self) -> Option<&Code> {
        self.fallback.as_ref()?.keys.provider.as_ref()
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

    /// What is by key: the part that holds it, and the key.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (&'static str, &Code)> {
        let breaker = self.breaker.as_ref().and_then(Group::keys);
        let rate_limit = self.rate_limit.as_ref().and_then(Group::keys);
        let bulkhead = self.bulkhead.as_ref().and_then(Group::keys);
        let keys = [
            ("keyed", breaker.and_then(|keys| keys.key.as_ref())),
            ("keyed_limits", rate_limit.and_then(|keys| keys.key.as_ref())),
            ("keyed_bulkheads", bulkhead.and_then(|keys| keys.key.as_ref())),
        ];
        keys.into_iter().filter_map(|(part, key)| Some((part, key?)))
    }

    /// Whether the bulkhead may learn how a call ended: it finds its limit, or is a ready one, of which nobody knows
    /// here.
    pub(crate) fn bulkhead_learns(&self) -> bool {
        self.bulkhead
            .as_ref()
            .is_some_and(|bulkhead| bulkhead.keys().is_none_or(|keys| keys.adaptive.is_some()))
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
            feature: self.feature.or(defaults.feature),
            disable_at: self.disable_at.or(defaults.disable_at),
            refused: self.refused.or(defaults.refused),
            clone: self.clone,
            keep: self.keep,
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
fn group<K: GroupKeys, T: Literal>(
    field: &mut Option<Group<K>>,
    item: &Item,
    errors: &mut Errors,
    main: &str,
    shorthand: impl FnOnce(&mut K, Value<T>),
) {
    let mut keys = K::default();
    let policy = match &item.body {
        ItemBody::Word => None,
        ItemBody::List(tokens) => {
            let name = item.name();
            let (mut items, mut main_value) = (Vec::new(), None);
            for element in elements(tokens.clone(), errors) {
                match element {
                    Element::Item(item) => items.push(item),
                    Element::Unnamed(value) => {
                        let text = source(&value);
                        errors.push(
                            value.span(),
                            format!(
                                "a value without a key: write `{name} = {text}` or `{name}({main} = {text})`"
                            ),
                        );
                        main_value = Value::from_expr(&value, main).ok();
                    }
                }
            }
            keys = K::read(items, errors);
            // Taken for what it was meant as, so that nothing is missed as well.
            if let Some(value) = main_value {
                shorthand(&mut keys, value);
            }
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

/// The keys of a group.
trait GroupKeys: Default {
    fn read(items: Vec<Item>, errors: &mut Errors) -> Self;
}

macro_rules! group_keys {
    ($($keys:ident: $group:ident),*) => {
        $(impl GroupKeys for $keys {
            fn read(items: Vec<Item>, errors: &mut Errors) -> Self {
                Self::read(items, errors, |item, keys| unknown(item, &keys::$group, keys))
            }
        })*
    };
}

group_keys! {
    Retry: RETRY,
    Breaker: BREAKER,
    RateLimit: RATE_LIMIT,
    Bulkhead: BULKHEAD,
    Adaptive: ADAPTIVE,
    Hedge: HEDGE,
    FallbackKeys: FALLBACK,
    Stale: STALE
}

impl Fallback {
    fn read(item: &Item, errors: &mut Errors) -> Option<Self> {
        let span = item.span();
        let elements = match &item.body {
            ItemBody::Value(expr) => vec![Element::Unnamed((**expr).clone())],
            ItemBody::List(tokens) => elements(tokens.clone(), errors),
            ItemBody::Word => Vec::new(),
        };
        let (mut path, mut keys) = (None, Vec::new());
        for element in elements {
            let named = match element {
                Element::Item(Item { path, body: ItemBody::Word })
                    if !path.get_ident().is_some_and(|name| {
                        FallbackKeys::KEYS.contains(&name.to_string().as_str())
                    }) =>
                {
                    Ok(syn::parse_quote!(#path))
                }
                // No key of any place: a call.
                Element::Item(Item { path, body: ItemBody::List(arguments) })
                    if !is_key(&source(&path)) =>
                {
                    let call = syn::parse2(quote::quote!(#path(#arguments)));
                    let words = match call.map(|call| function_of(&call)) {
                        Ok(Err(words)) => words,
                        _ => format!(
                            "the function is named, and called with the arguments: write `fallback({})`",
                            source(&path)
                        ),
                    };
                    Err(error(path.span(), words))
                }
                Element::Item(item) => {
                    keys.push(item);
                    continue;
                }
                Element::Unnamed(expr) => match function_of(&expr) {
                    Ok(()) => Ok(ungrouped(&expr).clone()),
                    Err(words) => Err(error(expr.span(), words)),
                },
            };
            match named {
                Ok(function) if path.is_none() => path = Some(function),
                Ok(function) => {
                    errors.push(function.span(), "only one fallback function can be named");
                }
                Err(wrong) => {
                    errors.extend([wrong]);
                    // Somebody has named one: that none is there would be a second error.
                    path = path.or_else(|| Some(syn::parse_quote!(_)));
                }
            }
        }
        Some(Self { path, keys: <FallbackKeys as GroupKeys>::read(keys, errors), span })
    }
}

/// Whether an expression can be the function of a fallback; else what to write.
fn function_of(expr: &Expr) -> Result<(), String> {
    let write = |path: &str| format!("write `fallback({path})`");
    match ungrouped(expr) {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
            Err(format!("a path, not a text: {}", write(&text.value())))
        }
        Expr::Lit(_) => {
            let value = source(expr);
            Err(format!("a value is written as such: `fallback(value({value}))`"))
        }
        Expr::Field(field) => {
            let name = source(&field.member);
            Err(format!(
                "the function is named, and called with the receiver and the arguments: {}",
                write(&format!("Self::{name}"))
            ))
        }
        Expr::Call(call) if matches!(*call.func, Expr::Path(_)) => Err(format!(
            "the function is named, and called with the arguments: {}; a value is written as such: \
                 `fallback(value({}))`",
            write(&source(&call.func)),
            source(expr)
        )),
        Expr::MethodCall(call) if source(&call.receiver) == "self" => Err(format!(
            "the function is named, and called with the receiver and the arguments: {}",
            write(&format!("Self::{}", call.method))
        )),
        _ => Ok(()),
    }
}

impl FromItem for LastGood {
    fn from_item(item: &Item) -> darling::Result<Self> {
        let ItemBody::List(tokens) = &item.body else {
            return Err(error(
                item.span(),
                "`stale` needs a key: `stale(key(id), max_age = \"5m\")`",
            ));
        };
        let mut errors = Errors::default();
        let items = items(tokens.clone(), &mut errors, |value| {
            format!("a value without a key: write `stale(key({}))`", source(value))
        });
        let keys = <Stale as GroupKeys>::read(items, &mut errors);
        errors.finish()?;
        Ok(Self { keys, span: item.span() })
    }
}

impl FromItem for AdaptiveGroup {
    fn from_item(item: &Item) -> darling::Result<Self> {
        let tokens = match &item.body {
            ItemBody::Word => TokenStream::new(),
            ItemBody::List(tokens) => tokens.clone(),
            ItemBody::Value(value) => {
                let message = "written as a group: `adaptive`, or `adaptive(min = 1, max = 200)`";
                return Err(error(value.span(), message));
            }
        };
        let mut errors = Errors::default();
        let items = items(tokens, &mut errors, |value| {
            format!("a value without a key: write `adaptive(max = {})`", source(value))
        });
        let keys = <Adaptive as GroupKeys>::read(items, &mut errors);
        errors.finish()?;
        Ok(Self(keys))
    }
}

impl FromItem for Algorithm {
    fn from_item(item: &Item) -> darling::Result<Self> {
        let expr = item.scalar()?;
        let name = match expr {
            Expr::Lit(ExprLit { lit, .. }) => {
                read(lit, |text| value::word(Naming::Algorithm, ALGORITHMS, text))
            }
            other => value::word(Naming::Algorithm, ALGORITHMS, &value::Written::Other)
                .map_err(|message| error(other.span(), message)),
        };
        Ok(Self { name: name?, span: expr.span() })
    }
}

impl FromItem for Backoff {
    fn from_item(item: &Item) -> darling::Result<Self> {
        let expr = item.scalar()?;
        if let Expr::Lit(ExprLit { lit, .. }) = expr {
            let name = read(lit, |text| value::word(Naming::Backoff, BACKOFFS, text))?;
            return Ok(Self::Named(name, lit.span()));
        }
        let written = source(expr);
        match BACKOFFS.iter().find(|name| variant(name) == written) {
            Some(name) => {
                let message = format!("a text, did you mean `backoff = \"{name}\"`?");
                Err(error(expr.span(), message))
            }
            None => Ok(Self::Expr(Box::new(expr.clone()))),
        }
    }
}

/// The variant that a word stands for: `jittered_exponential` is `JitteredExponential`.
pub(crate) fn variant(word: &str) -> String {
    let parts = word.split('_').map(|part| {
        let mut letters = part.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    });
    parts.collect()
}

impl FromItem for Window {
    fn from_item(item: &Item) -> darling::Result<Self> {
        match item.scalar()? {
            Expr::Lit(ExprLit { lit, .. }) => Ok(match read(lit, value::window)? {
                value::Value::Time(time) => Self::Time(time, lit.span()),
                value::Value::Count(calls) => Self::Calls(calls, lit.span()),
                other => unreachable!("a window of {other}"),
            }),
            other => Ok(Self::Expr(Box::new(other.clone()))),
        }
    }
}

impl FromItem for Refusals {
    fn from_item(item: &Item) -> darling::Result<Self> {
        let values = item.list(<Expr as syn::parse::Parse>::parse)?;
        let names = values.iter().map(|value| match ungrouped(value) {
            Expr::Lit(ExprLit { lit: Lit::Str(name), .. }) => {
                RefusalName { name: name.value(), span: name.span(), is_text: true }
            }
            code => {
                RefusalName { name: Self::meant(code).into(), span: code.span(), is_text: false }
            }
        });
        Ok(Self(names.collect()))
    }
}

impl Refusals {
    /// The name that code may have meant: `Timeout`, `Refusal::RateLimit`.
    fn meant(code: &Expr) -> &'static str {
        let text = source(code);
        let last = text.rsplit("::").next().unwrap_or_default();
        let word: String = last.chars().filter(char::is_ascii_alphanumeric).collect();
        let same = |name: &&&str| name.replace('_', "").eq_ignore_ascii_case(&word);
        ANSWERED.iter().find(same).copied().unwrap_or("timeout")
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
    fn keys_are_those_that_the_running_program_knows() {
        for (group, read) in [
            (&TOP, Args::KEYS),
            (&keys::RETRY, Retry::KEYS),
            (&keys::BREAKER, Breaker::KEYS),
            (&keys::RATE_LIMIT, RateLimit::KEYS),
            (&keys::BULKHEAD, Bulkhead::KEYS),
            (&keys::ADAPTIVE, Adaptive::KEYS),
            (&keys::HEDGE, Hedge::KEYS),
            (&keys::FALLBACK, FallbackKeys::KEYS),
            (&keys::STALE, Stale::KEYS),
        ] {
            assert_eq!(group.names().collect::<Vec<_>>(), read, "{}", group.name);
        }
    }

    #[test]
    fn a_fallback_is_a_path_or_a_keyed_form() {
        let (args, errors) = read(quote!(fallback(Self::cached, on_refusal("timeout"))));
        assert!(errors.is_empty(), "{errors:?}");
        assert!(args.fallback.unwrap().path.is_some());
        let (args, errors) = read(quote!(fallback(stale(key(id), max_age = "5m"))));
        assert!(errors.is_empty(), "{errors:?}");
        assert!(args.stale().unwrap().key.is_some());
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
