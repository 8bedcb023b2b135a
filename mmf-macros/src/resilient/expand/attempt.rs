//! The attempts of a call, and the policies inside the retry.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};

use super::Expansion;
use super::body::Given;
use crate::chaos::Point;
use crate::common::names::private;
use crate::resilient::args::Group;

impl Expansion<'_> {
    pub(super) fn under_deadline(&self, attempts: TokenStream) -> TokenStream {
        let Self { rt, args, invocation, span, .. } = self;
        let Some(deadline) = &args.deadline else { return attempts };
        let deadline = match deadline.expr() {
            Some(_) if self.model.is_constant(deadline) => {
                let parts = &self.parts;
                quote!(#parts.deadline())
            }
            _ => self.user_code(deadline.to_token_stream()),
        };
        let (rest, limit) = (private("__mmf_rest"), private("__mmf_deadline"));
        quote_spanned! {*span=>
            {
                let #limit: ::core::time::Duration = #invocation.deadline(#deadline);
                let #rest = ::core::pin::pin!(async { #attempts });
                #rt::Deadline::begin(&#invocation, #limit).run(#rest).await
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
        let (next, delayed) = match retry.keys().and_then(|keys| keys.before_retry.as_ref()) {
            None => (quote!(next), delay.to_token_stream()),
            Some(hook) => {
                let hook = self.hook(hook, &delay);
                (quote!(next_event), quote!({ #hook #delay.delay }))
            }
        };
        // What a body consumes is gone in the next round: rustc shows where the loop is.
        let round = Ident::new("loop", Span::mixed_site().located_at(retry.span()));
        quote! {
            #round {
                let #outcome = #attempt;
                let #delay = match #retrying.#next(#outcome, #judge, #rt::error_text!()) {
                    ::core::ops::ControlFlow::Break(#outcome) => break #outcome,
                    ::core::ops::ControlFlow::Continue(#delay) => #delayed,
                };
                #pause;
            }
        }
    }

    // Output:
    //     'attempt: {
    //         let mut admission = invocation.admission();
    //         if let Err(refusal) = admission.ask(breaker) { break 'attempt Err(refusal) }
    //         let outcome = 'admitted: {
    //             match invocation.throttle(limiter) {
    //                 Ok(Some(wait)) => if let Err(refusal) = wait.until_due().await { break … },
    //                 Err(refusal) => break 'admitted Err(refusal),
    //                 …
    //             }
    //             RUN
    //         };
    //         admission.settle(&outcome, …);
    //         outcome
    //     }
    //
    /// The policies inside the retry, outermost first; each has its lines only where it was asked for.
    pub(super) fn attempt(&self) -> TokenStream {
        let Self { rt, args, invocation, outcome, span, .. } = self;
        let (admission, refusal) = (private("__mmf_admission"), private("__mmf_refusal"));
        let label = |name| syn::Lifetime::new(name, Span::mixed_site());
        let (attempt, admitted) = (label("'__mmf_attempt"), label("'__mmf_admitted"));
        let (ok, err) = (quote!(::core::result::Result::Ok), quote!(::core::result::Result::Err));
        let admit = args.breaker.as_ref().map(|_| {
            let breaker = self.breaker();
            quote! {
                let mut #admission = #invocation.admission();
                if let #err(#refusal) = #admission.ask(#breaker) {
                    break #attempt #err(#refusal);
                }
            }
        });
        let throttle = args.rate_limit.as_ref().map(|_| {
            let (limiter, wait) = (self.rate_limit(), private("__mmf_wait"));
            let until_due = if self.model.anatomy.is_async {
                quote!(until_due().await)
            } else {
                quote!(until_due_blocking())
            };
            quote! {
                match #invocation.throttle(#limiter) {
                    #ok(::core::option::Option::None) => {}
                    #ok(::core::option::Option::Some(#wait)) => {
                        if let #err(#refusal) = #wait.#until_due {
                            break #admitted #err(#refusal);
                        }
                    }
                    #err(#refusal) => break #admitted #err(#refusal),
                }
            }
        });
        let settle = args.breaker.as_ref().map(|breaker| {
            let keys = breaker.keys();
            let refusals =
                self.refusals(keys.and_then(|keys| keys.on_refusal.as_ref()), "FAILURES");
            let judge = self.breaker_judge(keys);
            quote!(#admission.settle(&#outcome, #refusals, #judge, #rt::error_text!());)
        });
        let run = if self.model.anatomy.is_async { self.run() } else { self.run_blocking() };
        let run = match &args.hedge {
            None => run,
            Some(_) => {
                let (hedge, copy) = (self.hedge(), private("__mmf_copy"));
                let bulkhead = match &args.bulkhead {
                    None => quote!(::core::option::Option::None),
                    Some(_) => {
                        let bulkhead = self.bulkhead();
                        quote!(::core::option::Option::Some(#bulkhead))
                    }
                };
                quote_spanned! {*span=>
                    {
                        let #copy = #rt::repeatable(|| async { #run });
                        #hedge
                            .race(
                                &#invocation, #bulkhead, &#copy,
                                ::core::pin::pin!(::core::option::Option::Some(#copy())),
                            )
                            .await
                    }
                }
            }
        };
        let run = match throttle {
            None => run,
            Some(throttle) => quote_spanned!(*span=> #admitted: { #throttle #run }),
        };
        if admit.is_none() {
            return run;
        }
        quote_spanned! {*span=>
            #attempt: {
                #admit
                let #outcome = #run;
                #settle
                #outcome
            }
        }
    }

    // Output:
    //     {
    //         let mut permit = None;
    //         let body = pin!(async { BODY });
    //         invocation.within(timeout, invocation.enter(bulkhead, &mut permit, invocation.body(body))).await
    //     }
    //
    /// One run of the body, quoted once, through timeout and bulkhead. The permit is declared before
    /// the body, so that it goes back after the body is gone.
    pub(super) fn run(&self) -> TokenStream {
        let Self { args, outcome, span, .. } = self;
        let (body, permit) = (private("__mmf_body"), private("__mmf_permit"));
        // Asks whether the body's output is a result, which is reported at the return type.
        let invocation = Ident::new("__mmf_invocation", *span);
        let Given { outside, inside } = self.given();
        let future = self.future(&inside);
        let watched = if args.all.is_some() { "body_of_all" } else { "body" };
        let watched = Ident::new(watched, *span);
        let timeout = args.timeout.as_ref().map(|timeout| self.timeout(timeout));
        let watched = quote_spanned!(*span=> #invocation.#watched(#body));
        let (declare_permit, entered) = match &args.bulkhead {
            None => (None, watched),
            Some(_) => {
                let bulkhead = self.bulkhead();
                (
                    Some(quote!(let mut #permit = ::core::option::Option::None;)),
                    quote_spanned!(*span=> #invocation.enter(#bulkhead, &mut #permit, #watched)),
                )
            }
        };
        let run = match timeout {
            None => entered,
            Some(timeout) if args.bulkhead.is_none() && args.all.is_none() => {
                quote_spanned!(*span=> #invocation.body_within(#timeout, #body))
            }
            Some(timeout) => quote_spanned!(*span=> #invocation.within(#timeout, #entered)),
        };
        let run = match self.learn(&permit) {
            None => quote_spanned!(*span=> #run.await),
            Some(learn) => quote_spanned!(*span=> let #outcome = #run.await; #learn #outcome),
        };
        quote_spanned! {*span=>
            {
                #declare_permit
                #outside
                let #body = ::core::pin::pin!(#future);
                #run
            }
        }
    }

    /// Tells the bulkhead how the run ended, where it may want to know. A timeout is known only here, outside of the
    /// bulkhead.
    fn learn(&self, permit: &Ident) -> Option<TokenStream> {
        let Self { rt, args, outcome, .. } = self;
        if !args.bulkhead_learns() {
            return None;
        }
        let judge = self.breaker_judge(args.breaker.as_ref().and_then(Group::keys));
        Some(quote!(#rt::learn(&mut #permit, &#outcome, #judge);))
    }

    /// One run of a body that is not `async`.
    pub(super) fn run_blocking(&self) -> TokenStream {
        let Self { args, outcome, span, .. } = self;
        let invocation = Ident::new("__mmf_invocation", *span);
        let Given { outside, inside } = self.given();
        let anatomy = self.own_anatomy();
        let (ret, body) = (&anatomy.ret, &anatomy.body);
        let body = match self.point() {
            Some(point) => Point { anatomy: &anatomy, ..point }.block(&inside),
            None => quote!(#inside #body),
        };
        let body = quote_spanned!(*span=> #invocation.body_blocking(|| -> #ret { #body }));
        let body = if args.bulkhead.is_some() {
            let (bulkhead, permit) = (self.bulkhead(), private("__mmf_permit"));
            let learn = self.learn(&permit).map(|learn| quote!(let mut #permit = #permit; #learn));
            quote! {
                match #invocation.enter_blocking(#bulkhead) {
                    ::core::result::Result::Ok(#permit) => {
                        let #outcome = #body;
                        #learn
                        ::core::mem::drop(#permit);
                        #outcome
                    }
                    ::core::result::Result::Err(#permit) => ::core::result::Result::Err(#permit),
                }
            }
        } else {
            body
        };
        quote!({ #outside #body })
    }
}
