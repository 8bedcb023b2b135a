//! The code of a resilient function.
//!
//! ```text
//! static SITE: Site = Site::new(Origin { … }, |name| Parts { breaker: Some(…), … });
//! submit! { Registration(&SITE) }
//! let (invocation, parts) = SITE.begin();
//! let breaker = parts.breaker(); let timeout = …;
//! let outcome = loop {
//!     let outcome = 'attempt: { … admit, throttle, run the body under timeout and bulkhead, settle … };
//!     let delay = match retrying.next(outcome, …) { Break(o) => break o, Continue(d) => d };
//!     retrying.pause(delay).await;
//! };
//! invocation.finish(outcome)
//! ```
//!
//! An inline loop around a plain `async` block, handed over as `Pin<&mut _>`: a runtime function that
//! took an async closure would make every function that borrows anything not `Send`
//! (rust-lang/rust#138207), and a future passed by value would be stored twice.
//!
//! [`site`] prints the static, [`policies`] the references to what it holds, [`attempt`] what a retry
//! repeats, [`body`] the user's body, [`predicates`] what counts as what, and [`fallback`] the end.

mod attempt;
mod body;
mod fallback;
mod policies;
mod predicates;
mod site;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::Expr;
use syn::spanned::Spanned;

use super::args::Args;
use super::check::Model;
use crate::chaos::Point;
use crate::common::function::Function;
use crate::common::keys::{Callee, Code, ungrouped};
use crate::common::names::{private, spanned};

pub(crate) fn expand(model: &Model, mut function: Function) -> TokenStream {
    let wrapped = Expansion::new(model).function_body();
    let mut anatomy = model.anatomy.clone();
    model.set_mutability(&mut function, &mut anatomy);
    let body = anatomy.rebuild(wrapped);
    let Function { attrs, vis, defaultness, sig, .. } = &function;
    quote!(#(#attrs)* #vis #defaultness #sig { #body })
}

/// The parts of one expansion; each method prints one of them.
struct Expansion<'m> {
    model: &'m Model,
    args: &'m Args,
    /// Path of the runtime.
    rt: TokenStream,
    /// Where errors about types point: the return type.
    span: Span,
    invocation: Ident,
    parts: Ident,
    outcome: Ident,
    error: Ident,
}

impl<'m> Expansion<'m> {
    fn new(model: &'m Model) -> Self {
        Self {
            model,
            args: &model.args,
            rt: model.args.runtime(),
            span: Span::mixed_site().located_at(model.anatomy.ret_span),
            invocation: private("__mmf_invocation"),
            parts: private("__mmf_parts"),
            outcome: private("__mmf_outcome"),
            error: private("__mmf_error"),
        }
    }

    fn function_body(&self) -> TokenStream {
        let Self { rt, args, span, invocation, parts, outcome, .. } = self;
        let site = self.site();
        let point = self.point_declaration();
        let settings = self.settings();
        let policies = self.policies();
        let call = self.under_deadline(self.attempts());
        let keepers = self.keepers();
        let call = self.gated(quote_spanned!(*span=> { #keepers #call }));
        let fallback = self.fallback();
        let ret = &self.model.anatomy.ret;
        // What asks for the traits of the function's types does so at its return type, all of it at one place, so
        // that a type which has them not is one error.
        let (rt_here, result) = (spanned(rt.clone(), *span), private("__mmf_result"));
        let (invocation_here, outcome_here) =
            (Ident::new("__mmf_invocation", *span), Ident::new("__mmf_outcome", *span));
        let refused = self.refused();
        let finish = match (&args.refused, self.model.refuses()) {
            (_, false) => quote_spanned!(*span=> finish_unrefused(#outcome_here)),
            (None, true) => quote_spanned!(*span=> finish(#outcome_here)),
            (Some(_), true) => {
                let refused = private("__mmf_refused");
                quote_spanned!(*span=> finish_by(#outcome_here, #refused))
            }
        };
        quote_spanned! {*span=>
            #site
            #point
            let (#invocation, #parts) = __MMF_SITE.begin();
            #settings
            #policies
            let #outcome = #call;
            #refused
            #fallback
            let #result: #ret = #rt_here::from_result(#invocation_here.#finish);
            #result
        }
    }

    // Output: if invocation.is_stopped(GATE) { Err(invocation.stopped(GATE)) } else { CALL }
    //
    /// The call, unless its policy or its feature is off.
    fn gated(&self, call: TokenStream) -> TokenStream {
        let Self { span, args, invocation, parts, .. } = self;
        if !self.model.can_stop() {
            return call;
        }
        let gate = match &args.feature {
            Some(_) => quote!(::core::option::Option::Some(#parts.feature())),
            None => quote!(::core::option::Option::None),
        };
        quote_spanned! {*span=>
            if #invocation.is_stopped(#gate) {
                ::core::result::Result::Err(#invocation.stopped(#gate))
            } else {
                #call
            }
        }
    }

    // Output: let refused = refused_by(&outcome, |refusal| CODE(refusal));
    //
    /// How a refusal becomes an error of the function's, where the attribute says so.
    fn refused(&self) -> Option<TokenStream> {
        let Callee(Code(code)) = self.args.refused.as_ref()?;
        let span = code.span();
        let here = Span::mixed_site().located_at(span);
        let rt = spanned(self.rt.clone(), here);
        let refusal = Ident::new("__mmf_refusal", here);
        let is_path = matches!(ungrouped(code), Expr::Path(_));
        let code = self.user_code(code.to_token_stream());
        let turned = if is_path {
            quote_spanned!(here=> #code(#refusal))
        } else {
            quote_spanned!(here=> #rt::turned(#refusal, #code))
        };
        let refused = if self.model.refuses() { private("__mmf_refused") } else { private("_") };
        let outcome = &self.outcome;
        Some(quote_spanned! {here=>
            let #refused = #rt::refused_by(&#outcome, |#refusal| #turned);
        })
    }

    /// The place where faults can be injected, inside the policies.
    fn point(&self) -> Option<Point<'_>> {
        let kinds = self.model.point.as_deref()?;
        Some(Point { rt: &self.rt, anatomy: &self.model.anatomy, kinds, span: self.span })
    }

    fn point_declaration(&self) -> Option<TokenStream> {
        let name = quote!(__MMF_SITE.name());
        self.point().map(|point| point.declaration(&name, self.model.ident.span()))
    }

    /// Code from the attribute, which names the receiver as the body does.
    fn user_code(&self, code: TokenStream) -> TokenStream {
        self.model.anatomy.user_code(code)
    }
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
    fn a_point_stands_inside_the_policies() {
        let mut errors = Errors::default();
        let args = Args::read(quote!(retry, timeout = "2s"), &mut errors);
        let function: Function = syn::parse2(quote!(
            async fn f() -> Result<u8, E> {
                the_body().await
            }
        ))
        .unwrap();
        let model = check(args, &function, &mut errors).unwrap();
        let without = expand(&model, function.clone()).to_string();
        assert!(!without.contains("chaos") && !without.contains("__MMF_POINT"), "{without}");
        let with = expand(&Model { point: Some(Vec::new()), ..model }, function).to_string();
        let place = |part: &str| with.find(part).unwrap_or_else(|| panic!("{part}: {with}"));
        assert!(place("loop {") < place("strike"), "each attempt is struck anew");
        assert!(place("strike") < place("the_body"));
        assert!(place("the_body") < place("within"));
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
