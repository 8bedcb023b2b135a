//! Text that came from outside, cut and escaped, so that a terminal can be shown it.

/// So many characters are shown on either side of a place.
const HALF: usize = 30;

/// The beginning of a text, in quotes.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", beginning(text, 2 * HALF))
}

/// The beginning of a text: so many characters at the most, and an ellipsis where more would follow.
pub(super) fn beginning(text: &str, most: usize) -> String {
    let mut shown = String::new();
    let mut width = 0;
    for letter in text.chars().map(escaped) {
        width += letter.chars().count();
        if width > most {
            shown.push('…');
            break;
        }
        shown.push_str(&letter);
    }
    shown
}

/// What stands around a byte of a text, and how many characters of it stand before that byte.
pub(super) fn around(text: &str, at: usize) -> (String, usize) {
    let (before, after) = text.split_at_checked(at).unwrap_or((text, ""));
    let mut width = 0;
    let fits = |(_, letter): &(usize, char)| {
        width += escaped(*letter).chars().count();
        width <= HALF
    };
    let start = before.char_indices().rev().take_while(fits).last();
    let start = start.map_or(before.len(), |(place, _)| place);
    let mut shown = String::from(if start > 0 { "…" } else { "" });
    shown.extend(before[start..].chars().map(escaped));
    let mark = shown.chars().count();
    shown.push_str(&beginning(after, HALF));
    (shown, mark)
}

/// A character as it may stand in a line; as itself, where it can be printed.
fn escaped(letter: char) -> String {
    match letter {
        '"' | '\'' => letter.into(),
        _ => letter.escape_debug().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_text_is_shown_whole() {
        assert_eq!(around("users.*: hangs", 9), ("users.*: hangs".into(), 9));
        assert_eq!(around("hang)", 4), ("hang)".into(), 4));
        assert_eq!(around("hang(", 5), ("hang(".into(), 5));
        assert_eq!(quoted("it's"), "\"it's\"");
    }

    #[test]
    fn a_long_text_is_cut_on_both_sides_and_the_mark_stays_at_its_place() {
        let text = format!("{}!{}", "a".repeat(100_000), "b".repeat(100_000));
        let (shown, mark) = around(&text, 100_000);
        assert_eq!(shown, format!("…{}!{}…", "a".repeat(30), "b".repeat(29)));
        assert_eq!(shown.chars().nth(mark), Some('!'));
        assert_eq!(quoted(&text), format!("\"{}…\"", "a".repeat(60)));
    }

    #[test]
    fn what_steers_a_terminal_is_escaped_and_counts_as_wide_as_it_is_shown() {
        let (shown, mark) = around("\u{1b}[31m\n!", 6);
        assert_eq!(shown, "\\u{1b}[31m\\n!");
        assert_eq!(shown.chars().nth(mark), Some('!'));
        let (shown, _) = around(&"\u{202e}".repeat(1000), 300);
        assert!(!shown.contains('\u{202e}') && shown.chars().count() < 70, "{shown}");
    }

    #[test]
    fn a_place_that_is_none_is_the_end() {
        assert_eq!(around("ä", 1), ("ä".into(), 1));
        assert_eq!(around("", 7), (String::new(), 0));
    }
}
