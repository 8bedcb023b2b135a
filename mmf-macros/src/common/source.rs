//! Code as one would write it.

use quote::ToTokens;

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
