//! The code of an injection point, and of its faults.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};

use super::args::{Args, Kind};
use crate::common::anatomy::Anatomy;
use crate::common::body::typed;
use crate::common::errors::Errors;
use crate::common::function::Function;
use crate::common::keys::{FromItem, Name, attribute_tokens, is_named, items};
use crate::common::names::{located_at, private};

/// The point of a function: what declares it, what strikes at its start, and what looks at its end.
pub(crate) struct Point<'p> {
    pub(crate) rt: &'p TokenStream,
    pub(crate) anatomy: &'p Anatomy,
    pub(crate) kinds: &'p [Kind],
    pub(crate) span: Span,
}

impl Point<'_> {
    // Output:
    //     static __MMF_POINT: Point = Point::new(|| NAME, file!(), LINE, || vec![…]);
    //     submit! { Registration(&__MMF_POINT) }
    pub(crate) fn declaration(&self, name: &TokenStream, line: Span) -> TokenStream {
        let rt = self.rt;
        let line = quote_spanned!(line=> ::core::line!());
        let faults = self.kinds.iter().map(|kind| fault(rt, kind));
        quote! {
            static __MMF_POINT: #rt::chaos::Point = #rt::chaos::Point::new(
                || #name,
                ::core::file!(),
                #line,
                || ::std::vec::Vec::from([#(#faults),*]),
            );
            #rt::inventory::submit! { #rt::chaos::Registration(&__MMF_POINT) }
        }
    }

    // Output:
    //     let armed = is_armed();
    //     if armed && let Some(fault) = __MMF_POINT.strike().await {
    //         match RESULT_OF_FAULT { Some(result) => return result, None => __MMF_POINT.unable(fault) }
    //     }
    //
    /// What stands before the body.
    pub(crate) fn strike(&self) -> TokenStream {
        let Self { rt, span, .. } = self;
        let (fault, result) = (private("__mmf_fault"), private("__mmf_struck"));
        let armed = private("__mmf_armed");
        let strike = if self.anatomy.is_async {
            quote!(__MMF_POINT.strike().await)
        } else {
            quote!(__MMF_POINT.strike_blocking())
        };
        let converted = self.converted(&fault);
        let ret = &self.anatomy.ret;
        quote_spanned! {*span=>
            let #armed = #rt::chaos::is_armed();
            if #armed {
                if let ::core::option::Option::Some(#fault) = #strike {
                        let #result: ::core::option::Option<#ret> = #converted;
                    if let ::core::option::Option::Some(#result) = #result {
                        __MMF_POINT.observe(true);
                        return #result;
                    }
                    __MMF_POINT.unable(#fault);
                }
            }
        }
    }

    /// The fault as a result of the function, where it can be one.
    fn converted(&self, fault: &syn::Ident) -> TokenStream {
        let Self { rt, .. } = self;
        let ret = &self.anatomy.ret;
        let some = quote!(::core::option::Option::Some);
        let own = self.kinds.iter().filter(|kind| kind.is_error()).map(|kind| {
            let variant = format_ident!("{}", kind.variant);
            let result = match &kind.keys.error {
                Some(error) => {
                    let error = self.anatomy.user_code(error.0.to_token_stream());
                    quote!(::core::result::Result::Err(#error))
                }
                // At the kind, where what is missing is to be reported.
                None => {
                    let here = Span::mixed_site().located_at(kind.span);
                    let failing = located_at(quote!(#rt::chaos::failing), here);
                    let carried = located_at(quote!(#rt::chaos::carried), here);
                    quote_spanned!(here=> #failing(#carried(#fault)))
                }
            };
            quote!(#rt::chaos::ChaosKind::#variant => #some(#result),)
        });
        // A type that is not written cannot be asked what it is made from.
        let is_known = !quote!(#ret).into_iter().any(is_placeholder);
        let rest = if is_known {
            quote! {{
                use #rt::chaos::{ByFault as _, ByIo as _, ByNothing as _};
                (&&&#rt::chaos::Convert::<#ret>::new()).result(#fault)
            }}
        } else {
            quote!(::core::option::Option::None)
        };
        quote! {
            match #fault.kind {
                #(#own)*
                _ => #rest,
            }
        }
    }

    // Output: async MOVE { STRUCK }
    //
    /// The body as a future that may be struck.
    pub(crate) fn future(&self, movement: &TokenStream, moves: &TokenStream) -> TokenStream {
        let struck = self.struck(movement, moves);
        quote_spanned!(self.span=> async #movement { #struck })
    }

    // Output:
    //     STRIKE
    //     let body = pin!(async MOVE { BODY });
    //     let result: Ret = body.await;
    //     if armed { __MMF_POINT.observe(result.is_err()); }
    //     result
    //
    /// The body as statements of an `async` block or function, from which a fault returns.
    fn struck(&self, movement: &TokenStream, moves: &TokenStream) -> TokenStream {
        let Self { span, anatomy, .. } = self;
        let (body, result) = (private("__mmf_body"), private("__mmf_result"));
        let (strike, observe, ret) = (self.strike(), self.observe(&result), &anatomy.ret);
        let inner = typed(self.rt, anatomy, moves, *span);
        quote_spanned! {*span=>
            #strike
            let #body = ::core::pin::pin!(async #movement { #inner });
            let #result: #ret = #body.await;
            #observe
            #result
        }
    }

    /// The body that is not `async` as a block that may be struck.
    pub(crate) fn block(&self, moves: &TokenStream) -> TokenStream {
        let Self { span, anatomy, .. } = self;
        let result = private("__mmf_result");
        let (strike, observe) = (self.strike(), self.observe(&result));
        let (ret, body) = (&anatomy.ret, &anatomy.body);
        quote_spanned! {*span=>
            #strike
            #moves
            let #result: #ret = (|| -> #ret { #body })();
            #observe
            #result
        }
    }

    // Output: if armed { __MMF_POINT.observe(failed!(&result)); }
    //
    /// Looks at the result, which may be any type.
    fn observe(&self, result: &syn::Ident) -> TokenStream {
        let (rt, span, armed) = (self.rt, self.span, private("__mmf_armed"));
        quote_spanned! {span=>
            if #armed {
                __MMF_POINT.observe(#rt::failed!(&#result));
            }
        }
    }
}

fn is_placeholder(token: proc_macro2::TokenTree) -> bool {
    match token {
        proc_macro2::TokenTree::Ident(ident) => ident == "_",
        proc_macro2::TokenTree::Group(group) => group.stream().into_iter().any(is_placeholder),
        _ => false,
    }
}

// Input:  network_delay(probability = 0.3, max = "2s")
// Output: Fault::new(ChaosKind::NetworkDelay).probability(0.3).max(Duration::new(2, 0))
pub(super) fn fault(rt: &TokenStream, kind: &Kind) -> TokenStream {
    let variant = format_ident!("{}", kind.variant);
    let mut fault = quote!(#rt::chaos::Fault::new(#rt::chaos::ChaosKind::#variant));
    let keys = &kind.keys;
    let mut set = |key: &str, value: Option<TokenStream>| {
        let key = format_ident!("{key}");
        fault.extend(value.map(|value| quote!(.#key(#value))));
    };
    let code = |value: &dyn quote::ToTokens| Some(value.to_token_stream());
    set("probability", keys.probability.as_ref().and_then(|value| code(value)));
    set("duration", keys.duration.as_ref().and_then(|value| code(value)));
    set("intensity", keys.intensity.as_ref().and_then(|value| code(value)));
    set("target", keys.target.as_ref().and_then(|target| code(&target.text)));
    set("enabled", keys.enabled.as_ref().and_then(|value| code(value)));
    set("min", keys.min.as_ref().and_then(|value| code(value)));
    set("max", keys.max.as_ref().and_then(|value| code(value)));
    set("mean_burst", keys.mean_burst.as_ref().and_then(|value| code(value)));
    set("size", keys.size.as_ref().and_then(|value| code(value)));
    set("threads", keys.threads.as_ref().map(|threads| quote!((#threads) as usize)));
    let distribution = keys.distribution.as_ref().map(|text| {
        let variant = match text.text.as_str() {
            "normal" => format_ident!("Normal"),
            "pareto" => format_ident!("Pareto"),
            _ => format_ident!("Uniform"),
        };
        quote!(#rt::chaos::Distribution::#variant)
    });
    set("distribution", distribution);
    fault
}

// Input:  #[chaos(…)] async fn fetch(…) -> Result<T, E> { BODY }
// Output: the function with its point declared and its body as one that may be struck.
pub(super) fn expand(args: &Args, function: &Function, anatomy: &Anatomy) -> TokenStream {
    let rt = args.runtime();
    let span = Span::mixed_site().located_at(anatomy.ret_span);
    let point = Point { rt: &rt, anatomy, kinds: &args.kinds, span };
    let ident = syn::ext::IdentExt::unraw(&function.sig.ident).to_string();
    let name = match name_of(args, function) {
        Some(name) => quote!(#name),
        None => quote!(::core::concat!(::core::module_path!(), "::", #ident)),
    };
    let declaration = point.declaration(&name, function.sig.ident.span());
    // Attributes that run the body again only lend it its arguments.
    let is_repeated = function.has_attribute("resilient");
    let movement = if is_repeated { TokenStream::new() } else { quote!(move) };
    let body = if anatomy.is_async {
        point.struck(&movement, &TokenStream::new())
    } else {
        point.block(&TokenStream::new())
    };
    let body = anatomy.rebuild(body);
    let Function { attrs, vis, defaultness, sig, .. } = function;
    quote! {
        #(#attrs)* #vis #defaultness #sig {
            #declaration
            #[cfg(not(debug_assertions))]
            const _: () = {
                #[deprecated(note = "faults can be injected here: this is a release build with the feature `chaos` of mmf")]
                const CHAOS_IN_A_RELEASE_BUILD: () = ();
                CHAOS_IN_A_RELEASE_BUILD
            };
            #body
        }
    }
}

/// The name written, or that of the policy on the same function.
fn name_of(args: &Args, function: &Function) -> Option<Name> {
    if let Some(name) = &args.keys.name {
        return Some(name.clone());
    }
    let policy = function.attrs.iter().find(|attribute| is_named(attribute, "resilient"))?;
    let keys = items(attribute_tokens(policy), &mut Errors::default(), |_| String::new());
    Name::from_item(keys.iter().find(|item| item.name() == "name")?).ok()
}
