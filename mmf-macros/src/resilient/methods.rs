//! The attribute on an `impl` block: defaults for its methods.

use proc_macro2::{Delimiter, Group as TokenGroup, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, Token, Visibility};

use super::args::{Args, attribute_tokens, is_resilient};
use super::function_tokens;
use crate::common::errors::Errors;
use crate::common::function::Function;
use crate::common::keys::Text;

/// Whether the item is an `impl` block.
pub(crate) fn is_impl(item: &TokenStream) -> bool {
    let parser = |input: ParseStream<'_>| {
        input.call(Attribute::parse_outer)?;
        input.parse::<Option<Token![unsafe]>>()?;
        let is_impl = input.peek(Token![impl]);
        input.parse::<TokenStream>()?;
        Ok(is_impl)
    };
    parser.parse2(item.clone()).unwrap_or(false)
}

/// An item of the block: a method, or anything else as it is.
enum Member {
    Method(Box<Function>),
    Other(TokenStream),
}

impl Parse for Member {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let ahead = input.fork();
        if let Ok(function) = ahead.parse::<Function>() {
            syn::parse::discouraged::Speculative::advance_to(input, &ahead);
            return Ok(Self::Method(Box::new(function)));
        }
        Ok(Self::Other(input.parse::<syn::ImplItem>()?.into_token_stream()))
    }
}

// Input:  impl Client { #[resilient] pub async fn get(…) … }
// Output: the same block with the policies of the block and of each method in the methods.
pub(crate) fn expand(defaults: &Args, item: TokenStream, mut errors: Errors) -> TokenStream {
    let mut tokens: Vec<TokenTree> = item.into_iter().collect();
    let Some(TokenTree::Group(block)) = tokens.pop() else {
        let errors = errors.into_tokens();
        return quote!(#(#tokens)* #errors);
    };
    let members = Parser::parse2(
        |input: ParseStream<'_>| {
            let mut members = Vec::new();
            while !input.is_empty() {
                members.push(input.parse::<Member>()?);
            }
            Ok(members)
        },
        block.stream(),
    );
    let Some(members) = errors.keep(members.map_err(Into::into)) else {
        let errors = errors.into_tokens();
        return quote!(#(#tokens)* #block #errors);
    };
    let is_trait_impl =
        tokens.iter().any(|token| matches!(token, TokenTree::Ident(word) if word == "for"));
    let mut chosen = 0;
    let members: Vec<TokenStream> = members
        .into_iter()
        .map(|member| match member {
            Member::Other(tokens) => tokens,
            Member::Method(method) => {
                method_tokens(*method, defaults, is_trait_impl, &mut chosen, &mut errors)
            }
        })
        .collect();
    if chosen == 0 && errors.is_empty() {
        errors.push(
            proc_macro2::Span::call_site(),
            "no method takes these policies: mark methods with `#[resilient]`, or write `all` for \
             every `pub` method",
        );
    }
    let mut inner = TokenGroup::new(Delimiter::Brace, members.into_iter().collect());
    inner.set_span(block.span());
    let errors = errors.into_tokens();
    quote!(#(#tokens)* #inner #errors)
}

fn method_tokens(
    mut method: Function,
    defaults: &Args,
    is_trait_impl: bool,
    chosen: &mut usize,
    errors: &mut Errors,
) -> TokenStream {
    let marked = method.attrs.iter().position(is_resilient);
    let mut method_errors = Errors::default();
    let own = match marked {
        Some(place) => {
            let attribute = method.attrs.remove(place);
            Args::read(attribute_tokens(&attribute), &mut method_errors)
        }
        None => Args::default(),
    };
    let public = is_trait_impl || matches!(method.vis, Visibility::Public(_));
    let taken = marked.is_some() || defaults.all.is_some() && public && returns_result(&method);
    if own.skip.is_some() || !taken {
        errors.extend(method_errors.into_errors());
        return method.into_token_stream();
    }
    *chosen += 1;
    if let Some(all) = &own.all {
        method_errors.push(all.0, "`all` belongs to the attribute of an `impl` block");
    }
    let mut args = own.or(defaults);
    if let (None, Some(prefix)) = (&args.name, &defaults.name) {
        let text = format!("{}.{}", prefix.text, method.sig.ident);
        args.name = Some(Text { text, span: prefix.span });
    }
    function_tokens(args, method, method_errors)
}

/// Whether `all` takes the method: it is `async`, or names some `…Result` as its return type.
fn returns_result(method: &Function) -> bool {
    let named = match &method.sig.output {
        syn::ReturnType::Type(_, ty) => match &**ty {
            syn::Type::Path(path) => path
                .path
                .segments
                .last()
                .is_some_and(|segment| segment.ident.to_string().ends_with("Result")),
            _ => false,
        },
        syn::ReturnType::Default => false,
    };
    named || method.sig.asyncness.is_some()
}
