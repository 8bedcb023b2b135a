//! Text from outside.

/// Whether a character neither commands a terminal, nor ends a line, nor turns the direction of text.
pub fn is_harmless(letter: char) -> bool {
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
pub(crate) fn is_no_character(letter: char) -> bool {
    matches!(letter, '\u{fdd0}'..='\u{fdef}') || u32::from(letter) & 0xfffe == 0xfffe
}
