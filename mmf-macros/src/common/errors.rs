//! Errors at the token that is wrong, all of them at once.

use std::fmt::Display;

use darling::Error;
pub(crate) use mmf_rules::names::suggestion;
use proc_macro2::{Span, TokenStream};

/// An error at a span: lower case, what is wrong, then what to write instead.
pub(crate) fn error(span: Span, message: impl Display) -> Error {
    Error::from(syn::Error::new(span, message))
}

/// Collects every error of an expansion.
#[derive(Debug, Default)]
pub(crate) struct Errors(Vec<Error>);

impl Errors {
    pub(crate) fn push(&mut self, span: Span, message: impl Display) {
        self.0.push(error(span, message));
    }

    /// The value, or nothing and one more error.
    pub(crate) fn keep<T>(&mut self, result: darling::Result<T>) -> Option<T> {
        result.map_err(|error| self.0.push(error)).ok()
    }

    pub(crate) fn extend(&mut self, errors: impl IntoIterator<Item = Error>) {
        self.0.extend(errors);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them as one, where there are any.
    pub(crate) fn finish(self) -> darling::Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::multiple(self.0)) }
    }

    pub(crate) fn into_errors(self) -> Vec<Error> {
        self.0
    }

    /// One `compile_error!` for each.
    pub(crate) fn into_tokens(self) -> TokenStream {
        self.0.into_iter().flat_map(Error::flatten).map(Error::write_errors).collect()
    }

    #[cfg(test)]
    pub(crate) fn messages(self) -> Vec<String> {
        self.0.into_iter().flat_map(Error::flatten).map(|error| error.to_string()).collect()
    }
}
