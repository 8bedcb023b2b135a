//! Which names a piece of code uses.

use proc_macro2::{Delimiter, Group, Ident, Literal, Span, TokenStream, TokenTree};
use quote::ToTokens;

/// The first token of `code` that is one of `names`, not looking behind `.` and `::`.
pub(crate) fn first_use(code: &impl ToTokens, names: &[String]) -> Option<Ident> {
    find(code.to_token_stream(), names)
}

fn find(tokens: TokenStream, names: &[String]) -> Option<Ident> {
    let mut after_dot_or_path = false;
    let mut colon_before = false;
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let is_module = names_module(&token, tokens.peek());
        let colon = is_colon(&token);
        match token {
            TokenTree::Ident(ident)
                if !after_dot_or_path && !is_module && names.contains(&ident.to_string()) =>
            {
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

/// Whether a token is the `self` of `self::item`, which names a module and no receiver.
fn names_module(token: &TokenTree, next: Option<&TokenTree>) -> bool {
    matches!(token, TokenTree::Ident(word) if word == "self") && next.is_some_and(is_colon)
}

fn is_colon(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == ':')
}

/// `code` with the receiver of its function by another name; items inside have receivers of their own.
pub(crate) fn replace_receiver(code: TokenStream, to: &str) -> TokenStream {
    let mut tokens = code.into_iter().peekable();
    let mut replaced = TokenStream::new();
    while let Some(token) = tokens.next() {
        let begins_item = match &token {
            TokenTree::Ident(word) if word == "fn" => {
                matches!(tokens.peek(), Some(TokenTree::Ident(_)))
            }
            TokenTree::Ident(word) => word == "impl" || word == "trait",
            _ => false,
        };
        let is_body = |token: &TokenTree| match token {
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
            TokenTree::Punct(punct) => punct.as_char() == ';',
            _ => false,
        };
        if begins_item {
            replaced.extend([token]);
            while let Some(token) = tokens.next_if(|token| !is_body(token)) {
                replaced.extend([token]);
            }
            replaced.extend(tokens.next());
            continue;
        }
        let is_module = names_module(&token, tokens.peek());
        replaced.extend([match token {
            TokenTree::Ident(word) if word == "self" && !is_module => {
                TokenTree::Ident(Ident::new(to, word.span()))
            }
            TokenTree::Group(group) => {
                let inner = replace_receiver(group.stream(), to);
                let mut renamed = Group::new(group.delimiter(), inner);
                renamed.set_span(group.span());
                TokenTree::Group(renamed)
            }
            other => other,
        }]);
    }
    replaced
}

/// Whether `code` may use the variable: as a name, or in a text that may be formatted.
pub(crate) fn mentions(code: &TokenStream, name: &Ident) -> bool {
    let text = name.to_string();
    let formatted = format!("{{{}", text.trim_start_matches("r#"));
    code.clone().into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == *name,
        TokenTree::Group(group) => mentions(&group.stream(), name),
        TokenTree::Literal(literal) => literal.to_string().contains(&formatted),
        TokenTree::Punct(_) => false,
    })
}

/// A text with `{self}` in the arguments of a macro: formatted, it would name the receiver.
pub(crate) fn formatted_receiver(code: &TokenStream) -> Option<Literal> {
    let mut is_macro = false;
    code.clone().into_iter().find_map(|token| match token {
        TokenTree::Group(group) if is_macro => {
            is_macro = false;
            let texts = group.stream().into_iter().filter_map(|token| match token {
                TokenTree::Literal(literal) => Some(literal),
                _ => None,
            });
            let mut named = texts.filter(|literal| literal.to_string().contains("{self"));
            named.next().or_else(|| formatted_receiver(&group.stream()))
        }
        TokenTree::Group(group) => formatted_receiver(&group.stream()),
        token => {
            is_macro = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '!');
            None
        }
    })
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

/// `code`, which names nothing of the user's, all of it at one place.
pub(crate) fn spanned(code: TokenStream, span: Span) -> TokenStream {
    let spanned = |mut token: TokenTree| {
        token.set_span(span);
        token
    };
    code.into_iter().map(spanned).collect()
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
        let names = ["self".to_owned()];
        assert!(first_use(&quote!(self::NAME), &names).is_none());
        assert!(first_use(&quote!(self.name), &names).is_some());
    }

    #[test]
    fn items_inside_have_receivers_of_their_own() {
        let code = quote!(
            fn inner(&self) -> u8 { self.x }
            impl T for U { fn f(self) {} }
            let f: fn(u8) = self::g;
            (self.a, |x| { self.b })
        );
        let replaced = replace_receiver(code, "__self").to_string();
        let expected = quote!(
            fn inner(&self) -> u8 { self.x }
            impl T for U { fn f(self) {} }
            let f: fn(u8) = self::g;
            (__self.a, |x| { __self.b })
        );
        assert_eq!(replaced, expected.to_string());
    }

    #[test]
    fn a_text_may_name_a_variable() {
        let id: Ident = syn::parse_quote!(id);
        assert!(mentions(&quote!(get(format!("/{id}"))), &id));
        assert!(mentions(&quote!({ f(id) }), &id));
        assert!(!mentions(&quote!(f("id", ids)), &id));
        assert!(formatted_receiver(&quote!(let a = { format!("{self:?}") };)).is_some());
        assert!(formatted_receiver(&quote!(f("{self}"), !self.a)).is_none());
    }

    #[test]
    fn self_is_replaced_at_any_depth() {
        let replaced = replace_receiver(quote!(f(self.a, [self])), "__self");
        assert_eq!(replaced.to_string(), quote!(f(__self.a, [__self])).to_string());
    }
}
