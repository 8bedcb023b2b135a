//! What stands behind a key: a literal that is checked now, or an expression that rustc checks.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, ExprUnary, Lit, UnOp};

use super::errors::error;
use super::keys::{FromItem, Item, ungrouped};
use super::source::source;
use mmf_rules::duration;

/// A literal with its span, or an expression.
#[derive(Clone, Debug)]
pub(crate) enum Value<T> {
    Literal(T, Span),
    Expr(Box<Expr>),
}

impl<T> Value<T> {
    pub(crate) fn span(&self) -> Span {
        match self {
            Self::Literal(_, span) => *span,
            Self::Expr(expr) => expr.span(),
        }
    }

    pub(crate) fn literal(&self) -> Option<&T> {
        match self {
            Self::Literal(value, _) => Some(value),
            Self::Expr(_) => None,
        }
    }

    pub(crate) fn expr(&self) -> Option<&Expr> {
        match self {
            Self::Literal(..) => None,
            Self::Expr(expr) => Some(expr),
        }
    }
}

/// A type whose literals are written in attributes.
pub(crate) trait Literal: Sized {
    fn from_lit(lit: &Lit, key: &str) -> darling::Result<Self>;
    /// The literal as one would write it.
    fn text(&self) -> String;
    /// The literal as code.
    fn code(&self, span: Span) -> TokenStream;
}

impl<T: Literal> Value<T> {
    pub(crate) fn from_expr(expr: &Expr, key: &str) -> darling::Result<Self> {
        match ungrouped(expr) {
            Expr::Lit(ExprLit { lit, .. }) => Ok(Self::Literal(T::from_lit(lit, key)?, lit.span())),
            Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr: inner, .. })
                if matches!(**inner, Expr::Lit(_)) =>
            {
                Err(error(expr.span(), format!("`{key}` cannot be negative")))
            }
            other => Ok(Self::Expr(Box::new(other.clone()))),
        }
    }

    pub(crate) fn text(&self) -> String {
        match self {
            Self::Literal(value, _) => value.text(),
            Self::Expr(expr) => source(expr),
        }
    }
}

impl<T: Literal> FromItem for Value<T> {
    fn from_item(item: &Item) -> darling::Result<Self> {
        Self::from_expr(item.scalar()?, &item.name())
    }
}

impl<T: Literal> ToTokens for Value<T> {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Literal(value, span) => tokens.extend(value.code(*span)),
            Self::Expr(expr) => expr.to_tokens(tokens),
        }
    }
}

/// Whole numbers, of which a literal may be too large.
macro_rules! whole_numbers {
    ($($type:ty),*) => {
        $(impl Literal for $type {
            fn from_lit(lit: &Lit, key: &str) -> darling::Result<Self> {
                match lit {
                    Lit::Int(int) => int.base10_parse().map_err(|_| {
                        error(int.span(), format!("`{int}` is too large, at most {}", Self::MAX))
                    }),
                    other => {
                        Err(error(other.span(), format!("expected a whole number: `{key} = 5`")))
                    }
                }
            }

            fn text(&self) -> String {
                self.to_string()
            }

            fn code(&self, span: Span) -> TokenStream {
                quote_spanned!(span=> #self)
            }
        })*
    };
}

whole_numbers!(u32, u64);

impl Literal for bool {
    fn from_lit(lit: &Lit, key: &str) -> darling::Result<Self> {
        match lit {
            Lit::Bool(value) => Ok(value.value()),
            other => {
                Err(error(other.span(), format!("expected `{key} = true` or `{key} = false`")))
            }
        }
    }

    fn text(&self) -> String {
        self.to_string()
    }

    fn code(&self, span: Span) -> TokenStream {
        quote_spanned!(span=> #self)
    }
}

impl Literal for f64 {
    fn from_lit(lit: &Lit, key: &str) -> darling::Result<Self> {
        match lit {
            Lit::Float(float) => Ok(float.base10_parse()?),
            Lit::Int(int) => Ok(int.base10_parse()?),
            other => Err(error(other.span(), format!("expected a number: `{key} = 0.5`"))),
        }
    }

    fn text(&self) -> String {
        format!("{self:?}")
    }

    fn code(&self, span: Span) -> TokenStream {
        quote_spanned!(span=> #self)
    }
}

impl Literal for Duration {
    fn from_lit(lit: &Lit, key: &str) -> darling::Result<Self> {
        match lit {
            Lit::Str(text) => {
                duration::parse(&text.value()).map_err(|message| error(text.span(), message))
            }
            Lit::Int(number) => Err(error(
                number.span(),
                format!(
                    "a duration needs a unit: write `{key} = \"{number}s\"` or \
                     `{key} = \"{number}ms\"`"
                ),
            )),
            other => Err(error(other.span(), format!("expected a duration: `{key} = \"2s\"`"))),
        }
    }

    fn text(&self) -> String {
        format!("{:?}", duration::text(*self))
    }

    fn code(&self, span: Span) -> TokenStream {
        let (seconds, nanos) = (self.as_secs(), self.subsec_nanos());
        quote_spanned!(span=> ::core::time::Duration::new(#seconds, #nanos))
    }
}
