//! What the attribute means on its function, and everything that is wrong with it.
//!
//! Each rule is a function that yields errors; [`check`] chains them once.

use std::time::Duration;

use proc_macro2::Span;
use quote::ToTokens;
use syn::spanned::Spanned;

use super::args::{Args, Breaker, Fallback, Group, Refusals, Window};
use crate::chaos::Kind;
use crate::common::duration;
use crate::common::errors::{Errors, error, suggestion};
use crate::common::function::{Anatomy, Function, SelfKind};
use crate::common::names::first_use;
use crate::common::value::Value;

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

    /// Whether a policy can refuse a call, so that the error type must carry refusals.
    pub(crate) fn refuses(&self) -> bool {
        let Args { deadline, timeout, breaker, rate_limit, bulkhead, .. } = &self.args;
        deadline.is_some()
            || timeout.is_some()
            || breaker.is_some()
            || rate_limit.is_some()
            || bulkhead.is_some()
    }

    /// Whether `code` depends on the call: it names the receiver, an argument or a generic parameter.
    pub(crate) fn is_local(&self, code: &impl ToTokens) -> bool {
        first_use(code, &local_names(&self.anatomy)).is_some()
    }
}

pub(crate) fn check(args: Args, function: &Function, errors: &mut Errors) -> Option<Model> {
    returns_result(function, errors);
    let anatomy = errors.keep(Anatomy::of(function));
    policies(&args, errors);
    durations(&args, errors);
    retry(&args, errors);
    breaker(&args, errors);
    rate_limit(&args, errors);
    bulkhead(&args, errors);
    hedge(&args, errors);
    fallback(&args, errors);
    let anatomy = anatomy?;
    asyncness(&args, &anatomy, errors);
    receiver(&args, &anatomy, errors);
    arguments(&args, &anatomy, errors);
    handed_over(&args, &anatomy, errors);
    state(&args, &anatomy, errors);
    ready_policies(&args, &anatomy, errors);
    Some(Model { anatomy, args, ident: function.sig.ident.clone(), point: None })
}

fn returns_result(function: &Function, errors: &mut Errors) {
    if matches!(function.sig.output, syn::ReturnType::Default) {
        errors.push(
            function.sig.ident.span(),
            "a `#[resilient]` function must return a `Result`: policies tell success from failure by \
             `Ok` and `Err`",
        );
    }
}

fn policies(args: &Args, errors: &mut Errors) {
    let Args { deadline, timeout, retry, breaker, rate_limit, bulkhead, hedge, fallback, .. } =
        args;
    let none = deadline.is_none()
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
        && deadline < timeout
    {
        errors.push(
            *span,
            format!(
                "a `deadline` of {} is shorter than one `timeout` of {}: no attempt could use its \
                 timeout",
                duration::text(*deadline),
                duration::text(*timeout)
            ),
        );
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
    refusals(
        keys.on_refusal.as_ref(),
        &["timeout", "bulkhead", "rate_limit", "breaker", "all", "none"],
        errors,
    );
    let written = |value: &Option<Value<Duration>>, default| match value {
        None => Some(default),
        Some(value) => value.literal().copied(),
    };
    let base = written(&keys.base_delay, Duration::from_secs(1));
    let max = written(&keys.max_delay, Duration::from_mins(1));
    if let (Some(base), Some(max)) = (base, max)
        && let Some(wrong) = keys.max_delay.as_ref().or(keys.base_delay.as_ref())
    {
        let hint = ": raise `max_delay` or lower `base_delay`";
        let rule = mmf_rules::not_below(("max_delay", max), ("base_delay", base), hint);
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
        ("max_keys", &keys.max_keys),
    ] {
        at_least_one(value.as_ref(), key, errors);
    }
    positive(keys.slow_call_threshold.as_ref(), "slow_call_threshold", errors);
    refusals(
        keys.on_refusal.as_ref(),
        &["timeout", "bulkhead", "rate_limit", "all", "none"],
        errors,
    );
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
    if let (Some(rate), None) = (&keys.slow_call_rate_threshold, &keys.slow_call_threshold) {
        errors.push(
            rate.span(),
            "`slow_call_rate_threshold` does nothing without `slow_call_threshold`, which says what \
             slow is",
        );
    }
}

fn breaker_state(keys: &Breaker, errors: &mut Errors) {
    if let (Some(Value::Literal(max, span)), Some(Value::Literal(base, _))) =
        (&keys.max_recovery_timeout, &keys.recovery_timeout)
        && let Err(broken) =
            mmf_rules::not_below(("max_recovery_timeout", *max), ("recovery_timeout", *base), "")
    {
        errors.push(*span, broken.message);
    }
    if let (Some(shared), Some(_)) = (&keys.shared, &keys.key) {
        errors.push(
            shared.span,
            "a breaker is either `shared` by name or has one state per `key`, not both",
        );
    }
    if let (Some(max_keys), None) = (&keys.max_keys, &keys.key) {
        errors.push(max_keys.span(), "`max_keys` does nothing without `key(…)`");
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
    let forms = [path.is_some(), keys.value.is_some(), keys.stale.is_some()];
    match forms.iter().filter(|form| **form).count() {
        0 => errors.push(
            *span,
            "`fallback` needs an answer: a function `fallback(cached_user)`, `fallback(value(…))` or \
             `fallback(stale(key(…)))`",
        ),
        1 => {}
        _ => errors.push(*span, "a `fallback` has one answer: a function, `value(…)` or `stale(…)`"),
    }
    if let Some(stale) = &keys.stale {
        if stale.key.is_none() {
            errors.push(*span, "`stale` needs a key: `stale(key(id), max_age = \"5m\")`");
        }
        at_least_one(stale.capacity.as_ref(), "capacity", errors);
        positive(stale.max_age.as_ref(), "max_age", errors);
    }
    refusals(
        keys.on_refusal.as_ref(),
        &["breaker", "timeout", "deadline", "bulkhead", "rate_limit", "all", "none"],
        errors,
    );
}

fn asyncness(args: &Args, anatomy: &Anatomy, errors: &mut Errors) {
    if anatomy.is_async {
        return;
    }
    let asynchronous = [
        ("deadline", args.deadline.as_ref().map(Value::span)),
        ("timeout", args.timeout.as_ref().map(Value::span)),
        ("hedge", args.hedge.as_ref().map(Group::span)),
    ];
    for (key, span) in asynchronous {
        if let Some(span) = span {
            errors.push(
                span,
                format!(
                    "`{key}` needs an `async fn`: a function that blocks its thread cannot be \
                     interrupted"
                ),
            );
        }
    }
}

fn receiver(args: &Args, anatomy: &Anatomy, errors: &mut Errors) {
    let (Some(receiver), Some(policy)) = (&anatomy.receiver, repeating(args)) else { return };
    match receiver.kind {
        SelfKind::Mutable => errors.push(
            receiver.span,
            format!(
                "`{policy}` runs the body more than once, and what one attempt changes through `&mut \
                 self` would leak into the next: take `&self`"
            ),
        ),
        SelfKind::Value => errors.push(
            receiver.span,
            format!(
                "`{policy}` runs the body more than once, so it cannot consume `self`: take `&self`"
            ),
        ),
        SelfKind::Shared | SelfKind::Typed => {}
    }
}

fn arguments(args: &Args, anatomy: &Anatomy, errors: &mut Errors) {
    let cloned = args.cloned();
    let known: Vec<String> = anatomy.bindings().map(|(name, _)| name.to_string()).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    for name in cloned {
        let text = name.to_string();
        if !known.contains(&text.as_str()) {
            let hint = if known.is_empty() { String::new() } else { suggestion(&text, &known) };
            errors.push(name.span(), format!("no argument is named `{name}`{hint}"));
        }
    }
    let Some(policy) = repeating(args) else { return };
    for (name, mutability) in anatomy.bindings() {
        if let Some(mutability) = mutability
            && !cloned.contains(name)
        {
            errors.push(
                mutability.span(),
                format!(
                    "`{policy}` runs the body more than once, and changes to `{name}` would leak into \
                     the next attempt: write `clone({name})` beside the policies to give each attempt \
                     its own"
                ),
            );
        }
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
        constants!(keys => permits, period, burst, max_wait);
    }
    if let Some(keys) = args.bulkhead.as_ref().and_then(Group::keys) {
        constants!(keys => max_concurrent, max_queue, max_wait);
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

/// The first policy by which the body may run more than once.
fn repeating(args: &Args) -> Option<&'static str> {
    args.retry.as_ref().map(|_| "retry").or(args.hedge.as_ref().map(|_| "hedge"))
}

fn local_names(anatomy: &Anatomy) -> Vec<String> {
    let arguments = anatomy.bindings().map(|(name, _)| name.to_string());
    let receiver = ["self", "Self"].map(String::from);
    arguments.chain(receiver).chain(anatomy.generics.iter().cloned()).collect()
}

fn refusals(written: Option<&Refusals>, allowed: &[&str], errors: &mut Errors) {
    let Some(Refusals(names)) = written else { return };
    for (name, span) in names {
        if !allowed.contains(&name.as_str()) {
            let hint = suggestion(name, allowed);
            errors.push(*span, format!("unknown refusal `{name}`{hint}"));
        } else if names.len() > 1 && matches!(name.as_str(), "all" | "none") {
            errors.push(*span, format!("`\"{name}\"` stands alone in `on_refusal`"));
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
            (quote!(retry(on_refusal("none", "timeout"))), "stands alone"),
            (quote!(clone(idd), retry), "did you mean `id`?"),
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
        assert!(argument.contains("write `clone(list)`"));
        let cloned = errors_of(
            quote!(retry, clone(list)),
            quote!(
                async fn f(mut list: Vec<u8>) -> Result<(), E> {}
            ),
        );
        assert!(cloned.is_empty());
    }

    #[test]
    fn a_blocking_function_has_no_timeout() {
        let errors = errors_of(
            quote!(timeout = "1s", deadline = "2s", hedge = "1s", retry),
            quote!(
                fn f() -> Result<(), E> {}
            ),
        );
        assert_eq!(errors.len(), 3, "{errors:?}");
    }
}
