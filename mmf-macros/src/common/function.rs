//! The annotated function: its signature, and where the body really is.
//!
//! Bodies stay raw tokens, so that completion in an editor survives half-typed code.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, Expr, FnArg, GenericParam, Ident, Pat, ReceiverKind, ReturnType, Signature, Token,
    Type, Visibility, parse_quote, parse_quote_spanned,
};

use super::errors::error;

/// A function item, in any place where one can stand.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) defaultness: Option<Token![default]>,
    pub(crate) sig: Signature,
    /// The block; none in a trait's declaration.
    pub(crate) block: Option<Group>,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let defaultness = input.parse()?;
        let sig: Signature = input.parse()?;
        let block = if input.parse::<Option<Token![;]>>()?.is_some() {
            None
        } else {
            match input.parse()? {
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group),
                other => return Err(syn::Error::new(other.span(), "expected a function body")),
            }
        };
        Ok(Self { attrs, vis, defaultness, sig, block })
    }
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { attrs, vis, defaultness, sig, block } = self;
        tokens.extend(quote!(#(#attrs)* #vis #defaultness #sig));
        match block {
            Some(block) => block.to_tokens(tokens),
            None => tokens.extend(quote!(;)),
        }
    }
}

/// An argument as the body sees it.
#[derive(Clone, Debug)]
pub(crate) struct Argument {
    /// The expression that names it again after the call; none where the pattern drops a part.
    pub(crate) expr: Option<Expr>,
    /// The variables it binds, with the `mut` of each.
    pub(crate) bindings: Vec<(Ident, Option<Token![mut]>)>,
    pub(crate) is_reference: bool,
    pub(crate) span: Span,
}

/// The receiver of a method.
#[derive(Clone, Debug)]
pub(crate) struct Receiver {
    pub(crate) kind: SelfKind,
    pub(crate) span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SelfKind {
    Shared,
    Mutable,
    Value,
    Typed,
}

/// Where the body to wrap is, and what stands around it.
#[derive(Clone, Debug)]
pub(crate) struct Anatomy {
    pub(crate) is_async: bool,
    pub(crate) body: TokenStream,
    /// The return type as the body's own, `impl Trait` in it replaced by `_`.
    pub(crate) ret: Type,
    pub(crate) ret_span: Span,
    pub(crate) receiver: Option<Receiver>,
    /// How the body names the receiver.
    pub(crate) self_name: &'static str,
    pub(crate) arguments: Vec<Argument>,
    /// Type, const and lifetime parameters of the function.
    pub(crate) generics: Vec<String>,
    shape: Shape,
}

#[derive(Clone, Debug)]
enum Shape {
    Plain,
    /// What `#[async_trait]` made of it: everything before the initializer of `__ret`, and after it.
    AsyncTrait {
        before: TokenStream,
        after: TokenStream,
    },
}

impl Anatomy {
    pub(crate) fn of(function: &Function) -> darling::Result<Self> {
        let Function { sig, block, .. } = function;
        let Some(block) = block else {
            return Err(error(
                sig.span(),
                "a declaration has no body: put the attribute on the implementations, or give the \
                 method a default body",
            ));
        };
        if let Some(constness) = &sig.constness {
            return Err(error(
                constness.span(),
                "a `const fn` cannot call the runtime of the attribute",
            ));
        }
        let (output, ret_span) = match &sig.output {
            ReturnType::Type(_, output) => ((**output).clone(), output.span()),
            ReturnType::Default => (parse_quote!(()), sig.ident.span()),
        };
        let plain = Self {
            is_async: sig.asyncness.is_some(),
            body: block.stream(),
            ret: without_impl_trait(output.clone()),
            ret_span,
            receiver: receiver(sig),
            self_name: "self",
            arguments: sig.inputs.iter().filter_map(argument).collect(),
            generics: sig.generics.params.iter().map(parameter_name).collect(),
            shape: Shape::Plain,
        };
        if plain.is_async || !is_boxed_future(&output) {
            return Ok(plain);
        }
        plain.unwrap_async_trait().ok_or_else(|| {
            error(
                output.span(),
                "this function returns a boxed future whose body cannot be seen: make it an \
                 `async fn`, or use `#[async_trait]`",
            )
        })
    }

    /// The body that calls the runtime, put back to where the original body was.
    pub(crate) fn rebuild(&self, wrapped: TokenStream) -> TokenStream {
        match &self.shape {
            Shape::Plain => wrapped,
            Shape::AsyncTrait { before, after } => {
                quote!(::std::boxed::Box::pin(async move { #before { #wrapped } #after }))
            }
        }
    }

    // Input:  let mut name = name;
    // Output: let name = name;
    //
    /// Takes back the `mut` of an argument that only its clones need.
    pub(crate) fn rebind_immutably(&mut self, name: &Ident) {
        let Shape::AsyncTrait { before, .. } = &mut self.shape else { return };
        let mut tokens: Vec<_> = before.clone().into_iter().collect();
        let place = tokens.windows(3).position(|window| {
            matches!(window, [TokenTree::Ident(binding), TokenTree::Ident(mutability), TokenTree::Ident(variable)]
                if binding == "let" && mutability == "mut" && variable == name)
        });
        if let Some(place) = place {
            tokens.remove(place + 1);
            *before = tokens.into_iter().collect();
        }
    }

    // Input:
    //     Box::pin(async move {
    //         if let Some(__ret) = None::<Ret> { return __ret; }
    //         let __self = self; let mut id = id;
    //         let __ret: Ret = { body };
    //         __ret
    //     })
    // Output: the body, with what stands before and after it kept for `rebuild`.
    fn unwrap_async_trait(mut self) -> Option<Self> {
        let mut call = self
            .body
            .clone()
            .into_iter()
            .skip_while(|token| !is_group(token, Delimiter::Parenthesis));
        let arguments: Vec<_> = group_stream(call.next()?)?.into_iter().collect();
        let [TokenTree::Ident(asyncness), TokenTree::Ident(movement), inner] = &arguments[..]
        else {
            return None;
        };
        if asyncness != "async" || movement != "move" || call.next().is_some() {
            return None;
        }
        let inner: Vec<_> = group_stream(inner.clone())?.into_iter().collect();
        let start = inner.windows(3).position(|window| {
            matches!(window, [TokenTree::Ident(binding), TokenTree::Ident(name), TokenTree::Punct(colon)]
                if binding == "let" && name == "__ret" && colon.as_char() == ':')
        })?;
        let equals = start
            + inner[start..].iter().position(
                |token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == '='),
            )?;
        let ret: TokenStream = inner[start + 3..equals].iter().cloned().collect();
        let body = inner.get(equals + 1).filter(|token| is_group(token, Delimiter::Brace))?;
        let before: Vec<_> = inner[..=equals].to_vec();

        for argument in &mut self.arguments {
            for (name, mutability) in &mut argument.bindings {
                *mutability = mutability.or_else(|| rebound_mutably(&before, name));
            }
        }
        self.is_async = true;
        self.ret = syn::parse2(ret).ok()?;
        self.ret_span = self.ret.span();
        self.self_name = "__self";
        self.body = group_stream(body.clone())?;
        self.shape = Shape::AsyncTrait {
            before: before.into_iter().collect(),
            after: inner[equals + 2..].iter().cloned().collect(),
        };
        Some(self)
    }

    /// The variables that the body may use.
    pub(crate) fn bindings(&self) -> impl Iterator<Item = &(Ident, Option<Token![mut]>)> {
        self.arguments.iter().flat_map(|argument| &argument.bindings)
    }

    // Input:  let __tracing_instrument_future = async move { async move { body }.await … };
    // Output: let __tracing_instrument_future = async { async { body }.await … };
    //
    /// Lets the body that `#[tracing::instrument]` made borrow its arguments like any other body that
    /// may run more than once; an `async move` of the user's own is left alone.
    pub(crate) fn borrow_under_instrument(&mut self) {
        let tokens: Vec<_> = self.body.clone().into_iter().collect();
        let position = tokens
            .iter()
            .position(|token| matches!(token, TokenTree::Ident(name) if name == "__tracing_instrument_future"));
        let Some(place) = position.map(|name| name + 2) else { return };
        let Some([_, _, outer]) = tokens.get(place..place + 3) else { return };
        let Some(block) = group_stream(outer.clone()) else { return };
        let inner: Vec<_> = block.into_iter().collect();
        // With `err` or `ret`, the user's block is one level further in, behind one of three heads.
        let head: String = inner.iter().take(6).map(|token| token.to_string() + " ").collect();
        let wrapped = head.starts_with("match async move ")
            || head.starts_with("let x = async move ")
            || head.starts_with("let __match_scrutinee = async move");
        let inner = if wrapped { without_first_move(inner) } else { inner };
        let mut block = Group::new(Delimiter::Brace, inner.into_iter().collect());
        block.set_span(outer.span());
        let mut tokens = tokens;
        tokens[place + 2] = TokenTree::Group(block);
        tokens.remove(place + 1);
        self.body = tokens.into_iter().collect();
    }
}

fn without_first_move(mut tokens: Vec<TokenTree>) -> Vec<TokenTree> {
    let movement =
        tokens.iter().position(|token| matches!(token, TokenTree::Ident(word) if word == "move"));
    if let Some(movement) = movement {
        tokens.remove(movement);
    }
    tokens
}

fn is_group(token: &TokenTree, delimiter: Delimiter) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == delimiter)
}

fn group_stream(token: TokenTree) -> Option<TokenStream> {
    match token {
        TokenTree::Group(group) => Some(group.stream()),
        _ => None,
    }
}

/// `let mut name = name;` among the statements that `#[async_trait]` puts before the body.
fn rebound_mutably(tokens: &[TokenTree], name: &Ident) -> Option<Token![mut]> {
    tokens.windows(3).find_map(|window| match window {
        [TokenTree::Ident(binding), TokenTree::Ident(mutability), TokenTree::Ident(variable)]
            if binding == "let" && mutability == "mut" && variable == name =>
        {
            Some(Token![mut](mutability.span()))
        }
        _ => None,
    })
}

fn is_boxed_future(output: &Type) -> bool {
    let text = output.to_token_stream().to_string();
    text.contains("Pin <") && text.contains("dyn") && text.contains("Future")
}

fn receiver(sig: &Signature) -> Option<Receiver> {
    let receiver = sig.receiver()?;
    let kind = match &receiver.kind {
        ReceiverKind::Value => SelfKind::Value,
        ReceiverKind::Reference(_, _, Some(_)) => SelfKind::Mutable,
        ReceiverKind::Reference(_, _, None) => SelfKind::Shared,
        ReceiverKind::Typed(_, ty) => match &**ty {
            Type::Reference(reference)
                if reference.to_token_stream().to_string().contains("mut") =>
            {
                SelfKind::Mutable
            }
            _ => SelfKind::Typed,
        },
        _ => SelfKind::Typed,
    };
    Some(Receiver { kind, span: receiver.span() })
}

fn argument(argument: &FnArg) -> Option<Argument> {
    let FnArg::Typed(typed) = argument else { return None };
    let mut bindings = Vec::new();
    collect_bindings(&typed.pat, &mut bindings);
    Some(Argument {
        expr: pattern_as_expr(&typed.pat),
        bindings,
        is_reference: matches!(*typed.ty, Type::Reference(_)),
        span: typed.span(),
    })
}

fn collect_bindings(pattern: &Pat, bindings: &mut Vec<(Ident, Option<Token![mut]>)>) {
    struct Collector<'a>(&'a mut Vec<(Ident, Option<Token![mut]>)>);
    impl syn::visit::Visit<'_> for Collector<'_> {
        fn visit_pat_ident(&mut self, pattern: &syn::PatIdent) {
            self.0.push((pattern.ident.clone(), pattern.mutability));
            syn::visit::visit_pat_ident(self, pattern);
        }
    }
    syn::visit::Visit::visit_pat(&mut Collector(bindings), pattern);
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

fn parameter_name(parameter: &GenericParam) -> String {
    match parameter {
        GenericParam::Type(parameter) => parameter.ident.to_string(),
        GenericParam::Const(parameter) => parameter.ident.to_string(),
        GenericParam::Lifetime(parameter) => parameter.lifetime.ident.to_string(),
    }
}

/// `Result<impl Iterator, E>` becomes `Result<_, E>`, which can be written inside a body.
fn without_impl_trait(mut ty: Type) -> Type {
    struct Eraser;
    impl VisitMut for Eraser {
        fn visit_type_mut(&mut self, ty: &mut Type) {
            if matches!(ty, Type::ImplTrait(_)) {
                *ty = parse_quote!(_);
            } else {
                visit_mut::visit_type_mut(self, ty);
            }
        }
    }
    Eraser.visit_type_mut(&mut ty);
    ty
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anatomy(tokens: TokenStream) -> Anatomy {
        Anatomy::of(&syn::parse2(tokens).unwrap()).unwrap()
    }

    #[test]
    fn the_body_of_an_async_trait_method_is_found() {
        let anatomy = anatomy(quote! {
            fn get<'a, 'async_trait>(&'a self, id: String)
                -> Pin<Box<dyn Future<Output = Result<u8, E>> + Send + 'async_trait>>
            {
                Box::pin(async move {
                    if let Some(__ret) = None::<Result<u8, E>> { return __ret; }
                    let __self = self;
                    let mut id = id;
                    let __ret: Result<u8, E> = { __self.inner(id).await };
                    __ret
                })
            }
        });
        assert!(anatomy.is_async);
        assert_eq!(anatomy.body.to_string(), quote!(__self.inner(id).await).to_string());
        assert_eq!(anatomy.ret.to_token_stream().to_string(), "Result < u8 , E >");
        assert!(anatomy.bindings().next().unwrap().1.is_some(), "`id` is mutable in there");
        let rebuilt = anatomy.rebuild(quote!(wrapped)).to_string();
        assert!(rebuilt.contains("let __ret : Result < u8 , E > = { wrapped }"), "{rebuilt}");
    }

    #[test]
    fn a_boxed_future_of_another_shape_is_refused() {
        let function = syn::parse2(quote! {
            fn get() -> Pin<Box<dyn Future<Output = Result<u8, E>>>> { make_it() }
        });
        assert!(Anatomy::of(&function.unwrap()).is_err());
    }

    #[test]
    fn patterns_are_put_together_again() {
        let anatomy = anatomy(quote! {
            async fn f((a, B { c, d: (mut e, _f) }): X, _: Y) -> Result<(), E> {}
        });
        let expressions: Vec<_> = anatomy
            .arguments
            .iter()
            .map(|argument| argument.expr.as_ref().map(|expr| expr.to_token_stream().to_string()))
            .collect();
        let first = quote!((a, B { c, d: (e, _f,) },)).to_string();
        assert_eq!(expressions, [Some(first), None]);
    }

    #[test]
    fn impl_trait_in_the_result_becomes_a_placeholder() {
        let anatomy = anatomy(quote!(
            fn f() -> Result<impl Iterator<Item = u8>, E> {}
        ));
        assert_eq!(anatomy.ret.to_token_stream().to_string(), "Result < _ , E >");
    }

    #[test]
    fn an_instrumented_body_borrows() {
        let mut anatomy = anatomy(quote! {
            async fn f(id: String) -> Result<(), E> {
                let __tracing_attr_span = span;
                let __tracing_instrument_future = async move {
                    match async move { use_it(id, async move { 1 }).await }.await { x => x }
                };
                __tracing_instrument_future.await
            }
        });
        anatomy.borrow_under_instrument();
        let expected = quote! {
            let __tracing_attr_span = span;
            let __tracing_instrument_future = async {
                match async { use_it(id, async move { 1 }).await }.await { x => x }
            };
            __tracing_instrument_future.await
        };
        assert_eq!(anatomy.body.to_string(), expected.to_string());
    }
}
