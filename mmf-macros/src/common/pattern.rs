//! `retry_on(ApiError::Timeout, ApiError::Status(500..=599))`: patterns of the error type.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::Pat;

use super::errors::error;
use super::keys::{FromItem, Item};

/// Patterns, of which one must match.
#[derive(Clone, Debug)]
pub(crate) struct Patterns {
    patterns: Vec<Pat>,
    span: Span,
}

impl FromItem for Patterns {
    fn from_item(item: &Item) -> darling::Result<Self> {
        let patterns = item.list(Pat::parse_multi_with_leading_vert)?;
        let texts = patterns.iter().filter_map(|pattern| match pattern {
            Pat::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(error(
                text.span(),
                format!("a pattern, not a text: write `{}({})`", item.name(), text.value()),
            )),
            _ => None,
        });
        let texts: Vec<_> = texts.collect();
        if !texts.is_empty() {
            return Err(darling::Error::multiple(texts));
        }
        Ok(Self { patterns, span: item.span() })
    }
}

impl Patterns {
    // Output: match error { A => { let _ = (&bound,); true } B => true, _ => false }
    //
    /// Whether one of them matches. What a pattern binds is used, since nobody asks for more than whether it matches.
    pub(crate) fn matches(&self, error: &syn::Ident) -> TokenStream {
        let span = Span::mixed_site().located_at(self.span);
        let arms = self.patterns.iter().map(|pattern| {
            let bound = bound(pattern);
            quote_spanned!(span=> #pattern => { let _ = (#(&#bound,)*); true })
        });
        quote_spanned!(span=> match #error { #(#arms)* _ => false, })
    }

    pub(crate) fn text(&self) -> String {
        self.patterns.iter().map(super::source::source).collect::<Vec<_>>().join(", ")
    }
}

/// The variables of a pattern. A name in capitals is that of a constant or a variant.
fn bound(pattern: &Pat) -> Vec<syn::Ident> {
    struct Collector(Vec<syn::Ident>);
    impl syn::visit::Visit<'_> for Collector {
        fn visit_pat_ident(&mut self, pattern: &syn::PatIdent) {
            let name = &pattern.ident;
            if !name.to_string().starts_with(char::is_uppercase) && !self.0.contains(name) {
                self.0.push(name.clone());
            }
            syn::visit::visit_pat_ident(self, pattern);
        }
    }
    let mut collector = Collector(Vec::new());
    syn::visit::Visit::visit_pat(&mut collector, pattern);
    collector.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;
    use syn::parse::Parser;

    #[test]
    fn variables_are_told_from_constants() {
        let pattern = Pat::parse_multi
            .parse2(quote!(E::Status(code @ 500..=599) | E::Busy { code, at: LATE }))
            .unwrap();
        assert_eq!(bound(&pattern), ["code"]);
    }
}
