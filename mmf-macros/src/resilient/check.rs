//! What the attribute means on its function, and everything that is wrong with it.
//!
//! Each rule is a function that adds its errors; [`check`] asks all of them, so that every mistake is told at once.

use std::time::Duration;

use proc_macro2::Span;
use quote::ToTokens;
use syn::Expr;
use syn::spanned::Spanned;

use super::args::{
    Adaptive, AdaptiveGroup, Args, Breaker, Fallback, Group, LastGood, RefusalName, Refusals, Time,
    Window,
};
use crate::chaos::Kind;
use crate::common::anatomy::Anatomy;
use crate::common::arguments::{Access, Binding, Receiver, SelfKind};
use crate::common::errors::{Errors, error, suggestion};
use crate::common::function::Function;
use crate::common::keys::{Code, Name};
use crate::common::names::first_use;
use crate::common::value::Value;
use mmf_rules::keys::{self, Naming};
use mmf_rules::value;

/// A function and its policies, free of contradictions.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) anatomy: Anatomy,
    pub(crate) args: Args,
    /// The function's name, for the default name of its policy.
    pub(crate) ident: syn::Ident,
    /// The faults of its own, where faults can be injected.
    pub(crate) point: Option<Vec<Kind>>,
}

impl Model {
    /// Whether the body may run more than once in a call, so that it can only borrow its arguments.
    pub(crate) fn repeats(&self) -> bool {
        self.args.retry.is_some() || self.args.hedge.is_some()
    }

    /// Whether a policy can refuse a call, so that the error type must carry refusals, or it is said how it does.
    pub(crate) fn refuses(&self) -> bool {
        let Args { deadline, timeout, breaker, rate_limit, bulkhead, feature, refused, .. } =
            &self.args;
        feature.is_some()
            || refused.is_some()
            || deadline.is_some()
            || timeout.is_some()
            || breaker.is_some()
            || rate_limit.is_some()
            || bulkhead.is_some()
    }

    /// Whether a call can be stopped before it is made: a refusal of it can be told, or there is a value in its place.
    pub(crate) fn can_stop(&self) -> bool {
        self.refuses() || self.has_value()
    }

    /// Whether the fallback has always an answer, for which it needs no error.
    pub(crate) fn has_value(&self) -> bool {
        self.args.fallback.as_ref().is_some_and(|fallback| fallback.keys.value.is_some())
    }

    /// Whether a limit is the same for all calls: a literal, or a constant.
    pub(crate) fn is_constant(&self, limit: &Time) -> bool {
        limit.expr().is_none_or(|expr| matches!(expr, Expr::Path(_)) && !self.is_local(expr))
    }

    /// Whether the body's receiver is one of the attempt's own, for which it needs another name than `self`.
    pub(crate) fn renames_self(&self) -> bool {
        self.anatomy.self_name() == "self" && (self.args.clones_self() || self.keeps_pinned_self())
    }

    /// Whether each attempt borrows a pinned receiver for itself alone.
    pub(crate) fn keeps_pinned_self(&self) -> bool {
        self.keeps_self()
            && self
                .anatomy
                .receiver
                .as_ref()
                .is_some_and(|receiver| receiver.kind == SelfKind::Pinned)
    }

    /// Whether the receiver is kept.
    pub(crate) fn keeps_self(&self) -> bool {
        self.args.kept().iter().any(|name| name == "self")
    }

    /// Whether `code` depends on the call: it names the receiver, an argument or a generic parameter.
    pub(crate) fn is_local(&self, code: &impl ToTokens) -> bool {
        first_use(code, &local_names(&self.anatomy)).is_some()
    }
}

/// What to do with a method that `all` has taken.
const SKIP: &str = "; or leave it out by `#[resilient(skip)]`";

pub(crate) fn check(args: Args, function: &Function, errors: &mut Errors) -> Option<Model> {
    returns_result(&args, function, errors);
    let anatomy = errors.keep(Anatomy::of(function).map_err(|wrong| {
        let hint = if args.all.is_some() { SKIP } else { "" };
        error(wrong.span(), format!("{wrong}{hint}"))
    }));
    policies(&args, errors);
    durations(&args, errors);
    retry(&args, errors);
    breaker(&args, errors);
    rate_limit(&args, errors);
    bulkhead(&args, errors);
    hedge(&args, errors);
    feature(&args, errors);
    fallback(&args, errors);
    let anatomy = anatomy?;
    asyncness(&args, &anatomy, errors);
    name(&args, &anatomy, errors);
    named(&args, &anatomy, errors);
    keep(&args, errors);
    receiver(&args, &anatomy, errors);
    arguments(&args, &anatomy, errors);
    handed_over(&args, &anatomy, errors);
    state(&args, &anatomy, errors);
    ready_policies(&args, &anatomy, errors);
    let model = Model { anatomy, args, ident: function.sig.ident.clone(), point: None };
    formatted_receiver(&model, errors);
    Some(model)
}

fn returns_result(args: &Args, function: &Function, errors: &mut Errors) {
    if matches!(function.sig.output, syn::ReturnType::Default) {
        let skip = if args.all.is_some() { SKIP } else { "" };
        errors.push(
            function.sig.ident.span(),
            format!(
                "a `#[resilient]` function must return a `Result`: policies tell success from failure by \
                 `Ok` and `Err`{skip}"
            ),
        );
    }
}

fn policies(args: &Args, errors: &mut Errors) {
    let Args { deadline, timeout, retry, breaker, rate_limit, bulkhead, hedge, fallback, .. } =
        args;
    let none = args.feature.is_none()
        && args.disable_at.is_none()
        && deadline.is_none()
        && timeout.is_none()
        && retry.is_none()
        && breaker.is_none()
        && rate_limit.is_none()
        && bulkhead.is_none()
        && hedge.is_none()
        && fallback.is_none();
    if none && errors.is_empty() {
        errors.push(
            Span::call_site(),
            "no policy: write at least one, for example `#[resilient(timeout = \"2s\", retry)]`",
        );
    }
}

fn durations(args: &Args, errors: &mut Errors) {
    for (key, value) in [("deadline", &args.deadline), ("timeout", &args.timeout)] {
        positive(value.as_ref(), key, errors);
    }
    if let (Some(Value::Literal(deadline, span)), Some(Value::Literal(timeout, _))) =
        (&args.deadline, &args.timeout)
        && let Err(broken) = mmf_rules::timeout(*timeout, *deadline)
    {
        errors.push(*span, broken.message);
    }
}

fn retry(args: &Args, errors: &mut Errors) {
    let Some(keys) = args.retry.as_ref().and_then(Group::keys) else { return };
    by_rule(keys.max_attempts.as_ref(), errors, |attempts| {
        mmf_rules::at_least_one("max_attempts", attempts.0)
    });
    share(keys.jitter.as_ref(), "jitter", errors);
    share(keys.budget.as_ref(), "budget", errors);
    growth(keys.multiplier.as_ref(), "multiplier", errors);
    positive(keys.max_duration.as_ref(), "max_duration", errors);
    refusals(keys.on_refusal.as_ref(), keys::RETRIED, errors);
    let base = written(keys.base_delay.as_ref(), Duration::from_secs(1));
    let max = written(keys.max_delay.as_ref(), Duration::from_mins(1));
    if let (Some(base), Some(max)) = (base, max)
        && let Some(wrong) = keys.max_delay.as_ref().or(keys.base_delay.as_ref())
    {
        let rule = mmf_rules::not_below(("max_delay", max), ("base_delay", base));
        errors.extend(rule.err().map(|broken| error(wrong.span(), broken.message)));
    }
}

fn breaker(args: &Args, errors: &mut Errors) {
    let Some(keys) = args.breaker.as_ref().and_then(Group::keys) else { return };
    let span = args.breaker.as_ref().map_or_else(Span::call_site, Group::span);
    share(keys.failure_rate_threshold.as_ref(), "failure_rate_threshold", errors);
    share(keys.slow_call_rate_threshold.as_ref(), "slow_call_rate_threshold", errors);
    growth(keys.recovery_multiplier.as_ref(), "recovery_multiplier", errors);
    for (key, value) in [
        ("minimum_throughput", &keys.minimum_throughput),
        ("half_open_max_calls", &keys.half_open_max_calls),
        ("success_threshold", &keys.success_threshold),
    ] {
        at_least_one(value.as_ref(), key, errors);
    }
    positive(keys.slow_call_threshold.as_ref(), "slow_call_threshold", errors);
    refusals(keys.on_refusal.as_ref(), keys::FAILURES, errors);
    breaker_rules(keys, span, errors);
    breaker_state(keys, errors);
}

fn breaker_rules(keys: &Breaker, span: Span, errors: &mut Errors) {
    let (window, window_span) = match &keys.window {
        None => (Some(100), span),
        Some(Window::Calls(calls, span)) => (Some(*calls), *span),
        Some(Window::Time(time, span)) => {
            let rule = mmf_rules::window_time(*time);
            errors.extend(rule.err().map(|broken| error(*span, broken.message)));
            (None, *span)
        }
        Some(Window::Expr(_)) => (None, span),
    };
    if let Some(window) = window {
        let minimum = match &keys.minimum_throughput {
            None => Some((10, window_span)),
            Some(value) => value.literal().map(|calls| (*calls, value.span())),
        };
        let rates = !is_zero(keys.failure_rate_threshold.as_ref());
        let broken = match mmf_rules::window_calls(window) {
            Err(broken) => Some((broken, window_span)),
            Ok(()) => minimum.filter(|_| rates).and_then(|(calls, span)| {
                Some((mmf_rules::throughput(calls, window).err()?, span))
            }),
        };
        errors.extend(broken.map(|(broken, span)| error(span, broken.message)));
    }
    if let (Some(Value::Literal(failures, _)), Some(Value::Literal(rate, _))) =
        (&keys.failure_threshold, &keys.failure_rate_threshold)
    {
        let slow = keys.slow_call_threshold.is_some();
        let never = mmf_rules::never_opens(*failures, *rate, slow);
        errors.extend(never.map(|message| error(span, message)));
    }
    if let Some(rate) = &keys.slow_call_rate_threshold {
        let alone = mmf_rules::slow_rate(keys.slow_call_threshold.is_some());
        errors.extend(alone.map(|message| error(rate.span(), message)));
    }
}

/// The value of a key as the compiler knows it: the literal, or the default; nothing of an expression.
fn written<T: Copy>(value: Option<&Value<T>>, default: T) -> Option<T> {
    match value {
        None => Some(default),
        Some(value) => value.literal().copied(),
    }
}

fn breaker_state(keys: &Breaker, errors: &mut Errors) {
    let base = written(keys.recovery_timeout.as_ref(), Duration::from_mins(1));
    if let Some(base) = base {
        by_rule(keys.max_recovery_timeout.as_ref(), errors, |max| {
            mmf_rules::not_below(("max_recovery_timeout", *max), ("recovery_timeout", base))
        });
    }
    if let (Some(shared), Some(_)) = (&keys.shared, &keys.key) {
        errors.push(
            shared.span,
            "a breaker is either `shared` by name or has one state per `key`, not both",
        );
    }
    max_keys(keys.max_keys.as_ref(), keys.key.is_some(), errors);
}

/// How many keys are remembered, where there are any.
fn max_keys(value: Option<&Value<u32>>, has_key: bool, errors: &mut Errors) {
    at_least_one(value, "max_keys", errors);
    if let Some(value) = value.filter(|_| !has_key) {
        errors.push(value.span(), "`max_keys` does nothing without `key(…)`");
    }
}

fn rate_limit(args: &Args, errors: &mut Errors) {
    let Some(Group::Keys(keys, span)) = &args.rate_limit else { return };
    if keys.permits.is_none() {
        errors.push(
            *span,
            "`rate_limit` needs `permits`: `rate_limit(permits = 100, period = \"1s\")`",
        );
    }
    at_least_one(keys.permits.as_ref(), "permits", errors);
    at_least_one(keys.burst.as_ref(), "burst", errors);
    positive(keys.period.as_ref(), "period", errors);
    max_keys(keys.max_keys.as_ref(), keys.key.is_some(), errors);
    let period =
        keys.period.as_ref().map_or(Some(Duration::from_secs(1)), |p| p.literal().copied());
    if let Some(period) = period.filter(|period| !period.is_zero()) {
        by_rule(keys.permits.as_ref(), errors, |permits| mmf_rules::rate(*permits, period));
        if let Some(permits) = keys.permits.as_ref().and_then(Value::literal) {
            by_rule(keys.period.as_ref(), errors, |p| mmf_rules::interval(*permits, *p));
        }
    }
}

fn bulkhead(args: &Args, errors: &mut Errors) {
    let Some(keys) = args.bulkhead.as_ref().and_then(Group::keys) else { return };
    at_least_one(keys.max_concurrent.as_ref(), "max_concurrent", errors);
    max_keys(keys.max_keys.as_ref(), keys.key.is_some(), errors);
    if let Some(AdaptiveGroup(found)) = &keys.adaptive {
        adaptive(found, keys.max_concurrent.as_ref(), errors);
    }
}

fn adaptive(keys: &Adaptive, begin: Option<&Value<u32>>, errors: &mut Errors) {
    at_least_one(keys.min.as_ref(), "min", errors);
    let (min, max) = (written(keys.min.as_ref(), 1), written(keys.max.as_ref(), 200));
    let (Some(min), Some(max)) = (min, max) else { return };
    let wrong = keys.max.as_ref().or(keys.min.as_ref());
    if let (Err(broken), Some(wrong)) = (mmf_rules::limits(min, max), wrong) {
        errors.push(wrong.span(), broken.message);
    } else {
        by_rule(begin, errors, |calls| mmf_rules::begin(*calls, min, max));
    }
}

fn hedge(args: &Args, errors: &mut Errors) {
    let Some(Group::Keys(keys, span)) = &args.hedge else { return };
    at_least_one(keys.max_hedges.as_ref(), "max_hedges", errors);
    share(keys.budget.as_ref(), "budget", errors);
    by_rule(keys.percentile.as_ref(), errors, |percentile| mmf_rules::percentile(*percentile));
    match (&keys.delay, &keys.percentile) {
        (None, None) => errors.push(
            *span,
            "`hedge` needs to know when: `hedge(delay = \"80ms\")` or `hedge(percentile = 95)`",
        ),
        (Some(_), Some(percentile)) => {
            errors.push(percentile.span(), "`delay` and `percentile` exclude each other");
        }
        _ => {}
    }
}

fn fallback(args: &Args, errors: &mut Errors) {
    let Some(Fallback { path, keys, span }) = &args.fallback else { return };
    let forms =
        [path.is_some(), keys.value.is_some(), keys.stale.is_some(), keys.provider.is_some()];
    match forms.iter().filter(|form| **form).count() {
        0 => errors.push(
            *span,
            "`fallback` needs an answer: a function `fallback(cached_user)`, `fallback(value(…))`, \
             `fallback(stale(key(…)))` or `fallback(provider(&PRICES))`",
        ),
        1 => {}
        _ => errors.push(
            *span,
            "a `fallback` has one answer: a function, `value(…)`, `stale(…)` or `provider(…)`",
        ),
    }
    if let Some(LastGood { keys: stale, span }) = &keys.stale {
        if stale.key.is_none() {
            errors.push(*span, "`stale` needs a key: `stale(key(id), max_age = \"5m\")`");
        }
        at_least_one(stale.capacity.as_ref(), "capacity", errors);
        positive(stale.max_age.as_ref(), "max_age", errors);
    }
    refusals(keys.on_refusal.as_ref(), keys::ANSWERED, errors);
}

fn feature(args: &Args, errors: &mut Errors) {
    let Some(level) = &args.disable_at else { return };
    let word = value::Written::Text(level.text.clone());
    if let Err(message) = value::word(Naming::Level, keys::LEVELS, &word) {
        errors.push(level.span, message);
    }
    if args.feature.is_none() {
        errors.push(
            level.span,
            "`disable_at` turns a feature off: name it, for example `feature = \"recommendations\"`",
        );
    }
}

fn asyncness(args: &Args, anatomy: &Anatomy, errors: &mut Errors) {
    if anatomy.is_async {
        return;
    }
    let asynchronous = [
        ("deadline", args.deadline.as_ref().map(Value::span)),
        ("timeout", args.timeout.as_ref().map(Value::span)),
        ("hedge", args.hedge.as_ref().map(Group::span)),
        ("provider", args.provider().map(|Code(provider)| provider.span())),
    ];
    for (key, span) in asynchronous {
        if let Some(span) = span {
            errors.push(
                span,
                format!(
                    "`{key}` needs an `async fn`: a function that blocks its thread cannot {}",
                    if key == "provider" { "wait for a value" } else { "be interrupted" }
                ),
            );
        }
    }
}

/// A name is one for all calls.
fn name(args: &Args, anatomy: &Anatomy, errors: &mut Errors) {
    let Some(Name::Const(code)) = &args.name else { return };
    if let Some(local) = first_use(code, &local_names(anatomy)) {
        errors.push(
            local.span(),
            format!("a `name` is one for the whole function, so it cannot name `{local}`: use a constant"),
        );
    }
}

/// What `clone(…)` and `keep(…)` name.
fn named(args: &Args, anatomy: &Anatomy, errors: &mut Errors) {
    let mut known: Vec<String> =
        anatomy.bindings().map(|binding| binding.name.to_string()).collect();
    known.extend(anatomy.receiver.as_ref().map(|_| "self".to_owned()));
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    for name in args.cloned().iter().chain(args.kept()) {
        let text = name.to_string();
        if !known.contains(&text.as_str()) {
            let hint = if known.is_empty() { String::new() } else { suggestion(&text, &known) };
            errors.push(name.span(), format!("no argument is named `{name}`{hint}"));
        }
    }
    for name in args.kept().iter().filter(|name| args.cloned().contains(name)) {
        errors.push(
            name.span(),
            format!(
                "`{name}` is either kept, handed on as an attempt left it, or cloned, anew for each attempt"
            ),
        );
    }
}

fn keep(args: &Args, errors: &mut Errors) {
    let Some(first) = args.kept().first() else { return };
    if args.hedge.is_some() {
        errors.push(
            first.span(),
            format!(
                "under `hedge` copies run side by side, so nothing can be handed on: write `clone({first})` to \
                 give each its own"
            ),
        );
    } else if args.retry.is_none() {
        errors.push(
            first.span(),
            "`keep` hands on to the next attempt what one has changed: without `retry` there is one attempt",
        );
    }
}

fn receiver(args: &Args, anatomy: &Anatomy, errors: &mut Errors) {
    let Some(Receiver { kind, mutability, span, .. }) = &anatomy.receiver else { return };
    let is_changed = kind.is_changed_or_consumed() || mutability.is_some();
    let kept = args.kept().iter().find(|name| *name == "self");
    if let Some(kept) = kept.filter(|_| !is_changed) {
        errors.push(kept.span(), "this `self` is only read: there is nothing to keep");
    }
    if !is_changed || args.clones_self() {
        return;
    }
    let receiver = match kind {
        SelfKind::Mutable => "&mut self",
        SelfKind::Pinned => "self: Pin<&mut Self>",
        _ => "self",
    };
    if args.hedge.is_some() {
        errors.push(
            *span,
            format!(
                "under `hedge` copies run side by side, so they cannot share `{receiver}`: take `&self`, or \
                 write `clone(self)` to give each copy its own"
            ),
        );
    } else if args.retry.is_some() && kept.is_none() {
        let ways = "take `&self`, or write `keep(self)` beside the policies to hand it on as it was left, \
                    `clone(self)` to give each attempt its own";
        let message = if *kind == SelfKind::Value {
            format!("`retry` runs the body more than once, so it cannot consume `self`: {ways}")
        } else {
            format!(
                "`retry` runs the body more than once, and what one attempt changes through `{receiver}` \
                 would leak into the next: {ways}"
            )
        };
        errors.push(*span, message);
    }
}

fn arguments(args: &Args, anatomy: &Anatomy, errors: &mut Errors) {
    for binding in anatomy.bindings() {
        let Binding { name, mutability, access } = binding;
        let kept = args.kept().iter().find(|kept| *kept == name);
        if mutability.is_none() && !access.reaches_the_caller() {
            if let Some(kept) = kept {
                let message = format!("`{name}` is only read: there is nothing to keep");
                errors.push(kept.span(), message);
            }
            continue;
        }
        if args.cloned().contains(name) {
            continue;
        }
        let span = mutability.map_or_else(|| name.span(), |mutability| mutability.span());
        if args.hedge.is_some() {
            errors.push(span, beside(binding));
        } else if args.retry.is_some() && kept.is_none() {
            let changes = if *access == Access::Value { "to" } else { "through" };
            errors.push(
                span,
                format!(
                    "`retry` runs the body more than once, and changes {changes} `{name}` would leak into \
                     the next attempt: write `clone({name})` beside the policies to give each attempt its \
                     own, or `keep({name})` to hand it on as it was left"
                ),
            );
        }
    }
}

/// Why copies of a hedge cannot share what they change.
fn beside(Binding { name, access, .. }: &Binding) -> String {
    if access.reaches_the_caller() {
        format!(
            "under `hedge` copies run side by side: `{name}` cannot be `&mut`; write `clone({name})` beside \
             the policies to give each copy its own"
        )
    } else {
        format!(
            "under `hedge` copies run side by side: they cannot share `{name}`, which they change; write \
             `clone({name})` beside the policies to give each copy its own"
        )
    }
}

/// A receiver of the attempt's own has another name, which a text cannot know.
fn formatted_receiver(model: &Model, errors: &mut Errors) {
    if !model.renames_self() {
        return;
    }
    if let Some(text) = crate::common::names::formatted_receiver(&model.anatomy.body) {
        errors.push(
            text.span(),
            "with a `self` of the attempt's own, a text cannot name it: write `{}` and hand `self` over",
        );
    }
}

/// A fallback function takes all arguments over, so each must have a name.
fn handed_over(args: &Args, anatomy: &Anatomy, errors: &mut Errors) {
    if !args.hands_over() {
        return;
    }
    for argument in anatomy.arguments.iter().filter(|argument| argument.expr.is_none()) {
        errors.push(
            argument.span,
            "the fallback takes this argument over: give it a name instead of a pattern that drops a \
             part of it",
        );
    }
}

/// What configures state that all calls share cannot depend on one of them.
fn state(args: &Args, anatomy: &Anatomy, errors: &mut Errors) {
    let names = local_names(anatomy);
    let mut constant = |key: &str, code: Option<&dyn ToTokens>| {
        let Some(code) = code else { return };
        if let Some(name) = first_use(&code.to_token_stream(), &names) {
            errors.push(
                name.span(),
                format!(
                    "`{key}` configures state that all calls of the function share, so it cannot name \
                     `{name}`: use a constant"
                ),
            );
        }
    };
    macro_rules! constants {
        ($keys:expr => $($key:ident),*) => {
            $(constant(
                stringify!($key),
                $keys.$key.as_ref().and_then(Value::expr).map(|expr| expr as &dyn ToTokens),
            );)*
        };
    }
    if let Some(keys) = args.breaker.as_ref().and_then(Group::keys) {
        constants!(keys => failure_threshold, failure_rate_threshold, minimum_throughput,
            slow_call_threshold, slow_call_rate_threshold, recovery_timeout, recovery_multiplier,
            max_recovery_timeout, half_open_max_calls, success_threshold, max_keys);
        if let Some(Window::Expr(expr)) = &keys.window {
            constant("window", Some(expr));
        }
    }
    if let Some(keys) = args.rate_limit.as_ref().and_then(Group::keys) {
        constants!(keys => permits, period, burst, max_wait, max_keys);
    }
    if let Some(keys) = args.bulkhead.as_ref().and_then(Group::keys) {
        constants!(keys => max_concurrent, max_queue, max_wait, max_keys);
        if let Some(AdaptiveGroup(found)) = &keys.adaptive {
            constants!(found => min, max);
        }
    }
    if let Some(keys) = args.hedge.as_ref().and_then(Group::keys) {
        constants!(keys => percentile, max_hedges, budget);
    }
    if let Some(stale) = args.stale() {
        constants!(stale => max_age, capacity);
    }
    if let Some(keys) = args.retry.as_ref().and_then(Group::keys) {
        constants!(keys => budget);
    }
}

/// A policy with state that is built by each call anew would limit nothing.
fn ready_policies(args: &Args, anatomy: &Anatomy, errors: &mut Errors) {
    let names = local_names(anatomy);
    for (key, _, policy) in args.ready_policies() {
        if let syn::Expr::MethodCall(call) = policy
            && call.method == "build"
            && let Some(name) = first_use(&call.to_token_stream(), &names)
        {
            errors.push(
                name.span(),
                format!(
                    "this `{key}` names `{name}`, so each call would build one of its own and nothing \
                     would be shared: keep it in a field or a `static`, or use constants"
                ),
            );
        }
    }
}

fn local_names(anatomy: &Anatomy) -> Vec<String> {
    let arguments = anatomy.bindings().map(|binding| binding.name.to_string());
    let receiver = ["self", "Self"].map(String::from);
    arguments.chain(receiver).chain(anatomy.generics.iter().cloned()).collect()
}

fn refusals(written: Option<&Refusals>, allowed: &'static [&'static str], errors: &mut Errors) {
    let Some(Refusals(names)) = written else { return };
    for RefusalName { name, span, is_text } in names {
        if !is_text {
            let message = format!("the name of a refusal is a text: write `{name:?}`");
            errors.push(*span, message);
        } else if let Err(message) = value::refusal(name, names.len(), allowed) {
            errors.push(*span, message);
        }
    }
}

fn at_least_one(value: Option<&Value<u32>>, key: &str, errors: &mut Errors) {
    by_rule(value, errors, |number| mmf_rules::at_least_one(key, *number));
}

fn share(value: Option<&Value<f64>>, key: &str, errors: &mut Errors) {
    by_rule(value, errors, |share| mmf_rules::share(key, *share));
}

fn growth(value: Option<&Value<f64>>, key: &str, errors: &mut Errors) {
    by_rule(value, errors, |factor| mmf_rules::growth(key, *factor));
}

fn positive(value: Option<&Value<Duration>>, key: &str, errors: &mut Errors) {
    by_rule(value, errors, |duration| mmf_rules::positive(key, *duration));
}

/// Holds a literal against a rule that the running program has as well.
fn by_rule<T, R>(
    value: Option<&Value<T>>,
    errors: &mut Errors,
    rule: impl FnOnce(&T) -> mmf_rules::Rule<R>,
) {
    if let Some(Value::Literal(value, span)) = value
        && let Err(broken) = rule(value)
    {
        errors.push(*span, broken.message);
    }
}

fn is_zero(value: Option<&Value<f64>>) -> bool {
    matches!(value, Some(Value::Literal(share, _)) if *share == 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proc_macro2::TokenStream;
    use quote::quote;

    fn errors_of(attribute: TokenStream, function: TokenStream) -> Vec<String> {
        let mut errors = Errors::default();
        let args = Args::read(attribute, &mut errors);
        check(args, &syn::parse2(function).unwrap(), &mut errors);
        errors.messages()
    }

    fn on_async(attribute: TokenStream) -> Vec<String> {
        errors_of(
            attribute,
            quote!(
                async fn f(&self, id: u64) -> Result<(), E> {}
            ),
        )
    }

    fn first(attribute: &TokenStream) -> String {
        let errors = on_async(attribute.clone());
        assert_eq!(errors.len(), 1, "{attribute}: {errors:?}");
        errors.into_iter().next().unwrap()
    }

    #[test]
    fn what_can_never_work_is_refused() {
        for (attribute, words) in [
            (quote!(retry(max_attempts = 0)), "at least 1"),
            (quote!(retry(jitter = 1.5)), "write `jitter = 0.015`"),
            (quote!(retry(base_delay = "2m")), "`max_delay` of 1m is below `base_delay` of 2m"),
            (quote!(retry(base_delay = "2s", max_delay = "1s")), "below `base_delay`"),
            (quote!(retry(multiplier = 0.5)), "at least 1.0"),
            (quote!(breaker(failure_rate_threshold = 50)), "write `failure_rate_threshold = 0.5`"),
            (quote!(breaker(window = 5)), "`minimum_throughput` of 10 is above the window of 5"),
            (quote!(breaker(minimum_throughput = 101)), "above the window of 100"),
            (quote!(breaker(failure_threshold = 0, failure_rate_threshold = 0.0)), "never open"),
            (quote!(breaker(slow_call_rate_threshold = 0.5)), "without `slow_call_threshold`"),
            (quote!(breaker(shared = "a", key(id))), "not both"),
            (quote!(breaker(max_keys = 5)), "without `key(…)`"),
            (quote!(rate_limit(permits = 1, max_keys = 5)), "without `key(…)`"),
            (quote!(rate_limit(permits = 1, key(id), max_keys = 0)), "at least 1"),
            (quote!(rate_limit(permits = 1, key(id), max_keys = id)), "cannot name `id`"),
            (quote!(bulkhead(max_keys = 5)), "without `key(…)`"),
            (quote!(bulkhead(key(id), max_keys = 0)), "at least 1"),
            (quote!(bulkhead(key(id), max_keys = id)), "cannot name `id`"),
            (quote!(bulkhead(adaptive = 5)), "written as a group"),
            (quote!(bulkhead(adaptive(5))), "write `adaptive(max = 5)`"),
            (quote!(bulkhead(adaptive(min = 0))), "`min` must be at least 1"),
            (quote!(bulkhead(adaptive(min = 5, max = 4))), "`max` of 4 is below `min` of 5"),
            (quote!(bulkhead(adaptive(min = 201))), "`max` of 200 is below `min` of 201"),
            (quote!(bulkhead(max_concurrent = 1, adaptive(min = 2))), "not between `min` of 2"),
            (quote!(bulkhead(adaptive(max = id))), "cannot name `id`"),
            (quote!(bulkhead(adaptive(algorithm = "gradiant"))), "did you mean `gradient`?"),
            (quote!(bulkhead(adaptive(algorithm = Aimd))), "the name of an algorithm"),
            (quote!(bulkhead(min = 1)), "`min` belongs in `bulkhead(adaptive(…))`"),
            (quote!(breaker(failure_threshold = self.limit)), "cannot name `self`"),
            (quote!(bulkhead(max_concurrent = id)), "cannot name `id`"),
            (quote!(deadline = "1s", timeout = "2s"), "shorter than one `timeout`"),
            (quote!(timeout = "0s"), "longer than 0s"),
            (quote!(rate_limit), "needs `permits`"),
            (quote!(breaker(window = 2_000_000)), "at most 1048576"),
            (quote!(rate_limit(permits = 2_000_000_000)), "more than one a nanosecond"),
            (quote!(rate_limit(permits = 1, period = "31d")), "30 days apart"),
            (quote!(hedge(delay = "1s", budget = 10)), "write `budget = 0.1`"),
            (quote!(hedge(percentile = 100)), "below 100"),
            (quote!(retry = "often"), "or `\"unlimited\"`"),
            (quote!(bulkhead = Bulkhead::builder(id).build()), "keep it in a field"),
            (quote!(hedge), "needs to know when"),
            (quote!(hedge(delay = "1s", percentile = 95)), "exclude each other"),
            (quote!(fallback), "needs an answer"),
            (quote!(fallback(f, value(1))), "one answer"),
            (quote!(retry(on_refusal("timeuot"))), "did you mean `timeout`?"),
            (quote!(retry(on_refusal("feature"))), "unknown refusal `feature`"),
            (quote!(feature = "tips", disable_at = "sever"), "did you mean `severe`?"),
            (quote!(feature = "tips", disable_at = "none"), "unknown level `none`"),
            (quote!(timeout = "1s", disable_at = "severe"), "`feature = \"recommendations\"`"),
            (quote!(feature = ""), "expected a text"),
            (quote!(fallback(provider(&P), value(1))), "has one answer"),
            (quote!(retry(on_refusal("none", "timeout"))), "stands alone"),
            (quote!(clone(idd), retry), "did you mean `id`?"),
            (quote!(retry(3)), "write `retry = 3` or `retry(max_attempts = 3)`"),
            (quote!(fallback = "cached"), "a path, not a text: write `fallback(cached)`"),
            (quote!(fallback("cached")), "a path, not a text: write `fallback(cached)`"),
            (quote!(fallback(self.cached)), "write `fallback(Self::cached)`"),
            (quote!(fallback(self.cached())), "write `fallback(Self::cached)`"),
            (quote!(fallback(cached(id))), "write `fallback(cached)`"),
            (quote!(fallback(7)), "write `fallback(value(7))`".trim_start_matches("write ")),
            (
                quote!(retry(retry_on("E::Auth"))),
                "a pattern, not a text: write `retry_on(E::Auth)`",
            ),
            (quote!(retry(retry_if("is_busy"))), "a path, not a text: write `retry_if(is_busy)`"),
            (quote!(retry(backoff = Exponential)), "did you mean `backoff = \"exponential\"`?"),
            (quote!(retry(on_refusal(Timeout))), "write `\"timeout\"`"),
            (quote!(timeout: "1s", retry), "write `timeout = \"1s\"`"),
            (quote!(timeout = "1.5s"), "write `\"1s500ms\"`"),
            (quote!(), "no policy"),
        ] {
            let message = first(&attribute);
            assert!(message.contains(words), "{attribute}: {message}");
        }
    }

    #[test]
    fn both_sides_of_a_limit() {
        for fine in [
            quote!(retry(base_delay = "1m")),
            quote!(retry(max_attempts = "unlimited")),
            quote!(retry = "unlimited"),
            quote!(breaker(recovery_timeout = "0s")),
            quote!(bulkhead = Bulkhead::builder("b").build()),
            quote!(rate_limit(permits = 1_000_000_000)),
            quote!(breaker(window = 10)),
            quote!(breaker(minimum_throughput = 100)),
            quote!(breaker(failure_rate_threshold = 1.0)),
            quote!(deadline = "2s", timeout = "2s"),
            quote!(timeout = self.limit, retry(base_delay = Self::BASE)),
            quote!(breaker(key(id))),
            quote!(rate_limit(permits = 1, key(id), max_keys = 1)),
            quote!(bulkhead(key(id), max_keys = 1)),
            quote!(bulkhead(adaptive)),
            quote!(bulkhead(max_concurrent = 4, adaptive(min = 4, max = 4, algorithm = "aimd"))),
        ] {
            assert_eq!(on_async(fine.clone()), [""; 0], "{fine}");
        }
    }

    #[test]
    fn a_body_that_repeats_may_not_change_what_it_is_given() {
        let message = |function| errors_of(quote!(retry), function).join("\n");
        let mutable = message(quote!(
            async fn f(&mut self) -> Result<(), E> {}
        ));
        assert!(mutable.contains("take `&self`"));
        let consumed = message(quote!(
            async fn f(self) -> Result<(), E> {}
        ));
        assert!(consumed.contains("cannot consume `self`"));
        let argument = message(quote!(
            async fn f(mut list: Vec<u8>) -> Result<(), E> {}
        ));
        assert!(argument.contains("write `clone(list)`") && argument.contains("`keep(list)`"));
        let lent = message(quote!(
            async fn f(conn: &mut Conn, stream: Pin<&mut S>, name: &str) -> Result<(), E> {}
        ));
        assert!(lent.contains("`keep(conn)`") && lent.contains("`keep(stream)`"), "{lent}");
        assert!(!lent.contains("name"), "{lent}");
        let cloned = errors_of(
            quote!(retry, clone(list)),
            quote!(
                async fn f(mut list: Vec<u8>) -> Result<(), E> {}
            ),
        );
        assert!(cloned.is_empty());
    }

    #[test]
    fn what_is_kept_or_cloned_is_said_to_be() {
        for attribute in
            [quote!(retry, keep(self, conn, list)), quote!(retry, clone(self, conn, list))]
        {
            for receiver in [quote!(&mut self), quote!(self), quote!(self: Pin<&mut Self>)] {
                let function = quote!(async fn f(#receiver, conn: &mut Conn, mut list: Vec<u8>) -> Result<(), E> {});
                assert_eq!(
                    errors_of(attribute.clone(), function),
                    [""; 0],
                    "{attribute} {receiver}"
                );
            }
        }
        let all = quote!(
            async fn f(&mut self, conn: &mut Conn, mut list: Vec<u8>, id: u64) -> Result<(), E> {}
        );
        for (attribute, words) in [
            (quote!(hedge = "1s", clone(conn, list)), "they cannot share `&mut self`"),
            (quote!(hedge = "1s", clone(self, list)), "`conn` cannot be `&mut`"),
            (quote!(hedge = "1s", clone(self, conn)), "they cannot share `list`"),
            (quote!(hedge = "1s", clone(self, conn, list), keep(list)), "side by side"),
            (quote!(timeout = "1s", keep(list)), "without `retry` there is one attempt"),
            (quote!(retry, keep(self, conn, list, id)), "`id` is only read"),
            (quote!(retry, keep(self, conn, lst, list)), "did you mean `list`?"),
            (quote!(retry, keep(self, conn, list), clone(list)), "either kept"),
        ] {
            let errors = errors_of(attribute.clone(), all.clone()).join("\n");
            assert!(errors.contains(words), "{attribute}: {errors}");
        }
        let read = errors_of(
            quote!(retry, keep(self)),
            quote!(
                async fn f(&self) -> Result<(), E> {}
            ),
        );
        assert!(read[0].contains("only read"), "{read:?}");
    }

    #[test]
    fn a_name_is_a_constant() {
        let function = quote!(
            async fn f(&self, id: u64) -> Result<(), E> {}
        );
        for fine in [quote!(NAME), quote!(concat!("a.", "b")), quote!("a"), quote!(names::ID)] {
            assert_eq!(errors_of(quote!(name = #fine, retry), function.clone()), [""; 0]);
        }
        for wrong in [quote!(Self::NAME), quote!(self.name), quote!(id)] {
            let errors = errors_of(quote!(name = #wrong, retry), function.clone());
            assert!(errors[0].contains("use a constant"), "{errors:?}");
        }
        assert!(!errors_of(quote!(name = 5, retry), function.clone()).is_empty());
    }

    #[test]
    fn a_blocking_function_has_no_timeout() {
        let errors = errors_of(
            quote!(timeout = "1s", deadline = "2s", hedge = "1s", retry, fallback(provider(&P))),
            quote!(
                fn f() -> Result<(), E> {}
            ),
        );
        assert_eq!(errors.len(), 4, "{errors:?}");
        assert!(errors[3].contains("cannot wait for a value"), "{errors:?}");
    }
}
