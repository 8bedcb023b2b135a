//! What counts as what: patterns, predicates and lists of refusals.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use super::Expansion;
use crate::common::keys::Code;
use crate::common::pattern::Patterns;
use crate::resilient::args::{Breaker, Refusals, Retry};

impl Expansion<'_> {
    /// What the breaker makes of the function's results.
    pub(super) fn breaker_judge(&self, keys: Option<&Breaker>) -> TokenStream {
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
        let on_ok = match keys.and_then(|keys| keys.fail_if_ok.as_ref()) {
            None => quote!(#rt::Counted::Success),
            Some(code) => {
                let failed = self.call(code, error);
                quote!(if #failed { #rt::Counted::Failure } else { #rt::Counted::Success })
            }
        };
        quote! {
            |__mmf_result| match __mmf_result {
                #[allow(unused_variables)]
                ::core::result::Result::Ok(#error) => #on_ok,
                #[allow(unused_variables)]
                ::core::result::Result::Err(#error) => #skipped #rest,
            }
        }
    }

    /// A hook of the user's, told of an event and waited for where it is `async`.
    pub(super) fn hook(&self, Code(code): &Code, event: &Ident) -> TokenStream {
        let rt = &self.rt;
        let span = code.span();
        let code = self.user_code(code.to_token_stream());
        let told = self.resolved(quote_spanned!(span=> #rt::tell(&#event, #code)));
        quote!(let () = #told;)
    }

    /// What code of the user's returned, waited for where it is `async`.
    pub(super) fn resolved(&self, answer: TokenStream) -> TokenStream {
        let rt = &self.rt;
        if self.model.anatomy.is_async {
            quote!({
                #[allow(unused_imports)]
                use #rt::Later as _;
                #rt::Answer(#answer).resolve().await
            })
        } else {
            answer
        }
    }

    /// What the retry makes of the function's results.
    pub(super) fn retry_judge(&self, keys: Option<&Retry>) -> TokenStream {
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
    pub(super) fn any(
        &self,
        patterns: Option<&Patterns>,
        predicate: Option<&Code>,
    ) -> Option<TokenStream> {
        let patterns = patterns.map(|patterns| patterns.matches(&self.error));
        let predicate = predicate.map(|code| self.call(code, &self.error));
        match (patterns, predicate) {
            (Some(patterns), Some(predicate)) => Some(quote!(({ #patterns } || #predicate))),
            (Some(one), None) => Some(quote!({ #one })),
            (None, one) => one,
        }
    }

    /// A predicate of the user's, called at its own place.
    pub(super) fn call(&self, Code(code): &Code, argument: &Ident) -> TokenStream {
        let rt = &self.rt;
        let span = code.span();
        let code = self.user_code(code.to_token_stream());
        quote_spanned!(span=> #rt::ask(#argument, #code))
    }

    pub(super) fn refusals(&self, listed: Option<&Refusals>, default: &str) -> TokenStream {
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
}
