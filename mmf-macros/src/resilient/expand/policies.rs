//! References to the policies of a call: those of the static, or those that depend on the call.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use super::Expansion;
use crate::common::keys::Code;
use crate::common::names::private;
use crate::common::value::Value;
use crate::resilient::args::{Breaker, Group, Time};

impl Expansion<'_> {
    /// What depends on the call: the retries, and the key of what is stale.
    pub(super) fn settings(&self) -> TokenStream {
        let Self { rt, args, invocation, parts, .. } = self;
        let mut settings = TokenStream::new();
        if let Some(retry) = &args.retry {
            let policy = self.policy(retry, quote!(#parts.retry()), |keys| {
                self.retry_is_local(keys).then(|| self.retry_policy(keys))
            });
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
            settings.extend(quote!(let #stale_key = #key;));
        }
        settings
    }

    /// The policies of an attempt that are not built into the static, each under its own name, and the
    /// timeout.
    pub(super) fn policies(&self) -> TokenStream {
        let Self { rt, args, parts, .. } = self;
        let mut policies = TokenStream::new();
        match &args.breaker {
            Some(Group::Policy(expr)) if self.model.is_local(expr) => {
                let policy = self.user_code(expr.to_token_stream());
                policies.extend(refer("__mmf_breaker", &quote!(#rt::CircuitBreaker), &policy));
            }
            Some(Group::Keys(Breaker { key: Some(Code(key)), .. }, _)) => {
                let keyed = private("__mmf_keyed");
                let key = self.user_code(key.to_token_stream());
                policies.extend(quote!(let #keyed = #parts.keyed().get(&(#key));));
            }
            _ => {}
        }
        if let Some(Group::Policy(expr)) = &args.rate_limit {
            let policy = self.handed_over(expr);
            policies.extend(refer("__mmf_rate_limit", &quote!(#rt::RateLimiter), &policy));
        }
        if let Some(Group::Policy(expr)) = &args.bulkhead {
            let policy = self.handed_over(expr);
            policies.extend(refer("__mmf_bulkhead", &quote!(#rt::Bulkhead), &policy));
        }
        if let Some(group) = &args.hedge
            && !self.is_built(group, |keys| self.hedge_is_local(keys))
        {
            let policy = self.policy(group, quote!(#parts.hedge()), |keys| {
                self.hedge_is_local(keys).then(|| self.hedge_policy(keys))
            });
            policies.extend(refer("__mmf_hedge", &quote!(#rt::HedgePolicy), &policy));
        }
        if let Some(timeout) = &args.timeout
            && timeout.expr().is_some()
        {
            let timeout = self.user_code(timeout.to_token_stream());
            let variable = private("__mmf_timeout");
            policies.extend(quote!(let #variable = #rt::duration(#timeout);));
        }
        policies
    }

    /// Whether the policy of a group is built into the static.
    fn is_built<K>(&self, group: &Group<K>, is_local: impl FnOnce(&K) -> bool) -> bool {
        group.keys().is_some_and(|keys| !is_local(keys))
    }

    // What is built is named through the static wherever it is used: one word in the future of a call,
    // however many policies there are.

    /// The breaker, where an attempt asks it.
    pub(super) fn breaker(&self) -> TokenStream {
        let parts = &self.parts;
        match &self.args.breaker {
            Some(Group::Policy(expr)) if self.model.is_local(expr) => {
                private("__mmf_breaker").to_token_stream()
            }
            Some(Group::Keys(Breaker { key: Some(_), .. }, _)) => {
                let keyed = private("__mmf_keyed");
                quote!(&*#keyed)
            }
            _ => quote!(#parts.breaker()),
        }
    }

    /// The rate limiter, where an attempt asks it.
    pub(super) fn rate_limit(&self) -> TokenStream {
        self.built_or(
            "rate_limit",
            self.args.rate_limit.as_ref().is_some_and(|g| self.is_built(g, |_| false)),
        )
    }

    /// The bulkhead, where a run enters it.
    pub(super) fn bulkhead(&self) -> TokenStream {
        self.built_or(
            "bulkhead",
            self.args.bulkhead.as_ref().is_some_and(|g| self.is_built(g, |_| false)),
        )
    }

    /// The hedge, where an attempt races.
    pub(super) fn hedge(&self) -> TokenStream {
        let built = |group| self.is_built(group, |keys| self.hedge_is_local(keys));
        self.built_or("hedge", self.args.hedge.as_ref().is_some_and(built))
    }

    /// The timeout, where a run is put under it.
    pub(super) fn timeout(&self, timeout: &Time) -> TokenStream {
        match timeout {
            Value::Literal(..) => timeout.to_token_stream(),
            Value::Expr(_) => private("__mmf_timeout").to_token_stream(),
        }
    }

    fn built_or(&self, part: &str, built: bool) -> TokenStream {
        if built {
            let (parts, part) = (&self.parts, format_ident!("{part}"));
            quote!(#parts.#part())
        } else {
            private(&format!("__mmf_{part}")).to_token_stream()
        }
    }

    fn handed_over(&self, expr: &syn::Expr) -> TokenStream {
        let expr = self.user_code(expr.to_token_stream());
        quote_spanned!(expr.span()=> &(#expr))
    }

    /// A reference to the policy of a group: the one that was built, the one that depends on the call,
    /// or the one that was handed over.
    fn policy<K>(
        &self,
        group: &Group<K>,
        built: TokenStream,
        local: impl FnOnce(&K) -> Option<TokenStream>,
    ) -> TokenStream {
        match group {
            Group::Keys(keys, _) => match local(keys) {
                Some(policy) => {
                    let policy = self.user_code(policy);
                    quote!(&#policy)
                }
                None => built,
            },
            Group::Policy(expr) => self.handed_over(expr),
        }
    }
}

/// `let name: &Type = policy;` where the policy stands.
fn refer(name: &str, ty: &TokenStream, policy: &TokenStream) -> TokenStream {
    let variable = private(name);
    quote_spanned!(policy.span()=> let #variable: &#ty = #policy;)
}
