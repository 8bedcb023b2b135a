//! The fallback, and the arguments that it takes over.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};

use super::Expansion;
use crate::common::keys::Code;
use crate::common::names::private;
use crate::resilient::args::Fallback;

impl Expansion<'_> {
    /// Borrows of what the fallback takes over, so that a body that consumes one is refused with words
    /// that say what to do. Under retry and hedge the body cannot consume anything anyway.
    pub(super) fn keepers(&self) -> TokenStream {
        let rt = &self.rt;
        let hands_over = self.args.hands_over();
        if !hands_over || self.model.repeats() {
            return TokenStream::new();
        }
        let cloned = self.args.cloned();
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

    pub(super) fn fallback(&self) -> TokenStream {
        let Self { rt, args, invocation, parts, outcome, error, .. } = self;
        let Some(Fallback { path, keys, span }) = &args.fallback else { return TokenStream::new() };
        let refusals = self.refusals(keys.on_refusal.as_ref(), "ALL");
        let judge = {
            let skipped = keys.skip_on.as_ref().map(|patterns| patterns.matches(error));
            let applied = keys.apply_on.as_ref().map(|patterns| patterns.matches(error));
            let skipped = skipped.unwrap_or_else(|| quote!(false));
            let applied = applied.unwrap_or_else(|| quote!(true));
            quote!(|#[allow(unused_variables)] #error| !#skipped && #applied)
        };
        let note = quote!(#rt::fallback::note(&#invocation, &#outcome, #rt::error_text!()));
        if keys.stale.is_some() {
            let key = private("__mmf_stale_key");
            return quote! {
                let #outcome = #parts.stale().answer(
                    &#invocation, &#key, #outcome, #refusals, #judge, #rt::error_text!(),
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
            let resolve = self.resolved(answer_name.to_token_stream());
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
}
