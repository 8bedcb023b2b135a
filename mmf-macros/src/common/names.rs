//! Which names a piece of code uses.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;

/// The first token of `code` that is one of `names`, not looking behind `.` and `::`.
pub(crate) fn first_use(code: &impl ToTokens, names: &[String]) -> Option<Ident> {
    find(code.to_token_stream(), names)
}

fn find(tokens: TokenStream, names: &[String]) -> Option<Ident> {
    let mut after_dot_or_path = false;
    let mut colon_before = false;
    for token in tokens {
        let colon = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == ':');
        match token {
            TokenTree::Ident(ident) if !after_dot_or_path && names.contains(&ident.to_string()) => {
                return Some(ident);
            }
            TokenTree::Group(group) => {
                if let Some(found) = find(group.stream(), names) {
                    return Some(found);
                }
                after_dot_or_path = false;
            }
            TokenTree::Punct(punct) => {
                after_dot_or_path = punct.as_char() == '.' || colon && colon_before;
            }
            _ => after_dot_or_path = false,
        }
        colon_before = colon;
    }
    None
}

/// `code` with each token `from` replaced by `to`, at the place of the original.
pub(crate) fn replace(code: TokenStream, from: &str, to: &str) -> TokenStream {
    code.into_iter()
        .map(|token| match token {
            TokenTree::Ident(ident) if ident == from => {
                TokenTree::Ident(Ident::new(to, ident.span()))
            }
            TokenTree::Group(group) => {
                let inner = replace(group.stream(), from, to);
                let mut replaced = proc_macro2::Group::new(group.delimiter(), inner);
                replaced.set_span(group.span());
                TokenTree::Group(replaced)
            }
            other => other,
        })
        .collect()
}

/// `code` at another place, resolved as before.
pub(crate) fn located_at(code: TokenStream, span: Span) -> TokenStream {
    code.into_iter()
        .map(|mut token| {
            token.set_span(token.span().located_at(span));
            token
        })
        .collect()
}

/// A name that user code cannot see.
pub(crate) fn private(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    #[test]
    fn fields_and_path_segments_are_not_uses() {
        let names = ["limit".to_owned()];
        assert!(first_use(&quote!(config.limit + consts::limit), &names).is_none());
        assert!(first_use(&quote!(f(limit)), &names).is_some());
        assert!(first_use(&quote!(F { a: limit }), &names).is_some());
    }

    #[test]
    fn self_is_replaced_at_any_depth() {
        let replaced = replace(quote!(f(self.a, [self])), "self", "__self");
        assert_eq!(replaced.to_string(), quote!(f(__self.a, [__self])).to_string());
    }
}
