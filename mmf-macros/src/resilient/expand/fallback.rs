//! The fallback, and the arguments that it takes over.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::Expr;
use syn::spanned::Spanned;

use super::Expansion;
use crate::common::arguments::{Access, Binding, SelfKind};
use crate::common::keys::{Callee, Code, attribute_tokens};
use crate::common::names::{private, spanned};
use crate::resilient::args::{Fallback, LastGood};

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
        let bindings = self.model.anatomy.bindings().filter(|binding| {
            matches!(binding.access, Access::Value | Access::HoldsMutable)
                && binding.mutability.is_none()
                && !cloned.contains(&binding.name)
        });
        bindings
            .map(|Binding { name, .. }| {
                let conditions = self.conditions(name);
                let text = name.to_string();
                let text = text.trim_start_matches("r#");
                let keeper = format_ident!(
                    "the_fallback_takes_{text}_over_so_name_it_in_clone",
                    span = Span::mixed_site().located_at(name.span())
                );
                quote!(#conditions let #keeper = #rt::FallbackTakesThisArgument::over(&#name);)
            })
            .collect()
    }

    // Output:
    //     let outcome = if applies(&invocation, &outcome, REFUSALS, JUDGE) { note(…); Ok(ANSWER) } else { outcome };
    //
    pub(super) fn fallback(&self) -> TokenStream {
        let Self { rt, args, invocation, outcome, error, .. } = self;
        let Some(Fallback { path, keys, span }) = &args.fallback else { return TokenStream::new() };
        let refusals = self.refusals(keys.on_refusal.as_ref(), "ALL");
        let judge = {
            let skipped = keys.skip_on.as_ref().map(|patterns| patterns.matches(error));
            let applied = keys.apply_on.as_ref().map(|patterns| patterns.matches(error));
            match (skipped, applied) {
                (None, None) => quote!(|_| true),
                (Some(skipped), None) => quote!(|#error| !#skipped),
                (None, Some(applied)) => quote!(|#error| #applied),
                (Some(skipped), Some(applied)) => quote!(|#error| !#skipped && #applied),
            }
        };
        if let Some(stale) = &keys.stale {
            return self.stale(stale, &refusals, &judge);
        }
        if let Some(Code(provider)) = &keys.provider {
            return self.provided(provider, &refusals, &judge);
        }
        let answer = if let Some(Code(value)) = &keys.value {
            self.ready_value(value)
        } else {
            path.as_ref().map(|path| self.answer_of(path, *span)).unwrap_or_default()
        };
        quote! {
            let #outcome = if #rt::fallback::applies(&#invocation, &#outcome, #refusals, #judge) {
                #rt::fallback::note(&#invocation, &#outcome, #rt::error_text!());
                ::core::result::Result::Ok(#answer)
            } else {
                #outcome
            };
        }
    }

    // Output: let outcome = Provider::answer(PROVIDER, &invocation, outcome, REFUSALS, JUDGE, error_text!()).await;
    fn provided(
        &self,
        provider: &Expr,
        refusals: &TokenStream,
        judge: &TokenStream,
    ) -> TokenStream {
        let Self { rt, invocation, outcome, .. } = self;
        let here = Span::mixed_site().located_at(provider.span());
        let rt_here = spanned(rt.clone(), here);
        let provider = self.user_code(provider.to_token_stream());
        quote_spanned! {here=>
            let #outcome = #rt_here::Provider::answer(
                #provider, &#invocation, #outcome, #refusals, #judge, #rt::error_text!(),
            )
            .await;
        }
    }

    fn stale(
        &self,
        LastGood { keys, span }: &LastGood,
        refusals: &TokenStream,
        judge: &TokenStream,
    ) -> TokenStream {
        let Self { rt, invocation, parts, outcome, .. } = self;
        let key = private("__mmf_stale_key");
        // At the word, where a value that is not `Clone` is to be reported.
        let answer = Ident::new("answer", Span::mixed_site().located_at(*span));
        let aged = match &keys.aged {
            None => quote!(|_, _| {}),
            Some(Callee(Code(code))) => self.user_code(code.to_token_stream()),
        };
        quote! {
            let #outcome = #parts.stale().#answer(
                &#invocation, &#key, #outcome, #refusals, #judge, #rt::error_text!(), #aged,
            );
        }
    }

    // Output: { let value: <Ret as CallResult>::Value = VALUE; Ok(value) }
    fn ready_value(&self, value: &Expr) -> TokenStream {
        let (rt, ret) = (spanned(self.rt.clone(), self.span), &self.model.anatomy.ret);
        let name = private("__mmf_value");
        let value = self.user_code(value.to_token_stream());
        quote_spanned! {self.span=>
            {
                let #name: #rt::ValueOf<#ret> = #value;
                ::core::result::Result::Ok(#name)
            }
        }
    }

    // Output: { let error = error(outcome); answered::<_, Ret>(Answer(CALLED).resolve().await) }
    fn answer_of(&self, path: &Expr, fallback: Span) -> TokenStream {
        let Self { rt, outcome, error, .. } = self;
        let ret = &self.model.anatomy.ret;
        let refused = private("__mmf_refused");
        let take_error = match (self.model.refuses(), &self.args.refused) {
            (false, _) => quote!(unrefused_error(#outcome)),
            (true, None) => quote!(error(#outcome)),
            (true, Some(_)) => quote!(error_by(#outcome, &#refused)),
        };
        let called = self.called(path);
        let here = Span::mixed_site().located_at(path.span());
        let answered = spanned(quote!(#rt::fallback::answered), here);
        let resolved = if self.model.anatomy.is_async {
            quote_spanned! {here=>
                {
                    use #rt::{Later as _, NoAnswer as _};
                    #answered::<_, #ret>(#rt::Answer(#called).resolve().await)
                }
            }
        } else {
            quote_spanned!(here=> #answered::<_, #ret>(#called))
        };
        quote_spanned! {Span::mixed_site().located_at(fallback)=>
            {
                let #error = #rt::fallback::#take_error;
                #resolved
            }
        }
    }

    // Output: called_4(self, a, b, error, PATH)
    //
    /// An argument under `#[cfg]` is handed over where it is there: a block for each case, as an argument of a call
    /// cannot have conditions.
    fn called(&self, path: &Expr) -> TokenStream {
        /// How many arguments the runtime can be asked to hand over, the error included.
        const MOST_ARGUMENTS: usize = 8;
        let Self { rt, error, .. } = self;
        let anatomy = &self.model.anatomy;
        let here = Span::mixed_site().located_at(path.span());
        // A closure among the arguments is none that can be handed over.
        let is_function = match path {
            Expr::Path(path) => {
                let name = path.path.get_ident();
                name.is_none_or(|name| !anatomy.bindings().any(|binding| binding.name == *name))
            }
            _ => false,
        };
        let path = self.function_to_call(path);
        // What is lent may be lent on as another type, `&String` as `&str`: a call does that, a function pointer not.
        let is_lent = anatomy.bindings().any(|binding| binding.access != Access::Value)
            || anatomy.receiver.as_ref().is_some_and(|receiver| {
                matches!(receiver.kind, SelfKind::Shared | SelfKind::Mutable)
            });
        let receiver = anatomy.self_ident();
        let given: Vec<_> = anatomy
            .arguments
            .iter()
            .filter_map(|argument| Some((argument.expr.as_ref()?, &argument.conditions)))
            .collect();
        let conditional = given.iter().filter(|(_, conditions)| !conditions.is_empty()).count();
        let called = |arguments: &[&&Expr]| {
            let number = arguments.len() + receiver.iter().len() + 1;
            let receiver = receiver.iter();
            if is_function && !is_lent && number <= MOST_ARGUMENTS {
                let called = Ident::new(&format!("called_{number}"), here);
                let fallback = spanned(quote!(#rt::fallback), here);
                quote_spanned!(here=> #fallback::#called(#(#receiver,)* #(#arguments,)* #error, #path))
            } else if is_function {
                // Named before it is called: of a name that is called, rustc says `self.name` where a method has it.
                let function = private("__mmf_fallback");
                quote_spanned! {here=>
                    {
                        let #function = #path;
                        #function(#(#receiver,)* #(#arguments,)* #error)
                    }
                }
            } else {
                quote_spanned!(here=> #path(#(#receiver,)* #(#arguments,)* #error))
            }
        };
        if conditional == 0 {
            return called(&given.iter().map(|(expr, _)| expr).collect::<Vec<_>>());
        }
        let cases = (0..1_usize << conditional).map(|case| {
            let (mut wanted, mut arguments) = (Vec::new(), Vec::new());
            let mut bits = (0..conditional).map(|bit| case >> bit & 1 == 1);
            for (expr, conditions) in &given {
                if conditions.is_empty() {
                    arguments.push(expr);
                    continue;
                }
                let predicates = conditions.iter().map(attribute_tokens);
                if bits.next() == Some(true) {
                    wanted.push(quote!(all(#(#predicates),*)));
                    arguments.push(expr);
                } else {
                    wanted.push(quote!(not(all(#(#predicates),*))));
                }
            }
            let called = called(&arguments);
            quote!(#[cfg(all(#(#wanted),*))] { #called })
        });
        quote!({ #(#cases)* })
    }

    /// The path as the user wrote it. Where it may be that of a method, rustc is kept from seeing `self` there: it
    /// would say `self.cached` where `Self::cached` is meant.
    fn function_to_call(&self, path: &Expr) -> TokenStream {
        let code = self.user_code(path.to_token_stream());
        let is_name = matches!(path, Expr::Path(path) if path.path.get_ident().is_some());
        if is_name && self.model.anatomy.receiver.is_some() && !self.model.is_local(path) {
            let here = Span::mixed_site().located_at(path.span());
            return spanned(code, here);
        }
        code
    }
}
