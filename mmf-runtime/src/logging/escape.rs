//! Text as the inside of a JSON string.

use std::fmt::{self, Write};

/// Appends `text`, escaped as RFC 8259 asks for.
pub(super) fn escape(text: &str, out: &mut String) {
    let mut rest = text;
    loop {
        let plain = plain_prefix(rest.as_bytes());
        out.push_str(&rest[..plain]);
        let Some(special) = rest.as_bytes().get(plain) else { return };
        rest = &rest[plain + 1..];
        match special {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            control => escape_control(*control, out),
        }
    }
}

fn escape_control(byte: u8, out: &mut String) {
    match byte {
        b'\n' => out.push_str("\\n"),
        b'\r' => out.push_str("\\r"),
        b'\t' => out.push_str("\\t"),
        control => {
            let hex = |digit: u8| char::from(b"0123456789abcdef"[usize::from(digit)]);
            out.push_str("\\u00");
            out.push(hex(control >> 4));
            out.push(hex(control & 15));
        }
    }
}

/// How many bytes come before the first that must be escaped. Eight are looked at in one step, by the
/// borrows of a subtraction (Warren, Hacker's Delight, chapter 6).
fn plain_prefix(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word & HIGH;
    let equal = |word: u64, byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    let (words, rest) = bytes.as_chunks::<8>();
    for (place, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let special = below(word, 0x20) | equal(word, b'"') | equal(word, b'\\');
        if special != 0 {
            // The lowest mark is exact; borrows spoil only what is above it.
            return place * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let is_special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    bytes.len() - rest.len() + rest.iter().position(is_special).unwrap_or(rest.len())
}

/// Appends a whole JSON string.
pub(super) fn string(text: &str, out: &mut String) {
    out.push('"');
    escape(text, out);
    out.push('"');
}

/// Appends what is displayed as a whole JSON string.
pub(super) fn display(value: &dyn fmt::Display, out: &mut String) {
    out.push('"');
    // A value whose `Display` fails has written what it could.
    let _ = write!(Escaping(out), "{value}");
    out.push('"');
}

/// Escapes what is written to it.
pub(super) struct Escaping<'o>(pub(super) &'o mut String);

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape(text, self.0);
        Ok(())
    }
}

/// Writes text for people: what would begin another line or a command to the terminal is escaped, the rest
/// is as it is.
pub(super) struct Plain<'o>(pub(super) &'o mut String);

impl Write for Plain<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            match letter {
                '\u{0}'..='\u{1f}' => escape_control(letter as u8, self.0),
                other => self.0.push(other),
            }
        }
        Ok(())
    }
}

/// Escapes what JSON leaves as it is and some terminals take for commands: DEL and the control characters
/// of ISO 6429 in their one-character form.
pub(super) fn disarm(line: &mut String) {
    let is_command = |letter: char| matches!(letter, '\u{7f}'..='\u{9f}');
    if line.contains(is_command) {
        let disarmed = line.chars().fold(String::new(), |mut disarmed, letter| {
            if is_command(letter) {
                disarmed.extend(letter.escape_unicode());
            } else {
                disarmed.push(letter);
            }
            disarmed
        });
        *line = disarmed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_comes_back_from_a_json_parser(text in any::<String>()) {
            let mut out = String::new();
            string(&text, &mut out);
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }
    }

    #[test]
    fn control_characters_have_their_short_or_long_form() {
        let mut out = String::new();
        string("\"\\\n\r\t\u{0}\u{1f}\u{7f}", &mut out);
        assert_eq!(out, "\"\\\"\\\\\\n\\r\\t\\u0000\\u001f\u{7f}\"");
    }
}
