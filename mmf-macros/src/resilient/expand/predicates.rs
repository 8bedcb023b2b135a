//! What counts as what: patterns, predicates and lists of refusals.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::Expr;
use syn::spanned::Spanned;

use super::Expansion;
use crate::common::keys::{Callee, Code, ungrouped};
use crate::common::names::private;
use crate::common::pattern::Patterns;
use crate::resilient::args::{Breaker, Refusals, Retry};

impl Expansion<'_> {
    // Output:
    //     |result| match result {
    //         Ok(_) => Counted::Success,
    //         Err(error) => if SKIPPED { Counted::Neither } else if FAILED { Counted::Failure } else { … },
    //     }
    //
    /// What the breaker makes of the function's results.
    pub(super) fn breaker_judge(&self, keys: Option<&Breaker>) -> TokenStream {
        let Self { rt, error, .. } = self;
        let failed = self.any(
            keys.and_then(|keys| keys.fail_on.as_ref()),
            keys.and_then(|keys| keys.fail_if.as_ref()),
        );
        let skipped = keys.and_then(|keys| keys.skip_on.as_ref());
        let on_ok = keys.and_then(|keys| keys.fail_if_ok.as_ref());
        if failed.is_none() && skipped.is_none() && on_ok.is_none() {
            return quote!(#rt::Counted::by_result);
        }
        let on_error = (failed.is_some() || skipped.is_some()).then(|| {
            let skipped = skipped.map(|skip_on| {
                let skipped = skip_on.matches(error);
                quote!(if #skipped { #rt::Counted::Neither } else)
            });
            let failed = failed.unwrap_or_else(|| quote!(true));
            quote!(#skipped { #rt::Counted::failure_if(#failed) })
        });
        let on_ok = on_ok.map(|failing| {
            let failed = self.call(failing, error);
            quote!(#rt::Counted::failure_if(#failed))
        });
        let (success, failure) = (quote!(#rt::Counted::Success), quote!(#rt::Counted::Failure));
        self.judge(on_ok, &success, on_error, &failure)
    }

    /// What the retry makes of the function's results.
    pub(super) fn retry_judge(&self, keys: Option<&Retry>) -> TokenStream {
        let Self { rt, error, .. } = self;
        let none = quote!(::core::option::Option::None);
        let on_ok = keys.and_then(|keys| keys.retry_if_ok.as_ref());
        let retried =
            keys.and_then(|keys| self.any(keys.retry_on.as_ref(), keys.retry_if.as_ref()));
        let aborted = keys.and_then(|keys| keys.abort_on.as_ref());
        let hint = keys.and_then(|keys| keys.retry_after.as_ref());
        if on_ok.is_none() && retried.is_none() && aborted.is_none() && hint.is_none() {
            return quote!(#rt::Retry::by_result);
        }
        let on_error = (retried.is_some() || aborted.is_some() || hint.is_some()).then(|| {
            let aborted = aborted.map(|abort_on| {
                let aborted = abort_on.matches(error);
                quote!(!#aborted &&)
            });
            let retried = retried.unwrap_or_else(|| quote!(true));
            let hint = hint.map_or_else(|| none.clone(), |code| self.call(code, error));
            quote!(#rt::Retry::when(#aborted #retried, || #hint))
        });
        let on_ok = on_ok.map(|wanting| {
            let predicate = self.call(wanting, error);
            quote!(#rt::Retry::when(#predicate, || #none))
        });
        let (no, yes) = (quote!(#rt::Retry::No), quote!(#rt::Retry::Yes(#none)));
        self.judge(on_ok, &no, on_error, &yes)
    }

    /// What is made of a success and of an error, which is named only where something asks for it.
    fn judge(
        &self,
        on_ok: Option<TokenStream>,
        ok: &TokenStream,
        on_error: Option<TokenStream>,
        err: &TokenStream,
    ) -> TokenStream {
        let error = &self.error;
        let result = private("__mmf_judged");
        let arm =
            |variant: TokenStream, asked: Option<TokenStream>, else_: &TokenStream| match asked {
                Some(code) => quote!(#variant(#error) => #code,),
                None => quote!(#variant(_) => #else_,),
            };
        let on_ok = arm(quote!(::core::result::Result::Ok), on_ok, ok);
        let on_error = arm(quote!(::core::result::Result::Err), on_error, err);
        quote!(|#result| match #result { #on_ok #on_error })
    }

    /// A hook of the user's, told of an event and waited for where it is `async`.
    pub(super) fn hook(&self, Callee(Code(code)): &Callee, event: &Ident) -> TokenStream {
        let rt = &self.rt;
        let span = code.span();
        let code = self.user_code(code.to_token_stream());
        let told = self.resolved(quote_spanned!(span=> #rt::tell(&#event, #code)));
        quote!(let () = #told;)
    }

    /// What code of the user's returned, waited for where it is `async`.
    fn resolved(&self, answer: TokenStream) -> TokenStream {
        let rt = &self.rt;
        if self.model.anatomy.is_async {
            quote!({
                use #rt::Later as _;
                #rt::Told(#answer).resolve().await
            })
        } else {
            answer
        }
    }

    /// Patterns and predicate, either of which may hold.
    pub(super) fn any(
        &self,
        patterns: Option<&Patterns>,
        predicate: Option<&Callee>,
    ) -> Option<TokenStream> {
        let patterns = patterns.map(|patterns| patterns.matches(&self.error));
        let predicate = predicate.map(|code| self.call(code, &self.error));
        match (patterns, predicate) {
            (Some(patterns), Some(predicate)) => Some(quote!(({ #patterns } || #predicate))),
            (Some(one), None) => Some(quote!({ #one })),
            (None, one) => one,
        }
    }

    /// A predicate of the user's, called at its own place. A function is called as it is, so that what is wrong with
    /// it is said of it alone; a closure learns what it takes from `ask`.
    pub(super) fn call(&self, Callee(Code(code)): &Callee, argument: &Ident) -> TokenStream {
        let rt = &self.rt;
        let span = code.span();
        let is_path = matches!(ungrouped(code), Expr::Path(_));
        let code = self.user_code(code.to_token_stream());
        let here = Span::mixed_site().located_at(span);
        let argument = Ident::new(&argument.to_string(), here);
        if is_path {
            quote_spanned!(span=> #code(#argument))
        } else {
            quote_spanned!(span=> #rt::ask(#argument, #code))
        }
    }

    pub(super) fn refusals(&self, listed: Option<&Refusals>, default: &str) -> TokenStream {
        let rt = &self.rt;
        let Some(Refusals(names)) = listed else {
            let default = format_ident!("{default}");
            return quote!(#rt::Refusals::#default);
        };
        match names.first().map(|named| named.name.as_str()) {
            Some("all") => quote!(#rt::Refusals::ALL),
            Some("none") => quote!(#rt::Refusals::NONE),
            _ => {
                let kinds = names.iter().map(|named| {
                    format_ident!(
                        "{}",
                        match named.name.as_str() {
                            "breaker" => "Breaker",
                            "timeout" => "Timeout",
                            "deadline" => "Deadline",
                            "bulkhead" => "Bulkhead",
                            "feature" => "Feature",
                            _ => "RateLimit",
                        }
                    )
                });
                quote!(#rt::Refusals::of(&[#(#rt::Refusal::#kinds),*]))
            }
        }
    }
}
