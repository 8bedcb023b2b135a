//! What several parts of the page need.

use std::borrow::Cow;

use maud::{Markup, html};

use crate::testing::text::visible;

/// Somebody else's text: what would command or turn is told.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    visible(text)
}

/// A verdict in a word.
pub(super) fn mark(passed: bool) -> Markup {
    match passed {
        true => html! { span.ok { "✓ ok" } },
        false => html! { span.bad { "✗ failed" } },
    }
}
