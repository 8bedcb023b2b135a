//! `"512MiB"`: a number of bytes as it is written.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::Lit;

use super::errors::error;
use super::value::Literal;

/// Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(crate) struct Size(pub(crate) u64);

const UNITS: [(&str, u64); 7] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

/// Parses a whole number with a unit.
fn parse(text: &str) -> Result<Size, String> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = (&text[..digits], text[digits..].trim());
    let Ok(number) = number.parse::<u64>() else {
        return Err(format!("`{text}` is not a size, write for example `\"512MiB\"`"));
    };
    let Some((_, bytes)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        let units = UNITS.map(|(name, _)| format!("`{name}`")).join(", ");
        return Err(format!("unknown unit `{unit}`, expected one of {units}"));
    };
    number.checked_mul(*bytes).map(Size).ok_or_else(|| format!("`{text}` is too large a size"))
}

impl Literal for Size {
    fn from_lit(lit: &Lit, key: &str) -> darling::Result<Self> {
        match lit {
            Lit::Str(text) => parse(&text.value()).map_err(|message| error(text.span(), message)),
            Lit::Int(int) => Ok(Self(int.base10_parse()?)),
            other => Err(error(other.span(), format!("expected a size: `{key} = \"512MiB\"`"))),
        }
    }

    fn text(&self) -> String {
        format!("\"{}B\"", self.0)
    }

    fn code(&self, span: Span) -> TokenStream {
        let bytes = self.0;
        quote_spanned!(span=> #bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse("512MiB"), Ok(Size(512 << 20)));
        assert_eq!(parse("1 GB"), Ok(Size(1_000_000_000)));
        assert!(parse("512").unwrap_err().contains("unknown unit ``"));
        assert!(parse("5 Mb").unwrap_err().contains("expected one of `B`, `KiB`"));
        assert!(parse("big").unwrap_err().contains("not a size"));
        assert!(parse("99999999999GiB").unwrap_err().contains("too large"));
    }
}
