//! Text as the inside of a JSON string.

use std::fmt::{self, Write};

/// Appends `text`, escaped as RFC 8259 asks for.
pub(super) fn escape(text: &str, out: &mut String) {
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[plain..at]);
        plain = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
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
    out.push_str(&text[plain..]);
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
