//! The code of a resilient function.
//!
//! ```text
//! static SITE: Site = Site::new(Origin { … }, |name| Parts { breaker: Some(…), … });
//! submit! { Registration(&SITE) }
//! let whole = Whole::begin(identity);
//! let breaker = parts.breaker(); let timeout = …;
//! let outcome = loop {
//!     let outcome = 'attempt: { … admit, throttle, run the body under timeout and bulkhead, settle … };
//!     let delay = match retrying.next(outcome, …) { Break(o) => break o, Continue(d) => d };
//!     retrying.pause(delay).await;
//! };
//! whole.finish(outcome)
//! ```
//!
//! An inline loop around a plain `async` block, handed over as `Pin<&mut _>`: a runtime function that
//! took an async closure would make every function that borrows anything not `Send`
//! (rust-lang/rust#138207), and a future passed by value would be stored twice.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use super::args::{Args, Backoff, Breaker, Fallback, Group, Hedge, Refusals, Retry, Window};
use super::check::Model;
use super::describe::{describe, shared_configuration};
use crate::common::function::Function;
use crate::common::keys::Code;
use crate::common::names::{located_at, private, replace};
use crate::common::pattern::Patterns;
use crate::common::value::{Literal, Value};

pub(crate) fn expand(model: &Model, mut function: Function) -> TokenStream {
    let body = Expansion::new(model).function_body();
    let mut anatomy = model.anatomy.clone();
    for (name, _) in cloned_mutably(model) {
        strip_mut(&mut function, name);
        anatomy.rebind_immutably(name);
    }
    let body = anatomy.rebuild(body);
    let Function { attrs, vis, defaultness, sig, .. } = &function;
    quote!(#(#attrs)* #vis #defaultness #sig { #body })
}

/// The arguments that each attempt clones and changes: only the clone is mutable.
fn cloned_mutably(model: &Model) -> impl Iterator<Item = (&Ident, syn::Token![mut])> {
    let cloned = model.args.clone.as_ref().map(|names| names.0.as_slice()).unwrap_or_default();
    model.anatomy.bindings().filter_map(move |(name, mutability)| {
        cloned.contains(name).then_some(())?;
        Some((name, (*mutability)?))
    })
}

fn strip_mut(function: &mut Function, name: &Ident) {
    struct Strip<'a>(&'a Ident);
    impl syn::visit_mut::VisitMut for Strip<'_> {
        fn visit_pat_ident_mut(&mut self, pattern: &mut syn::PatIdent) {
            if pattern.ident == *self.0 {
                pattern.mutability = None;
            }
        }
    }
    for input in &mut function.sig.inputs {
        syn::visit_mut::VisitMut::visit_fn_arg_mut(&mut Strip(name), input);
    }
}

/// The parts of one expansion; each method prints one of them.
struct Expansion<'m> {
    model: &'m Model,
    args: &'m Args,
    /// Path of the runtime.
    rt: TokenStream,
    /// Where errors about types point: the return type.
    span: Span,
    identity: Ident,
    parts: Ident,
    outcome: Ident,
    error: Ident,
}

impl<'m> Expansion<'m> {
    fn new(model: &'m Model) -> Self {
        let krate = model.args.krate.as_ref().map(|krate| krate.0.to_token_stream());
        let krate = krate.unwrap_or_else(|| quote!(::mmf));
        Self {
            model,
            args: &model.args,
            rt: quote!(#krate::__private),
            span: Span::mixed_site().located_at(model.anatomy.ret_span),
            identity: private("__mmf_identity"),
            parts: private("__mmf_parts"),
            outcome: private("__mmf_outcome"),
            error: private("__mmf_error"),
        }
    }

    fn function_body(&self) -> TokenStream {
        let Self { rt, span, identity, parts, outcome, .. } = self;
        let site = self.site();
        let settings = self.settings();
        let policies = self.policies();
        let call = self.under_deadline(self.attempts());
        let keepers = self.keepers();
        let fallback = self.fallback();
        let ret = &self.model.anatomy.ret;
        let whole = private("__mmf_whole");
        // What asks for the traits of the function's types does so at its return type.
        let rt_here = located_at(rt.clone(), *span);
        let (whole_here, outcome_here) =
            (Ident::new("__mmf_whole", *span), Ident::new("__mmf_outcome", *span));
        let finish = if self.model.refuses() { "finish" } else { "finish_unrefused" };
        let finish = Ident::new(finish, *span);
        quote_spanned! {*span=>
            #site
            let #identity = __MMF_SITE.identity();
            let #parts = __MMF_SITE.parts();
            let #whole = #rt::Whole::begin(#identity);
            #settings
            #policies
            let #outcome = { #keepers #call };
            #fallback
            let __mmf_result: #ret = #rt_here::from_result(#whole_here.#finish(#outcome_here));
            __mmf_result
        }
    }

    /// The static that holds configuration and state, on the list of all from link time on.
    fn site(&self) -> TokenStream {
        let Self { rt, args, .. } = self;
        let function = &self.model.ident;
        let name = match &args.name {
            Some(name) => name.text.to_token_stream(),
            None => {
                let function = function.to_string();
                let function = function.trim_start_matches("r#");
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
                |__mmf_name| #rt::Parts { #parts ..#rt::Parts::default() },
            );
            #rt::inventory::submit! { #rt::Registration(&__MMF_SITE) }
        }
    }

    fn built_parts(&self) -> TokenStream {
        let Self { rt, args, .. } = self;
        let some = |field: &str, value: TokenStream| {
            let field = format_ident!("{field}");
            quote!(#field: ::core::option::Option::Some(#value),)
        };
        let mut parts = TokenStream::new();
        if let Some(Group::Keys(keys, _)) = &args.retry
            && !self.retry_is_local(keys)
        {
            parts.extend(some("retry", self.retry_policy(keys)));
        }
        match &args.breaker {
            Some(Group::Keys(keys, _)) => parts.extend(self.breaker_part(keys)),
            Some(Group::Policy(expr)) if !self.model.is_local(expr) => {
                parts.extend(some("outer_breaker", quote!(#expr)));
            }
            _ => {}
        }
        if let Some(Group::Keys(keys, _)) = &args.rate_limit {
            let mut builder = quote!(#rt::RateLimiter::builder(__mmf_name));
            set(&mut builder, "permits", keys.permits.as_ref());
            set(&mut builder, "period", keys.period.as_ref());
            set(&mut builder, "burst", keys.burst.as_ref());
            set(&mut builder, "max_wait", keys.max_wait.as_ref());
            parts.extend(some("rate_limit", quote!(#builder.build())));
        }
        if let Some(Group::Keys(keys, _)) = &args.bulkhead {
            let mut builder = quote!(#rt::Bulkhead::builder(__mmf_name));
            set(&mut builder, "max_concurrent", keys.max_concurrent.as_ref());
            set(&mut builder, "max_queue", keys.max_queue.as_ref());
            set(&mut builder, "max_wait", keys.max_wait.as_ref());
            parts.extend(some("bulkhead", quote!(#builder.build())));
        }
        if let Some(Group::Keys(keys, _)) = &args.hedge
            && !self.hedge_is_local(keys)
        {
            parts.extend(some("hedge", self.hedge_policy(keys)));
        }
        if let Some(stale) =
            args.fallback.as_ref().and_then(|fallback| fallback.keys.stale.as_ref())
        {
            let max_age = match &stale.max_age {
                Some(max_age) => quote!(#max_age),
                None => quote!(::core::time::Duration::from_secs(300)),
            };
            let capacity = match &stale.capacity {
                Some(capacity) => quote!(#capacity),
                None => quote!(1000_u32),
            };
            parts.extend(some(
                "stale",
                quote!(#rt::StaleValues::new(#max_age, (#capacity) as usize)),
            ));
        }
        parts
    }

    fn breaker_part(&self, keys: &Breaker) -> TokenStream {
        let rt = &self.rt;
        let name = if keys.shared.is_some() { quote!(__mmf_shared) } else { quote!(__mmf_name) };
        let mut builder = quote!(#rt::CircuitBreaker::builder(#name));
        set(&mut builder, "failure_threshold", keys.failure_threshold.as_ref());
        set(&mut builder, "failure_rate_threshold", keys.failure_rate_threshold.as_ref());
        set(&mut builder, "minimum_throughput", keys.minimum_throughput.as_ref());
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
        set(&mut builder, "slow_call_threshold", keys.slow_call_threshold.as_ref());
        set(&mut builder, "slow_call_rate_threshold", keys.slow_call_rate_threshold.as_ref());
        set(&mut builder, "recovery_timeout", keys.recovery_timeout.as_ref());
        set(&mut builder, "recovery_multiplier", keys.recovery_multiplier.as_ref());
        set(&mut builder, "max_recovery_timeout", keys.max_recovery_timeout.as_ref());
        set(&mut builder, "half_open_max_calls", keys.half_open_max_calls.as_ref());
        set(&mut builder, "success_threshold", keys.success_threshold.as_ref());

        let some = quote!(::core::option::Option::Some);
        if let Some(shared) = &keys.shared {
            let (name, configured) = (&shared.text, shared_configuration(keys).is_some());
            return quote! {
                outer_breaker: #some(#rt::shared_breaker(
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
            return quote!(keyed: #some(#rt::KeyedBreakers::new(#builder, (#max_keys) as usize)),);
        }
        quote!(breaker: #some(#builder.build()),)
    }

    fn retry_is_local(&self, keys: &Retry) -> bool {
        let times = [&keys.base_delay, &keys.max_delay, &keys.max_duration];
        let shares = [&keys.multiplier, &keys.jitter];
        times.into_iter().flatten().filter_map(Value::expr).any(|expr| self.model.is_local(expr))
            || shares.into_iter().flatten().filter_map(Value::expr).any(|e| self.model.is_local(e))
            || keys
                .max_attempts
                .as_ref()
                .and_then(Value::expr)
                .is_some_and(|e| self.model.is_local(e))
            || keys.backoff.as_ref().and_then(Backoff::expr).is_some_and(|e| self.model.is_local(e))
    }

    fn retry_policy(&self, keys: &Retry) -> TokenStream {
        let rt = &self.rt;
        let mut builder = quote!(#rt::RetryPolicy::builder());
        set(&mut builder, "max_attempts", keys.max_attempts.as_ref());
        match &keys.backoff {
            None => {}
            Some(Backoff::Named(_, variant, span)) => {
                let variant = Ident::new(variant, *span);
                builder.extend(quote!(.backoff(#rt::Backoff::#variant)));
            }
            Some(Backoff::Expr(expr)) => {
                builder.extend(quote_spanned!(expr.span()=> .backoff(#expr)));
            }
        }
        set(&mut builder, "base_delay", keys.base_delay.as_ref());
        set(&mut builder, "max_delay", keys.max_delay.as_ref());
        set(&mut builder, "multiplier", keys.multiplier.as_ref());
        set(&mut builder, "jitter", keys.jitter.as_ref());
        set(&mut builder, "max_duration", keys.max_duration.as_ref());
        set(&mut builder, "budget", keys.budget.as_ref());
        quote!(#builder.build())
    }

    fn hedge_is_local(&self, keys: &Hedge) -> bool {
        keys.delay.as_ref().and_then(Value::expr).is_some_and(|expr| self.model.is_local(expr))
    }

    fn hedge_policy(&self, keys: &Hedge) -> TokenStream {
        let rt = &self.rt;
        let mut builder = quote!(#rt::HedgePolicy::builder());
        set(&mut builder, "delay", keys.delay.as_ref());
        set(&mut builder, "percentile", keys.percentile.as_ref());
        set(&mut builder, "max_hedges", keys.max_hedges.as_ref());
        quote!(#builder.build())
    }

    /// What depends on the call: policies from expressions, keys, the retries.
    fn settings(&self) -> TokenStream {
        let Self { rt, args, identity, parts, .. } = self;
        let mut settings = TokenStream::new();
        if let Some(retry) = &args.retry {
            let policy = match retry {
                Group::Keys(keys, _) if self.retry_is_local(keys) => {
                    let policy = self.retry_policy(keys);
                    let policy = self.user_code(policy);
                    quote!(&#policy)
                }
                Group::Keys(..) => quote!(#parts.retry()),
                Group::Policy(expr) => {
                    let expr = self.user_code(expr.to_token_stream());
                    quote_spanned!(retry.span()=> &(#expr))
                }
            };
            let listed = retry.keys().and_then(|keys| keys.on_refusal.as_ref());
            let refusals = self.refusals(listed, "RETRIED");
            let (policy_name, retrying) = (private("__mmf_retry"), private("__mmf_retrying"));
            settings.extend(quote! {
                let #policy_name: &#rt::RetryPolicy = #policy;
                let mut #retrying = #rt::Retrying::begin(#identity, #policy_name, #refusals);
            });
        }
        if let Some(stale) =
            args.fallback.as_ref().and_then(|fallback| fallback.keys.stale.as_ref())
            && let Some(Code(key)) = &stale.key
        {
            let stale_key = private("__mmf_stale_key");
            let key = self.user_code(key.to_token_stream());
            settings.extend(quote!(let #stale_key = #key;));
        }
        settings
    }

    /// References to the policies of an attempt, each under its own name.
    fn policies(&self) -> TokenStream {
        let Self { rt, args, parts, .. } = self;
        let mut policies = TokenStream::new();
        let mut refer = |name: &str, ty: TokenStream, policy: TokenStream| {
            let variable = private(name);
            policies.extend(quote_spanned!(policy.span()=> let #variable: &#ty = #policy;));
        };
        let breaker = quote!(#rt::CircuitBreaker);
        match &args.breaker {
            None => {}
            Some(Group::Policy(expr)) if self.model.is_local(expr) => {
                refer("__mmf_breaker", breaker, self.user_code(expr.to_token_stream()));
            }
            Some(Group::Keys(Breaker { key: Some(Code(key)), .. }, _)) => {
                let keyed = private("__mmf_keyed");
                let key = self.user_code(key.to_token_stream());
                refer("__mmf_breaker", breaker, quote!(&*#keyed));
                policies = quote!(let #keyed = #parts.keyed().get(&(#key)); #policies);
            }
            Some(_) => refer("__mmf_breaker", breaker, quote!(#parts.breaker())),
        }
        let mut refer = |name: &str, ty: TokenStream, policy: TokenStream| {
            let variable = private(name);
            policies.extend(quote_spanned!(policy.span()=> let #variable: &#ty = #policy;));
        };
        if let Some(group) = &args.rate_limit {
            let policy = self.policy(group, quote!(#parts.rate_limit()));
            refer("__mmf_rate_limit", quote!(#rt::RateLimiter), policy);
        }
        if let Some(group) = &args.bulkhead {
            let policy = self.policy(group, quote!(#parts.bulkhead()));
            refer("__mmf_bulkhead", quote!(#rt::Bulkhead), policy);
        }
        if let Some(hedge) = &args.hedge {
            let policy = match hedge {
                Group::Keys(keys, _) if self.hedge_is_local(keys) => {
                    let policy = self.user_code(self.hedge_policy(keys));
                    quote!(&#policy)
                }
                group => self.policy(group, quote!(#parts.hedge())),
            };
            refer("__mmf_hedge", quote!(#rt::HedgePolicy), policy);
        }
        if let Some(timeout) = &args.timeout {
            let timeout = self.user_code(timeout.to_token_stream());
            let variable = private("__mmf_timeout");
            policies.extend(quote!(let #variable = #rt::duration(#timeout);));
        }
        policies
    }

    /// A reference to the policy of a group: the one that was built, or the one that was handed over.
    fn policy<K>(&self, group: &Group<K>, built: TokenStream) -> TokenStream {
        match group {
            Group::Keys(..) => built,
            Group::Policy(expr) => {
                let expr = self.user_code(expr.to_token_stream());
                quote_spanned!(expr.span()=> &(#expr))
            }
        }
    }

    /// The attempts of a call: one, or a loop of them.
    fn attempts(&self) -> TokenStream {
        let Self { rt, args, outcome, .. } = self;
        let attempt = self.attempt();
        let Some(retry) = &args.retry else { return attempt };
        let judge = self.retry_judge(retry.keys());
        let (retrying, delay) = (private("__mmf_retrying"), private("__mmf_delay"));
        let pause = if self.model.anatomy.is_async {
            quote!(#retrying.pause(#delay).await)
        } else {
            quote!(#retrying.pause_blocking(#delay))
        };
        quote! {
            loop {
                let #outcome = #attempt;
                let #delay = match #retrying.next(#outcome, #judge, #rt::error_text!()) {
                    ::core::ops::ControlFlow::Break(#outcome) => break #outcome,
                    ::core::ops::ControlFlow::Continue(#delay) => #delay,
                };
                #pause;
            }
        }
    }

    // Output:
    //     'attempt: {
    //         let attempt = Attempt::begin(&whole);
    //         let admitted = match attempt.admit(breaker) { Ok(…) => …, Err(…) => break 'attempt … };
    //         if let Err(refusal) = attempt.throttle(limiter).await { break 'attempt Err(refusal) }
    //         let outcome = RUN;
    //         admitted.settle(&outcome, …);
    //         outcome
    //     }
    //
    /// The policies inside the retry, outermost first; each has its lines only where it was asked for.
    fn attempt(&self) -> TokenStream {
        let Self { rt, args, identity, outcome, span, .. } = self;
        let (attempt, whole) = (private("__mmf_attempt"), private("__mmf_whole"));
        let (admitted, refusal) = (private("__mmf_admitted"), private("__mmf_refusal"));
        let label = syn::Lifetime::new("'__mmf_attempt", Span::mixed_site());
        let err = quote!(::core::result::Result::Err);
        let admit = args.breaker.as_ref().map(|_| {
            let breaker = private("__mmf_breaker");
            quote! {
                let #admitted = match #attempt.admit(#breaker) {
                    ::core::result::Result::Ok(#admitted) => #admitted,
                    #err(#refusal) => break #label #err(#refusal),
                };
            }
        });
        let throttle = args.rate_limit.as_ref().map(|_| {
            let limiter = private("__mmf_rate_limit");
            let wait = if self.model.anatomy.is_async {
                quote!(#attempt.throttle(#limiter).await)
            } else {
                quote!(#attempt.throttle_blocking(#limiter))
            };
            quote!(if let #err(#refusal) = #wait { break #label #err(#refusal); })
        });
        let settle = args.breaker.as_ref().map(|breaker| {
            let keys = breaker.keys();
            let refusals =
                self.refusals(keys.and_then(|keys| keys.on_refusal.as_ref()), "FAILURES");
            let judge = self.breaker_judge(keys);
            quote!(#admitted.settle(&#outcome, #refusals, #judge);)
        });
        let run = if self.model.anatomy.is_async { self.run() } else { self.run_blocking() };
        let run = match &args.hedge {
            None => run,
            Some(_) => {
                let hedge = private("__mmf_hedge");
                quote_spanned!(*span=> #hedge.race(#identity, || async { #run }).await)
            }
        };
        let label_colon = (admit.is_some() || throttle.is_some()).then(|| quote!(#label:));
        quote_spanned! {*span=>
            #label_colon {
                let #attempt = #rt::Attempt::begin(&#whole);
                #admit
                #throttle
                let #outcome = #run;
                #settle
                #outcome
            }
        }
    }

    // Output:
    //     {
    //         let run = attempt.start();
    //         let mut permit = None;
    //         let body = pin!(async { BODY });
    //         let body = pin!(async { into_result(body.await) });
    //         let body = pin!(run.body(body));
    //         let body = pin!(run.enter(bulkhead, &mut permit, body));
    //         let outcome = run.within(timeout, body).await;
    //         if outcome.is_err() { run.note_refusal(); }
    //         outcome
    //     }
    //
    /// One run of the body, quoted once, through timeout and bulkhead. The permit is declared before
    /// the body, so that it goes back after the body is gone.
    fn run(&self) -> TokenStream {
        let Self { rt, args, outcome, span, .. } = self;
        let rt_here = located_at(rt.clone(), *span);
        let (attempt, run) = (private("__mmf_attempt"), private("__mmf_run"));
        let (body, permit) = (private("__mmf_body"), private("__mmf_permit"));
        let (clones, moves) = self.clones();
        let future = self.future(&moves);
        let mut layers = quote_spanned!(*span=> #run.body(#body));
        let bulkhead = args.bulkhead.is_some();
        let declare_permit =
            bulkhead.then(|| quote!(let mut #permit = ::core::option::Option::None;));
        let mut pinned = TokenStream::new();
        if bulkhead {
            let policy = private("__mmf_bulkhead");
            pinned.extend(quote_spanned!(*span=> let #body = ::core::pin::pin!(#layers);));
            layers = quote!(#run.enter(#policy, &mut #permit, #body));
        }
        if args.timeout.is_some() {
            let limit = private("__mmf_timeout");
            pinned.extend(quote_spanned!(*span=> let #body = ::core::pin::pin!(#layers);));
            layers = quote!(#run.within(#limit, #body));
        }
        let note = (bulkhead || args.timeout.is_some())
            .then(|| quote!(if #outcome.is_err() { #run.note_refusal(); }));
        quote_spanned! {*span=>
            {
                let #run = #attempt.start();
                #declare_permit
                #clones
                let #body = ::core::pin::pin!(#future);
                let #body = ::core::pin::pin!(async { #rt_here::into_result(#body.await) });
                #pinned
                let #outcome = #layers.await;
                #note
                #outcome
            }
        }
    }

    /// One run of a body that is not `async`.
    fn run_blocking(&self) -> TokenStream {
        let Self { rt, args, outcome, span, .. } = self;
        let (attempt, run) = (private("__mmf_attempt"), private("__mmf_run"));
        let (clones, moves) = self.clones();
        let (ret, body) = (&self.model.anatomy.ret, &self.model.anatomy.body);
        let body = quote_spanned!(*span=> #run.body_blocking(|| #rt::into_result((|| -> #ret { #moves #body })())));
        let body = if args.bulkhead.is_some() {
            let (bulkhead, permit) = (private("__mmf_bulkhead"), private("__mmf_permit"));
            quote! {
                match #run.enter_blocking(#bulkhead) {
                    ::core::result::Result::Ok(#permit) => {
                        let #outcome = #body;
                        ::core::mem::drop(#permit);
                        #outcome
                    }
                    ::core::result::Result::Err(#permit) => {
                        #run.note_refusal();
                        ::core::result::Result::Err(#permit)
                    }
                }
            }
        } else {
            body
        };
        quote! {
            {
                let #run = #attempt.start();
                #clones
                #body
            }
        }
    }

    // Output:
    //     async {
    //         if false { let fake: Ret = loop {}; return fake; }
    //         let ret: Ret = { BODY };
    //         ret
    //     }
    //
    /// The unreachable `return` and the typed `let` keep `?`, early returns and coercions inferring as
    /// in the original, with errors at the user's own expression (tokio-rs/tracing#2270, #1616).
    fn future(&self, moves: &TokenStream) -> TokenStream {
        let Self { span, .. } = self;
        let mut anatomy = self.model.anatomy.clone();
        // Without repetition, and where nothing wants the arguments back, the body may own them.
        let hands_over =
            self.args.fallback.as_ref().is_some_and(|fallback| fallback.path.is_some());
        let movement = if self.model.repeats() || hands_over {
            anatomy.borrow_under_instrument();
            TokenStream::new()
        } else {
            quote!(move)
        };
        let (ret, body) = (&anatomy.ret, &anatomy.body);
        let (fake, value) = (private("__mmf_fake_return"), private("__mmf_return"));
        quote_spanned! {*span=>
            async #movement {
                #[allow(
                    unknown_lints, unreachable_code, clippy::diverging_sub_expression,
                    clippy::empty_loop, clippy::let_unit_value, clippy::let_with_type_underscore,
                    clippy::needless_return, clippy::unreachable
                )]
                if false {
                    let #fake: #ret = loop {};
                    return #fake;
                }
                #moves
                #[allow(clippy::let_and_return, clippy::let_with_type_underscore)]
                let #value: #ret = { #body };
                #[allow(unreachable_code)]
                #value
            }
        }
    }

    /// A clone of each argument named in `clone(…)`, made outside the body and moved into it, so that
    /// the future holds the clone and no borrow of the original.
    fn clones(&self) -> (TokenStream, TokenStream) {
        let mut clones = TokenStream::new();
        let mut moves = TokenStream::new();
        for name in self.args.clone.as_ref().map(|names| names.0.as_slice()).unwrap_or_default() {
            let mutability =
                cloned_mutably(self.model).find(|(mutable, _)| *mutable == name).map(|(_, m)| m);
            // At the name in `clone(…)`, where a missing `Clone` is to be reported.
            clones.extend(
                quote_spanned!(name.span()=> let #name = ::core::clone::Clone::clone(&#name);),
            );
            moves.extend(quote!(#[allow(unused_variables)] let #mutability #name = #name;));
        }
        (clones, moves)
    }

    fn under_deadline(&self, attempts: TokenStream) -> TokenStream {
        let Self { rt, args, identity, span, .. } = self;
        let Some(deadline) = &args.deadline else { return attempts };
        let deadline = self.user_code(deadline.to_token_stream());
        let rest = private("__mmf_rest");
        quote_spanned! {*span=>
            {
                let #rest = ::core::pin::pin!(async { #attempts });
                #rt::Deadline::begin(#identity, #rt::duration(#deadline)).run(#rest).await
            }
        }
    }

    /// Borrows of what the fallback takes over, so that a body that consumes one is refused with words
    /// that say what to do. Under retry and hedge the body cannot consume anything anyway.
    fn keepers(&self) -> TokenStream {
        let rt = &self.rt;
        let hands_over =
            self.args.fallback.as_ref().is_some_and(|fallback| fallback.path.is_some());
        if !hands_over || self.model.repeats() {
            return TokenStream::new();
        }
        let cloned = self.args.clone.as_ref().map(|names| names.0.as_slice()).unwrap_or_default();
        let arguments =
            self.model.anatomy.arguments.iter().filter(|argument| !argument.is_reference);
        arguments
            .flat_map(|argument| &argument.bindings)
            .filter(|(name, mutability)| mutability.is_none() && !cloned.contains(name))
            .map(|(name, _)| {
                let text = name.to_string();
                let text = text.trim_start_matches("r#");
                let keeper = format_ident!(
                    "the_fallback_takes_{text}_over_so_name_it_in_clone",
                    span = Span::mixed_site().located_at(name.span())
                );
                quote!(let #keeper = #rt::FallbackTakesThisArgument::over(&#name);)
            })
            .collect()
    }

    fn fallback(&self) -> TokenStream {
        let Self { rt, args, identity, parts, outcome, error, .. } = self;
        let Some(Fallback { path, keys, span }) = &args.fallback else { return TokenStream::new() };
        let refusals = self.refusals(keys.on_refusal.as_ref(), "ALL");
        let judge = {
            let skipped = keys.skip_on.as_ref().map(|patterns| patterns.matches(error));
            let applied = keys.apply_on.as_ref().map(|patterns| patterns.matches(error));
            let skipped = skipped.unwrap_or_else(|| quote!(false));
            let applied = applied.unwrap_or_else(|| quote!(true));
            quote!(|#[allow(unused_variables)] #error| !#skipped && #applied)
        };
        let note = quote!(#rt::fallback::note(#identity, &#outcome, #rt::error_text!()));
        if keys.stale.is_some() {
            let key = private("__mmf_stale_key");
            return quote! {
                let #outcome = #parts.stale().answer(
                    #identity, #key, #outcome, #refusals, #judge, #rt::error_text!(),
                );
            };
        }
        let answer = if let Some(Code(value)) = &keys.value {
            let value = self.user_code(value.to_token_stream());
            quote!(::core::result::Result::Ok(#value))
        } else {
            let path = path.as_ref().map(|path| self.user_code(path.to_token_stream()));
            let receiver = self.model.anatomy.receiver.as_ref().map(|_| {
                let receiver = Ident::new(self.model.anatomy.self_name, Span::call_site());
                quote!(#receiver,)
            });
            let arguments =
                self.model.anatomy.arguments.iter().filter_map(|argument| argument.expr.as_ref());
            let answer_name = private("__mmf_answer");
            let take_error =
                if self.model.refuses() { quote!(error) } else { quote!(unrefused_error) };
            let resolve = if self.model.anatomy.is_async {
                quote!({
                    #[allow(unused_imports)]
                    use #rt::fallback::Later as _;
                    #rt::fallback::Answer(#answer_name).resolve().await
                })
            } else {
                quote!(#answer_name)
            };
            quote_spanned! {Span::mixed_site().located_at(*span)=>
                {
                    let #error = #rt::fallback::#take_error(#outcome);
                    let #answer_name = #path(#receiver #(#arguments,)* #error);
                    #resolve
                }
            }
        };
        quote! {
            let #outcome = if #rt::fallback::applies(&#outcome, #refusals, #judge) {
                #note;
                ::core::result::Result::Ok(#answer)
            } else {
                #outcome
            };
        }
    }

    /// What the breaker makes of the function's errors.
    fn breaker_judge(&self, keys: Option<&Breaker>) -> TokenStream {
        let Self { rt, error, .. } = self;
        let failed = self.any(
            keys.and_then(|keys| keys.fail_on.as_ref()),
            keys.and_then(|keys| keys.fail_if.as_ref()),
        );
        let skipped = keys.and_then(|keys| keys.skip_on.as_ref()).map(|skip_on| {
            let skipped = skip_on.matches(error);
            quote!(if #skipped { #rt::Counted::Neither } else)
        });
        let rest = match failed {
            None => quote!({ #rt::Counted::Failure }),
            Some(failed) => {
                quote!(if #failed { #rt::Counted::Failure } else { #rt::Counted::Success })
            }
        };
        quote!(|#[allow(unused_variables)] #error| #skipped #rest)
    }

    /// What the retry makes of the function's results.
    fn retry_judge(&self, keys: Option<&Retry>) -> TokenStream {
        let Self { rt, error, .. } = self;
        let none = quote!(::core::option::Option::None);
        let on_ok = match keys.and_then(|keys| keys.retry_if_ok.as_ref()) {
            None => quote!(#rt::Retry::No),
            Some(code) => {
                let predicate = self.call(code, error);
                quote!(#rt::Retry::when(#predicate, || #none))
            }
        };
        let retried = keys
            .and_then(|keys| self.any(keys.retry_on.as_ref(), keys.retry_if.as_ref()))
            .unwrap_or_else(|| quote!(true));
        let aborted = keys.and_then(|keys| keys.abort_on.as_ref()).map(|abort_on| {
            let aborted = abort_on.matches(error);
            quote!(!#aborted &&)
        });
        let hint = match keys.and_then(|keys| keys.retry_after.as_ref()) {
            None => none,
            Some(code) => self.call(code, error),
        };
        quote! {
            |__mmf_result| match __mmf_result {
                #[allow(unused_variables)]
                ::core::result::Result::Ok(#error) => #on_ok,
                #[allow(unused_variables)]
                ::core::result::Result::Err(#error) => #rt::Retry::when(#aborted #retried, || #hint),
            }
        }
    }

    /// Patterns and predicate, either of which may hold.
    fn any(&self, patterns: Option<&Patterns>, predicate: Option<&Code>) -> Option<TokenStream> {
        let patterns = patterns.map(|patterns| patterns.matches(&self.error));
        let predicate = predicate.map(|code| self.call(code, &self.error));
        match (patterns, predicate) {
            (Some(patterns), Some(predicate)) => Some(quote!(({ #patterns } || #predicate))),
            (Some(one), None) => Some(quote!({ #one })),
            (None, one) => one,
        }
    }

    /// A predicate of the user's, called at its own place.
    fn call(&self, Code(code): &Code, argument: &Ident) -> TokenStream {
        let rt = &self.rt;
        let span = code.span();
        let code = self.user_code(code.to_token_stream());
        quote_spanned!(span=> #rt::ask(#argument, #code))
    }

    fn refusals(&self, listed: Option<&Refusals>, default: &str) -> TokenStream {
        let rt = &self.rt;
        let Some(Refusals(names)) = listed else {
            let default = format_ident!("{default}");
            return quote!(#rt::Refusals::#default);
        };
        match names.first().map(|(name, _)| name.as_str()) {
            Some("all") => quote!(#rt::Refusals::ALL),
            Some("none") => quote!(#rt::Refusals::NONE),
            _ => {
                let kinds = names.iter().map(|(name, _)| {
                    format_ident!(
                        "{}",
                        match name.as_str() {
                            "breaker" => "Breaker",
                            "timeout" => "Timeout",
                            "deadline" => "Deadline",
                            "bulkhead" => "Bulkhead",
                            _ => "RateLimit",
                        }
                    )
                });
                quote!(#rt::Refusals::of(&[#(#rt::Refusal::#kinds),*]))
            }
        }
    }

    /// Code from the attribute, which names the receiver as the body does.
    fn user_code(&self, code: TokenStream) -> TokenStream {
        match self.model.anatomy.self_name {
            "self" => code,
            other => replace(code, "self", other),
        }
    }
}

/// `.key(value)` where the key is written.
fn set<T: Literal>(builder: &mut TokenStream, key: &str, value: Option<&Value<T>>) {
    let Some(value) = value else { return };
    let key = Ident::new(key, value.span());
    builder.extend(quote_spanned!(value.span()=> .#key(#value)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::errors::Errors;
    use crate::resilient::check::check;

    fn expansion(attribute: TokenStream, function: TokenStream) -> String {
        let mut errors = Errors::default();
        let args = Args::read(attribute, &mut errors);
        let function: Function = syn::parse2(function).unwrap();
        let model = check(args, &function, &mut errors).unwrap();
        assert!(errors.is_empty(), "{:?}", errors.messages());
        expand(&model, function).to_string()
    }

    #[test]
    fn what_was_not_asked_for_is_not_in_the_expansion() {
        let code = expansion(
            quote!(timeout = "2s"),
            quote!(
                async fn f() -> Result<u8, E> {
                    Ok(1)
                }
            ),
        );
        for absent in ["loop { let", "breaker", "bulkhead", "retrying", "fallback", "settle"] {
            assert!(!code.replace("__mmf_retry", "").contains(absent), "{absent}: {code}");
        }
    }

    #[test]
    fn the_body_is_quoted_once() {
        let code = expansion(
            quote!(retry, hedge = "1s", breaker, fallback(value(1)), deadline = "9s"),
            quote!(
                async fn f() -> Result<u8, E> {
                    the_body().await
                }
            ),
        );
        assert_eq!(code.matches("the_body").count(), 1);
    }

    #[test]
    fn everything_is_named_absolutely_and_the_facade_can_be_renamed() {
        let code = expansion(
            quote!(crate = renamed, retry),
            quote!(
                async fn f() -> Result<u8, E> {
                    Ok(1)
                }
            ),
        );
        assert!(code.contains("renamed :: __private :: Site"));
        assert!(!code.contains(":: mmf"));
    }

    #[test]
    fn only_the_clone_of_an_argument_is_mutable() {
        let code = expansion(
            quote!(retry, clone(list)),
            quote!(
                async fn f(mut list: Vec<u8>) -> Result<u8, E> {
                    list.push(1);
                    Ok(1)
                }
            ),
        );
        assert!(code.contains("async fn f (list : Vec < u8 >)"), "{code}");
        assert!(code.contains("let mut list = list"), "{code}");
    }
}
