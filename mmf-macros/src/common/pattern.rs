//! `retry_on(ApiError::Timeout, ApiError::Status(500..=599))`: patterns of the error type.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::Pat;

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
        Ok(Self { patterns, span: item.span() })
    }
}

impl Patterns {
    /// `match error { A | B => true, _ => false }`
    pub(crate) fn matches(&self, error: &syn::Ident) -> TokenStream {
        let patterns = &self.patterns;
        let matched = syn::Ident::new("__mmf_matched", Span::mixed_site());
        // `unused_variables`: a pattern that binds is asked only whether it matches.
        quote_spanned! {Span::mixed_site().located_at(self.span)=>
            {
                #[allow(
                    unused_variables, unreachable_patterns, clippy::match_like_matches_macro,
                    clippy::wildcard_enum_match_arm
                )]
                let #matched = match #error {
                    #(#patterns)|* => true,
                    _ => false,
                };
                #matched
            }
        }
    }

    pub(crate) fn text(&self) -> String {
        self.patterns.iter().map(super::value::source).collect::<Vec<_>>().join(", ")
    }
}
