//! Texts without the secrets in them.

use mmf_runtime::words::{REDACTED, WORDS, Words};

/// A text without what follows such a key in it: `authorization: Bearer abc`, `"token": "abc"`, `header 'Cookie' …
/// was 'abc'`. Where a quote follows in the same clause it is one.
pub(super) fn masked(text: &str) -> std::borrow::Cow<'_, str> {
    static KNOWN: std::sync::LazyLock<Words> =
        std::sync::LazyLock::new(|| Words::new(&WORDS.map(str::to_owned)));
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, key, after)) = next_key(rest) {
        // The name of a file is none.
        let is_file = before.ends_with(['/', '\\']) && key.contains('.');
        if is_file || key.len() > LONGEST_KEY || KNOWN.named_in(key).is_none() {
            shown.push_str(before);
            shown.push_str(key);
            rest = after;
            continue;
        }
        shown.push_str(before);
        shown.push_str(key);
        rest = mask_clause(after, &mut shown);
    }
    if shown.is_empty() {
        return text.into();
    }
    shown.push_str(rest);
    shown.into()
}

/// A key of more letters is none.
const LONGEST_KEY: usize = 64;

/// What may be a key, with what stands before and behind it.
fn next_key(text: &str) -> Option<(&str, &str, &str)> {
    let is_part = |letter: char| letter.is_alphanumeric() || "_-.".contains(letter);
    let start = text.find(is_part)?;
    let (before, rest) = text.split_at(start);
    let end = rest.find(|letter| !is_part(letter)).unwrap_or(rest.len());
    Some((before, &rest[..end], &rest[end..]))
}

/// Masks what stands behind a key: the value behind `:` or `=`, else every quote of the clause. What is left of the
/// text is returned.
fn mask_clause<'t>(text: &'t str, shown: &mut String) -> &'t str {
    let bare = text.trim_start_matches(['"', '\'', '`', '\\', ' ', ']']);
    if bare.starts_with([':', '=']) {
        let value = bare.trim_start_matches([':', '=', ' ', '\\']);
        shown.push_str(&text[..text.len() - value.len()]);
        return match value.chars().next() {
            Some(quote @ ('"' | '\'' | '`')) => mask_quote(value, quote, shown),
            // Parts have keys of their own.
            Some('{' | '[') | None => value,
            Some(_) => {
                let end = |text: &str| {
                    text.find(|letter: char| letter.is_whitespace() || ",;&)}]\"'".contains(letter))
                        .unwrap_or(text.len())
                };
                let mut length = end(value);
                // `Bearer abc`: what follows the scheme is the secret.
                let is_scheme = ["bearer", "basic", "digest", "negotiate", "token"]
                    .contains(&&*value[..length].to_ascii_lowercase());
                if is_scheme && value[length..].starts_with(' ') {
                    length += 1 + end(&value[length + 1..]);
                }
                shown.push_str(REDACTED);
                &value[length..]
            }
        };
    }
    let end = text.find([';', '\n']).unwrap_or(text.len());
    let (mut clause, after) = text.split_at(end);
    // The quote that the key itself stands in ends first.
    if let Some(quote @ ('"' | '\'' | '`')) = clause.chars().next() {
        shown.push(quote);
        clause = &clause[1..];
    }
    while let Some(start) = clause.find(['"', '\'', '`']) {
        let (before, quoted) = clause.split_at(start);
        shown.push_str(before);
        let quote = quoted.chars().next().unwrap_or('"');
        clause = mask_quote(quoted, quote, shown);
    }
    shown.push_str(clause);
    after
}

/// Masks what stands between two quotes; what is behind them is returned.
fn mask_quote<'t>(text: &'t str, quote: char, shown: &mut String) -> &'t str {
    let inner = &text[1..];
    let mut is_escaped = false;
    let end = inner.find(|letter: char| {
        let ends = letter == quote && !is_escaped;
        is_escaped = letter == '\\' && !is_escaped;
        ends
    });
    shown.push(quote);
    shown.push_str(REDACTED);
    match end {
        Some(end) => {
            shown.push(quote);
            &inner[end + 1..]
        }
        // Its end is missing: all that is left is part of it.
        None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_such_a_key_is_masked_in_a_text() {
        for (text, shown) in [
            ("authorization: Bearer abc, x: 1", "authorization: [redacted], x: 1"),
            ("{\"token\":\"a\\\"bc\",\"x\":\"y\"}", "{\"token\":\"[redacted]\",\"x\":\"y\"}"),
            ("{\"pin\":1234,\"x\":5}", "{\"pin\":[redacted],\"x\":5}"),
            (
                "Expected header 'Authorization' to have value 'Bearer a' but was 'Bearer b'; status 500",
                "Expected header 'Authorization' to have value '[redacted]' but was '[redacted]'; status 500",
            ),
            ("?api_key=abc&page=2", "?api_key=[redacted]&page=2"),
            ("the password is \"open", "the password is \"[redacted]"),
            ("{\"session\":{\"id\":7}}", "{\"session\":{\"id\":7}}"),
            ("at /tokenizer: 'x' is wrong", "at /tokenizer: 'x' is wrong"),
            ("/api/cookies.json: no path is /x", "/api/cookies.json: no path is /x"),
            ("at /token: \"abc\" is wrong", "at /token: \"[redacted]\" is wrong"),
            ("nothing", "nothing"),
            ("", ""),
            ("token", "token"),
            ("cookie=", "cookie="),
        ] {
            assert_eq!(masked(text), shown);
        }
    }
}
