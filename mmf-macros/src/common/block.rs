//! An `impl` block: its head, and its members one by one.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::Token;
use syn::parse::{Parse, ParseStream, Parser};

use super::errors::error;
use super::function::Function;

/// An `impl` block taken apart.
#[derive(Debug)]
pub(crate) struct Block {
    head: TokenStream,
    pub(crate) is_of_trait: bool,
    pub(crate) members: Vec<Member>,
    span: Span,
}

/// An item of the block: a method, or anything else as it is.
#[derive(Debug)]
pub(crate) enum Member {
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

impl Block {
    /// Whether the item is an `impl` block.
    pub(crate) fn is_one(item: &TokenStream) -> bool {
        let parser = |input: ParseStream<'_>| {
            input.call(syn::Attribute::parse_outer)?;
            input.parse::<Option<Token![unsafe]>>()?;
            let is_impl = input.peek(Token![impl]);
            input.parse::<TokenStream>()?;
            Ok(is_impl)
        };
        parser.parse2(item.clone()).unwrap_or(false)
    }

    /// Takes it apart.
    pub(crate) fn parse(item: TokenStream) -> darling::Result<Self> {
        let mut head: Vec<TokenTree> = item.into_iter().collect();
        let Some(TokenTree::Group(body)) = head.pop() else {
            return Err(error(Span::call_site(), "expected the braces of an `impl` block"));
        };
        let head: TokenStream = head.into_iter().collect();
        let empty: syn::ItemImpl = syn::parse2(quote!(#head {}))?;
        let members = |input: ParseStream<'_>| {
            let mut members = Vec::new();
            while !input.is_empty() {
                members.push(input.parse::<Member>()?);
            }
            Ok(members)
        };
        Ok(Self {
            is_of_trait: empty.trait_.is_some(),
            members: members.parse2(body.stream())?,
            span: body.span(),
            head,
        })
    }

    /// The block with its methods as `change` makes them.
    pub(crate) fn map(self, mut change: impl FnMut(Function) -> TokenStream) -> TokenStream {
        let members = self.members.into_iter().map(|member| match member {
            Member::Other(tokens) => tokens,
            Member::Method(method) => change(*method),
        });
        let mut body = Group::new(Delimiter::Brace, members.collect());
        body.set_span(self.span);
        let head = self.head;
        quote!(#head #body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_of_any_lifetime_makes_no_impl_of_a_trait() {
        let block = |item| Block::parse(item).unwrap().is_of_trait;
        assert!(!block(quote!(
            impl<F: for<'a> Fn(&'a u8)> Client<F> {}
        )));
        assert!(block(quote!(impl Users for Client {})));
    }
}
