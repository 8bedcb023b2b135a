//! Text that cannot break out of its line: no control characters, nothing that ends a line, and nothing that
//! shows text in another order than it has.

use std::fmt::{self, Write};

use super::config::Format;

/// How text is written, and in it what may not stand in a line as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notation {
    /// As the inside of a JSON string, by RFC 8259: `\"`, `\n`, `\u2028`.
    Json,
    /// Between quotation marks, for people: `\"`, `\n`, `\u{2028}`.
    Quoted,
    /// For people: `"`, `\n`, `\u{2028}`.
    Plain,
}

impl Notation {
    /// Of the values of fields.
    pub(super) fn of_values(format: Format) -> Self {
        match format {
            Format::Text => Self::Quoted,
            Format::Json | Format::Ecs | Format::Otel => Self::Json,
        }
    }

    /// Of messages.
    pub(super) fn of_messages(format: Format) -> Self {
        match format {
            Format::Text => Self::Plain,
            Format::Json | Format::Ecs | Format::Otel => Self::Json,
        }
    }
}

/// Appends `text`, escaped.
pub(super) fn escape(notation: Notation, text: &str, out: &mut String) {
    let mut rest = text;
    loop {
        let (plain, special) = rest.split_at(plain_prefix(rest.as_bytes()));
        out.push_str(plain);
        let mut letters = special.chars();
        let Some(letter) = letters.next() else { return };
        escape_letter(notation, letter, out);
        rest = letters.as_str();
    }
}

fn escape_letter(notation: Notation, letter: char, out: &mut String) {
    match letter {
        '"' | '\\' if notation == Notation::Plain => out.push(letter),
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        _ if notation == Notation::Json => {
            // None of them needs more than the four digits of JSON.
            let digit = |place: u32| {
                char::from(b"0123456789abcdef"[(u32::from(letter) >> (4 * place) & 15) as usize])
            };
            out.push_str("\\u");
            out.extend([3, 2, 1, 0].map(digit));
        }
        _ => out.extend(letter.escape_unicode()),
    }
}

/// How many bytes come before the first character that must be escaped. Eight are looked at in one step, by
/// the borrows of a subtraction (Warren, Hacker's Delight, chapter 6).
fn plain_prefix(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word & HIGH;
    let equal = |word: u64, byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    let is_special = |at: &usize| {
        // Nearly all bytes are these, and need no second look.
        let is_plain = matches!(bytes[*at], b' ' | b'!' | b'#'..=b'[' | b']'..=b'~');
        !is_plain && begins_special(&bytes[*at..])
    };
    let (words, rest) = bytes.as_chunks::<8>();
    for (place, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let ascii = below(word, 0x20) | equal(word, b'"') | equal(word, b'\\');
        // DEL and every byte above it.
        let from_del = (word.wrapping_add(ONES) | word) & HIGH;
        if ascii | from_del != 0 {
            let del = word.wrapping_add(ONES) & !word & HIGH;
            let leads = equal(word, 0xc2) | equal(word, 0xd8) | equal(word, 0xe2);
            // The lowest mark is exact; borrows spoil only what is above it. Without any, nothing is left
            // to look at: it is text in another script.
            let first = (ascii | del | leads).trailing_zeros() as usize / 8;
            if let Some(at) = (place * 8 + first..place * 8 + 8).find(is_special) {
                return at;
            }
        }
    }
    (bytes.len() - rest.len()..bytes.len()).find(is_special).unwrap_or(bytes.len())
}

/// Whether the character that begins here must be escaped, by its bytes in UTF-8.
fn begins_special(bytes: &[u8]) -> bool {
    matches!(
        bytes,
        // The controls of ASCII, and what ends a string.
        [0..=0x1f | b'"' | b'\\' | 0x7f, ..]
            // U+0080 to U+009F, which some terminals take for commands.
            | [0xc2, 0x80..=0x9f, ..]
            // U+061C, U+200E and U+200F, U+202A to U+202E and U+2066 to U+2069 change the direction of text;
            // U+2028 and U+2029 end a line.
            | [0xd8, 0x9c, ..]
            | [0xe2, 0x80, 0x8e | 0x8f | 0xa8..=0xae, ..]
            | [0xe2, 0x81, 0xa6..=0xa9, ..]
    )
}

/// Appends a whole JSON string.
pub(super) fn string(text: &str, out: &mut String) {
    quoted(Notation::Json, text, out);
}

/// Appends text between quotation marks.
pub(super) fn quoted(notation: Notation, text: &str, out: &mut String) {
    out.push('"');
    escape(notation, text, out);
    out.push('"');
}

/// Escapes what is written to it.
pub(super) struct Escaping<'o>(pub(super) Notation, pub(super) &'o mut String);

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape(self.0, text, self.1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{is_harmless, is_no_character};
    use proptest::char::range;
    use proptest::prelude::*;

    fn escaped(notation: Notation, text: &str) -> String {
        let mut out = String::new();
        escape(notation, text, &mut out);
        out
    }

    /// By what Unicode says of a character, not by its bytes. What is no character may stand in JSON, though not in XML.
    fn is_special(letter: char) -> bool {
        !is_harmless(letter) && !is_no_character(letter)
    }

    /// Text in which special characters are frequent, and so are those that are nearly such.
    fn any_text() -> impl Strategy<Value = String> {
        let letter = prop_oneof![
            any::<char>(),
            range('a', 'z'),
            range('\0', '\u{a1}'),
            range('\u{610}', '\u{620}'),
            range('\u{2000}', '\u{2070}'),
            range('\u{fdc0}', '\u{fdff}'),
            range('\u{5fff0}', '\u{5ffff}'),
        ];
        proptest::collection::vec(letter, 0..60).prop_map(|letters| letters.into_iter().collect())
    }

    proptest! {
        #[test]
        fn any_text_comes_back_from_a_json_parser(text in any_text()) {
            let mut out = String::new();
            string(&text, &mut out);
            prop_assert!(!out.contains(is_special), "{out:?}");
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }

        #[test]
        fn no_notation_lets_a_special_character_through(text in any_text()) {
            for notation in [Notation::Json, Notation::Quoted, Notation::Plain] {
                let out = escaped(notation, &text);
                prop_assert!(!out.contains(is_special), "{out:?}");
                // What is harmless stays as it is.
                let is_kept = |letter: &char| !letter.is_ascii() && !is_special(*letter);
                let kept: String = out.chars().filter(is_kept).collect();
                prop_assert_eq!(kept, text.chars().filter(is_kept).collect::<String>());
            }
        }

        #[test]
        fn text_in_pieces_is_escaped_as_the_whole(text in any_text(), at in any::<prop::sample::Index>()) {
            let places: Vec<_> = text.char_indices().map(|(place, _)| place).collect();
            let at = if places.is_empty() { 0 } else { *at.get(&places) };
            let mut out = String::new();
            let (begin, end) = text.split_at(at);
            write!(Escaping(Notation::Json, &mut out), "{begin}{end}").unwrap();
            prop_assert_eq!(out, escaped(Notation::Json, &text));
        }
    }

    #[test]
    fn special_characters_have_their_short_or_long_form() {
        let text = "\"\\\n\r\t\0\u{1f}\u{7f}\u{9b}\u{202e}é’م";
        assert_eq!(escaped(Notation::Json, text), r#"\"\\\n\r\t\u0000\u001f\u007f\u009b\u202eé’م"#);
        assert_eq!(
            escaped(Notation::Quoted, text),
            r#"\"\\\n\r\t\u{0}\u{1f}\u{7f}\u{9b}\u{202e}é’م"#
        );
        assert_eq!(escaped(Notation::Plain, text), r#""\\n\r\t\u{0}\u{1f}\u{7f}\u{9b}\u{202e}é’م"#);
    }

    #[test]
    fn a_special_character_is_found_at_each_place_of_a_word() {
        for special in ["\"", "\\", "\n", "\u{7f}", "\u{80}", "\u{61c}", "\u{2028}", "\u{2069}"] {
            for before in ["a", "é", "’", "م"] {
                for count in 0..20 {
                    let text = format!("{}{special}{before}", before.repeat(count));
                    let place = before.len() * count;
                    assert_eq!(plain_prefix(text.as_bytes()), place, "{text:?}");
                }
            }
        }
    }
}
