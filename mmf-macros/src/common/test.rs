//! What the attributes that make tests have in common.

use syn::Attribute;
use syn::spanned::Spanned as _;

use super::errors::Errors;
use super::function::Function;
use super::keys::is_named;

/// A second attribute that makes a test would run the body without what it needs.
pub(crate) fn no_other_test(name: &str, function: &Function, errors: &mut Errors) {
    for attribute in function.attrs.iter().filter(|attribute| is_named(attribute, "test")) {
        let message =
            format!("`#[{name}]` makes the test itself, on a tokio runtime: remove this attribute");
        errors.push(attribute.span(), message);
    }
}

/// Whether the test is one that should fail.
pub(crate) fn should_panic(function: &Function) -> bool {
    function.attrs.iter().any(|attribute| is_named(attribute, "should_panic"))
}

/// Attributes about lints, which are about the body, and the rest, which are about the test.
pub(crate) fn split_lints(attrs: &[Attribute]) -> (Vec<&Attribute>, Vec<&Attribute>) {
    const LEVELS: [&str; 5] = ["allow", "expect", "warn", "deny", "forbid"];
    attrs.iter().partition(|attribute| LEVELS.iter().any(|level| attribute.path().is_ident(level)))
}
