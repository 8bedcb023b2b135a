//! The static that holds a function's configuration and state.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::Expr;
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use super::Expansion;
use crate::common::names::private;
use crate::common::value::{Literal, Value};
use crate::resilient::args::{
    Adaptive, AdaptiveGroup, Algorithm, Backoff, Breaker, Group, Hedge, Retry, Window, variant,
};
use crate::resilient::describe::{describe, shared_configuration};

/// The keys that a builder takes as they are written: `.key(value)` for each that is.
macro_rules! set {
    ($builder:ident, $keys:ident: $($key:ident),*) => {
        $(set(&mut $builder, stringify!($key), $keys.$key.as_ref());)*
    };
}

impl Expansion<'_> {
    /// The static that holds configuration and state, on the list of all from link time on.
    pub(super) fn site(&self) -> TokenStream {
        let Self { rt, args, .. } = self;
        let function = &self.model.ident;
        let name = match &args.name {
            Some(name) => name.to_token_stream(),
            None => {
                let function = function.unraw().to_string();
                quote!(::core::concat!(::core::module_path!(), "::", #function))
            }
        };
        let explicit = args.name.is_some();
        let description = describe(args);
        let shared = match args.breaker.as_ref().and_then(Group::keys) {
            Some(keys @ Breaker { shared: Some(shared), .. }) => {
                let name = &shared.text;
                let configuration = match shared_configuration(keys) {
                    Some(text) => quote!(::core::option::Option::Some(#text)),
                    None => quote!(::core::option::Option::None),
                };
                quote!(::core::option::Option::Some((#name, #configuration)))
            }
            _ => quote!(::core::option::Option::None),
        };
        let parts = self.built_parts();
        let build = if parts.is_empty() {
            quote!(#rt::Parts::none)
        } else {
            quote!(|__mmf_name| #rt::Parts { #parts ..#rt::Parts::NONE })
        };
        // Located at the function's name, for `line!`.
        let line = quote_spanned!(function.span()=> ::core::line!());
        quote! {
            static __MMF_SITE: #rt::Site = #rt::Site::new(
                #rt::Origin {
                    name: #name,
                    explicit: #explicit,
                    file: ::core::file!(),
                    line: #line,
                    description: #description,
                    shared: #shared,
                },
                #build,
            );
            #rt::inventory::submit! { #rt::Registration(&__MMF_SITE) }
        }
    }

    pub(super) fn built_parts(&self) -> TokenStream {
        let Self { rt, args, .. } = self;
        let some = |field: &str, value: TokenStream| {
            let field = format_ident!("{field}");
            quote!(#field: ::core::option::Option::Some(#value),)
        };
        let mut parts = TokenStream::new();
        // Built for good, where it is.
        let kept = |policy: TokenStream| quote!(#rt::kept(#policy));
        match &args.retry {
            Some(Group::Keys(keys, _)) if !self.retry_is_local(keys) => {
                parts.extend(some("retry", kept(self.retry_policy(keys))));
            }
            Some(Group::Keys(Retry { budget: Some(budget), .. }, _)) => {
                let budget = quote!(::std::sync::Arc::new(#rt::RetryBudget::new(#budget)));
                parts.extend(some("retry_budget", budget));
            }
            _ => {}
        }
        if let Some(feature) = &args.feature {
            let name = &feature.text;
            let level = match &args.disable_at {
                Some(level) => {
                    let level = format_ident!("{}", variant(&level.text));
                    quote!(::core::option::Option::Some(#rt::DegradationLevel::#level))
                }
                None => quote!(::core::option::Option::None),
            };
            parts.extend(some("feature", quote!(#rt::Gate::new(#name, #level))));
        }
        if let Some(Group::Keys(keys, _)) = &args.breaker {
            parts.extend(self.breaker_part(keys));
        }
        parts.extend(self.limits());
        let retry = args.retry.as_ref().and_then(Group::policy);
        let retry = retry.map(|policy| ("retry", "RetryPolicy", policy));
        for (part, ty, policy) in retry.into_iter().chain(args.ready_policies()) {
            if !self.model.is_local(policy) {
                parts.extend(some(part, self.ready(policy, ty)));
            }
        }
        if let Some(Group::Keys(keys, _)) = &args.rate_limit {
            let (part, ty) = match keys.key {
                None => ("rate_limit", quote!(RateLimiter)),
                Some(_) => ("keyed_limits", quote!(KeyedRateLimiters)),
            };
            let mut builder = quote!(#rt::#ty::builder(__mmf_name));
            set!(builder, keys: permits, period, burst, max_wait);
            set_max_keys(&mut builder, keys.max_keys.as_ref());
            parts.extend(some(part, kept(quote!(#builder.build()))));
        }
        if let Some(Group::Keys(keys, _)) = &args.bulkhead {
            let (part, ty) = match keys.key {
                None => ("bulkhead", quote!(Bulkhead)),
                Some(_) => ("keyed_bulkheads", quote!(KeyedBulkheads)),
            };
            let mut builder = quote!(#rt::#ty::builder(__mmf_name));
            set!(builder, keys: max_concurrent, max_queue, max_wait);
            if let Some(AdaptiveGroup(found)) = &keys.adaptive {
                let limit = self.adaptive_limit(found);
                builder.extend(quote!(.adaptive(#limit)));
            }
            set_max_keys(&mut builder, keys.max_keys.as_ref());
            parts.extend(some(part, kept(quote!(#builder.build()))));
        }
        if let Some(Group::Keys(keys, _)) = &args.hedge {
            parts.extend(some("hedge", kept(self.hedge_policy(keys))));
        }
        if let Some(stale) = args.stale() {
            let option = |value: Option<TokenStream>| match value {
                Some(value) => quote!(::core::option::Option::Some(#value)),
                None => quote!(::core::option::Option::None),
            };
            let max_age = option(stale.max_age.as_ref().map(ToTokens::to_token_stream));
            let capacity = option(stale.capacity.as_ref().map(|most| quote!((#most) as usize)));
            parts.extend(some("stale", kept(quote!(#rt::StaleValues::new(#max_age, #capacity)))));
        }
        parts
    }

    /// What is known of a call and its limits outside of it.
    fn limits(&self) -> TokenStream {
        let Self { args, model, .. } = self;
        let mut parts = TokenStream::new();
        let mut local = Vec::new();
        for (key, limit) in [("deadline", &args.deadline), ("timeout", &args.timeout)] {
            match limit {
                Some(limit) if model.is_constant(limit) => {
                    let key = format_ident!("{key}");
                    // A constant of another type is told with the type that it is to have.
                    let limit = match limit.expr() {
                        None => quote!(#limit),
                        Some(_) => {
                            let constant = private("__mmf_limit");
                            quote!({ let #constant: ::core::time::Duration = #limit; #constant })
                        }
                    };
                    parts.extend(quote!(#key: ::core::option::Option::Some(#limit),));
                }
                Some(_) => local.push(key),
                None => {}
            }
        }
        match &args.retry {
            Some(Group::Keys(keys, _)) if self.retry_is_local(keys) => local.push("retry"),
            Some(Group::Policy(policy)) if model.is_local(policy) => local.push("retry"),
            _ => {}
        }
        if let Some(Group::Keys(keys, _)) = &args.hedge
            && self.hedge_is_local(keys)
        {
            local.push("hedge");
        }
        let ready = args.ready_policies().filter(|(.., policy)| model.is_local(*policy));
        local.extend(ready.map(|(group, ..)| group));
        if !local.is_empty() {
            parts.extend(quote!(local: &[#(#local),*],));
        }
        let retry = args.retry.as_ref().and_then(Group::keys);
        let breaker = args.breaker.as_ref().and_then(Group::keys);
        for (field, written, default) in [
            ("retried", retry.and_then(|keys| keys.on_refusal.as_ref()), "RETRIED"),
            ("failures", breaker.and_then(|keys| keys.on_refusal.as_ref()), "FAILURES"),
            ("answered", args.fallback.as_ref().and_then(|f| f.keys.on_refusal.as_ref()), "ALL"),
        ] {
            if written.is_some() {
                let (field, refusals) = (format_ident!("{field}"), self.refusals(written, default));
                parts.extend(quote!(#field: ::core::option::Option::Some(#refusals),));
            }
        }
        if args.fallback.is_some() {
            parts.extend(quote!(has_fallback: true,));
        }
        if model.refuses() {
            parts.extend(quote!(carries_refusals: true,));
        }
        if model.has_value() {
            parts.extend(quote!(has_value: true,));
        }
        parts
    }

    pub(super) fn breaker_part(&self, keys: &Breaker) -> TokenStream {
        let rt = &self.rt;
        let name = if keys.shared.is_some() { quote!(__mmf_shared) } else { quote!(__mmf_name) };
        let mut builder = quote!(#rt::CircuitBreaker::builder(#name));
        set!(builder, keys: failure_threshold, failure_rate_threshold, minimum_throughput);
        match &keys.window {
            None => {}
            Some(Window::Calls(calls, span)) => {
                builder.extend(quote_spanned!(*span=> .window(#calls)));
            }
            Some(Window::Time(time, span)) => {
                let time = time.code(*span);
                builder.extend(quote_spanned!(*span=> .window(#time)));
            }
            Some(Window::Expr(expr)) => {
                builder.extend(quote_spanned!(expr.span()=> .window(#expr)));
            }
        }
        set!(builder, keys: slow_call_threshold, slow_call_rate_threshold, recovery_timeout, recovery_multiplier, max_recovery_timeout, half_open_max_calls, success_threshold);

        let some = quote!(::core::option::Option::Some);
        if let Some(shared) = &keys.shared {
            let (name, configured) = (&shared.text, shared_configuration(keys).is_some());
            return quote! {
                breaker: #some(#rt::shared_breaker(
                    #name,
                    |__mmf_shared| #builder.build(),
                    #configured,
                )),
            };
        }
        if keys.key.is_some() {
            let max_keys = match &keys.max_keys {
                Some(max_keys) => quote!(#max_keys),
                None => quote!(1024_u32),
            };
            return quote! {
                keyed: #some(#rt::kept(
                    #rt::KeyedBreakers::new(#builder, (#max_keys) as usize),
                )),
            };
        }
        quote!(breaker: #some(#rt::kept(#builder.build())),)
    }

    fn adaptive_limit(&self, keys: &Adaptive) -> TokenStream {
        let rt = &self.rt;
        let mut limit = quote!(#rt::AdaptiveLimit::new());
        set!(limit, keys: min, max);
        if let Some(Algorithm { name, span }) = &keys.algorithm {
            let variant = Ident::new(&variant(name), *span);
            limit.extend(quote!(.algorithm(#rt::LimitAlgorithm::#variant)));
        }
        limit
    }

    /// A ready policy that depends on nothing of the call: a reference to where it stands, or kept for good
    /// where it is built in place.
    fn ready(&self, expr: &Expr, ty: &str) -> TokenStream {
        let rt = &self.rt;
        let span = expr.span();
        let place = match expr {
            Expr::Paren(paren) => return self.ready(&paren.expr, ty),
            Expr::Group(group) => return self.ready(&group.expr, ty),
            Expr::Reference(_) => quote_spanned!(span=> #expr),
            Expr::Path(_) | Expr::Field(_) | Expr::Index(_) | Expr::Unary(_) => {
                quote_spanned!(span=> &(#expr))
            }
            _ => return quote_spanned!(span=> #rt::kept(#expr)),
        };
        let ty = format_ident!("{ty}");
        quote_spanned!(span=> { let __mmf_ready: &'static #rt::#ty = #place; __mmf_ready })
    }

    pub(super) fn retry_is_local(&self, keys: &Retry) -> bool {
        let Retry { max_attempts, base_delay, max_delay, max_duration, multiplier, jitter, .. } =
            keys;
        let attempts = max_attempts.as_ref().and_then(Value::expr);
        let backoff = keys.backoff.as_ref().and_then(Backoff::expr);
        let times = [base_delay, max_delay, max_duration].map(|time| time.as_ref()?.expr());
        let shares = [multiplier, jitter].map(|share| share.as_ref()?.expr());
        let mut written = [attempts, backoff].into_iter().chain(times).chain(shares).flatten();
        written.any(|expr| self.model.is_local(expr))
    }

    pub(super) fn retry_policy(&self, keys: &Retry) -> TokenStream {
        let rt = &self.rt;
        let mut builder = quote!(#rt::RetryPolicy::builder());
        set!(builder, keys: max_attempts);
        match &keys.backoff {
            None => {}
            Some(Backoff::Named(name, span)) => {
                let variant = Ident::new(&variant(name), *span);
                builder.extend(quote!(.backoff(#rt::Backoff::#variant)));
            }
            Some(Backoff::Expr(expr)) => {
                builder.extend(quote_spanned!(expr.span()=> .backoff(#expr)));
            }
        }
        set!(builder, keys: base_delay, max_delay, multiplier, jitter, max_duration);
        if self.retry_is_local(keys) {
            // The policy is made anew for each call, and its budget is not.
            if keys.budget.is_some() {
                let parts = &self.parts;
                builder
                    .extend(quote!(.shared_budget(::std::sync::Arc::clone(#parts.retry_budget()))));
            }
        } else {
            set!(builder, keys: budget);
        }
        quote!(#builder.build())
    }

    /// Whether its delay depends on the call, and nothing else can.
    pub(super) fn hedge_is_local(&self, keys: &Hedge) -> bool {
        keys.delay.as_ref().and_then(Value::expr).is_some_and(|expr| self.model.is_local(expr))
    }

    pub(super) fn hedge_policy(&self, keys: &Hedge) -> TokenStream {
        let rt = &self.rt;
        let mut builder = quote!(#rt::HedgePolicy::builder());
        if !self.hedge_is_local(keys) {
            set!(builder, keys: delay);
        }
        set!(builder, keys: percentile, max_hedges, budget);
        quote!(#builder.build())
    }
}

fn set_max_keys(builder: &mut TokenStream, value: Option<&Value<u32>>) {
    if let Some(value) = value {
        builder.extend(quote_spanned!(value.span()=> .max_keys((#value) as usize)));
    }
}

/// `.key(value)` where the key is written.
fn set<T: Literal>(builder: &mut TokenStream, key: &str, value: Option<&Value<T>>) {
    let Some(value) = value else { return };
    let key = Ident::new(key, value.span());
    builder.extend(quote_spanned!(value.span()=> .#key(#value)));
}
