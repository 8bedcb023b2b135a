//! The annotated function as an item.
//!
//! Bodies stay raw tokens, so that completion in an editor survives half-typed code.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, Ident, ReturnType, Signature, Token, Visibility};

use super::future::is_future;
use super::keys::is_named;

/// A function item, in any place where one can stand.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    /// Those of the body among them: `#![allow(…)]` at its start holds for the function as well.
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) defaultness: Option<Token![default]>,
    pub(crate) sig: Signature,
    /// The block; none in a trait's declaration.
    pub(crate) block: Option<Group>,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let defaultness = input.parse()?;
        let sig: Signature = input.parse()?;
        let block = if input.parse::<Option<Token![;]>>()?.is_some() {
            None
        } else {
            let token: TokenTree = input.parse()?;
            let span = token.span();
            let block =
                braces(token).ok_or_else(|| syn::Error::new(span, "expected a function body"))?;
            Some(without_inner_attributes(&block, &mut attrs)?)
        };
        Ok(Self { attrs, vis, defaultness, sig, block })
    }
}

/// The braces of a body; a `$body:block` of `macro_rules!` comes in an invisible group.
fn braces(token: TokenTree) -> Option<Group> {
    let TokenTree::Group(group) = token else { return None };
    match group.delimiter() {
        Delimiter::Brace => Some(group),
        Delimiter::None => {
            let mut inner = group.stream().into_iter();
            inner.next().filter(|_| inner.next().is_none()).and_then(braces)
        }
        _ => None,
    }
}

// Input:  { #![allow(unused)] BODY }
// Output: { BODY }, and `#[allow(unused)]` among the attributes.
//
/// Attributes at the start of a body stand nowhere but at the start of a function.
fn without_inner_attributes(block: &Group, attrs: &mut Vec<Attribute>) -> syn::Result<Group> {
    let mut rest: Vec<TokenTree> = block.stream().into_iter().collect();
    while let [TokenTree::Punct(pound), TokenTree::Punct(bang), TokenTree::Group(attribute), ..] =
        &rest[..]
        && pound.as_char() == '#'
        && bang.as_char() == '!'
        && attribute.delimiter() == Delimiter::Bracket
    {
        attrs.extend(Attribute::parse_outer.parse2(quote!(#pound #attribute))?);
        rest.drain(..3);
    }
    let mut body = Group::new(Delimiter::Brace, rest.into_iter().collect());
    body.set_span(block.span());
    Ok(body)
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

impl Function {
    /// Whether it returns a future by name: an `async fn` as `#[async_trait]` leaves it, for one.
    pub(crate) fn returns_future(&self) -> bool {
        matches!(&self.sig.output, ReturnType::Type(_, ty) if is_future(ty))
    }

    /// The attribute of that name, whatever its path, taken out.
    pub(crate) fn take_attribute(&mut self, name: &str) -> Option<Attribute> {
        let place = self.attrs.iter().position(|attribute| is_named(attribute, name))?;
        Some(self.attrs.remove(place))
    }

    pub(crate) fn has_attribute(&self, name: &str) -> bool {
        self.attrs.iter().any(|attribute| is_named(attribute, name))
    }

    // Input:  #[expect(clippy::unused_async, dead_code)]
    // Output: #[allow(clippy::unused_async)] #[expect(dead_code)]
    //
    /// Expectations of clippy's lints are about the code as it was written, which is not the code that it sees.
    pub(crate) fn expect_nothing_of_clippy(&mut self) {
        let attrs = std::mem::take(&mut self.attrs);
        self.attrs = attrs.into_iter().flat_map(allowed_by_clippy).collect();
    }
}

fn allowed_by_clippy(attribute: Attribute) -> Vec<Attribute> {
    let syn::Meta::List(list) = &attribute.meta else { return vec![attribute] };
    if !list.path.is_ident("expect") {
        return vec![attribute];
    }
    let metas = syn::punctuated::Punctuated::<syn::Meta, Token![,]>::parse_terminated
        .parse2(list.tokens.clone());
    let Ok(metas) = metas else { return vec![attribute] };
    let is_reason = |meta: &syn::Meta| meta.path().is_ident("reason");
    let is_of_clippy = |meta: &syn::Meta| {
        meta.path().segments.first().is_some_and(|segment| segment.ident == "clippy")
    };
    let (reason, lints): (Vec<_>, Vec<_>) = metas.into_iter().partition(is_reason);
    let (clippy, others): (Vec<_>, Vec<_>) = lints.into_iter().partition(is_of_clippy);
    if clippy.is_empty() {
        return vec![attribute];
    }
    let allow = Ident::new("allow", proc_macro2::Span::mixed_site());
    let mut attributes = vec![syn::parse_quote!(#[#allow(#(#clippy,)* #(#reason),*)])];
    if !others.is_empty() {
        attributes.push(syn::parse_quote!(#[expect(#(#others,)* #(#reason),*)]));
    }
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(tokens: TokenStream) -> Function {
        syn::parse2(tokens).unwrap()
    }

    #[test]
    fn a_body_may_come_from_a_macro() {
        let braces = Group::new(Delimiter::Brace, quote!(one()));
        let invisible = Group::new(Delimiter::None, TokenTree::Group(braces).into());
        let body = function(quote!(fn f() #invisible)).block.unwrap();
        assert_eq!(
            (body.delimiter(), body.stream().to_string()),
            (Delimiter::Brace, "one ()".into())
        );
    }

    #[test]
    fn attributes_of_the_body_are_those_of_the_function() {
        let function = function(quote!(
            fn f() {
                #![allow(unused)]
                #![expect(dead_code)]
                one()
            }
        ));
        assert_eq!(
            function.to_token_stream().to_string(),
            quote!(
                #[allow(unused)]
                #[expect(dead_code)]
                fn f() {
                    one()
                }
            )
            .to_string()
        );
    }

    #[test]
    fn what_is_expected_of_clippy_is_allowed() {
        let mut function = function(quote!(
            #[expect(clippy::unused_async, dead_code, reason = "later")]
            #[expect(unused_mut)]
            fn f() {}
        ));
        function.expect_nothing_of_clippy();
        let expected = quote!(
            #[allow(clippy::unused_async, reason = "later")]
            #[expect(dead_code, reason = "later")]
            #[expect(unused_mut)]
            fn f() {}
        );
        assert_eq!(function.to_token_stream().to_string(), expected.to_string());
    }
}
