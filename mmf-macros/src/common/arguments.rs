//! The receiver and the arguments of a function, as its body sees them.

use proc_macro2::{Ident, Span};
use quote::quote;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    Attribute, Expr, FnArg, GenericParam, Pat, ReceiverKind, Signature, Token, Type, parse_quote,
    parse_quote_spanned,
};

use super::keys::is_named;

/// An argument as the body sees it.
#[derive(Clone, Debug)]
pub(crate) struct Argument {
    /// The expression that names it again after the call; none where the pattern drops a part.
    pub(crate) expr: Option<Expr>,
    /// The variables it binds.
    pub(crate) bindings: Vec<Binding>,
    ty: Type,
    /// `#[cfg(…)]` above it.
    pub(crate) conditions: Vec<Attribute>,
    pub(crate) span: Span,
}

/// A variable of the body.
#[derive(Clone, Debug)]
pub(crate) struct Binding {
    pub(crate) name: Ident,
    pub(crate) mutability: Option<Token![mut]>,
    pub(crate) access: Access,
}

/// What a body can do with what a variable stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// `&T`
    Shared,
    /// `&mut T`, which can be lent on.
    Mutable,
    /// `Pin<&mut T>`
    Pinned,
    /// A value that holds a `&mut T` somewhere: `Option<&mut T>`.
    HoldsMutable,
    /// A value.
    Value,
}

impl Access {
    fn of(ty: &Type) -> Self {
        match ty {
            Type::Reference(reference) if reference.mutability.is_some() => Self::Mutable,
            Type::Reference(_) => Self::Shared,
            Type::Paren(paren) => Self::of(&paren.elem),
            Type::Group(group) => Self::of(&group.elem),
            _ if pinned(ty).is_some() => Self::Pinned,
            _ if holds_mutable(ty) => Self::HoldsMutable,
            _ => Self::Value,
        }
    }

    /// Whether a body can change what the caller has.
    pub(crate) fn reaches_the_caller(self) -> bool {
        matches!(self, Self::Mutable | Self::Pinned | Self::HoldsMutable)
    }
}

/// The `&mut T` of a `Pin<&mut T>`.
fn pinned(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "Pin")?;
    let syn::PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first()? {
        syn::GenericArgument::Type(inner) if Access::of(inner) == Access::Mutable => Some(inner),
        _ => None,
    }
}

/// Whether there is a `&mut` in it, but for those of the functions it names.
fn holds_mutable(ty: &Type) -> bool {
    struct Finder(bool);
    impl Visit<'_> for Finder {
        fn visit_type_reference(&mut self, reference: &syn::TypeReference) {
            self.0 |= reference.mutability.is_some();
            visit::visit_type_reference(self, reference);
        }
        fn visit_parenthesized_generic_arguments(
            &mut self,
            _: &syn::ParenthesizedGenericArguments,
        ) {
        }
        fn visit_type_fn_ptr(&mut self, _: &syn::TypeFnPtr) {}
    }
    let mut finder = Finder(false);
    finder.visit_type(ty);
    finder.0
}

/// The receiver of a method.
#[derive(Clone, Debug)]
pub(crate) struct Receiver {
    pub(crate) kind: SelfKind,
    /// `mut self`
    pub(crate) mutability: Option<Token![mut]>,
    /// The token `self`, whose name the body sees.
    pub(crate) token: Token![self],
    pub(crate) span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SelfKind {
    Shared,
    Mutable,
    Value,
    Pinned,
    /// `Arc<Self>`, `Box<Self>`, `Pin<&Self>`.
    Typed,
}

impl SelfKind {
    /// What an attempt must be told of, when there may be another.
    pub(crate) fn is_changed_or_consumed(self) -> bool {
        matches!(self, Self::Mutable | Self::Value | Self::Pinned)
    }
}

pub(crate) fn receiver(sig: &Signature) -> Option<Receiver> {
    let receiver = sig.receiver()?;
    let kind = match &receiver.kind {
        ReceiverKind::Value => SelfKind::Value,
        ReceiverKind::Reference(_, _, Some(_)) => SelfKind::Mutable,
        ReceiverKind::Reference(_, _, None) => SelfKind::Shared,
        ReceiverKind::Typed(_, ty) => match Access::of(ty) {
            Access::Mutable => SelfKind::Mutable,
            Access::Pinned => SelfKind::Pinned,
            _ => SelfKind::Typed,
        },
        _ => SelfKind::Typed,
    };
    let (mutability, token) = (receiver.mutability, receiver.self_token);
    Some(Receiver { kind, mutability, token, span: receiver.span() })
}

pub(crate) fn argument(argument: &FnArg) -> Option<Argument> {
    let FnArg::Typed(typed) = argument else { return None };
    let mut bindings = Vec::new();
    bind(&typed.pat, &typed.ty, &mut bindings);
    let conditions = typed.attrs.iter().filter(|attribute| is_named(attribute, "cfg"));
    Some(Argument {
        expr: pattern_as_expr(&typed.pat),
        bindings,
        ty: (*typed.ty).clone(),
        conditions: conditions.cloned().collect(),
        span: typed.span(),
    })
}

impl Argument {
    /// Taken apart by this pattern after all.
    pub(crate) fn take_apart(&mut self, pattern: &Pat) {
        self.expr = pattern_as_expr(pattern);
        self.bindings.clear();
        bind(pattern, &self.ty, &mut self.bindings);
    }
}

/// The variables of a pattern, each with what is known of its type.
fn bind(pattern: &Pat, ty: &Type, bindings: &mut Vec<Binding>) {
    match (pattern, ty) {
        (Pat::Paren(inner), _) => bind(&inner.pat, ty, bindings),
        (_, Type::Paren(inner)) => bind(pattern, &inner.elem, bindings),
        (_, Type::Group(inner)) => bind(pattern, &inner.elem, bindings),
        // A copy, which is not given a `mut` of its own: `&mut x` is another pattern.
        (Pat::Reference(inner), _) => bind_all(&inner.pat, Access::Shared, bindings),
        (Pat::Tuple(tuple), Type::Tuple(types))
            if tuple.elems.len() == types.elems.len()
                && !tuple.elems.iter().any(|element| matches!(element, Pat::Rest(_))) =>
        {
            for (element, ty) in tuple.elems.iter().zip(&types.elems) {
                bind(element, ty, bindings);
            }
        }
        _ => bind_all(pattern, Access::of(ty), bindings),
    }
}

fn bind_all(pattern: &Pat, access: Access, bindings: &mut Vec<Binding>) {
    struct Collector<'a>(Access, &'a mut Vec<Binding>);
    impl Visit<'_> for Collector<'_> {
        fn visit_pat_ident(&mut self, pattern: &syn::PatIdent) {
            let access = match &pattern.by_ref {
                None => self.0,
                Some(_) if pattern.mutability.is_some() => Access::Mutable,
                Some(_) => Access::Shared,
            };
            let mutability = pattern.mutability.filter(|_| pattern.by_ref.is_none());
            self.1.push(Binding { name: pattern.ident.clone(), mutability, access });
            visit::visit_pat_ident(self, pattern);
        }
    }
    Collector(access, bindings).visit_pat(pattern);
}

/// The value that a pattern took apart, put together again.
fn pattern_as_expr(pattern: &Pat) -> Option<Expr> {
    match pattern {
        Pat::Ident(pattern) if pattern.subpat.is_none() && pattern.by_ref.is_none() => {
            let ident = &pattern.ident;
            Some(parse_quote!(#ident))
        }
        Pat::Tuple(tuple) => {
            let elements = tuple.elems.iter().map(pattern_as_expr).collect::<Option<Vec<_>>>()?;
            Some(parse_quote_spanned!(tuple.span()=> (#(#elements,)*)))
        }
        Pat::TupleStruct(tuple) => {
            let path = &tuple.path;
            let elements = tuple.elems.iter().map(pattern_as_expr).collect::<Option<Vec<_>>>()?;
            Some(parse_quote_spanned!(tuple.span()=> #path(#(#elements),*)))
        }
        Pat::Struct(structure) if structure.rest.is_none() => {
            let path = &structure.path;
            let fields = structure
                .fields
                .iter()
                .map(|field| {
                    let (member, value) = (&field.member, pattern_as_expr(&field.pat)?);
                    Some(match field.colon_token {
                        Some(_) => quote!(#member: #value),
                        None => quote!(#member),
                    })
                })
                .collect::<Option<Vec<_>>>()?;
            Some(parse_quote_spanned!(structure.span()=> #path { #(#fields),* }))
        }
        Pat::Reference(reference) => {
            let inner = pattern_as_expr(&reference.pat)?;
            Some(parse_quote!(&#inner))
        }
        Pat::Paren(inner) => pattern_as_expr(&inner.pat),
        Pat::Type(typed) => pattern_as_expr(&typed.pat),
        _ => None,
    }
}

pub(crate) fn parameter_name(parameter: &GenericParam) -> String {
    match parameter {
        GenericParam::Type(parameter) => parameter.ident.to_string(),
        GenericParam::Const(parameter) => parameter.ident.to_string(),
        GenericParam::Lifetime(parameter) => parameter.lifetime.ident.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proc_macro2::TokenStream;
    use quote::ToTokens;

    fn access(ty: TokenStream) -> Access {
        Access::of(&syn::parse2(ty).unwrap())
    }

    #[test]
    fn what_a_body_can_change_is_seen_in_the_type() {
        for (ty, expected) in [
            (quote!(&str), Access::Shared),
            (quote!(&'a mut Conn), Access::Mutable),
            (quote!(Pin<&mut S>), Access::Pinned),
            (quote!(std::pin::Pin<&'a mut (dyn Read + 'a)>), Access::Pinned),
            (quote!(Pin<Box<S>>), Access::Value),
            (quote!(Option<&mut Conn>), Access::HoldsMutable),
            (quote!((&str, &mut Conn)), Access::HoldsMutable),
            (quote!(impl Fn(&mut Conn)), Access::Value),
            (quote!(fn(&mut Conn) -> &mut Conn), Access::Value),
            (quote!(&Option<&mut Conn>), Access::Shared),
        ] {
            assert_eq!(access(ty.clone()), expected, "{ty}");
        }
    }

    #[test]
    fn each_variable_of_a_pattern_has_its_own() {
        let function: syn::ItemFn = syn::parse_quote! {
            fn f((a, b): (&mut A, &B), Pair { c, .. }: &mut Pair, &d: &u8, e: u8) {}
        };
        let bindings = function.sig.inputs.iter().filter_map(argument).flat_map(|a| a.bindings);
        let accesses: Vec<_> = bindings.map(|binding| binding.access).collect();
        let (mutable, shared, value) = (Access::Mutable, Access::Shared, Access::Value);
        assert_eq!(accesses, [mutable, shared, mutable, shared, value]);
    }

    #[test]
    fn a_receiver_has_a_kind() {
        let kind = |method: TokenStream| {
            receiver(&syn::parse2::<syn::ItemFn>(method).unwrap().sig).unwrap().kind
        };
        assert_eq!(
            kind(quote!(
                fn f(&self) {}
            )),
            SelfKind::Shared
        );
        assert_eq!(
            kind(quote!(
                fn f(&mut self) {}
            )),
            SelfKind::Mutable
        );
        assert_eq!(
            kind(quote!(
                fn f(mut self) {}
            )),
            SelfKind::Value
        );
        assert_eq!(
            kind(quote!(
                fn f(self: &mut Self) {}
            )),
            SelfKind::Mutable
        );
        assert_eq!(
            kind(quote!(
                fn f(self: Pin<&mut Self>) {}
            )),
            SelfKind::Pinned
        );
        assert_eq!(
            kind(quote!(
                fn f(self: Arc<Self>) {}
            )),
            SelfKind::Typed
        );
    }

    #[test]
    fn patterns_are_put_together_again() {
        let function: syn::ItemFn = syn::parse_quote! {
            async fn f((a, B { c, d: (mut e, _f) }): X, _: Y) -> Result<(), E> {}
        };
        let expressions: Vec<_> = function
            .sig
            .inputs
            .iter()
            .filter_map(argument)
            .map(|argument| argument.expr.map(|expr| expr.to_token_stream().to_string()))
            .collect();
        let first = quote!((a, B { c, d: (e, _f,) },)).to_string();
        assert_eq!(expressions, [Some(first), None]);
    }
}
