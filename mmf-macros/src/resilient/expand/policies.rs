//! References to the policies of a call: those of the static, or those that depend on the call.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use super::Expansion;
use crate::common::keys::Code;
use crate::common::names::private;
use crate::common::value::Value;
use crate::resilient::args::{Group, Hedge, Time};

impl Expansion<'_> {
    /// What depends on the call: the retries, and the key of what is stale.
    pub(super) fn settings(&self) -> TokenStream {
        let Self { rt, args, invocation, parts, .. } = self;
        let mut settings = TokenStream::new();
        if let Some(retry) = &args.retry {
            let policy = match retry {
                Group::Keys(keys, _) if self.retry_is_local(keys) => {
                    let policy = self.user_code(self.retry_policy(keys));
                    quote!(&#policy)
                }
                Group::Policy(expr) if self.model.is_local(expr) => self.handed_over(expr),
                _ => quote!(#parts.retry()),
            };
            let listed = retry.keys().and_then(|keys| keys.on_refusal.as_ref());
            let refusals = self.refusals(listed, "RETRIED");
            let (policy_name, retrying) = (private("__mmf_retry"), private("__mmf_retrying"));
            settings.extend(quote! {
                let #policy_name: &#rt::RetryPolicy = #policy;
                let mut #retrying = #rt::Retrying::begin(&#invocation, #policy_name, #refusals);
            });
        }
        if let Some(Code(key)) = args.stale().and_then(|stale| stale.key.as_ref()) {
            let stale_key = private("__mmf_stale_key");
            let key = self.user_code(key.to_token_stream());
            settings.extend(quote! {
                #invocation.hold();
                let #stale_key = #key;
                #invocation.go_on();
            });
        }
        settings
    }

    /// The policies of an attempt that depend on the call, each under its own name, and the timeout.
    pub(super) fn policies(&self) -> TokenStream {
        let Self { rt, args, invocation, parts, .. } = self;
        let mut policies = TokenStream::new();
        for (part, ty, expr) in args.ready_policies() {
            if self.model.is_local(expr) {
                let (name, ty) = (format!("__mmf_{part}"), format_ident!("{ty}"));
                policies.extend(refer(&name, &quote!(#rt::#ty), &self.handed_over(expr)));
            }
        }
        for (part, Code(key)) in args.keys() {
            let (keyed, part) = (private(&format!("__mmf_{part}")), format_ident!("{part}"));
            let key = self.user_code(key.to_token_stream());
            policies.extend(quote! {
                #invocation.hold();
                let #keyed = #parts.#part().get(&(#key));
                #invocation.go_on();
            });
        }
        if let Some(Group::Keys(Hedge { delay: Some(delay), .. }, _)) = &args.hedge
            && delay.expr().is_some_and(|expr| self.model.is_local(expr))
        {
            let delay = self.user_code(delay.to_token_stream());
            let policy = quote!(&#parts.hedge().with_delay(#delay));
            policies.extend(refer("__mmf_hedge", &quote!(#rt::HedgePolicy), &policy));
        }
        if let Some(timeout) = &args.timeout
            && !self.model.is_constant(timeout)
        {
            let timeout = self.user_code(timeout.to_token_stream());
            let variable = private("__mmf_timeout");
            policies.extend(quote!(let #variable: ::core::time::Duration = #timeout;));
        }
        policies
    }

    /// Whether the policy of a group is made or found anew for each call.
    fn is_local<K>(&self, group: Option<&Group<K>>) -> bool {
        group.and_then(Group::policy).is_some_and(|expr| self.model.is_local(expr))
    }

    // What is built is named through the static wherever it is used: one word in the future of a call,
    // however many policies there are.

    /// The breaker, where an attempt asks it.
    pub(super) fn breaker(&self) -> TokenStream {
        self.found_by_key("keyed").unwrap_or_else(|| {
            self.built_unless("breaker", self.is_local(self.args.breaker.as_ref()))
        })
    }

    /// The rate limiter, where an attempt asks it.
    pub(super) fn rate_limit(&self) -> TokenStream {
        self.found_by_key("keyed_limits").unwrap_or_else(|| {
            self.built_unless("rate_limit", self.is_local(self.args.rate_limit.as_ref()))
        })
    }

    /// The bulkhead, where a run enters it.
    pub(super) fn bulkhead(&self) -> TokenStream {
        self.found_by_key("keyed_bulkheads").unwrap_or_else(|| {
            self.built_unless("bulkhead", self.is_local(self.args.bulkhead.as_ref()))
        })
    }

    /// The hedge, where an attempt races.
    pub(super) fn hedge(&self) -> TokenStream {
        let hedge = self.args.hedge.as_ref();
        let is_local = self.is_local(hedge)
            || hedge.and_then(Group::keys).is_some_and(|keys| self.hedge_is_local(keys));
        self.built_unless("hedge", is_local)
    }

    /// The timeout, where a run is put under it.
    pub(super) fn timeout(&self, timeout: &Time) -> TokenStream {
        let (invocation, parts) = (&self.invocation, &self.parts);
        let written = match timeout {
            Value::Literal(..) => timeout.to_token_stream(),
            Value::Expr(_) if self.model.is_constant(timeout) => quote!(#parts.timeout()),
            Value::Expr(_) => private("__mmf_timeout").to_token_stream(),
        };
        quote!(#invocation.timeout(#written))
    }

    /// The policy of the call's key, where this one is by key.
    fn found_by_key(&self, part: &str) -> Option<TokenStream> {
        let keyed = private(&format!("__mmf_{part}"));
        self.args.keys().any(|(other, _)| other == part).then(|| quote!(&*#keyed))
    }

    fn built_unless(&self, part: &str, is_local: bool) -> TokenStream {
        if is_local {
            private(&format!("__mmf_{part}")).to_token_stream()
        } else {
            let (parts, part) = (&self.parts, format_ident!("{part}"));
            quote!(#parts.#part())
        }
    }

    fn handed_over(&self, expr: &syn::Expr) -> TokenStream {
        let expr = self.user_code(expr.to_token_stream());
        quote_spanned!(expr.span()=> &(#expr))
    }
}

/// `let name: &Type = policy;` where the policy stands.
fn refer(name: &str, ty: &TokenStream, policy: &TokenStream) -> TokenStream {
    let variable = private(name);
    quote_spanned!(policy.span()=> let #variable: &#ty = #policy;)
}
