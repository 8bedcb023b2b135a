//! Which types are futures.

use syn::punctuated::Punctuated;
use syn::{Token, Type};

/// Whether a type is a future: `impl Future<…>`, `Pin<Box<dyn Future<…>>>`, `BoxFuture<…>`.
pub(crate) fn is_future(ty: &Type) -> bool {
    let by_bounds = |bounds: &Punctuated<syn::TypeParamBound, Token![+]>| {
        bounds.iter().any(|bound| match bound {
            syn::TypeParamBound::Trait(bound) => {
                bound.path.segments.last().is_some_and(|last| last.ident == "Future")
            }
            _ => false,
        })
    };
    match ty {
        Type::ImplTrait(ty) => by_bounds(&ty.bounds),
        Type::TraitObject(ty) => by_bounds(&ty.bounds),
        Type::Paren(ty) => is_future(&ty.elem),
        Type::Group(ty) => is_future(&ty.elem),
        Type::Path(path) => path.path.segments.last().is_some_and(|last| {
            let name = last.ident.to_string();
            name.ends_with("BoxFuture") || is_box(&name) && first_type(last).is_some_and(is_future)
        }),
        _ => false,
    }
}

fn is_box(name: &str) -> bool {
    matches!(name, "Pin" | "Box")
}

fn first_type(segment: &syn::PathSegment) -> Option<&Type> {
    let syn::PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        syn::GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use proc_macro2::TokenStream;
    use quote::quote;

    #[test]
    fn futures_are_told_from_results() {
        let is_future = |ty: TokenStream| super::is_future(&syn::parse2(ty).unwrap());
        for ty in [
            quote!(impl Future<Output = Result<u8, E>> + Send),
            quote!(Pin<Box<dyn Future<Output = Result<u8, E>> + Send + 'static>>),
            quote!(std::pin::Pin<std::boxed::Box<dyn std::future::Future<Output = ()>>>),
            quote!(BoxFuture<'static, Result<u8, E>>),
            quote!(LocalBoxFuture<'_, u8>),
        ] {
            assert!(is_future(ty.clone()), "{ty}");
        }
        for ty in [
            quote!(Result<Pin<Box<dyn Future<Output = u8>>>, E>),
            quote!(Result<u8, E>),
            quote!(Box<dyn Error>),
            quote!(impl Iterator<Item = Pin<Box<dyn Future<Output = u8>>>>),
        ] {
            assert!(!is_future(ty.clone()), "{ty}");
        }
    }
}
