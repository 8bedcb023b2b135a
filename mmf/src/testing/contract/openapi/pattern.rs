//! Patterns of ECMA-262, as the engine that matches them reads them.
//!
//! What differs is inside of brackets: there, ECMAScript takes `-` beside a class such as `\w` for itself, and `[`,
//! `&&` and `~~` as well.

/// The pattern in the syntax of the engine.
// Input:  [\w-\.]
// Output: [\w\-\.]
pub(super) fn translated(pattern: &str) -> String {
    let mut out = String::new();
    let mut letters = pattern.chars().peekable();
    let mut in_class = false;
    // Whether what stands before, in a class, is a class of its own.
    let mut after_class = false;
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => {
                let Some(escaped) = letters.next() else {
                    out.push('\\');
                    break;
                };
                // A slash is escaped where a pattern stands between slashes.
                if escaped != '/' {
                    out.push('\\');
                }
                out.push(escaped);
                after_class = in_class && "wWdDsSpP".contains(escaped);
                if "pP".contains(escaped) && letters.peek() == Some(&'{') {
                    out.extend(letters.by_ref().take_while(|letter| *letter != '}'));
                    out.push('}');
                }
                continue;
            }
            '[' if !in_class => {
                in_class = true;
                out.push('[');
                if letters.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                // `[]` matches nothing, `[^]` everything.
                if letters.next_if_eq(&']').is_some() {
                    in_class = false;
                    let is_all = out.ends_with("[^");
                    out.truncate(out.len() - if is_all { 2 } else { 1 });
                    out.push_str(if is_all { r"[\s\S]" } else { r"[^\s\S]" });
                }
            }
            ']' => {
                in_class = false;
                out.push(']');
            }
            '-' if in_class => {
                let mut ahead = letters.clone();
                let is_class_next = ahead.next() == Some('\\')
                    && ahead.next().is_some_and(|escaped| "wWdDsSpP".contains(escaped));
                if after_class || is_class_next {
                    out.push('\\');
                }
                out.push('-');
            }
            '[' | '&' | '~' if in_class => {
                out.push('\\');
                out.push(letter);
            }
            letter => out.push(letter),
        }
        after_class = false;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        let schema = serde_json::json!({ "pattern": translated(pattern) });
        jsonschema::validator_for(&schema).unwrap().is_valid(&serde_json::json!(text))
    }

    #[test]
    fn classes_mean_what_ecmascript_says() {
        for (pattern, yes, no) in [
            (r"^[\w-\.]+$", "a-b.c", "a b"),
            (r"^[\w-.]+$", "a-b.c", "a b"),
            (r"^[.-\w]+$", "a-b.c", "a b"),
            (r"^[a-z]+$", "abc", "a-c1"),
            (r"^[[a]+$", "[a", "b"),
            (r"^[&&a]+$", "a&", "b"),
            (r"^[^]+$", "a\nb", ""),
            (r"^\/a\/[\/]$", "/a//", "a"),
            (r"^\d+$", "12", "x"),
            (r"^(?=.*\d)(?!x).+$", "a1", "x1"),
            (r"^[\p{L}-]+$", "é-", "1"),
            (r"^(?<year>\d{4})$", "2026", "x"),
        ] {
            assert!(matches(pattern, yes), "{pattern} {yes}");
            assert!(!matches(pattern, no), "{pattern} {no}");
        }
        assert!(!matches("[]", "a"));
    }
}
