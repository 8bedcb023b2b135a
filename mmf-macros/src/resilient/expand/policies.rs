//! References to the policies of a call: those of the static, or those that depend on the call.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;

use super::Expansion;
use crate::common::keys::Code;
use crate::common::names::private;
use crate::resilient::args::{Breaker, Group};

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

    /// References to the policies of an attempt, each under its own name.
    pub(super) fn policies(&self) -> TokenStream {
        let Self { rt, args, parts, .. } = self;
        let mut policies = TokenStream::new();
        if let Some(group) = &args.breaker {
            let policy = match group {
                Group::Policy(expr) if self.model.is_local(expr) => {
                    self.user_code(expr.to_token_stream())
                }
                Group::Keys(Breaker { key: Some(Code(key)), .. }, _) => {
                    let keyed = private("__mmf_keyed");
                    let key = self.user_code(key.to_token_stream());
                    policies.extend(quote!(let #keyed = #parts.keyed().get(&(#key));));
                    quote!(&*#keyed)
                }
                _ => quote!(#parts.breaker()),
            };
            policies.extend(refer("__mmf_breaker", &quote!(#rt::CircuitBreaker), &policy));
        }
        if let Some(group) = &args.rate_limit {
            let policy = self.policy(group, quote!(#parts.rate_limit()), |_| None);
            policies.extend(refer("__mmf_rate_limit", &quote!(#rt::RateLimiter), &policy));
        }
        if let Some(group) = &args.bulkhead {
            let policy = self.policy(group, quote!(#parts.bulkhead()), |_| None);
            policies.extend(refer("__mmf_bulkhead", &quote!(#rt::Bulkhead), &policy));
        }
        if let Some(group) = &args.hedge {
            let policy = self.policy(group, quote!(#parts.hedge()), |keys| {
                self.hedge_is_local(keys).then(|| self.hedge_policy(keys))
            });
            policies.extend(refer("__mmf_hedge", &quote!(#rt::HedgePolicy), &policy));
        }
        if let Some(timeout) = &args.timeout {
            let timeout = self.user_code(timeout.to_token_stream());
            let variable = private("__mmf_timeout");
            policies.extend(quote!(let #variable = #rt::duration(#timeout);));
        }
        policies
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
            Group::Policy(expr) => {
                let expr = self.user_code(expr.to_token_stream());
                quote_spanned!(expr.span()=> &(#expr))
            }
        }
    }
}

/// `let name: &Type = policy;` where the policy stands.
fn refer(name: &str, ty: &TokenStream, policy: &TokenStream) -> TokenStream {
    let variable = private(name);
    quote_spanned!(policy.span()=> let #variable: &#ty = #policy;)
}
