//! The attempts of a call, and the policies inside the retry.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};

use super::Expansion;
use crate::common::names::{located_at, private};

impl Expansion<'_> {
    pub(super) fn under_deadline(&self, attempts: TokenStream) -> TokenStream {
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

    /// The attempts of a call: one, or a loop of them.
    pub(super) fn attempts(&self) -> TokenStream {
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
    pub(super) fn attempt(&self) -> TokenStream {
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
    pub(super) fn run(&self) -> TokenStream {
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
    pub(super) fn run_blocking(&self) -> TokenStream {
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
}
