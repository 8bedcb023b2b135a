//! The configuration as text, defaults included, for `Policy::describe`.

use quote::ToTokens;

use super::args::{
    AdaptiveGroup, Args, Backoff, Breaker, Fallback, Group, LastGood, Refusals, Retry, Window,
};
use crate::common::keys::{Callee, Code};
use crate::common::pattern::Patterns;
use crate::common::source::source;
use crate::common::value::{Literal, Value};
use mmf_rules::duration;

pub(crate) fn describe(args: &Args) -> String {
    let Args { deadline, timeout, retry, breaker, rate_limit, bulkhead, hedge, fallback, .. } =
        args;
    let mut all = Keys::default();
    all.given("deadline", deadline.as_ref().map(Value::text));
    all.given("timeout", timeout.as_ref().map(Value::text));
    all.group("retry", retry.as_ref(), describe_retry);
    all.group("breaker", breaker.as_ref(), describe_breaker);
    all.group("rate_limit", rate_limit.as_ref(), |keys, text| {
        text.given("permits", keys.permits.as_ref().map(Value::text));
        text.value("period", keys.period.as_ref(), "\"1s\"");
        let permits = keys.permits.as_ref().map(Value::text).unwrap_or_default();
        text.value("burst", keys.burst.as_ref(), &permits);
        text.value("max_wait", keys.max_wait.as_ref(), "\"0s\"");
        text.keyed(keys.key.as_ref(), keys.max_keys.as_ref(), "10000");
    });
    all.group("bulkhead", bulkhead.as_ref(), |keys, text| {
        let begin = keys.adaptive.as_ref().map_or(10, begin);
        text.value("max_concurrent", keys.max_concurrent.as_ref(), &begin.to_string());
        text.value("max_queue", keys.max_queue.as_ref(), "0");
        text.value("max_wait", keys.max_wait.as_ref(), "\"30s\"");
        if let Some(AdaptiveGroup(found)) = &keys.adaptive {
            let mut inner = Keys::default();
            inner.value("min", found.min.as_ref(), "1");
            inner.value("max", found.max.as_ref(), "200");
            let algorithm = found.algorithm.as_ref().map_or("gradient", |named| named.name);
            inner.given("algorithm", Some(format!("{algorithm:?}")));
            text.list("adaptive", Some(inner.0.join(", ")));
        }
        text.keyed(keys.key.as_ref(), keys.max_keys.as_ref(), "1024");
    });
    all.group("hedge", hedge.as_ref(), |keys, text| {
        text.given("delay", keys.delay.as_ref().map(Value::text));
        text.given("percentile", keys.percentile.as_ref().map(Value::text));
        text.value("max_hedges", keys.max_hedges.as_ref(), "1");
        text.value("budget", keys.budget.as_ref(), "0.1");
    });
    if let Some(fallback) = fallback {
        all.0.push(describe_fallback(fallback));
    }
    all.given("feature", args.feature.as_ref().map(|text| format!("{:?}", text.text)));
    all.given("disable_at", args.disable_at.as_ref().map(|text| format!("{:?}", text.text)));
    all.callee("refused", args.refused.as_ref());
    all.0.join(", ")
}

/// Where a limit that is found begins, where nothing is said of it: at ten, or as near as it may be.
fn begin(AdaptiveGroup(found): &AdaptiveGroup) -> u32 {
    let written = |value: &Option<Value<u32>>, default| {
        value.as_ref().and_then(Value::literal).copied().unwrap_or(default)
    };
    let (min, max) = (written(&found.min, 1), written(&found.max, 200));
    10.min(max).max(min)
}

#[derive(Default)]
struct Keys(Vec<String>);

impl Keys {
    fn given(&mut self, key: &str, text: Option<String>) {
        self.0.extend(text.map(|text| format!("{key} = {text}")));
    }

    fn value<T: Literal>(&mut self, key: &str, value: Option<&Value<T>>, default: &str) {
        let text = value.map_or_else(|| default.to_owned(), Value::text);
        self.0.push(format!("{key} = {text}"));
    }

    fn list(&mut self, key: &str, text: Option<String>) {
        self.0.extend(text.map(|text| format!("{key}({text})")));
    }

    fn patterns(&mut self, key: &str, patterns: Option<&Patterns>) {
        self.list(key, patterns.map(Patterns::text));
    }

    fn code(&mut self, key: &str, code: Option<&Code>) {
        self.list(key, code.map(|code| source(&code.0)));
    }

    fn callee(&mut self, key: &str, callee: Option<&Callee>) {
        self.code(key, callee.map(|Callee(code)| code));
    }

    fn keyed(&mut self, key: Option<&Code>, max_keys: Option<&Value<u32>>, default: &str) {
        if key.is_some() {
            self.code("key", key);
            self.value("max_keys", max_keys, default);
        }
    }

    fn refusals(&mut self, refusals: Option<&Refusals>, default: &str) {
        let text = refusals.map(|Refusals(names)| {
            names.iter().map(|named| format!("{:?}", named.name)).collect::<Vec<_>>().join(", ")
        });
        self.list("on_refusal", Some(text.unwrap_or_else(|| default.to_owned())));
    }

    fn group<K>(&mut self, name: &str, group: Option<&Group<K>>, describe: impl Fn(&K, &mut Self)) {
        match group {
            None => {}
            Some(Group::Policy(expr)) => self.0.push(format!("{name} = {}", source(expr))),
            Some(Group::Keys(keys, _)) => {
                let mut text = Self::default();
                describe(keys, &mut text);
                self.0.push(format!("{name}({})", text.0.join(", ")));
            }
        }
    }
}

fn describe_retry(keys: &Retry, text: &mut Keys) {
    text.value("max_attempts", keys.max_attempts.as_ref(), "3");
    text.0.push(match &keys.backoff {
        None => "backoff = \"exponential\"".into(),
        Some(Backoff::Named(name, _)) => format!("backoff = {name:?}"),
        Some(Backoff::Expr(expr)) => format!("backoff = {}", source(expr)),
    });
    text.value("base_delay", keys.base_delay.as_ref(), "\"1s\"");
    text.value("max_delay", keys.max_delay.as_ref(), "\"1m\"");
    text.value("multiplier", keys.multiplier.as_ref(), "2.0");
    text.value("jitter", keys.jitter.as_ref(), "0.1");
    text.given("max_duration", keys.max_duration.as_ref().map(Value::text));
    text.callee("before_retry", keys.before_retry.as_ref());
    text.patterns("retry_on", keys.retry_on.as_ref());
    text.patterns("abort_on", keys.abort_on.as_ref());
    text.callee("retry_if", keys.retry_if.as_ref());
    text.callee("retry_if_ok", keys.retry_if_ok.as_ref());
    text.callee("retry_after", keys.retry_after.as_ref());
    text.refusals(keys.on_refusal.as_ref(), r#""timeout", "bulkhead", "rate_limit""#);
    text.given("budget", keys.budget.as_ref().map(Value::text));
}

fn describe_breaker(keys: &Breaker, text: &mut Keys) {
    text.value("failure_threshold", keys.failure_threshold.as_ref(), "5");
    text.value("failure_rate_threshold", keys.failure_rate_threshold.as_ref(), "0.5");
    text.value("minimum_throughput", keys.minimum_throughput.as_ref(), "10");
    text.0.push(match &keys.window {
        None => "window = 100".into(),
        Some(Window::Calls(calls, _)) => format!("window = {calls}"),
        Some(Window::Time(time, _)) => format!("window = {:?}", duration::text(*time)),
        Some(Window::Expr(expr)) => format!("window = {}", source(expr)),
    });
    if keys.slow_call_threshold.is_some() {
        text.given("slow_call_threshold", keys.slow_call_threshold.as_ref().map(Value::text));
        text.value("slow_call_rate_threshold", keys.slow_call_rate_threshold.as_ref(), "1.0");
    }
    text.value("recovery_timeout", keys.recovery_timeout.as_ref(), "\"1m\"");
    text.value("recovery_multiplier", keys.recovery_multiplier.as_ref(), "1.0");
    text.given("max_recovery_timeout", keys.max_recovery_timeout.as_ref().map(Value::text));
    text.value("half_open_max_calls", keys.half_open_max_calls.as_ref(), "3");
    text.value("success_threshold", keys.success_threshold.as_ref(), "3");
    text.patterns("fail_on", keys.fail_on.as_ref());
    text.patterns("skip_on", keys.skip_on.as_ref());
    text.callee("fail_if", keys.fail_if.as_ref());
    text.callee("fail_if_ok", keys.fail_if_ok.as_ref());
    text.refusals(keys.on_refusal.as_ref(), r#""timeout""#);
    text.given("shared", keys.shared.as_ref().map(|shared| format!("{:?}", shared.text)));
    text.keyed(keys.key.as_ref(), keys.max_keys.as_ref(), "1024");
}

/// The configuration of a shared breaker, for comparing what several functions write; none where
/// only the name is written.
pub(crate) fn shared_configuration(keys: &Breaker) -> Option<String> {
    let rules = Breaker {
        shared: None,
        fail_on: None,
        skip_on: None,
        fail_if: None,
        fail_if_ok: None,
        on_refusal: None,
        ..keys.clone()
    };
    let configuration = |keys: &Breaker| {
        let mut text = Keys::default();
        describe_breaker(keys, &mut text);
        text.0.join(", ")
    };
    let written = rules.failure_threshold.is_some()
        || rules.failure_rate_threshold.is_some()
        || rules.minimum_throughput.is_some()
        || rules.window.is_some()
        || rules.slow_call_threshold.is_some()
        || rules.recovery_timeout.is_some()
        || rules.recovery_multiplier.is_some()
        || rules.max_recovery_timeout.is_some()
        || rules.half_open_max_calls.is_some()
        || rules.success_threshold.is_some();
    written.then(|| configuration(&rules))
}

fn describe_fallback(Fallback { path, keys, .. }: &Fallback) -> String {
    let mut text = Keys::default();
    text.0.extend(path.as_ref().map(|path| source(&path.to_token_stream())));
    text.code("value", keys.value.as_ref());
    if let Some(LastGood { keys: stale, .. }) = &keys.stale {
        let mut inner = Keys::default();
        inner.code("key", stale.key.as_ref());
        inner.value("max_age", stale.max_age.as_ref(), "\"5m\"");
        inner.value("capacity", stale.capacity.as_ref(), "1000");
        inner.callee("aged", stale.aged.as_ref());
        text.0.push(format!("stale({})", inner.0.join(", ")));
    }
    text.code("provider", keys.provider.as_ref());
    text.patterns("apply_on", keys.apply_on.as_ref());
    text.patterns("skip_on", keys.skip_on.as_ref());
    text.refusals(keys.on_refusal.as_ref(), "\"all\"");
    format!("fallback({})", text.0.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::errors::Errors;
    use quote::quote;

    #[test]
    fn defaults_are_shown_beside_what_was_written() {
        let args = Args::read(quote!(timeout = "2s", retry = 5, bulkhead), &mut Errors::default());
        assert_eq!(
            describe(&args),
            "timeout = \"2s\", retry(max_attempts = 5, backoff = \"exponential\", \
             base_delay = \"1s\", max_delay = \"1m\", multiplier = 2.0, jitter = 0.1, \
             on_refusal(\"timeout\", \"bulkhead\", \"rate_limit\")), \
             bulkhead(max_concurrent = 10, max_queue = 0, max_wait = \"30s\")"
        );
    }

    #[test]
    fn a_limit_that_is_found_begins_within_its_range() {
        for (attribute, begin) in [
            (quote!(bulkhead(adaptive)), 10),
            (quote!(bulkhead(adaptive(max = 5))), 5),
            (quote!(bulkhead(adaptive(min = 20))), 20),
            (quote!(bulkhead(max_concurrent = 7, adaptive)), 7),
        ] {
            let described = describe(&Args::read(attribute, &mut Errors::default()));
            assert!(described.contains(&format!("max_concurrent = {begin},")), "{described}");
        }
    }
}
