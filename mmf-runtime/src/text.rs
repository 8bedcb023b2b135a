//! Text from outside.

/// Whether a character neither commands a terminal, nor ends a line, nor turns the direction of text.
pub(crate) fn is_harmless(letter: char) -> bool {
    let turns_direction = matches!(
        letter,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    !letter.is_control() && !matches!(letter, '\u{2028}' | '\u{2029}') && !turns_direction
}
