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
use mmf_rules::value::{self, Written};

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
                Err(error(expr.span(), value::negative(key)))
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

/// A literal as the rules read it.
fn written(lit: &Lit) -> Written {
    match lit {
        Lit::Int(int) => {
            int.base10_parse().map_or_else(|_| Written::Huge(int.to_string()), Written::Whole)
        }
        Lit::Float(float) => float.base10_parse().map_or(Written::Other, Written::Number),
        Lit::Str(text) => Written::Text(text.value()),
        Lit::Bool(flag) => Written::Flag(flag.value()),
        _ => Written::Other,
    }
}

/// What a rule reads of a literal; what it says of it otherwise, there.
pub(crate) fn read<T>(
    lit: &Lit,
    rule: impl FnOnce(&Written) -> Result<T, String>,
) -> darling::Result<T> {
    rule(&written(lit)).map_err(|message| error(lit.span(), message))
}

macro_rules! whole_numbers {
    ($($type:ty),*) => {
        $(impl Literal for $type {
            fn from_lit(lit: &Lit, key: &str) -> darling::Result<Self> {
                read(lit, |written| value::count(key, written))
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
        read(lit, |written| value::flag(key, written))
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
        read(lit, |written| value::number(key, written))
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
        read(lit, |written| value::time(key, written))
    }

    fn text(&self) -> String {
        format!("{:?}", duration::text(*self))
    }

    fn code(&self, span: Span) -> TokenStream {
        let (seconds, nanos) = (self.as_secs(), self.subsec_nanos());
        quote_spanned!(span=> ::core::time::Duration::new(#seconds, #nanos))
    }
}
