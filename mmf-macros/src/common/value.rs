//! What stands behind a key: a literal that is checked now, or an expression that rustc checks.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, ExprUnary, Lit, UnOp};

use super::duration;
use super::errors::error;
use super::keys::{FromItem, Item, ungrouped};

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

/// An expression as one would write it, by its tokens: the span of several is, on stable compilers, that of the
/// first.
pub(crate) fn source(tokens: &impl ToTokens) -> String {
    tidy(&tokens.to_token_stream().to_string())
}

/// Printed tokens without the spaces that nobody writes; texts in them stay as they are.
fn tidy(tokens: &str) -> String {
    let mut out = String::new();
    let mut text = false;
    let mut letters = tokens.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if text => {
                out.push(letter);
                out.extend(letters.next());
                continue;
            }
            '"' => text = !text,
            ' ' if !text => {
                let rest: String = letters.clone().take(2).collect();
                let is_word = |letter: char| letter.is_alphanumeric() || "_)]>\"".contains(letter);
                // What stands before an operator makes it a binary one.
                let is_unary = out.ends_with(['&', '*', '!', '-'])
                    && !out.trim_end_matches(['&', '*', '!', '-']).trim_end().ends_with(is_word);
                let is_macro =
                    out.strip_suffix('!').is_some_and(|before| before.ends_with(is_word));
                let is_called =
                    rest.starts_with(['(', '[']) && (is_macro || out.ends_with(is_word));
                let is_closed = rest.starts_with([',', ';', '.', '?', ')', ']'])
                    || rest == "::"
                    || rest == ": "
                    || rest.starts_with('!') && !rest.starts_with("!=") && out.ends_with(is_word);
                let is_opened =
                    out.ends_with(['(', '[', '.']) || out.ends_with("::") || out.ends_with("..=");
                if is_called || is_closed || is_opened || is_unary {
                    continue;
                }
            }
            _ => {}
        }
        out.push(letter);
    }
    out
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

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    #[test]
    fn code_is_told_as_one_writes_it() {
        for (code, text) in [
            (quote!(E::Status(500..=599) | E::Busy(_)), "E::Status(500..=599) | E::Busy(_)"),
            (quote!(3.0 - 1.0), "3.0 - 1.0"),
            (quote!(TWO * 3), "TWO * 3"),
            (quote!(-1), "-1"),
            (quote!(Duration::from_millis(5)), "Duration::from_millis(5)"),
            (
                quote!(RateLimiter::builder("a :: b").permits(2)),
                "RateLimiter::builder(\"a :: b\").permits(2)",
            ),
            (quote!(&SHARED), "&SHARED"),
            (quote!(crate::cached), "crate::cached"),
            (quote!(|n: &u32| *n > 100), "| n: &u32 | *n > 100"),
            (quote!(matches!(error, E::A)), "matches!(error, E::A)"),
            (quote!(a != b && !c), "a != b && !c"),
            (quote!("a \" :: b"), "\"a \\\" :: b\""),
        ] {
            assert_eq!(source(&code), text);
        }
    }
}
