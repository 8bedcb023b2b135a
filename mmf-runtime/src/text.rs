//! Text from outside.

/// Whether a character neither commands a terminal, nor ends a line, nor turns the direction of text.
pub(crate) fn is_harmless(letter: char) -> bool {
    let turns_direction = matches!(
        letter,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    !letter.is_control()
        && !is_no_character(letter)
        && !matches!(letter, '\u{2028}' | '\u{2029}')
        && !turns_direction
}

/// Whether Unicode keeps it for no character; XML has none of them.
fn is_no_character(letter: char) -> bool {
    matches!(letter, '\u{fdd0}'..='\u{fdef}') || u32::from(letter) & 0xfffe == 0xfffe
}

/// How much of somebody else's text is kept.
#[cfg(any(feature = "chaos", feature = "testing"))]
const KEPT: usize = 2048;

/// Somebody else's text as we keep it: without secrets, and cut where it is long.
#[cfg(any(feature = "chaos", feature = "testing"))]
pub(crate) fn told(text: &str) -> String {
    // What is cut off anyway need not be looked through.
    let (start, rest) = cut(text, 2 * KEPT);
    let shown = crate::url::without_credentials(start);
    let shown = crate::words::masked(&shown);
    let (shown, more) = cut(&shown, KEPT);
    let cut_off = rest.len() + more.len();
    match cut_off {
        0 => shown.to_owned(),
        _ => format!("{shown}… ({cut_off} bytes more)"),
    }
}

/// The first bytes, and the rest, whole characters each.
#[cfg(any(feature = "chaos", feature = "testing"))]
fn cut(text: &str, most: usize) -> (&str, &str) {
    text.split_at(text.floor_char_boundary(most))
}

/// A text as it may be shown: what commands, turns or is no character is told in its place.
#[cfg(feature = "testing")]
pub(crate) fn visible(text: &str) -> std::borrow::Cow<'_, str> {
    if text.chars().all(is_harmless) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match is_harmless(letter) {
            true => shown.push(letter),
            false => shown.extend(letter.escape_default()),
        }
    }
    shown.into()
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_cut_and_what_is_secret_masked() {
        assert_eq!(told("short"), "short");
        let long = "é".repeat(5_000_000);
        let kept = told(&long);
        assert!(kept.len() < KEPT + 64 && kept.ends_with("bytes more)"), "{kept}");
        assert!(kept.contains("(9997952 bytes more)"), "{kept}");
        assert_eq!(told("http://a:b@c/ token=x"), "http://[redacted]@c/ token=[redacted]");
    }

    #[test]
    fn what_commands_or_turns_is_shown() {
        assert_eq!(
            visible("a\u{1b}[31m\u{9b}\u{202e}\u{fffe}\n"),
            r"a\u{1b}[31m\u{9b}\u{202e}\u{fffe}\n"
        );
        assert_eq!(visible("Ünïcode 🦀"), "Ünïcode 🦀");
    }
}
